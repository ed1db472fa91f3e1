/// The column families of the node's database.
///
/// Names are written to disk: never rename one, only add.
public enum ColumnFamily: String, CaseIterable, Hashable, Sendable {
    /// Schema version, and a row written to see whether the store works.
    case meta
    /// Addresses, keys, protocols, last seen and back-off of known peers, by peer id.
    case peer
    /// Routing table, value records and provider records.
    case dht
    /// Manifests of announced bodies, by root.
    case witness
    /// Chunks of bodies, by root and big-endian index.
    case chunk
    /// What other implementations said of blocks, by big-endian height and the block's hash.
    case validation
    /// Votes, certificates and evidence on parts of operations, by height (`SubproofRow`).
    case subproof
    /// Proofs of parts, and an index of them by height (`ProofShelf`).
    case proof
    /// What an executor has finished of operations that are not committed yet.
    case execution
}

/// One change to the database.
public enum StoreWrite: Hashable, Sendable {
    case put(ColumnFamily, key: [UInt8], value: [UInt8])
    case delete(ColumnFamily, key: [UInt8])
    /// Deletes every key in `from..<to`, compared as bytes.
    case deleteRange(ColumnFamily, from: [UInt8], to: [UInt8])
}

/// Names one request to the store for as long as it is in flight.
public struct StoreRequestID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// What a machine may ask of the store.
///
/// Requests of one node are carried out in the order they were made.
public enum StoreRequest: Hashable, Sendable {
    /// Applies all writes or none. When `sync` is true the reply means that they survive a crash.
    case write([StoreWrite], sync: Bool)
    case get(ColumnFamily, key: [UInt8])
    /// Rows with keys in `from..<to` in ascending order (`to` nil: to the end), at most `rowCountMax`
    /// of them and at most `sizeMax` bytes of keys and values together (always at least one row).
    case scan(ColumnFamily, from: [UInt8], to: [UInt8]?, rowCountMax: Int, sizeMax: Int)
    /// A consistent copy of the whole database in a new directory.
    case checkpoint(directory: String)
}

/// One key and its value.
public struct StoreRow: Hashable, Sendable {
    public let key: [UInt8]
    public let value: [UInt8]

    public init(key: [UInt8], value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

public enum StoreReply: Hashable, Sendable {
    case written
    /// nil: the key is absent.
    case value([UInt8]?)
    /// `more` says that the scan stopped at a limit before its end.
    case rows([StoreRow], more: Bool)
    case checkpointed
    case failed(StoreFailure)
}

/// Why the store could not do what was asked.
public enum StoreFailure: Error, Hashable, Sendable {
    /// No room: intake stops until an operator makes some. `kept`: bytes that are left free on purpose, for what
    /// the database itself needs.
    case diskFull(path: String, kept: Int = 0)
    /// A checksum or the format is wrong.
    case corrupt(String)
    case inputOutput(String)
    /// More requests are waiting than the mailbox holds.
    case overloaded(waiting: Int, limit: Int)
}

extension StoreFailure: CustomStringConvertible {
    /// One sentence for the operator: what is wrong and what can be done.
    public var description: String {
        switch self {
        case .diskFull(let path, let kept):
            "no room left on the disk of \(path)"
                + (kept > 0 ? ", of which \(kept >> 20) MiB are kept free" : "")
                + ": free some space, nothing is stored until then"
        case .corrupt(let detail):
            "the database is damaged (\(detail)): restore a backup or start with an empty one"
        case .inputOutput(let detail):
            "the database could not be read or written: \(detail)"
        case .overloaded(let waiting, let limit):
            "\(waiting) requests wait for the database and the limit is \(limit): "
                + "the disk is too slow for the traffic"
        }
    }
}
