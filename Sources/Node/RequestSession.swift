import Bodies
import Chain
import ChoraleBase
import ChoraleTypes
import PartVerification
import PeerIdentity
import RequestResponse

/// One Chorale request, ours or a peer's, from the wish until the stream is gone.
///
/// A class because its machine cannot be copied; owned by `Node.requestSessions` until it ends.
final class RequestSession {
    enum Purpose {
        case status
        case goodbye
        case chunks(Bodies.RequestID)
        case announcements(Bodies.RequestID)
        case consensus
        case chain(ChainRequestID)
        case parts(PartRequestID)

        /// The request of the bodies machine that this is.
        var bodiesRequest: Bodies.RequestID? {
            switch self {
            case .chunks(let id), .announcements(let id): id
            case .status, .goodbye, .consensus, .chain, .parts: nil
            }
        }
    }

    enum Role {
        case client(Purpose)
        case server
    }

    typealias ID = ScheduledRequestID

    let id: ID
    let peer: PeerID
    let requestProtocol: RequestProtocol
    let role: Role
    var client: RequestClient?
    var server: RequestServer?
    /// What a client will send, or a server was asked.
    var request: [UInt8]
    weak var stream: Stream?
    /// The bodies machine is answering.
    var serve: Bodies.ServeID?
    /// Chunks of the answer that are encoded when the socket can take them, oldest first.
    var unsent: [ChunkResponse] = []
    /// Nothing follows them.
    var endsAfterUnsent = false
    /// When the answer was complete.
    var answeredAt: MonotonicInstant?
    /// The stream ended with a part of the answer still here.
    var isUnsent = false
    /// The result was told; later ends of the stream are no news.
    var isSettled = false

    init(
        id: ID, peer: PeerID, requestProtocol: RequestProtocol, role: Role, request: [UInt8] = []
    ) {
        self.id = id
        self.peer = peer
        self.requestProtocol = requestProtocol
        self.role = role
        self.request = request
    }
}
