import ChoraleBase
import ChoraleTypes
import OrderedCollections

/// Decides whether a verdict may be signed, from what was signed before.
///
/// One verdict for one proof and one output for one commitment, whatever happens in between: the intent is on disk before the signature exists, and after a restart only the same content is signed again.
///
/// Memory: ``entriesMax`` entries. Before the oldest is forgotten its height becomes the floor, at and
/// below which nothing new is signed: forgetting makes a validator silent and never contradictory.
struct VerdictGuard {
    /// What a signature is about.
    enum Subject: Hashable {
        case part(SubProofID)
        /// On one commitment, by one set: what was said of another, or as another set's member, is no vote here.
        case committee(commitment: Bytes32, validatorsRoot: Bytes32)

        static func committee(_ content: CommitteeVoteContent) -> Self {
            .committee(
                commitment: content.commitment, validatorsRoot: content.validatorsRoot)
        }
    }

    struct Entry {
        let height: UInt64
        let request: SubproofSignRequest
        var vote: SubProofVote?
        var committeeVote: CommitteeVote?
    }

    enum Decision {
        /// Nothing was signed: persist the intent, then sign.
        case sign
        /// This was to be signed before. Nothing else may be.
        case resume(Entry)
        /// What was signed here is not known any more.
        case refuse
    }

    let entriesMax: Int
    private(set) var floor: UInt64 = 0
    private var entries: OrderedDictionary<Subject, Entry> = [:]

    init(entriesMax: Int) { self.entriesMax = entriesMax }

    var count: Int { entries.count }

    func entry(_ subject: Subject) -> Entry? { entries[subject] }

    func decide(_ subject: Subject, height: UInt64) -> Decision {
        if let entry = entries[subject] { return .resume(entry) }
        return height <= floor ? .refuse : .sign
    }

    /// - Precondition: ``decide(_:height:)`` said to sign.
    mutating func intend(_ subject: Subject, height: UInt64, _ request: SubproofSignRequest) {
        precondition(entries[subject] == nil && height > floor, "signed once")
        add(subject, Entry(height: height, request: request))
    }

    mutating func signed(_ subject: Subject, _ vote: SubProofVote) {
        entries[subject]?.vote = vote
    }

    mutating func signed(_ subject: Subject, _ vote: CommitteeVote) {
        entries[subject]?.committeeVote = vote
    }

    mutating func raise(floor: UInt64) { self.floor = max(self.floor, floor) }

    /// Takes note of what an earlier run wrote.
    mutating func restore(_ row: SubproofRow) {
        switch row.content {
        case .voteIntent(let content): restore(content, row.height, vote: nil)
        case .vote(let vote): restore(vote.content, row.height, vote: vote)
        case .committeeIntent(let content): restore(content, row.height, vote: nil)
        case .committeeVote(let vote): restore(vote.content, row.height, vote: vote)
        case .certificate, .evidence, .fastPath: break
        }
    }

    private mutating func restore(
        _ content: SubProofVoteContent, _ height: UInt64, vote: SubProofVote?
    ) {
        let subject = Subject.part(content.id)
        var entry = entries[subject] ?? Entry(height: height, request: .vote(content))
        entry.vote = entry.vote ?? vote
        add(subject, entry)
    }

    private mutating func restore(
        _ content: CommitteeVoteContent, _ height: UInt64, vote: CommitteeVote?
    ) {
        let subject = Subject.committee(content)
        var entry = entries[subject] ?? Entry(height: height, request: .committeeVote(content))
        entry.committeeVote = entry.committeeVote ?? vote
        add(subject, entry)
    }

    private mutating func add(_ subject: Subject, _ entry: Entry) {
        entries[subject] = entry
        guard entries.count > entriesMax else { return }
        // A quarter at once, so that this is rare. Whole heights go, or the floor would be a lie.
        let heights = entries.values.map(\.height).sorted()
        floor = max(floor, heights[heights.count / 4])
        let floor = floor
        entries.removeAll { $0.value.height <= floor }
    }
}
