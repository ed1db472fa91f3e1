import ChoraleBase
import ChoraleTypes
import Subproof

/// Lets nothing be signed before what was intended is on disk.
///
///     intended ─▶ writing ─(synced)─▶ written ─▶ signing ─▶ signed
///        ▲            │                  ▲           │
///        └──(failed)──┘                  └─(nothing)─┘
///
/// One write and one request to the signer at a time, each with all that came meanwhile.
struct SignGate {
    struct Batch {
        var rows: [SubproofRow] = []
        var requests: [PartSignRequest] = []

        var isEmpty: Bool { rows.isEmpty && requests.isEmpty }
    }

    let rowsMax: Int
    private var intended = Batch()
    private var writing: Batch?
    private var written: [PartSignRequest] = []
    private var signing: [PartSignRequest]?
    private(set) var retryAt: MonotonicInstant?
    /// More was intended than can be remembered unwritten. Whoever forgets an intent may contradict it, so
    /// nothing is signed any more.
    private(set) var isShut = false

    init(rowsMax: Int) { self.rowsMax = rowsMax }

    var count: Int {
        intended.requests.count + written.count + (writing?.requests.count ?? 0)
            + (signing?.count ?? 0)
    }

    mutating func intend(_ row: SubproofRow) {
        guard !isShut else { return }
        guard intended.rows.count < rowsMax else {
            isShut = true
            intended = Batch()
            written = []
            return
        }
        intended.rows.append(row)
    }

    mutating func request(_ request: PartSignRequest) {
        guard !isShut else { return }
        intended.requests.append(request)
    }

    /// Nobody wants these any more. What was intended stays so.
    mutating func drop(_ operation: Bytes32) {
        intended.requests.removeAll { $0.request.operation == operation }
        writing?.requests.removeAll { $0.request.operation == operation }
        written.removeAll { $0.request.operation == operation }
        signing?.removeAll { $0.request.operation == operation }
    }

    /// Rows to be written and synced now, if any.
    mutating func nextWrite(_ now: MonotonicInstant) -> [StoreWrite]? {
        guard writing == nil, !intended.isEmpty, isDue(now) else { return nil }
        if intended.rows.isEmpty {
            written += intended.requests
            intended = Batch()
            return nil
        }
        let batch = intended
        writing = batch
        intended = Batch()
        return batch.rows.map { .put(.subproof, key: $0.key, value: $0.value) }
    }

    /// What is to be signed now, if anything.
    mutating func nextSigning(_ now: MonotonicInstant) -> [PartSignRequest]? {
        guard signing == nil, !written.isEmpty, isDue(now) else { return nil }
        signing = written
        written = []
        return signing
    }

    private func isDue(_ now: MonotonicInstant) -> Bool { retryAt.map { $0 <= now } ?? true }

    mutating func wrote(isDone: Bool, retryAt: MonotonicInstant) {
        guard let batch = writing else { return }
        writing = nil
        if isDone {
            if !isShut { written += batch.requests }
            self.retryAt = nil
        } else if !isShut {
            intended.rows = batch.rows + intended.rows
            intended.requests = batch.requests + intended.requests
            self.retryAt = retryAt
        }
    }

    /// Returns whether everything was signed. What was not is asked for again.
    mutating func signed(_ parts: [SignedPart], retryAt: MonotonicInstant) -> Bool {
        guard let requests = signing else { return true }
        signing = nil
        let rest = requests.filter { request in !parts.contains { $0.answers(request) } }
        guard !rest.isEmpty, !isShut else {
            self.retryAt = nil
            return rest.isEmpty
        }
        written = rest + written
        self.retryAt = retryAt
        return false
    }

    /// When to try again.
    var deadline: MonotonicInstant? {
        writing == nil && signing == nil && count > 0 ? retryAt : nil
    }
}

extension SubproofSignRequest {
    var operation: Bytes32 {
        switch self {
        case .vote(let content): content.id.operation
        case .committeeVote(let content): content.operation
        }
    }
}

extension SignedPart {
    func answers(_ request: PartSignRequest) -> Bool {
        switch (self, request.request) {
        case (.vote(let vote), .vote(let content)):
            vote.content == content && vote.validator == request.validator
        case (.committeeVote(let vote), .committeeVote(let content)):
            vote.content == content && vote.validator == request.validator
        default: false
        }
    }
}
