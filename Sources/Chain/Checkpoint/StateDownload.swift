public import ChoraleBase
public import ChoraleTypes
import Codec
public import Execution

/// A part of the state that is asked for at once.
public enum DownloadPart: Hashable, Sendable {
    /// Accounts of a segment, from a key on.
    case accounts(segment: UInt8, from: Bytes32)
    /// Storages one after another; all but the first from their beginning.
    case storages([StorageUnit])
    case codes([Bytes32])
}

/// What is missing of an account's storage.
public struct StorageUnit: Hashable, Sendable {
    /// Hash of the address.
    public let account: Bytes32
    /// As the account has it, which is proven: never that of no storage.
    public let root: Bytes32
    /// The lowest slot that is missing.
    public var next: Bytes32
}

/// The accounts are asked for in so many segments of the key space, of several peers at once.
public enum StateSegment {
    public static let count: UInt8 = 16

    static func first(_ segment: UInt8) -> Bytes32 {
        Bytes32(storage: .init { $0 == 0 ? segment << 4 : 0 })
    }

    static func last(_ segment: UInt8) -> Bytes32 {
        Bytes32(storage: .init { $0 == 0 ? segment << 4 | 0x0F : 0xFF })
    }

    /// The key after one; nil after the highest.
    static func successor(_ key: Bytes32) -> Bytes32? {
        var bytes = key.bytes
        for index in bytes.indices.reversed() {
            bytes[index] &+= 1
            if bytes[index] != 0 { return Bytes32(bytes) }
        }
        return nil
    }
}

/// What is left of a download.
public struct DownloadState: Hashable, Sendable {
    /// The checkpoint's.
    public let stateRoot: Bytes32
    /// By segment: the lowest account that is missing; nil when none is.
    public var cursors: [Bytes32?]
    public var storages: [StorageUnit]
    public var codes: [Bytes32]

    /// Whether nothing is.
    public var isComplete: Bool {
        storages.isEmpty && codes.isEmpty && cursors.allSatisfy { $0 == nil }
    }
}

/// What came of a part that was taken: written, and what it led to.
public struct DownloadStep: Hashable, Sendable {
    /// Of a segment, when accounts came: where it goes on, nil at its end.
    public var cursor: (segment: UInt8, next: Bytes32?)? {
        segment.map { ($0, next) }
    }
    var segment: UInt8?
    var next: Bytes32?
    /// Storages and codes that accounts need and that were not known.
    public var storages: [StorageUnit] = []
    public var codes: [Bytes32] = []
    /// What the part did not bring of what was asked for.
    public var rest: DownloadPart?
    public var accountCount = 0
    public var slotCount = 0
    public var size = 0
}

/// A row that says how far a download is, in the words of ``StateDownload``.
public struct DownloadMark: Hashable, Sendable {
    public let key: [UInt8]
    public let value: [UInt8]

    public init(key: [UInt8], value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

/// Rows of a state that is being downloaded: written whole or not at all.
public struct StatePart: Sendable {
    public struct Slots: Sendable {
        public var account: Bytes32
        public var words: [(key: Bytes32, word: UInt256)]

        public init(account: Bytes32, words: [(key: Bytes32, word: UInt256)]) {
            self.account = account
            self.words = words
        }
    }

    /// By the hashes of their addresses.
    public var accounts: [(key: Bytes32, account: Account)] = []
    public var slots: [Slots] = []
    public var codes: [[UInt8]] = []
    /// Marks that are put.
    public var marks: [DownloadMark] = []
    /// Keys of marks that are deleted.
    public var gone: [[UInt8]] = []

    public init() {}
}

/// A store that can begin with a state that comes in parts, and goes on after a crash from what it has.
///
/// All of it is called before the first height is written. That write takes the state over when its root
/// is the one that ``finishDownload()`` gave, and deletes the marks.
public protocol DownloadStore: ChainStore {
    /// What was put and not deleted, in the order of the keys; nil when no download was begun.
    func downloadMarks() throws(StoreFailure) -> [DownloadMark]?

    /// Deletes what is there of a state, and puts marks.
    func beginDownload(_ marks: [DownloadMark]) throws(StoreFailure)

    /// Adds a part. What a crash takes of parts is taken from the end.
    func add(_ part: StatePart) throws(StoreFailure)

    func hasCode(_ hash: Bytes32) throws(StoreFailure) -> Bool

    /// Builds the tries. Returns their root.
    func finishDownload() throws(StoreFailure) -> Bytes32
}
