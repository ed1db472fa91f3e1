/// What the store has done since it was opened.
///
/// `writes + gets + scans + checkpoints` is the number of requests; each ended in success or in one
/// of the failures.
public struct StoreCounters: Hashable, Sendable {
    public var writes: UInt64 = 0
    public var gets: UInt64 = 0
    public var scans: UInt64 = 0
    public var checkpoints: UInt64 = 0
    /// Keys and values of successful writes, in bytes.
    public var bytesWritten: UInt64 = 0
    /// Keys and values of answers, in bytes.
    public var bytesRead: UInt64 = 0
    public var failuresDiskFull: UInt64 = 0
    public var failuresCorrupt: UInt64 = 0
    public var failuresInputOutput: UInt64 = 0
    /// Times the database was opened again after a write had failed.
    public var recoveries: UInt64 = 0

    public init() {}
}
