import ChoraleBase
import Codec
import Conformance
import Crypto

@testable import Execution

/// A block that was executed on a whole state, with the witness that this left.
struct RecordedBlock {
    /// What a transaction here consists of; the rest is the same for all.
    struct Call {
        var from = RecordedBlock.sender
        /// nil creates a contract.
        var to: Address?
        var data: [UInt8] = []
        var value = UInt256.zero
        var gas: UInt64 = 500_000
        var accessList: [Transaction.AccessListEntry] = []
        var authorizations: [Transaction.Authorization] = []
    }

    static let sender = Address(UInt256(0x5E4D))
    static let coinbase = Address(UInt256(0xFEE))

    var rules: ChainRules
    var parent: Header
    var block: Block
    var senders: [Address]
    var witness: Witness
    var stateRoot: Bytes32
    var outcome: BlockOutcome
    /// Encodings of all headers that could have been asked for.
    var ancestors: [UInt64: [UInt8]]

    /// The state before, as everything that it is made of.
    let state: MemoryState

    init(
        _ fork: Fork, _ entries: [Address: MemoryState.Entry], _ calls: [Call],
        withdrawals: [Withdrawal] = [], number: UInt64 = 300
    ) throws {
        rules = .always(fork, blobs: fork >= .prague ? .prague : .cancun)
        state = MemoryState()
        state.entries = entries
        state.entries[Self.sender, default: .init()].balance = UInt256(0, 0, 1, 0)
        if fork >= .prague {
            for address in [Address.withdrawalRequests, .consolidationRequests]
            where state.entries[address] == nil {
                state.entries[address] = .init(nonce: 1, code: [0x00])
            }
        }
        for entry in state.entries.values where !entry.code.isEmpty {
            state.add(Code(entry.code))
        }
        let root = try state.root()
        var hashes: [UInt64: Bytes32] = [:]
        (parent, ancestors, hashes) = Self.headers(fork, root: root, before: number)
        var header = parent
        header.parentHash = parent.hash
        header.number = number
        header.timestamp = parent.timestamp + 12
        header.gasUsed = 0
        header.coinbase = Self.coinbase
        header.baseFeePerGas = parent.baseFeeOfNext
        header.stateRoot = .zero
        if fork >= .cancun { header.excessBlobGas = parent.excessBlobGasOfNext(rules.epochs[0]) }
        var nonces: [Address: UInt64] = [:]
        block = Block(
            header: header,
            transactions: calls.map { call in
                defer { nonces[call.from, default: 0] += 1 }
                return Transaction(
                    kind: call.authorizations.isEmpty ? .dynamicFee : .setCode, chainID: .one,
                    nonce: (entries[call.from]?.nonce ?? 0) + nonces[call.from, default: 0],
                    maxPriorityFeePerGas: .one, maxFeePerGas: UInt256(100), gasLimit: call.gas,
                    to: call.to, value: call.value, data: call.data,
                    accessList: call.accessList, authorizations: call.authorizations, yParity: 0,
                    r: .one, s: .one)
            }, ommers: [], withdrawals: withdrawals)
        senders = calls.map(\.from)
        block.header.transactionsRoot = Trie.root(ofList: block.transactions.map(\.encoded))
        block.header.withdrawalsRoot = Trie.root(ofList: withdrawals.map(\.encoded))

        let tries = TrieState(root: root, source: try ChainStore(state), blockHashes: hashes)
        outcome = try BlockExecution.run(
            block, size: block.encoded.count, after: parent, rules, reader: tries,
            senders: senders, isProposal: true)
        block.header.gasUsed = outcome.gasUsed
        block.header.bloom = outcome.bloom.bytes
        if fork >= .cancun { block.header.blobGasUsed = outcome.blobGasUsed }
        if fork >= .prague {
            block.header.requestsHash = ExecutionRequests.hash(outcome.requests)
        }
        stateRoot = try tries.apply(outcome.changes)
        witness = try tries.witness(parent: parent.number, ancestors: ancestors)
    }

    private static func headers(
        _ fork: Fork, root: Bytes32, before number: UInt64
    ) -> (Header, [UInt64: [UInt8]], [UInt64: Bytes32]) {
        var header = Header(
            parentHash: .zero, ommersHash: Header.emptyOmmersHash, coinbase: coinbase,
            stateRoot: root, transactionsRoot: Trie.emptyRoot, receiptsRoot: Trie.emptyRoot,
            bloom: Bloom().bytes, difficulty: .zero, number: 0, gasLimit: 30_000_000,
            gasUsed: 15_000_000, timestamp: 0, extraData: [], mixHash: .zero, nonce: 0,
            baseFeePerGas: UInt256(7))
        if fork >= .shanghai { header.withdrawalsRoot = Trie.emptyRoot }
        if fork >= .cancun {
            (header.blobGasUsed, header.excessBlobGas) = (0, 0)
            header.parentBeaconRoot = .zero
        }
        if fork >= .prague { header.requestsHash = ExecutionRequests.hash([]) }
        var encodings: [UInt64: [UInt8]] = [:]
        var hashes: [UInt64: Bytes32] = [:]
        // One more than can be asked for.
        for ancestor in number - min(number, 257)..<number {
            header.parentHash = ancestor == 0 ? .zero : hashes[ancestor - 1] ?? .zero
            header.number = ancestor
            header.timestamp = 1_700_000_000 + 12 * ancestor
            encodings[ancestor] = header.encoded
            hashes[ancestor] = header.hash
        }
        return (header, encodings, hashes)
    }

    // MARK: Verdicts

    func verdict(
        _ witness: Witness? = nil, _ mode: StatelessExecution.Mode = .strict,
        block: Block? = nil, gasMax: UInt64 = 1 << 30
    ) throws(StatelessFailure) -> StatelessVerdict {
        let execution = StatelessExecution(rules: rules, mode: mode, gasMax: gasMax)
        return try execution.verdict(
            block ?? self.block, size: 10_000, witness ?? self.witness, senders: senders)
    }

    /// Why there is no verdict; nil if there is one.
    func failure(
        _ witness: Witness? = nil, _ mode: StatelessExecution.Mode = .strict,
        block: Block? = nil
    ) -> StatelessFailure? {
        do throws(StatelessFailure) {
            _ = try verdict(witness, mode, block: block)
            return nil
        } catch {
            return error
        }
    }

    /// What the block changed of an account, if it did.
    func change(_ address: Address) -> AccountChange? {
        outcome.changes.first { $0.address == address }
    }

    func hasCode(_ code: [UInt8]) -> Bool { witness.codes.contains { witness[$0] == code } }

    /// Hashes of the nodes on the way to an account, and to a slot of it, in the state before.
    func path(to address: Address, slot: UInt256? = nil) throws -> [Bytes32] {
        let store = try ChainStore(state)
        let tries = TrieState(root: parent.stateRoot, source: store, blockHashes: [:])
        let account = try tries.account(at: address)
        if let slot, let account { _ = try tries.storage(at: slot, of: address, account) }
        return Array(tries.resolvedNodes)
    }

    func hasNode(_ hash: Bytes32) -> Bool {
        witness.nodes.contains { Keccak256.hash(witness[$0]) == hash }
    }
}

extension MemoryState.Entry {
    init(nonce: UInt64 = 0, code: [UInt8] = [], storage: [UInt256: UInt256] = [:]) {
        self.init(nonce: nonce, balance: .zero, code: code, storage: storage)
    }
}

extension Witness {
    /// The same parts, some of them others.
    func with(
        headers: [[UInt8]]? = nil, codes: [[UInt8]]? = nil, nodes: [[UInt8]]? = nil
    ) -> Witness {
        Witness(
            headers: headers ?? self.headers.map { self[$0] },
            codes: codes ?? self.codes.map { self[$0] },
            nodes: nodes ?? self.nodes.map { self[$0] })
    }
}

/// Code in pieces, for tests to write it in.
enum Assembly {
    static func push(_ word: UInt256) -> [UInt8] {
        let bytes = word.minimalBytes
        return bytes.isEmpty ? [0x5F] : [0x5F + UInt8(bytes.count)] + bytes
    }

    static func push(_ address: Address) -> [UInt8] { push(address.word) }

    static func push(_ number: UInt64) -> [UInt8] { push(UInt256(number)) }

    /// A call of any kind with all gas and neither input nor value.
    static func call(_ opcode: UInt8, _ address: Address) -> [UInt8] {
        let values = opcode <= 0xF2 ? 5 : 4
        return [UInt8](repeating: 0x5F, count: values) + push(address) + [0x5A, opcode, 0x50]
    }

    static func store(_ value: UInt64, at slot: UInt64) -> [UInt8] {
        push(value) + push(slot) + [0x55]
    }

    static func load(_ slot: UInt64) -> [UInt8] { push(slot) + [0x54, 0x50] }

    /// Puts code into memory from zero on.
    static func place(_ code: [UInt8]) -> [UInt8] {
        stride(from: 0, to: code.count, by: 32).flatMap { start -> [UInt8] in
            let part = code[start..<min(start + 32, code.count)]
            return [0x7F] + part + [UInt8](repeating: 0, count: 32 - part.count)
                + push(UInt64(start)) + [0x52]
        }
    }

    /// Initcode that deploys up to 32 bytes.
    static func deploying(_ runtime: [UInt8]) -> [UInt8] {
        [0x5F + UInt8(runtime.count)] + runtime + [0x5F, 0x52] + push(UInt64(runtime.count))
            + push(UInt64(32 - runtime.count)) + [0xF3]
    }

    /// CREATE2 with salt zero; the address is on the stack then.
    static func create2(_ initcode: [UInt8]) -> [UInt8] {
        place(initcode) + [0x5F] + push(UInt64(initcode.count)) + [0x5F, 0x5F, 0xF5]
    }
}
