import ChoraleBase
import PeerIdentity

/// One running command or piece of upkeep: a lookup and what is to be done with it.
///
///     validating ──▶ searching ──▶ storing ──▶ finished      (put; provide begins at searching)
///                    searching ──▶ judging ──▶ finished      (get)
///                    searching ──▶ finished                  (the others)
///
/// Every state ends at the latest at `endsAt`.
struct Query: Sendable {
    /// Who wants it.
    enum Origin: Equatable, Sendable {
        case command(Kademlia.QueryID)
        case republication
        case refresh
    }

    enum Task: Sendable {
        case findPeer(PeerID)
        case closest
        case read(ReadTask)
        case write(WriteTask)
        case searchProviders(ProviderSearch)
    }

    enum Phase: Sendable {
        case validating
        case searching
        case storing
        /// The search is over; the last values are being judged.
        case judging
    }

    /// Ascending, never reused.
    let handle: UInt64
    let origin: Origin
    let key: [UInt8]
    var task: Task
    var phase: Phase
    var lookup: Lookup
    let startedAt: MonotonicInstant
    let searchEndsAt: MonotonicInstant
    let endsAt: MonotonicInstant
    var requestCount = 0
    /// Something could not be sent because too many requests were in flight.
    var isStarved = false
    /// The search was ended by its deadline.
    var searchTimedOut = false

    var deadline: MonotonicInstant {
        switch phase {
        case .searching: min(searchEndsAt, endsAt)
        case .validating, .storing, .judging: endsAt
        }
    }
}

/// The values that a read has met, and which one is to be believed.
struct ReadTask: Sendable {
    enum Verdict: Equatable, Sendable {
        case unjudged
        case rejected(permanently: Bool)
        /// Valid, and there is a better one.
        case worse
        case best
        /// Valid in a namespace without order, where the number of holders decides.
        case unordered
        /// Its author contradicts it.
        case equivocal
    }

    struct Value: Sendable {
        let bytes: [UInt8]
        var verdict = Verdict.unjudged
        /// Holders that gave it, the node itself included.
        var holderCount = 0
        var acceptance: ValidationVerdict.Acceptance?
    }

    struct Answer: Sendable {
        let peer: PeerID
        /// Position in `values`, or nil when the peer had none, or one too many.
        let value: Int?
    }

    let quorum: Int
    let valuesMax: Int
    private(set) var values: [Value] = []
    private(set) var answers: [Answer] = []
    /// The value that others are compared with: the best so far, or the equivocal one that a later
    /// number has to beat.
    private(set) var incumbent: Int?
    /// The value in judgement.
    private(set) var judging: Int?
    /// The node itself holds a record, and so is among the holders of a value.
    private var holdsOwn = false

    /// Who answered, the node itself included when it holds a record: never fewer than the holders
    /// of any value.
    var answeredCount: Int { answers.count + (holdsOwn ? 1 : 0) }

    init(quorum: Int, valuesMax: Int) {
        self.quorum = quorum
        self.valuesMax = valuesMax
    }

    /// Begins with what the node itself holds, which was judged when it came.
    mutating func begin(held: [UInt8], isEquivocal: Bool) {
        holdsOwn = true
        values.append(
            Value(bytes: held, verdict: isEquivocal ? .equivocal : .best, holderCount: 1))
        incumbent = 0
    }

    enum Intake: Equatable {
        case noted
        /// The value was refused before, for a reason that is its sender's fault.
        case alreadyRejected
        case ignored
    }

    mutating func answered(_ peer: PeerID, value: [UInt8]?) -> Intake {
        guard let value else {
            answers.append(Answer(peer: peer, value: nil))
            return .noted
        }
        if let index = values.firstIndex(where: { $0.bytes == value }) {
            values[index].holderCount += 1
            answers.append(Answer(peer: peer, value: index))
            return values[index].verdict == .rejected(permanently: true) ? .alreadyRejected : .noted
        }
        guard values.count < valuesMax else {
            answers.append(Answer(peer: peer, value: nil))
            return .ignored
        }
        values.append(Value(bytes: value, holderCount: 1))
        answers.append(Answer(peer: peer, value: values.count - 1))
        return .noted
    }

    /// The next value to judge, if none is in judgement. One at a time, so that each is compared with
    /// the best of those before it.
    mutating func nextToJudge() -> (candidate: [UInt8], incumbent: [UInt8]?)? {
        guard judging == nil, let index = values.firstIndex(where: { $0.verdict == .unjudged })
        else { return nil }
        judging = index
        return (values[index].bytes, incumbent.map { values[$0].bytes })
    }

    var isJudging: Bool { judging != nil || values.contains { $0.verdict == .unjudged } }

    enum Finding: Equatable {
        case nothing
        case better([UInt8])
        case rejected(by: [PeerID])
        case equivocation([UInt8], [UInt8])
    }

    mutating func judged(_ verdict: ValidationVerdict) -> Finding {
        guard let index = judging else { return .nothing }
        judging = nil
        switch verdict {
        case .rejected(let reason):
            values[index].verdict = .rejected(permanently: reason.isPermanent)
            guard reason.isPermanent else { return .nothing }
            return .rejected(by: answers.filter { $0.value == index }.map(\.peer))
        case .accepted(let acceptance):
            values[index].acceptance = acceptance
            return accepted(index, acceptance.preference)
        }
    }

    /// The judgement never came.
    mutating func abandonJudgement() {
        guard let index = judging else { return }
        judging = nil
        values[index].verdict = .rejected(permanently: false)
    }

    private mutating func accepted(
        _ index: Int, _ preference: ValidationVerdict.Preference
    ) -> Finding {
        guard let held = incumbent else {
            values[index].verdict = .best
            incumbent = index
            return .better(values[index].bytes)
        }
        switch preference {
        case .candidate:
            if values[held].verdict == .best { values[held].verdict = .worse }
            values[index].verdict = .best
            incumbent = index
            return .better(values[index].bytes)
        case .incumbent, .same:
            values[index].verdict = .worse
            return .nothing
        case .unordered:
            values[held].verdict = .unordered
            values[index].verdict = .unordered
            return .nothing
        case .equivocation:
            values[held].verdict = .equivocal
            values[index].verdict = .equivocal
            return .equivocation(values[held].bytes, values[index].bytes)
        }
    }

    /// The value to believe now, if any.
    var chosen: Value? {
        if let incumbent, values[incumbent].verdict == .best { return values[incumbent] }
        // Most holders; among equals the greater bytes, so that the order of answers does not matter.
        return values.filter { $0.verdict == .unordered }.max {
            $0.holderCount != $1.holderCount
                ? $0.holderCount < $1.holderCount
                : $0.bytes.lexicographicallyPrecedes($1.bytes)
        }
    }

    /// Enough peers agree. Our own copy is no second opinion: it may be what is to be checked.
    var hasQuorum: Bool {
        guard quorum > 0, judging == nil, let chosen else { return false }
        let agreeing = answers.count { answer in
            answer.value.map { values[$0].bytes == chosen.bytes } ?? false
        }
        return agreeing >= quorum
    }

    var isEquivocal: Bool { values.contains { $0.verdict == .equivocal } }

    /// What a peer answered; nil for a peer that gave nothing.
    func value(of peer: PeerID) -> [UInt8]? {
        guard let index = answers.first(where: { $0.peer == peer })?.value else { return nil }
        return values[index].bytes
    }
}

/// A value or an announcement on its way to the closest peers.
struct WriteTask: Sendable {
    /// nil for an announcement as provider.
    let value: [UInt8]?
    /// What validation said; nil for announcements, and before it was answered.
    var acceptance: ValidationVerdict.Acceptance?
    /// Holders wanted: the closest `k`, or all when there are fewer.
    private(set) var wanted = 0
    private(set) var acknowledged = 0
    /// Still to be sent, nearest first.
    private(set) var pending: [Lookup.Contact] = []
    private var spares: ArraySlice<Lookup.Contact> = []
    private var waiting: [PeerID] = []
    private var overdue: [PeerID] = []
    private var retried: [PeerID] = []

    init(value: [UInt8]?) { self.value = value }

    mutating func begin(closest: [Lookup.Contact], count: Int) {
        wanted = min(count, closest.count)
        pending = Array(closest.prefix(wanted))
        spares = closest.dropFirst(wanted)
    }

    mutating func next() -> Lookup.Contact? {
        guard !pending.isEmpty else { return nil }
        let contact = pending.removeFirst()
        waiting.append(contact.peer)
        return contact
    }

    mutating func acknowledged(by peer: PeerID) {
        guard stopWaiting(for: peer) else { return }
        acknowledged += 1
    }

    /// - Parameter contact: the peer, for another try when there is nobody else.
    mutating func failed(_ peer: PeerID, contact: Lookup.Contact?, mayRetry: Bool) {
        let wasOverdue = overdue.contains(peer)
        guard stopWaiting(for: peer) else { return }
        // An overdue peer's place was given away when it became overdue.
        if !wasOverdue, takeSpare() { return }
        guard mayRetry, !wasOverdue, !retried.contains(peer), let contact else { return }
        retried.append(peer)
        pending.append(contact)
    }

    mutating func becameOverdue(_ peer: PeerID) {
        guard let index = waiting.firstIndex(of: peer) else { return }
        waiting.remove(at: index)
        overdue.append(peer)
        _ = takeSpare()
    }

    private mutating func takeSpare() -> Bool {
        guard let spare = spares.popFirst() else { return false }
        pending.append(spare)
        return true
    }

    private mutating func stopWaiting(for peer: PeerID) -> Bool {
        if let index = waiting.firstIndex(of: peer) {
            waiting.remove(at: index)
            return true
        }
        if let index = overdue.firstIndex(of: peer) {
            overdue.remove(at: index)
            return true
        }
        return false
    }

    /// At least half of those wanted, and at least one.
    var isSuccess: Bool { wanted > 0 && 2 * acknowledged >= wanted }

    var isFinished: Bool {
        if acknowledged >= wanted { return true }
        guard pending.isEmpty, waiting.isEmpty else { return false }
        return isSuccess || overdue.isEmpty
    }
}

/// The providers that a search has met.
struct ProviderSearch: Sendable {
    /// Enough; 0 for all.
    let wanted: Int
    let countMax: Int
    private(set) var found: [Kademlia.PeerAddresses] = []

    init(wanted: Int, countMax: Int) {
        self.wanted = wanted
        self.countMax = countMax
    }

    /// - Returns: whether the provider is new.
    mutating func add(_ provider: Kademlia.PeerAddresses) -> Bool {
        guard found.count < countMax, !found.contains(where: { $0.peer == provider.peer }) else {
            return false
        }
        found.append(provider)
        return true
    }

    var isSatisfied: Bool { found.count >= countMax || (wanted > 0 && found.count >= wanted) }
}
