public import ChoraleBase
public import Codec
import Crypto
public import Execution
public import JSONRPC

/// An execution engine: takes payloads and forkchoices of a consensus client, executes, builds.
///
/// A block is executed once: result, changes of the state and witness come out of the same execution, also
/// of a block that this engine has built. Blocks that are not final are a tree in memory over an
/// ``EngineBase``, which finality moves down.
///
/// A machine without a clock or a socket; one thread at a time. Calls are answered in the order in which they
/// come, as the specification wants it.
///
/// 1. Every block of the tree is valid, and its parent is in the tree or the base's head. Checked where one
///    is inserted.
/// 2. The head descends from the safe block, which descends from the final one. Checked in `forkchoice`.
///
/// Specification: Ethereum execution APIs, engine, "Paris" to "Osaka"; proposal 557 for witnesses.
public final class EngineService<Base: EngineBase> {
    public struct Limits: Hashable, Sendable {
        /// Bytes of blocks that are not final, with what they add to the state and their witnesses.
        public var treeSizeMax = 1 << 30
        /// Payloads whose parents are not there yet, and their bytes.
        public var waitingCountMax = 64
        public var waitingSizeMax = 128 << 20
        /// Invalid blocks that are remembered.
        public var invalidCountMax = 512
        /// Payloads that were built and not yet forgotten.
        public var builtCountMax = 8
        /// Blocks that a forkchoice may take back.
        public var reorgDepthMax: UInt64 = 128
        /// Bodies asked for at once; the specification wants 32 at least.
        public var bodyCountMax = 1024

        public init() {}
    }

    /// How often what was done.
    public struct Counters: Hashable, Sendable {
        /// Blocks executed or built. Asking for a witness adds none.
        public var executions: UInt64 = 0
        public var validPayloads: UInt64 = 0
        public var invalidPayloads: UInt64 = 0
        public var builtPayloads: UInt64 = 0

        public init() {}
    }

    /// Candidates for a block after a parent, best first, with their senders.
    public typealias TransactionSource =
        (_ parent: Header, _ baseFee: UInt256) -> [(transaction: Transaction, sender: Address)]

    let rules: ChainRules
    let limits: Limits
    let state: EngineState<Base>
    let transactions: TransactionSource
    private let version: EngineClientVersion
    public internal(set) var counters = Counters()
    /// Told what becomes of blocks; whoever gives it keeps it.
    public weak var observer: (any EngineObserver)?

    /// The canonical head; the base's head at first.
    public internal(set) var head: Bytes32
    public internal(set) var safe = Bytes32.zero
    public internal(set) var finalized = Bytes32.zero
    var waiting: [Bytes32: WaitingPayload] = [:]
    /// Oldest first.
    var waitingOrder: [Bytes32] = []
    var waitingSize = 0
    var invalid: [Bytes32: InvalidBlock] = [:]
    var invalidOrder: [Bytes32] = []
    /// Oldest first.
    var built: [BuiltPayload] = []

    public init(
        base: Base, rules: ChainRules, version: EngineClientVersion, limits: Limits = Limits(),
        transactions: @escaping TransactionSource = { _, _ in [] }
    ) {
        self.rules = rules
        self.limits = limits
        self.version = version
        self.transactions = transactions
        state = EngineState(base)
        head = base.head.hash
    }

    /// What can be called, as consensus clients are told.
    public static var capabilities: [String] {
        EngineMethods.newPayload + EngineMethods.forkchoice + EngineMethods.getPayload
            + EngineMethods.stateless + EngineMethods.bodies
    }

    /// Answers one call.
    public func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
        let (method, params) = (request.method, request.params)
        typealias Version = StatelessPayloadRequest.Version
        if let version = Version(method: method, prefix: "engine_newPayloadV"), version != .v5 {
            return try newPayload(method, version, params, withWitness: false)
        }
        if let version = Version(method: method, prefix: "engine_newPayloadWithWitnessV"),
            version != .v5
        {
            return try newPayload(method, version, params, withWitness: true)
        }
        for (prefix, withWitness) in [
            ("engine_forkchoiceUpdatedV", false), ("engine_forkchoiceUpdatedWithWitnessV", true),
        ] {
            if let version = Version(method: method, prefix: prefix), version.rawValue <= 3 {
                return try forkchoiceUpdated(method, version, params, withWitness: withWitness)
            }
        }
        if let version = Version(method: method, prefix: "engine_getPayloadV") {
            return try getPayload(method, version, params)
        }
        switch method {
        case "engine_getPayloadBodiesByHashV1": return try bodiesByHash(params)
        case "engine_getPayloadBodiesByRangeV1": return try bodiesByRange(params)
        case "engine_getClientVersionV1": return try version.answer(params)
        case "engine_exchangeCapabilities":
            return try EngineMethods.exchange(params, Self.capabilities)
        case "eth_chainId": return .quantity(rules.chainID)
        case "eth_blockNumber": return .quantity(headHeader.number)
        case "eth_syncing": return .bool(false)
        default:
            throw .unknownMethod(
                method, nearest: NearestName.of(method, among: Self.capabilities))
        }
    }

    // MARK: Blocks

    var headHeader: Header { state.tree[head]?.block.header ?? state.base.head }

    /// Does something with the base, whose failures are answers of their own.
    func read<Value>(
        _ body: () throws(SourceFailure) -> Value
    ) throws(RPCError) -> Value {
        do throws(SourceFailure) {
            return try body()
        } catch {
            throw .internalError("\(error)")
        }
    }

    /// A valid block, final or not.
    func validBlock(_ hash: Bytes32) throws(RPCError) -> Block? {
        if let entry = state.tree[hash] { return entry.block }
        return try read { () throws(SourceFailure) in try state.base.block(hash) }
    }

    /// Whether a block is on the branch that ends with another one.
    func isAncestor(_ hash: Bytes32, of tip: Bytes32) throws(RPCError) -> Bool {
        if hash == tip { return true }
        guard let block = try validBlock(hash) else { return false }
        let number = block.header.number
        if number > state.base.head.number {
            return state.tree.ancestor(of: tip, at: number)?.hash == hash
        }
        // Everything in the tree descends from the base's head.
        let final = try read { () throws(SourceFailure) in try state.base.header(at: number) }
        guard final?.hash == hash else { return false }
        if state.tree[tip] != nil { return true }
        return try validBlock(tip).map { $0.header.number >= number } ?? false
    }
}

/// A payload whose parent is not there.
struct WaitingPayload {
    let block: Block
    let size: Int
    let requests: [[UInt8]]?
}

/// A block that broke a rule, or descends from one that did.
struct InvalidBlock {
    let latestValid: Bytes32?
    let reason: String
}
