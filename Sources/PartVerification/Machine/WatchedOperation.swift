import ChoraleBase
import ChoraleTypes
import Operations
import Subproof

/// An operation to which somebody has committed, while the chain waits for what is found of it.
struct WatchedOperation {
    enum Stage: Hashable {
        /// There are as many as may be open.
        case waiting
        /// The commitment is read from its block.
        case reading
        /// A worker finds out who is asked.
        case ordering
        case open
        /// Nothing can be done here.
        case refused
    }

    let request: OperationRequest
    let committed: CommittedExecution
    let kind: KindRecord
    var stage = Stage.waiting
    var content: ExecutionCommitmentContent?
    /// Of each part, the proof that decides.
    var proofs: [ProofReference] = []
    var preparation = Preparation.idle
    /// The pool waits for what executing it shows.
    var isExecuting = false
    /// What was found, and at which height it was last offered for a block.
    var certificates: [UInt16: (certificate: SubProofCertificate, offeredAt: UInt64)] = [:]
    /// The same of a committee.
    var fastPath: (certificate: FastPathCertificate, offeredAt: UInt64)?
    var dispute: (vote: CommitteeVote, offeredAt: UInt64)?
    /// Of how many parts those who were asked first have not said a word.
    var silences: [ValidatorIndex: Int] = [:]

    init(_ operation: OpenOperation, _ committed: CommittedExecution, _ kind: KindRecord) {
        request = operation.request
        self.committed = committed
        self.kind = kind
    }

    /// Whether it counts against the limit of what is open.
    var isAdmitted: Bool {
        switch stage {
        case .waiting, .refused: false
        case .reading, .ordering, .open: true
        }
    }
}
