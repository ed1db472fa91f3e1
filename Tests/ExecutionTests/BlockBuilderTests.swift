import ChoraleBase
import Codec
import Conformance
import Crypto
import Testing

@testable import Execution

/// What is built is what executing it gives, and what was refused has left nothing behind.
@Suite struct BlockBuilderTests {
    static let rules = ChainRules.always(.prague, blobs: .prague)
    static let attributes = BlockAttributes(
        timestamp: 1_000_012, prevRandao: Keccak256.hash([1]),
        feeRecipient: Address(UInt256(0xFEE)),
        withdrawals: [
            Withdrawal(index: 1, validatorIndex: 2, address: Address(UInt256(0x77)), amount: 5)
        ], parentBeaconRoot: Keccak256.hash([2]), gasLimitTarget: 60_000_000)

    /// Contracts that read and change the state in all ways there are.
    static let contracts: [(name: String, code: [UInt8])] = {
        let input: [UInt8] = [0x5F, 0x35]
        return [
            // SSTORE(input, 2nd word of the input).
            ("store", Assembly.push(32) + [0x35] + input + [0x55]),
            ("load", input + [0x54, 0x50]),
            ("revert after reading", input + [0x54, 0x50, 0x5F, 0x5F, 0xFD]),
            ("size of a code", input + [0x3B] + input + [0x55]),
            ("hash of a code", input + [0x3F, 0x50]),
            ("balance", input + [0x31, 0x50]),
            ("hash of a block", [0x60, 0xFE] + [0x43, 0x03, 0x40] + input + [0x55]),
            ("create", Assembly.create2(Assembly.deploying([0x5F, 0x54])) + [0x50]),
            ("create and destroy", Assembly.create2([0x33, 0xFF]) + [0x50]),
            ("log", input + [0x5F, 0x52, 0x60, 0x20, 0x5F, 0xA0]),
            ("out of gas", [0x5B, 0x5F, 0x56]),
            ("call", [0x5F, 0x5F, 0x5F, 0x5F, 0x60, 0x01] + input + [0x5A, 0xF1, 0x50]),
        ]
    }()

    static func contract(_ number: Int) -> Address { Address(UInt256(0xC000 + UInt64(number))) }
    static func sender(_ number: UInt64) -> Address { Address(UInt256(0x5E4D00 + number)) }

    struct Chain {
        let store: StateStore
        let parent: Header
        let ancestors: [UInt64: [UInt8]]
        let hashes: [UInt64: Bytes32]

        init() throws {
            var entries: [Address: StateStore.Entry] = [:]
            for number in 0..<20 as Range<UInt64> {
                entries[sender(number)] = .init(nonce: 3, balance: UInt256(0, 1, 0, 0))
            }
            for (index, contract) in contracts.enumerated() {
                var storage: [UInt256: UInt256] = [:]
                for slot in 0..<30 as Range<UInt64> where slot % 3 != 0 {
                    storage[UInt256(slot)] = UInt256(slot + 1)
                }
                entries[BlockBuilderTests.contract(index)] = .init(
                    nonce: 1, balance: UInt256(1000), code: contract.code, storage: storage)
            }
            for address in [Address.withdrawalRequests, .consolidationRequests] {
                entries[address] = .init(nonce: 1, code: [0x00])
            }
            store = try StateStore(entries)
            var header = Header(
                parentHash: .zero, ommersHash: Header.emptyOmmersHash, coinbase: .zero,
                stateRoot: store.root, transactionsRoot: Trie.emptyRoot,
                receiptsRoot: Trie.emptyRoot, bloom: Bloom().bytes, difficulty: .zero, number: 0,
                gasLimit: 30_000_000, gasUsed: 0, timestamp: 0, extraData: [], mixHash: .zero,
                nonce: 0, baseFeePerGas: UInt256(7), withdrawalsRoot: Trie.emptyRoot,
                blobGasUsed: 0, excessBlobGas: 0, parentBeaconRoot: .zero,
                requestsHash: ExecutionRequests.hash([]))
            var (encodings, hashes): ([UInt64: [UInt8]], [UInt64: Bytes32]) = ([:], [:])
            for number in 1_000...1_256 as ClosedRange<UInt64> {
                header.parentHash = hashes[number - 1] ?? .zero
                header.number = number
                header.timestamp = 1_000_000 - 12 * (1_256 - number)
                encodings[number] = header.encoded
                hashes[number] = header.hash
            }
            (parent, ancestors, self.hashes) = (header, encodings, hashes)
        }

        var state: TrieState<StateStore> {
            TrieState(root: store.root, source: store, blockHashes: hashes)
        }

        func build(
            _ calls: [(Transaction, Address)],
            limits: BlockBuilder<StateStore>.Limits = .init()
        ) throws -> (built: BuiltBlock, refusals: [BuildingRefusal?]) {
            var builder = try BlockBuilder(
                after: parent, attributes, rules, state: state, limits: limits)
            var refusals: [BuildingRefusal?] = []
            for (transaction, sender) in calls {
                refusals.append(try builder.add(transaction, sender: sender))
            }
            return (try builder.finish(ancestors: ancestors), refusals)
        }

        /// The built block is valid, its witness is all that it needs and no more, and what is to be written
        /// makes the next state.
        func expectWhole(_ built: BuiltBlock) throws {
            let size = built.block.encoded.count
            let verdict = try StatelessExecution(rules: rules, mode: .strict).verdict(
                built.block, size: size, built.witness, senders: built.senders)
            #expect(verdict.roots.stateRoot == built.block.header.stateRoot)
            #expect(verdict.roots.receiptsRoot == built.block.header.receiptsRoot)
            #expect(verdict.outcome.changes == built.outcome.changes)
            let again = state
            let outcome = try BlockExecution.run(
                built.block, size: size, after: parent, rules, reader: again,
                senders: built.senders)
            #expect(try again.apply(outcome.changes) == built.block.header.stateRoot)
            let witness = try again.witness(parent: parent.number, ancestors: ancestors)
            #expect(witness.rlp() == built.witness.rlp())
            var nodes: [Bytes32: [UInt8]] = [:]
            again.forEachNewNode { nodes[$0] = $1 }
            #expect(nodes == Dictionary(built.newNodes.map { ($0.hash, $0.encoding) }) { $1 })
        }
    }

    static func call(
        _ number: UInt64, nonce: UInt64, to: Address?, _ words: [UInt64] = [],
        gas: UInt64 = 200_000, value: UInt64 = 0, maxFee: UInt64 = 100
    ) -> (Transaction, Address) {
        let data = words.flatMap { UInt256($0).bytes32.bytes }
        let transaction = Transaction(
            kind: .dynamicFee, chainID: .one, nonce: nonce, maxPriorityFeePerGas: .one,
            maxFeePerGas: UInt256(maxFee), gasLimit: gas, to: to, value: UInt256(value),
            data: data, accessList: [], authorizations: [], yParity: 0, r: .one, s: .one)
        return (transaction, sender(number))
    }

    @Test func anEmptyBlock() throws {
        let chain = try Chain()
        let (built, _) = try chain.build([])
        try chain.expectWhole(built)
        #expect(built.block.transactions.isEmpty)
        #expect(built.block.header.gasUsed == 0)
        // A 1024th more, less one.
        #expect(built.block.header.gasLimit == 30_000_000 + 30_000_000 / 1024 - 1)
        #expect(built.block.header.number == chain.parent.number + 1)
    }

    @Test(arguments: contracts.indices) func eachKindOfCall(index: Int) throws {
        let chain = try Chain()
        let (built, refusals) = try chain.build([
            Self.call(1, nonce: 3, to: Self.contract(index), [7, 9]),
            Self.call(2, nonce: 3, to: Self.contract(index), [8, 0]),
        ])
        #expect(refusals == [nil, nil])
        #expect(built.block.transactions.count == 2)
        try chain.expectWhole(built)
    }

    // MARK: Refusals

    @Test func whatIsRefusedSaysWhy() throws {
        let chain = try Chain()
        let (good, sender) = Self.call(1, nonce: 3, to: Self.contract(0), [1, 2])
        let calls = [
            Self.call(1, nonce: 2, to: nil), Self.call(1, nonce: 4, to: nil),
            Self.call(999, nonce: 0, to: nil), Self.call(1, nonce: 3, to: nil, maxFee: 1),
            Self.call(1, nonce: 3, to: nil, gas: 40_000_000), (good, sender),
        ]
        let (built, refusals) = try chain.build(calls)
        func rejection(_ index: Int) -> TransactionRejection? {
            if case .rejected(let rejection)? = refusals[index] { return rejection }
            return nil
        }
        #expect(rejection(0) == .nonce(found: 2, expected: 3))
        #expect(rejection(1) == .nonce(found: 4, expected: 3))
        guard case .funds? = rejection(2) else {
            Issue.record("\(String(describing: refusals[2]))")
            return
        }
        guard case .maxFeeBelowBaseFee? = rejection(3), case .blockGas? = rejection(4) else {
            Issue.record("\(refusals)")
            return
        }
        #expect(refusals[5] == nil)
        try chain.expectWhole(built)
        let (alone, _) = try chain.build([(good, sender)])
        #expect(alone.block == built.block)
        #expect(alone.witness.rlp() == built.witness.rlp())
    }

    @Test func sizeIsBounded() throws {
        let chain = try Chain()
        let large = (0..<8).map { number -> (Transaction, Address) in
            var (transaction, sender) = Self.call(UInt64(number), nonce: 3, to: Self.sender(19))
            transaction.data = [UInt8](repeating: 0, count: 3000)
            transaction.gasLimit = 300_000
            return (transaction, sender)
        }
        let (built, refusals) = try chain.build(large, limits: .init(sizeMax: 10_000))
        #expect(built.block.encoded.count <= 10_000)
        #expect(refusals.prefix(3).allSatisfy { $0 == nil })
        guard case .size(_, limit: 10_000)? = refusals[7] else {
            Issue.record("\(refusals)")
            return
        }
        try chain.expectWhole(built)
    }

    /// What the limit counts: not the headers.
    private static func size(_ witness: Witness) -> Int {
        (witness.nodes + witness.codes).reduce(0) { $0 + $1.count }
    }

    @Test func theWitnessIsBounded() throws {
        let chain = try Chain()
        let reads = (0..<12).map {
            Self.call(UInt64($0), nonce: 3, to: Self.contract($0), [UInt64($0), 5])
        }
        let all = Self.size(try chain.build(reads).built.witness)
        let empty = Self.size(try chain.build([]).built.witness)
        var kept: Set<Int> = []
        for share in 1...9 {
            let limit = empty + (all - empty) * share / 10
            let (built, refusals) = try chain.build(reads, limits: .init(witnessSizeMax: limit))
            try chain.expectWhole(built)
            #expect(Self.size(built.witness) <= limit)
            kept.insert(built.block.transactions.count)
            for case .witness(let size, let given)? in refusals {
                #expect(size > given && given == limit)
            }
            #expect(refusals.filter { $0 == nil }.count == built.block.transactions.count)
        }
        #expect(kept.count > 2)
    }

    /// A log by which the block would be invalid (EIP-6110).
    @Test func aWrongDepositIsLeftOut() throws {
        let topic = Keccak256.hash(Array("DepositEvent(bytes,bytes,bytes,bytes,bytes)".utf8))
        var entries: [Address: StateStore.Entry] = [
            Self.rules.depositContract: .init(
                nonce: 1, code: Assembly.push(UInt256(topic)) + [0x5F, 0x5F, 0xA1]),
            Self.sender(1): .init(nonce: 3, balance: UInt256(0, 1, 0, 0)),
        ]
        for address in [Address.withdrawalRequests, .consolidationRequests] {
            entries[address] = .init(nonce: 1, code: [0x00])
        }
        let chain = try Chain()
        let store = try StateStore(entries)
        var parent = chain.parent
        parent.stateRoot = store.root
        var builder = try BlockBuilder(
            after: parent, Self.attributes, Self.rules,
            state: TrieState(root: store.root, source: store, blockHashes: [:]))
        let (call, sender) = Self.call(1, nonce: 3, to: Self.rules.depositContract)
        #expect(try builder.add(call, sender: sender) == .depositLayout)
        let (transfer, _) = Self.call(1, nonce: 3, to: Self.sender(2), value: 1)
        #expect(try builder.add(transfer, sender: sender) == nil)
        let built = try builder.finish(ancestors: [parent.number: parent.encoded])
        let verdict = try StatelessExecution(rules: Self.rules, mode: .strict).verdict(
            built.block, size: 1000, built.witness, senders: built.senders)
        #expect(verdict.roots.stateRoot == built.block.header.stateRoot)
    }

    @Test func attributesThatCannotBe() throws {
        let chain = try Chain()
        var early = Self.attributes
        early.timestamp = chain.parent.timestamp
        var wordy = Self.attributes
        wordy.extraData = [UInt8](repeating: 0, count: 33)
        for attributes in [early, wordy] {
            #expect(throws: BlockFailure.self) {
                let builder = try BlockBuilder(
                    after: chain.parent, attributes, Self.rules, state: chain.state)
                _ = builder.gasLeft
            }
        }
    }

    @Test func gasLimitsMoveTowardsTheirTarget() throws {
        let chain = try Chain()
        #expect(chain.parent.gasLimit(towards: 30_000_000) == 30_000_000)
        #expect(chain.parent.gasLimit(towards: 30_000_005) == 30_000_005)
        #expect(chain.parent.gasLimit(towards: .max) == 30_000_000 + 29_295)
        #expect(chain.parent.gasLimit(towards: 0) == 30_000_000 - 29_295)
        var small = chain.parent
        small.gasLimit = 5_001
        #expect(small.gasLimit(towards: 0) == 5_000)
    }

    // MARK: All of it

    /// Blocks of random calls, of which random ones are refused for one reason or another, in between those
    /// that use the same accounts, slots and codes.
    @Test(arguments: 0..<40 as Range<UInt64>) func refusedTransactionsLeaveNothing(
        seed: UInt64
    ) throws {
        var random = DeterministicRandom(seed: seed)
        let chain = try Chain()
        var nonces: [UInt64: UInt64] = [:]
        var calls: [(Transaction, Address)] = []
        for _ in 0..<random.integer(in: 1...25) {
            let number = UInt64(random.integer(in: 0...6))
            var nonce = nonces[number, default: 3]
            if random.chance(1, in: 4) { nonce += 1 } else { nonces[number] = nonce + 1 }
            let target = random.integer(in: 0...Self.contracts.count)
            let other = random.integer(in: 0...Self.contracts.count)
            let words = [
                random.chance(1, in: 2)
                    ? UInt64(random.integer(in: 0...35)) : 0xC000 + UInt64(other),
                UInt64(random.integer(in: 0...2)),
            ]
            calls.append(
                Self.call(
                    number, nonce: nonce, to: Self.contract(target), words,
                    gas: random.chance(1, in: 6) ? 20_000 : 150_000,
                    value: UInt64(random.integer(in: 0...1)),
                    maxFee: random.chance(1, in: 8) ? 1 : 100))
        }
        let empty = Self.size(try chain.build([]).built.witness)
        let limits = BlockBuilder<StateStore>.Limits(
            witnessSizeMax: random.chance(1, in: 2)
                ? .max : empty + random.integer(in: 0...12_000))
        let (built, refusals) = try chain.build(calls, limits: limits)
        try chain.expectWhole(built)
        let kept = zip(calls, refusals).filter { $1 == nil }.map(\.0)
        #expect(built.block.transactions == kept.map(\.0))
        let (alone, none) = try chain.build(kept)
        #expect(none.allSatisfy { $0 == nil })
        #expect(alone.block == built.block)
        #expect(alone.witness.rlp() == built.witness.rlp())
        #expect(alone.newNodes.map(\.hash) == built.newNodes.map(\.hash))
    }
}
