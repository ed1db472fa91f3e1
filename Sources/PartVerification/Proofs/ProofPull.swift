import ChoraleBase
import ChoraleTypes
import Operations
import PeerIdentity
import Subproof

/// One proof on its way here.
///
///     bodies ─▶ shelf ─▶ asking ─▶ here
///        ╰────────┴────────┴─▶ nobody has it now
struct ProofPull {
    enum Stage: Hashable {
        /// Until the operation is prepared.
        case bodies
        case shelf
        case asking
        case here([UInt8])
    }

    let job: SubproofJobID
    let operation: Bytes32
    let part: Int
    let reference: ProofReference
    /// Whom to ask first: the executor, unless it is this node.
    let executor: PeerID?
    let givesUpAt: MonotonicInstant
    var stage = Stage.bodies
    /// Until when others are not asked, since the executor may connect.
    var othersAt: MonotonicInstant
    /// When another peer is asked too, if those that were have not answered.
    var hedgeAt: MonotonicInstant?
    var asked: [PeerID] = []
    var inFlight = 0

    var deadline: MonotonicInstant? {
        switch stage {
        case .here: nil
        case .bodies, .shelf: givesUpAt
        case .asking: earliest(earliest(givesUpAt, hedgeAt), inFlight == 0 ? othersAt : nil)
        }
    }
}
