import ChoraleBase
import Codec
import Crypto
import Execution

extension FuzzTarget {
    static let contractTargets: [FuzzTarget] = [
        FuzzTarget(
            "contract-block",
            "blocks of generated contracts: from a dictionary, from tries, and from the witness alone",
            sizeMax: 1500,
            seeds: {
                (0..<8).map { seed in
                    var random = DeterministicRandom(seed: UInt64(seed))
                    return [UInt8(seed)] + random.bytes(count: 120 + 60 * seed)
                }
            }, run: contractBlock)
    ]

    private static func contractBlock(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let chain = ContractChain(&program)
        let (root, store) = chain.state.build()
        var block = chain.block
        var parent = chain.parent
        parent.stateRoot = root
        block.header.parentHash = parent.hash
        var ancestors = chain.ancestors
        ancestors[parent.number] = parent.encoded
        var hashes = chain.state.blockHashes
        hashes[parent.number] = parent.hash
        chain.state.blockHashes = hashes

        func run(
            _ reader: some StateReader, isProposal: Bool
        ) -> Result<BlockOutcome, BlockFailure> {
            do throws(BlockFailure) {
                return .success(
                    try BlockExecution.run(
                        block, size: 10_000, after: parent, chain.rules, reader: reader,
                        senders: chain.senders, recordsAccess: true, isProposal: isProposal))
            } catch {
                return .failure(error)
            }
        }
        if case .success(let outcome) = run(chain.state, isProposal: true) {
            block.header.gasUsed = outcome.gasUsed
            block.header.bloom = outcome.bloom.bytes
            if chain.fork >= .cancun { block.header.blobGasUsed = outcome.blobGasUsed }
            if chain.fork >= .prague {
                block.header.requestsHash = ExecutionRequests.hash(outcome.requests)
            }
        }
        let tries = TrieState(root: root, source: store, blockHashes: hashes)
        let plain = run(chain.state, isProposal: false)
        let full = run(tries, isProposal: false)
        switch (plain, full) {
        case (.success(let first), .success(let second)):
            require(first.receipts == second.receipts, "other receipts from tries")
            require(
                rootless(first.changes) == rootless(second.changes), "other changes from tries")
            require(first.accessList == second.accessList, "another access list from tries")
            require(first.requests == second.requests, "other requests from tries")
            note(second, chain.fork, &findings)
        case (.failure(let first), .failure(let second)):
            require(first == second, "\(first) but from tries \(second)")
            require(full.isRejection, "a whole state did not answer: \(first)")
            findings.note("refused", first)
        default: require(false, "\(plain) but from tries \(full)")
        }

        var stateRoot: Bytes32?
        if case .success(let outcome) = full {
            do throws(StateError) {
                stateRoot = try tries.apply(outcome.changes)
                let other = TrieState(root: root, source: store, blockHashes: hashes)
                let again = try other.apply(outcome.changes, order: .deletionsFirst)
                require(again == stateRoot, "deletions first give another root")
            } catch {
                require(false, "the whole state misses \(error)")
            }
            chain.state.apply(outcome.changes)
            require(chain.state.build().root == stateRoot, "another root than a new trie's")
        }
        let witness: Witness
        do throws(StateError) {
            witness = try tries.witness(parent: parent.number, ancestors: ancestors)
        } catch {
            return require(false, "no witness: \(error)")
        }
        findings.note("witness", size: witness.nodes.count)
        findings.note("codes", size: witness.codes.count)
        let check = WitnessCheck(chain: chain, block: block, witness: witness)
        check.isWhole(full, stateRoot)
        if case .success = full { check.everyPartIsNeeded(&program, stateRoot) }
    }

    /// A dictionary has no roots before.
    private static func rootless(_ changes: [AccountChange]) -> [AccountChange] {
        changes.map {
            var change = $0
            change.account?.storageRoot = .zero
            return change
        }
    }

    private static func note(
        _ outcome: BlockOutcome, _ fork: Fork, _ findings: inout Findings
    ) {
        findings.note("fork", fork)
        findings.note("gas", size: Int(clamping: outcome.gasUsed))
        findings.note("requests", size: outcome.requests.count)
        for receipt in outcome.receipts {
            findings.note("receipt", receipt.kind)
            findings.note("succeeded", size: receipt.succeeded ? 1 : 0)
            findings.note("logs", size: receipt.logs.count)
        }
        for change in outcome.changes {
            findings.note("slots", size: change.slots.count)
            if change.account == nil { findings.note("change", size: 1) }
            if change.isStorageCleared { findings.note("change", size: 2) }
            if change.code != nil { findings.note("change", size: 4) }
        }
    }
}

extension Result<BlockOutcome, BlockFailure> {
    /// Whether the block is at fault.
    fileprivate var isRejection: Bool {
        if case .failure(.rejected) = self { return true }
        return false
    }
}

/// A recorded witness against the execution that it was recorded from.
private struct WitnessCheck {
    let chain: ContractChain
    let block: Block
    let witness: Witness

    private func verdict(
        _ witness: Witness, _ mode: StatelessExecution.Mode = .strict
    ) -> Result<StatelessVerdict, StatelessFailure> {
        do throws(StatelessFailure) {
            let execution = StatelessExecution(rules: chain.rules, mode: mode)
            return .success(
                try execution.verdict(block, size: 10_000, witness, senders: chain.senders))
        } catch {
            return .failure(error)
        }
    }

    /// The witness alone gives the same, with nothing to spare.
    func isWhole(_ expected: Result<BlockOutcome, BlockFailure>, _ stateRoot: Bytes32?) {
        switch (expected, verdict(witness)) {
        case (.success(let outcome), .success(let found)):
            require(found.roots.stateRoot == stateRoot, "another root from the witness")
            require(found.roots.receiptsRoot == outcome.receiptsRoot, "other receipts")
            require(found.roots.gasUsed == outcome.gasUsed, "other gas")
            require(found.outcome.receipts == outcome.receipts, "other receipts than the root says")
            require(found.outcome.changes == outcome.changes, "other changes from the witness")
            require(found.outcome.requests == outcome.requests, "other requests")
        case (.failure(.rejected(let first)), .failure(.rejected(let second))):
            require(first == second, "\(first), but from the witness \(second)")
        case (let expected, let found): require(false, "\(expected), but from the witness \(found)")
        }
    }

    /// Without a part, or with another byte in it, there is no verdict, and the reason is the part.
    func everyPartIsNeeded(_ program: inout Program, _ stateRoot: Bytes32?) {
        for _ in 0..<4 where !witness.nodes.isEmpty {
            let index = program.word() % witness.nodes.count
            let node = witness[witness.nodes[index]]
            let missing = StatelessFailure.incomplete(.trie(.missing(Keccak256.hash(node))))
            var without = witness
            without.nodes.remove(at: index)
            expect(missing, from: without)
            var nodes = witness.nodes.map { witness[$0] }
            nodes[index][program.word() % node.count] ^= 1 << UInt8(program.below(8))
            expect(missing, from: rebuilt(nodes: nodes))
        }
        for index in witness.codes.indices.prefix(4) {
            let code = witness[witness.codes[index]]
            var without = witness
            without.codes.remove(at: index)
            expect(.incomplete(.codeMissing(Keccak256.hash(code))), from: without)
        }
        // The oldest header; without the parent there is no state at all.
        var without = witness
        without.headers.removeFirst()
        switch verdict(without, .compatible) {
        case .failure(.witness(.noHeaders)):
            require(witness.headers.count == 1, "headers are gone")
        case .failure(.incomplete(.blockHashMissing(let number))):
            require(
                number == block.header.number - UInt64(witness.headers.count),
                "block \(number) is missing")
        case let found: require(false, "without a header: \(found)")
        }
        let more = rebuilt(nodes: witness.nodes.map { witness[$0] } + [[0xC1, 0x80]])
        if case .success = verdict(more) { require(false, "a node without use is taken") }
        guard case .success(let found) = verdict(more, .compatible) else {
            return require(false, "a node without use is needed not to be there")
        }
        require(found.roots.stateRoot == stateRoot, "a node without use changes the root")
    }

    private func rebuilt(nodes: [[UInt8]]) -> Witness {
        Witness(
            headers: witness.headers.map { witness[$0] }, codes: witness.codes.map { witness[$0] },
            nodes: nodes)
    }

    private func expect(_ failure: StatelessFailure, from witness: Witness) {
        // Strictness comes last, when there is a verdict; so one mode stands for both.
        guard case .failure(let found) = verdict(witness, .compatible) else {
            return require(false, "a verdict without \(failure)")
        }
        require(found == failure, "\(found) instead of \(failure)")
    }
}

/// A state, and a block on it, as a program says.
private struct ContractChain {
    let fork: Fork
    let rules: ChainRules
    let state = ModelState()
    var parent = Template.block.header
    private(set) var ancestors: [UInt64: [UInt8]] = [:]
    private(set) var block = Template.block
    private(set) var senders: [Address] = []

    private static let holders = (1...3).map { Address(UInt256(0x5E4D_0000 + $0)) }
    private static let contracts = (1...6).map { Address(UInt256(0xC0DE_0000 + $0)) }
    /// Nobody, and one who has nothing but ether.
    private static let others = (1...3).map { Address(UInt256(0xAAAA_0000 + $0)) }
    private static let coinbase = Address(UInt256(0xFEE))
    /// Those of EIP-4788, 2935, 7002 and 7251.
    private static let system = [
        word("000f3df6d732807ef1319fb7b8bb8522d0beac02"),
        word("0000f90827f1c53a10cb7a02335b175320002935"),
        word("00000961ef480eb55e80d19ad83579a64c007002"),
        word("0000bbddc7ce488642fb579f8b00f3a590007251"),
    ]

    private static func word(_ hex: String) -> Address {
        let bytes = (try? Hex.decode(hex)) ?? []
        return Address(UInt256(bigEndian: bytes.span) ?? .zero)
    }

    init(_ program: inout Program) {
        rules = ChainOfForks.all[program.below(ChainOfForks.all.count)]
        fork = rules.epochs[0].fork
        setHeaders(&program)
        let world = ContractWriter.World(
            addresses: Self.contracts + Self.holders + Self.others + Self.system
                + [Template.holder, Self.coinbase], fork: fork, number: block.header.number)
        fill(&program, world)
        setSystem(&program, world)
        addTransactions(&program, world)
        for index in 0..<program.below(3) {
            let address = world.addresses[program.below(world.addresses.count)]
            block.withdrawals?.append(
                Withdrawal(
                    index: UInt64(index), validatorIndex: 1, address: address,
                    amount: UInt64(program.below(3))))
        }
        block.header.withdrawalsRoot = Trie.root(
            ofList: (block.withdrawals ?? []).map(\.encoded))
        block.header.transactionsRoot = Trie.root(ofList: block.transactions.map(\.encoded))
    }

    private mutating func setHeaders(_ program: inout Program) {
        let lineage = Self.lineages[Int(fork.rawValue)][program.below(3)]
        parent = lineage.parent
        ancestors = lineage.ancestors
        state.blockHashes = lineage.hashes
        block.header = parent
        block.header.number = parent.number + 1
        block.header.timestamp = parent.timestamp + 12
        block.header.gasUsed = 0
        block.header.coinbase = Self.coinbase
        block.header.mixHash = UInt256(0xDECAF).bytes32
        block.header.parentBeaconRoot = fork >= .cancun ? UInt256(0xBEAC).bytes32 : nil
        if fork >= .cancun {
            block.header.excessBlobGas = parent.excessBlobGasOfNext(rules.epoch(at: 0))
        }
        block.header.baseFeePerGas = parent.baseFeeOfNext
        block.withdrawals = []
    }

    /// Headers that a block may ask for. The state's root is still missing in the last.
    private struct Lineage {
        var parent = Template.block.header
        var ancestors: [UInt64: [UInt8]] = [:]
        var hashes: [UInt64: Bytes32] = [:]

        init(_ fork: Fork, number: UInt64) {
            var header = Template.block.header
            header.ommersHash = Header.emptyOmmersHash
            header.gasLimit = 30_000_000
            header.gasUsed = 15_000_000
            header.baseFeePerGas = UInt256(7)
            if fork >= .shanghai { header.withdrawalsRoot = Trie.emptyRoot }
            if fork >= .cancun {
                header.blobGasUsed = 0
                header.excessBlobGas = 0
                header.parentBeaconRoot = .zero
            }
            if fork >= .prague { header.requestsHash = ExecutionRequests.hash([]) }
            for ancestor in number - min(number, 256)..<number {
                header.number = ancestor
                header.timestamp = 1_700_000_000 + 12 * ancestor
                ancestors[ancestor] = header.encoded
                hashes[ancestor] = header.hash
                parent = header
                header.parentHash = header.hash
            }
        }
    }

    /// For each fork, blocks low and high.
    private static let lineages = Fork.allCases.map { fork in
        [1, 9, 300].map { Lineage(fork, number: $0) }
    }

    private func fill(_ program: inout Program, _ world: ContractWriter.World) {
        for address in Self.holders {
            state.add(address, .init(balance: UInt256(0, 0, 10, 0)))
        }
        state.add(Self.others[0], .init(balance: .one))
        var previous: ModelState.Entry?
        for address in Self.contracts {
            if let previous, program.chance(1, in: 6) {
                // The same code, and the same storage under the same root.
                state.add(address, previous)
                continue
            }
            var entry = ModelState.Entry(
                nonce: 1, balance: UInt256(UInt64(program.below(3))),
                code: ContractWriter.code(&program, world, stepCount: 2 + program.below(24)))
            for _ in 0..<program.below(12) {
                entry.storage[UInt256(UInt64(program.below(24)))] = UInt256(
                    UInt64(1 + program.below(3)))
            }
            if fork >= .prague, program.chance(1, in: 8) {
                let target = world.addresses[program.below(world.addresses.count)]
                entry.code = [0xEF, 1, 0] + target.storage.span.copied()
                entry.storage = [:]
            }
            state.add(address, entry)
            previous = entry
        }
        // Neighbours, so that paths have branches.
        for number in 0..<program.below(40) {
            state.add(Address(UInt256(UInt64(0xF111_0000 + number))), .init(nonce: 1))
        }
    }

    /// Contracts of the system that say something: the two that are told a word keep it, the other
    /// two return what they have.
    private func setSystem(_ program: inout Program, _ world: ContractWriter.World) {
        guard fork >= .cancun, !program.chance(1, in: 64) else { return }
        let keeps: [UInt8] = [0x5F, 0x35, 0x60, 7, 0x43, 0x06, 0x55]
        let returns: [UInt8] = [0x5F, 0x54, 0x5F, 0x52, 0x5F, 0x54, 0x5F, 0xF3]
        for (index, address) in Self.system.enumerated() {
            var code = index < 2 ? keeps : returns
            if program.chance(1, in: 16) {
                code = ContractWriter.code(&program, world, stepCount: 5)
            }
            state.add(
                address,
                .init(
                    nonce: 1, code: code, storage: [.zero: UInt256(UInt64(1 + program.below(40)))])
            )
        }
    }

    private mutating func addTransactions(
        _ program: inout Program, _ world: ContractWriter.World
    ) {
        var nonces = [UInt64](repeating: 0, count: Self.holders.count)
        for _ in 0..<1 + program.below(4) {
            let holder = program.below(Self.holders.count)
            var transaction = Template.transaction
            let kinds = fork >= .prague ? 5 : fork >= .cancun ? 4 : 3
            transaction.kind = Transaction.Kind.allCases[program.below(kinds)]
            transaction.chainID = .one
            transaction.nonce = nonces[holder]
            // Then the block is refused, as it is when an account has too little or code.
            if program.chance(1, in: 100) { transaction.nonce += 1 }
            transaction.gasLimit = [100_000, 200_000, 300_000, 500_000][program.below(4)]
            transaction.maxFeePerGas = UInt256(UInt64(10 + program.below(20)))
            transaction.maxPriorityFeePerGas = UInt256(UInt64(program.below(6)))
            if transaction.kind == .legacy || transaction.kind == .accessList {
                transaction.maxPriorityFeePerGas = transaction.maxFeePerGas
            }
            transaction.value = UInt256(UInt64(program.below(3)))
            transaction.data = program.take(program.below(40))
            transaction.to = world.addresses[program.below(world.addresses.count)]
            if program.chance(3, in: 4) {
                transaction.to = Self.contracts[program.below(Self.contracts.count)]
            }
            if transaction.kind != .legacy {
                for _ in 0..<program.below(3) {
                    transaction.accessList.append(
                        .init(
                            address: world.addresses[program.below(world.addresses.count)],
                            slots: [UInt256(UInt64(program.below(4))).bytes32]))
                }
            }
            switch transaction.kind {
            case .blob:
                transaction.maxFeePerBlobGas = UInt256(100)
                transaction.blobHashes = [UInt256(1 << 56, 0, 0, 5).bytes32]
            case .setCode:
                for _ in 0..<1 + program.below(3) {
                    let target = world.addresses[program.below(world.addresses.count)]
                    var authorization = Template.authorization(
                        UInt64(program.below(3)), to: program.chance(1, in: 6) ? .zero : target)
                    if program.chance(2, in: 3) {
                        authorization.nonce = UInt64(program.below(3))
                        authorization.sign()
                    } else if let authority = try? authorization.authority() {
                        transaction.to = authority
                    }
                    transaction.authorizations.append(authorization)
                }
            default:
                if program.chance(1, in: 6) {
                    transaction.to = nil
                    transaction.data = ContractWriter.code(&program, world, stepCount: 6)
                }
            }
            block.transactions.append(transaction)
            senders.append(Self.holders[holder])
            nonces[holder] += 1
        }
    }
}
