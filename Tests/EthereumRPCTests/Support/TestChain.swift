import ChoraleBase
import Codec
import Crypto
import JSONRPC
import TransactionPool

@testable import EthereumRPC
@testable import Execution

/// A chain in memory: real blocks of real signed transactions, and a real pool.
final class TestChain: ChainView {
    let rules: ChainRules
    let clientVersion = "Chorale/test"
    var peerCount = 3
    var isListening = true
    var syncing: SyncProgress?
    var safe: UInt64?
    var finalized: UInt64?
    /// Blocks below this are not kept.
    var oldest: UInt64 = 0

    private(set) var blocks: [ChainBlock] = []
    private var receipts: [[Receipt]] = []
    private var witnesses: [Witness?] = []
    private var numbers: [Bytes32: UInt64] = [:]
    private var locations: [Bytes32: (number: UInt64, index: Int)] = [:]
    private var store: StateStore
    private var pool: TransactionPool
    private var outputs: [TransactionPool.Output] = []

    static let coinbase = Address(UInt256(0xFEE))

    init(
        _ fork: Fork = .prague, _ entries: [Address: StateStore.Entry] = [:],
        gasLimit: UInt64 = 30_000_000
    ) throws {
        rules = .always(fork, blobs: fork >= .prague ? .prague : .cancun, chainID: 1337)
        var entries = entries
        for wallet in Wallet.all {
            entries[wallet.address, default: .init()].balance = UInt256(
                1_000_000_000_000_000_000)
        }
        for address in [Address.withdrawalRequests, .consolidationRequests] {
            entries[address] = .init(nonce: 1, code: [0x00])
        }
        store = try StateStore(entries)
        var header = Header(
            parentHash: .zero, ommersHash: Header.emptyOmmersHash, coinbase: Self.coinbase,
            stateRoot: store.root, transactionsRoot: Trie.emptyRoot,
            receiptsRoot: Trie.emptyRoot, bloom: Bloom().bytes, difficulty: .zero, number: 0,
            gasLimit: gasLimit, gasUsed: 0, timestamp: 1_700_000_000, extraData: [],
            mixHash: .zero, nonce: 0, baseFeePerGas: UInt256(1_000_000_000))
        header.withdrawalsRoot = Trie.emptyRoot
        (header.blobGasUsed, header.excessBlobGas) = (0, 0)
        header.parentBeaconRoot = .zero
        if fork >= .prague { header.requestsHash = ExecutionRequests.hash([]) }
        pool = TransactionPool(chainID: 1337, head: Self.poolHead(header, rules))
        append(Block(header: header, transactions: [], withdrawals: []), [], nil)
    }

    private static func poolHead(_ header: Header, _ rules: ChainRules) -> PoolHead {
        PoolHead(
            number: header.number, baseFee: header.baseFeeOfNext, gasLimit: header.gasLimit,
            fork: rules.epochs[0].fork)
    }

    private func append(_ block: Block, _ receipts: [Receipt], _ witness: Witness?) {
        let hash = block.header.hash
        for (index, transaction) in block.transactions.enumerated() {
            locations[transaction.hash] = (block.header.number, index)
        }
        numbers[hash] = block.header.number
        blocks.append(ChainBlock(block: block, hash: hash, size: block.encoded.count))
        self.receipts.append(receipts)
        witnesses.append(witness)
    }

    private var ancestors: [UInt64: [UInt8]] {
        Dictionary(
            uniqueKeysWithValues: blocks.suffix(256).map {
                ($0.block.header.number, $0.block.header.encoded)
            })
    }

    /// Commits a block with these transactions, or with what the pool gives.
    @discardableResult
    func commit(
        _ transactions: [Transaction]? = nil, withdrawals: [Withdrawal] = []
    ) throws -> ChainBlock {
        let chosen = transactions ?? selected()
        let parent = blocks[blocks.count - 1].block.header
        var header = parent
        header.parentHash = parent.hash
        header.number += 1
        header.timestamp += 12
        header.gasUsed = 0
        header.baseFeePerGas = parent.baseFeeOfNext
        header.excessBlobGas = parent.excessBlobGasOfNext(rules.epochs[0])
        header.withdrawalsRoot = Trie.root(ofList: withdrawals.map(\.encoded))
        header.transactionsRoot = Trie.root(ofList: chosen.map(\.encoded))
        var block = Block(header: header, transactions: chosen, withdrawals: withdrawals)
        let state = try trieState(after: parent)
        let outcome = try BlockExecution.run(
            block, size: block.encoded.count, after: parent, rules, reader: state,
            isProposal: true)
        block.header.gasUsed = outcome.gasUsed
        block.header.bloom = outcome.bloom.bytes
        block.header.blobGasUsed = outcome.blobGasUsed
        block.header.receiptsRoot = outcome.receiptsRoot
        if rules.epochs[0].fork >= .prague {
            block.header.requestsHash = ExecutionRequests.hash(outcome.requests)
        }
        block.header.stateRoot = try state.apply(outcome.changes)
        // Once more as everybody else does, which leaves the witness.
        let product = try WitnessBuilder(rules: rules).advance(
            &store, by: block, size: block.encoded.count, ancestors: ancestors)
        precondition(product.verdict.roots.stateRoot == block.header.stateRoot)
        append(block, outcome.receipts, product.witness)
        handle(
            .advanced(
                PoolAdvance(
                    head: Self.poolHead(block.header, rules), included: chosen.map(\.hash),
                    accounts: outcome.changes.map { PoolAdvance.AccountUpdate($0) })))
        return blocks[blocks.count - 1]
    }

    private func selected() -> [Transaction] {
        var selection = pool.selection()
        var found: [Transaction] = []
        while let entry = selection.next() { found.append(entry.transaction) }
        return found
    }

    private func handle(_ input: TransactionPool.Input) {
        pool.handle(
            input, now: Now(instant: .zero, wall: WallTime(milliseconds: 0)), into: &outputs)
    }

    private func trieState(after header: Header) throws(StateError) -> TrieState<StateStore> {
        let known = Dictionary(
            uniqueKeysWithValues: blocks.map { ($0.block.header.number, $0.hash) })
        return TrieState(root: header.stateRoot, source: store, blockHashes: known)
    }

    // MARK: ChainView

    func number(of tag: BlockTag) throws(ChainFailure) -> UInt64? {
        switch tag {
        case .earliest: 0
        case .latest: UInt64(blocks.count - 1)
        case .safe: safe
        case .finalized: finalized
        case .pending: preconditionFailure("never asked for")
        }
    }

    func number(of hash: Bytes32) throws(ChainFailure) -> UInt64? { numbers[hash] }

    private func check(_ number: UInt64) throws(ChainFailure) -> Bool {
        if number < oldest { throw .pruned(number: number, oldest: oldest) }
        return number < UInt64(blocks.count)
    }

    func header(at number: UInt64) throws(ChainFailure) -> (header: Header, hash: Bytes32)? {
        guard try check(number) else { return nil }
        let block = blocks[Int(number)]
        return (block.block.header, block.hash)
    }

    func block(at number: UInt64) throws(ChainFailure) -> ChainBlock? {
        try check(number) ? blocks[Int(number)] : nil
    }

    func receipts(at number: UInt64) throws(ChainFailure) -> [Receipt]? {
        try check(number) ? receipts[Int(number)] : nil
    }

    func location(
        of transaction: Bytes32
    ) throws(ChainFailure) -> (number: UInt64, index: Int)? {
        locations[transaction]
    }

    func state(after number: UInt64) throws(ChainFailure) -> any StateReader {
        guard try check(number) else { throw .unavailable("no block \(number)") }
        do throws(StateError) {
            return try trieState(after: blocks[Int(number)].block.header)
        } catch {
            throw .state(error)
        }
    }

    func witness(of number: UInt64) throws(ChainFailure) -> Witness? {
        try check(number) ? witnesses[Int(number)] : nil
    }

    func pooled(_ hash: Bytes32) -> PooledTransaction? { pool.transaction(hash) }

    func pendingNonce(of sender: Address) -> UInt64? { pool.pendingNonce(of: sender) }

    func submit(_ encoding: [UInt8]) throws(PoolRejection) -> Bytes32 {
        let head = blocks[blocks.count - 1].block.header
        let state: TrieState<StateStore>
        do throws(StateError) {
            state = try trieState(after: head)
        } catch {
            throw .state(error)
        }
        let candidate = try PoolCandidate(
            encoding.span, chainID: rules.chainID, head: pool.head, limits: pool.limits,
            state: state)
        let start = outputs.count
        handle(.candidate(candidate, isLocal: true))
        for case .rejected(_, let rejection) in outputs[start...] { throw rejection }
        return candidate.hash
    }
}

/// Somebody with a key.
final class Wallet: Sendable {
    static let all = [Wallet(1), Wallet(2), Wallet(3)]

    let key: Secp256k1.PrivateKey
    let address: Address

    init(_ number: UInt8) {
        key = try! Secp256k1.PrivateKey(
            SecretBytes(copying: [UInt8](repeating: number, count: 32)))
        address = Address(key.publicKey)
    }

    /// A signed transaction.
    func transaction(
        _ nonce: UInt64, to: Address?, value: UInt64 = 0, data: [UInt8] = [],
        gas: UInt64 = 300_000, kind: Transaction.Kind = .dynamicFee,
        maxFee: UInt64 = 20_000_000_000, tip: UInt64 = 2_000_000_000,
        accessList: [Transaction.AccessListEntry] = [],
        authorizations: [Transaction.Authorization] = []
    ) -> Transaction {
        let hasTip = kind != .legacy && kind != .accessList
        var transaction = Transaction(
            kind: kind, chainID: UInt256(1337), nonce: nonce,
            maxPriorityFeePerGas: UInt256(hasTip ? tip : maxFee), maxFeePerGas: UInt256(maxFee),
            gasLimit: gas, to: to, value: UInt256(value), data: data, accessList: accessList,
            authorizations: authorizations)
        (transaction.yParity, transaction.r, transaction.s) = sign(transaction.signingHash)
        return transaction
    }

    func authorization(_ address: Address, nonce: UInt64) -> Transaction.Authorization {
        var found = Transaction.Authorization(
            chainID: UInt256(1337), address: address, nonce: nonce, yParity: 0, r: .zero,
            s: .zero)
        (found.yParity, found.r, found.s) = sign(found.signingHash)
        return found
    }

    private func sign(_ digest: Bytes32) -> (UInt8, UInt256, UInt256) {
        let (signature, recoveryID) = key.signRecoverable(digest: digest)
        return (
            recoveryID, UInt256(bigEndian: signature.span.extracting(0..<32))!,
            UInt256(bigEndian: signature.span.extracting(32..<64))!
        )
    }
}

/// Contracts in bytes.
enum Contracts {
    /// Stores its first word in slot 0, logs it with the topics 0xAA and the word, and returns it; reverts with
    /// `Error("nope")` where the word is zero.
    static let recorder: [UInt8] =
        // Where the word is not zero, on to the JUMPDEST.
        [0x5F, 0x35, 0x80, 0x60, 0x29, 0x57]
        + [0x63, 0x08, 0xC3, 0x79, 0xA0, 0x60, 0xE0, 0x1B, 0x5F, 0x52]
        + [0x60, 0x20, 0x60, 0x04, 0x52, 0x60, 0x04, 0x60, 0x24, 0x52]
        + [0x63] + Array("nope".utf8) + [0x60, 0xE0, 0x1B, 0x60, 0x44, 0x52]
        + [0x60, 0x64, 0x5F, 0xFD]
        + [0x5B, 0x80, 0x5F, 0x55, 0x80, 0x5F, 0x52]
        + [0x80, 0x60, 0xAA, 0x60, 0x20, 0x5F, 0xA2, 0x60, 0x20, 0x5F, 0xF3]

    /// Calls the recorder with 5 and all gas, and reverts without a reason when that fails.
    static func caller(of address: Address) -> [UInt8] {
        let head: [UInt8] = [0x60, 0x05, 0x5F, 0x52, 0x5F, 0x5F, 0x60, 0x20, 0x5F, 0x5F, 0x73]
        let start = head + address.storage.span.copied() + [0x5A, 0xF1]
        return start + [0x60, UInt8(start.count + 6), 0x57, 0x5F, 0x5F, 0xFD, 0x5B, 0x00]
    }

    /// Code that deploys another.
    static func deploying(_ code: [UInt8]) -> [UInt8] {
        [0x60, UInt8(code.count), 0x80, 0x60, 0x09, 0x5F, 0x39, 0x5F, 0xF3] + code
    }

    static func word(_ number: UInt64) -> [UInt8] { UInt256(number).bytes32.bytes }
}

extension EthereumService {
    /// Calls a method with parameters in JSON.
    func call(_ method: String, _ params: String = "[]") throws -> JSONValue {
        let text = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#
        return try answer(RPCRequest(line: Array(text.utf8), limits: JSONValue.Limits()))
    }

    /// The error of a call that must have one.
    func error(_ method: String, _ params: String = "[]") throws -> RPCError? {
        do {
            _ = try call(method, params)
            return nil
        } catch let error as RPCError {
            return error
        }
    }
}
