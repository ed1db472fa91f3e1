import ChoraleBase
import Codec
import Connection
import Gossipsub
import Identify
import Kademlia
import PeerIdentity
import Ping
import Swarm
import Yamux

/// One socket: its protocol machine and its streams.
///
/// A class because its machine cannot be copied and sits in a dictionary. Owned by `Node.connections`
/// and referred to by its streams; dropped at `disconnected`.
final class PeerConnection {
    let id: ConnectionID
    let direction: Direction
    let local: Multiaddr
    let remote: Multiaddr
    let openedAt: MonotonicInstant
    var machine: Connection
    /// Who it is, once the handshake said so.
    var established: Connection.Established?
    var streams: [StreamID: Stream] = [:]
    /// Streams that produce their content when the socket can take it, in the order they began.
    var pulling: [Stream] = []
    /// Streams whose answers are complete and not all sent.
    var answering: [Stream] = []
    /// The connected peer whose connection this is, as in `Node.peers`; nil before and after. Asked for
    /// with every message.
    unowned var owner: Peer?
    /// `wantsToTransmit` was said and not yet taken back by a transmit that left nothing.
    var isMarked = false
    /// What this connection's windows have grown by, as last counted in the node's total.
    var extraWindow = 0
    /// Streams that the peer may still open: honest use is some tens a second at most.
    var inboundStreams: TokenBucket
    /// Streams that may still be refused before it is a flood.
    var refusedStreams: TokenBucket
    /// When the connection timer fires at the latest.
    var timerAt = MonotonicInstant(nanoseconds: .max)
    var roundTrip: Duration?
    var bytesReceived: UInt64 = 0
    var bytesSent: UInt64 = 0
    /// Set once we or the protocol decided to end it.
    var isClosing = false
    /// The protocol failure that ended it, for the reason and for people.
    var failure: (reason: DisconnectReason, detail: String)?

    init(
        id: ConnectionID, direction: Direction, local: Multiaddr, remote: Multiaddr,
        openedAt: MonotonicInstant, machine: consuming Connection
    ) {
        self.id = id
        self.direction = direction
        self.local = local
        self.remote = remote
        self.openedAt = openedAt
        self.machine = machine
        inboundStreams = TokenBucket(
            capacity: 1024, interval: .milliseconds(2), now: openedAt)
        refusedStreams = TokenBucket(
            capacity: 1000, interval: .milliseconds(100), now: openedAt)
    }

    /// Of the streams that the peer opened, those that it sends DHT requests on.
    ///
    /// Counted anew each time, O(streams): a number kept beside the table is wrong after the first
    /// way out that forgets it.
    var kademliaStreamCount: Int {
        streams.values.count { if case .kademliaServer = $0.kind { true } else { false } }
    }

    /// Of the streams that the peer opened, those that it pings on.
    var pingStreamCount: Int {
        streams.values.count { if case .pingResponder = $0.kind { true } else { false } }
    }

    var peer: PeerID? { established?.peerID }

    /// Writes bytes to a stream. False when the stream is gone or its queue full, in which case the
    /// stream is of no more use to a protocol that has written half a message: it is reset.
    func write(_ stream: Stream, _ bytes: [UInt8]) -> Bool {
        do throws(Connection.WriteError) {
            try machine.write(stream.id, bytes)
            return true
        } catch {
            return false
        }
    }
}

/// A machine that cannot be copied, held by a stream.
final class PingAnswer {
    var machine = PingResponder()
}

/// The same for the side that asks.
final class PingQuestion {
    var machine: PingInitiator
    let command: CommandID

    init(machine: consuming PingInitiator, command: CommandID) {
        self.machine = machine
        self.command = command
    }
}

/// Names a stream across connections.
struct StreamKey: Hashable {
    let connection: ConnectionID
    let stream: StreamID
}

/// One stream and the session that uses it.
final class Stream {
    enum Kind {
        case identify(IdentifyReader)
        case identifyPush(IdentifyReader)
        /// Content is written at once; nothing is expected.
        case answerOnly
        case pingResponder(PingAnswer)
        case pingInitiator(PingQuestion)
        case gossipIn
        case gossipOut
        case kademliaServer
        case kademliaRequest(Kademlia.RPCID)
        case requestServer
        case requestClient
        case perf(PerfTransfer)
        case bulk(BulkTransfer)
    }

    let id: StreamID
    unowned let connection: PeerConnection
    var kind: Kind
    /// Cuts length-prefixed protocols into messages.
    var assembler: VarintFrameAssembler
    /// When silence ends the stream.
    var deadline: MonotonicInstant?
    /// The peer will send no more.
    var isReadClosed = false
    /// Kademlia requests of this stream that wait for an answer, oldest first.
    var pendingRequests: [Kademlia.InboundRequestID] = []
    /// Answers that are ready before an older request's answer is.
    var readyAnswers: [Kademlia.InboundRequestID: [UInt8]?] = [:]
    var request: RequestSession?

    init(id: StreamID, connection: PeerConnection, kind: Kind, frameSizeMax: Int) {
        self.id = id
        self.connection = connection
        self.kind = kind
        self.assembler = VarintFrameAssembler(frameSizeMax: frameSizeMax)
    }

    var key: StreamKey { StreamKey(connection: connection.id, stream: id) }
}
