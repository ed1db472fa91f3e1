import ChoraleTypes
import DequeModule
import PeerIdentity

/// Who is told what a message was worth.
enum MessageOrigin: Hashable, Sendable {
    case gossip(PartMessageID)
    /// Said to us alone.
    case peer(PeerID)
    /// It came before its operation, and was given up then.
    case kept
    /// Our own executor's.
    case own
}

/// What waits for its signatures to be checked, and how much of it is being checked.
///
/// Votes gather while workers are busy, so that a flood of them is checked in batches.
struct MessageChecks {
    let votesMax: Int
    let statementsMax: Int
    let batchMax: Int
    let jobsMax: Int
    private var votes: Deque<PartJob.Check<SubProofVote>> = []
    private var statements: Deque<PartJob.Check<PartStatement>> = []
    private var voteJobs = 0
    private var statementJobs = 0

    init(_ limits: PartLimits) {
        votesMax = limits.votesMax
        statementsMax = limits.statementsMax
        batchMax = limits.voteBatchMax
        jobsMax = limits.checkJobsMax
    }

    var count: Int { votes.count + statements.count }

    /// False when there are too many.
    mutating func add(_ check: PartJob.Check<SubProofVote>) -> Bool {
        guard votes.count < votesMax else { return false }
        votes.append(check)
        return true
    }

    mutating func add(_ check: PartJob.Check<PartStatement>) -> Bool {
        guard statements.count < statementsMax else { return false }
        statements.append(check)
        return true
    }

    mutating func next() -> PartJob.Work? {
        if !statements.isEmpty, statementJobs < jobsMax {
            statementJobs += 1
            return .statement(statements.removeFirst())
        }
        guard !votes.isEmpty, voteJobs < jobsMax else { return nil }
        voteJobs += 1
        let batch = Array(votes.prefix(batchMax))
        votes.removeFirst(batch.count)
        return .votes(batch)
    }

    mutating func finishedVotes() { voteJobs -= 1 }
    mutating func finishedStatement() { statementJobs -= 1 }
}
