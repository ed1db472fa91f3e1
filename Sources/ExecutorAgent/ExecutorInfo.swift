public import ChoraleBase
import Operations
import OrderedCollections
import PartVerification

/// What an executor does, and has done since its start.
public struct ExecutorInfo: Hashable, Sendable {
    public var key: Bytes32
    /// In gwei; nil when it is not registered.
    public var bond: UInt64?
    /// Open operations that it is elected for, in the order of their requests.
    public var jobs: [JobInfo] = []
    public var executed: UInt64 = 0
    /// Parts, without those that an earlier run had proven.
    public var proven: UInt64 = 0
    public var committed: UInt64 = 0
    public var settled: UInt64 = 0
    public var failed: UInt64 = 0
    /// Of workers, together.
    public var executionTime: Duration = .zero
    public var provingTime: Duration = .zero

    public struct JobInfo: Hashable, Sendable {
        public var operation: Bytes32
        /// 0 for the primary.
        public var rank: Int
        /// One word: ``ExecutorAgent`` has the list.
        public var state: String
        public var proven: Int
        /// 0 until it is executed.
        public var parts: Int
    }

    public init(key: Bytes32) { self.key = key }
}

extension ExecutorAgent {
    public func info() -> ExecutorInfo {
        var info = counters
        info.bond = head?.operations.executors[key]?.bond
        info.jobs = assignments.map { name, assignment in
            ExecutorInfo.JobInfo(
                operation: name, rank: assignment.rank, state: assignment.state,
                proven: assignment.proven, parts: assignment.parts)
        }
        return info
    }
}
