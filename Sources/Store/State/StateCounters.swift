/// What a ``StateDatabase`` has done since it was opened.
public struct StateCounters: Hashable, Sendable {
    /// Nodes that were asked for, there or not.
    public var nodeReads: UInt64 = 0
    /// Those of them that were kept in memory.
    public var nodeReadsFromMemory: UInt64 = 0
    /// Codes that were asked for, there or not.
    public var codeReads: UInt64 = 0
    /// Nodes and codes from the database, in bytes.
    public var bytesRead: UInt64 = 0
    /// Reads that the database could not answer.
    public var failures: UInt64 = 0
    public var nodesWritten: UInt64 = 0
    public var codesWritten: UInt64 = 0
    /// Nodes and codes, in bytes.
    public var bytesWritten: UInt64 = 0
    public var commits: UInt64 = 0

    public init() {}
}
