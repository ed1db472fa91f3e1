public import Chain
public import ChoraleBase
import ChoraleTypes
import Codec
public import Execution

/// Why the chain could not be read.
public enum ChainReadError: Error, Hashable, Sendable {
    /// In the words of what keeps it.
    case unavailable(String)
    /// It was there once, or would have to be made from what was; `oldest` is the first that is kept.
    case pruned(height: UInt64, oldest: UInt64)
    /// No state is kept here.
    case stateless
}

extension ChainReadError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unavailable(let detail): "the chain could not be read: \(detail)"
        case .pruned(let height, let oldest):
            "height \(height) is not kept any more, the oldest is \(oldest)"
        case .stateless: "this node keeps no state"
        }
    }
}

/// Reads a chain beside its owner, on one other thread, which may wait for the disk.
///
/// Every call sees whole heights: a block that is there is there with its receipts and the state after it.
/// What was committed never changes, so answers of several calls fit together.
///
/// A reader may outlive the database; then, and for states that were taken before the owner had to open
/// its files again, calls fail with ``ChainReadError/unavailable(_:)``.
// @unchecked: it goes to its thread once; the gate is safe from any.
public final class ChainReader: @unchecked Sendable {
    public struct Options: Hashable, Sendable {
        /// Bytes of codes kept in memory.
        public var codeCacheSizeMax = 8 << 20
        /// Bytes of trie nodes kept in memory while a witness is made or a range is read.
        public var nodeCacheSizeMax = 8 << 20

        public init() {}
    }

    let gate: ChainGate
    let options: Options
    let state: StateOptions
    let codes: CodeCache

    init(_ gate: ChainGate, state: StateOptions, _ options: Options) {
        self.gate = gate
        self.state = state
        self.options = options
        codes = CodeCache(sizeMax: options.codeCacheSizeMax)
    }

    /// The last height, and the chain's own record with it; nil in an empty store.
    public func head() throws(ChainReadError) -> (height: UInt64, record: [UInt8])? {
        try read { rows throws(RocksError) in
            try rows.head().map { ($0.height, $0.record) }
        }
    }

    /// The heights from which on blocks, states and tries are kept; nil in an empty store, and for states
    /// where none are.
    public func oldest() throws(ChainReadError) -> (block: UInt64, state: UInt64?, trie: UInt64?)? {
        try read { rows throws(RocksError) in
            try rows.head().map { head in
                let isKept = head.stateRoot != nil
                return (
                    head.oldestBlock, isKept ? head.oldestState : nil,
                    isKept ? head.oldestTrie : nil
                )
            }
        }
    }

    /// The height of the execution block with this hash; nil for one that is not kept.
    public func number(of hash: Bytes32) throws(ChainReadError) -> UInt64? {
        try read { rows throws(RocksError) in try rows.number(.name, ChainKey.blockHash(hash)) }
    }

    /// The height of the consensus block with this name; nil for one that is not kept.
    public func height(of blockID: Bytes32) throws(ChainReadError) -> UInt64? {
        try read { rows throws(RocksError) in try rows.number(.name, ChainKey.blockID(blockID)) }
    }

    /// Where a transaction was included; nil for one that was not, or not in a block that is kept.
    public func location(
        of transaction: Bytes32
    ) throws(ChainReadError) -> (number: UInt64, index: Int)? {
        let bytes = try read { rows throws(RocksError) in
            try rows.value(.transaction, transaction.bytes)
        }
        guard let bytes else { return nil }
        guard let place = TransactionPlace(bytes.span) else {
            throw .unavailable("the place of transaction 0x\(transaction) is damaged")
        }
        return (place.height, Int(place.index))
    }

    /// A block with its commit; nil when there is none yet.
    ///
    /// - Throws: ``ChainReadError/pruned(height:oldest:)`` for one that is not kept any more.
    public func block(at height: UInt64) throws(ChainReadError) -> StoredBlock? {
        try kept(height) { rows throws(RocksError) in
            try rows.block(at: height)
        }
    }

    /// An execution block in RLP, and its hash.
    public func payload(
        at height: UInt64
    ) throws(ChainReadError) -> (payload: [UInt8], hash: Bytes32)? {
        try kept(height) { rows throws(RocksError) in
            guard let names = try rows.names(at: height) else { return nil }
            return (try rows.part(height, .payload), names.hash)
        }
    }

    /// An execution block's header and its hash.
    public func header(
        at height: UInt64
    ) throws(ChainReadError) -> (header: Header, hash: Bytes32)? {
        let found: (bytes: [UInt8]?, payload: [UInt8]?, hash: Bytes32)? = try kept(height) {
            rows throws(RocksError) in
            guard let names = try rows.names(at: height) else { return nil }
            if let bytes = try rows.value(.block, ChainKey.block(height, .header)) {
                return (bytes, nil, names.hash)
            }
            // Whoever keeps no state did not write headers of their own.
            return (nil, try rows.part(height, .payload), names.hash)
        }
        guard let found else { return nil }
        do {
            if let bytes = found.bytes { return (try Header(bytes.span), found.hash) }
            let payload = found.payload ?? []
            return (try Block(payload.span).header, found.hash)
        } catch {
            throw .unavailable("the header of height \(height) is damaged: \(error)")
        }
    }

    /// Receipts of a block, in order; nil when there is no such block.
    ///
    /// - Throws: ``ChainReadError/stateless`` where blocks are not executed.
    public func receipts(at height: UInt64) throws(ChainReadError) -> [Receipt]? {
        let found: (isThere: Bool, isExecuted: Bool, bytes: [UInt8]?) = try kept(height) {
            rows throws(RocksError) in
            guard try rows.names(at: height) != nil else { return (false, false, nil) }
            return (
                true, try rows.head()?.stateRoot != nil,
                try rows.value(.block, ChainKey.block(height, .receipts))
            )
        }
        guard found.isThere else { return nil }
        guard let bytes = found.bytes else {
            // The first block of a chain that began at a checkpoint was not executed here.
            throw found.isExecuted ? .pruned(height: height, oldest: height + 1) : .stateless
        }
        do throws(RLPError) {
            return try Receipt.list(stored: bytes.span)
        } catch {
            throw .unavailable("the receipts of height \(height) are damaged: \(error)")
        }
    }

    // MARK: Rows

    /// Reads in a snapshot of this moment.
    func read<Result>(
        _ body: (ChainRows) throws(RocksError) -> Result
    ) throws(ChainReadError) -> Result {
        do throws(RocksError) {
            return try gate.snapshot().rows(body)
        } catch {
            throw .unavailable(error.message)
        }
    }

    /// Reads something of a height whose block may be pruned.
    private func kept<Result>(
        _ height: UInt64, _ body: (ChainRows) throws(RocksError) -> Result
    ) throws(ChainReadError) -> Result {
        let found: (result: Result?, oldest: UInt64) = try read { rows throws(RocksError) in
            let oldest = try rows.head()?.oldestBlock ?? 0
            return (height < oldest ? nil : try body(rows), oldest)
        }
        guard let result = found.result else {
            throw .pruned(height: height, oldest: found.oldest)
        }
        return result
    }
}
