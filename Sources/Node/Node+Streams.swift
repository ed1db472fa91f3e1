import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import Gossipsub
import Identify
import Kademlia
import Multistream
import Noise
import OrderedCollections
import PeerIdentity
import Ping
import RequestResponse
import Swarm
import Yamux

/// Why a session's stream is over.
enum StreamEnd {
    case finished
    case reset(code: UInt32)
    case notNegotiated(Connection.StreamFailure)
    case timedOut
    case connectionLost
}

/// Streams: which session gets which, and the bytes of those with simple sessions.
extension Node {
    /// Opens a stream for one of `protocols` on a connection.
    ///
    /// - Returns: nil when the connection takes no more streams.
    mutating func open(
        _ protocols: [String], _ trafficClass: TrafficClass, on connection: PeerConnection,
        _ kind: Stream.Kind, frameSizeMax: Int, timeout: Duration?, now: Now
    ) -> Stream? {
        guard !connection.isClosing,
            let id = try? connection.machine.openStream(
                protocols, class: trafficClass, now: now.instant)
        else {
            counters.streamsNotOpened += 1
            return nil
        }
        let stream = Stream(
            id: id, connection: connection, kind: kind, frameSizeMax: frameSizeMax)
        connection.streams[id] = stream
        counters.streamsOpened += 1
        setDeadline(stream, timeout, now: now)
        return stream
    }

    func peer(of stream: Stream) -> Peer? {
        if let owner = stream.connection.owner { return owner }
        guard let id = stream.connection.peer else { return nil }
        return peers[id]
    }

    mutating func setDeadline(_ stream: Stream, _ timeout: Duration?, now: Now) {
        guard let timeout else {
            stream.deadline = nil
            return
        }
        let deadline = now.instant.advanced(by: timeout)
        // A later deadline is found when the earlier timer fires, so that a busy stream does not push
        // a timer for every message.
        let mustPush = stream.deadline == nil || deadline < (stream.deadline ?? deadline)
        stream.deadline = deadline
        guard mustPush else { return }
        streamTimers.push(deadline, stream.key)
        if streamTimers.isSweepDue {
            // A peer may open and end streams as fast as it likes; their timers go with them.
            let connections = connections
            streamTimers.sweep { connections[$0.connection]?.streams[$0.stream]?.deadline == nil }
        }
    }

    mutating func streamTimerFired(
        _ key: StreamKey, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let stream = connections[key.connection]?.streams[key.stream],
            let deadline = stream.deadline
        else { return }
        guard deadline <= now.instant else {
            streamTimers.push(deadline, key)
            return
        }
        abandon(stream, .noError, .timedOut, now: now, into: &outputs)
    }

    /// Resets a stream and tells its session.
    mutating func abandon(
        _ stream: Stream, _ code: StreamResetCode, _ end: StreamEnd, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let connection = stream.connection
        guard connection.streams.removeValue(forKey: stream.id) != nil else { return }
        connection.machine.reset(stream.id, code: code)
        counters.streamsReset += 1
        ended(stream, end, now: now, into: &outputs)
        mark(connection, into: &outputs)
    }

    /// Ends our direction; the session has no more to say.
    mutating func closeWrite(_ stream: Stream, into outputs: inout [NodeOutput]) {
        stream.connection.machine.closeWrite(stream.id)
        mark(stream.connection, into: &outputs)
    }

    // MARK: Opened by the peer

    mutating func accepted(
        _ id: StreamID, _ name: String, on connection: PeerConnection, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let peerID = connection.peer, let peer = peers[peerID] else {
            // The connection lost against another one to the same peer.
            connection.machine.reset(id, code: .noError)
            return
        }
        guard connection.inboundStreams.take(now: now.instant) else {
            connection.machine.reset(id, code: .resourceLimitExceeded)
            mark(connection, into: &outputs)
            noteRefusedStream(of: peer, now: now, into: &outputs)
            return
        }
        counters.streamsAccepted += 1
        let limits = configuration.limits
        let stream: Stream
        switch name {
        case IdentifyMessage.protocolID:
            stream = Stream(id: id, connection: connection, kind: .answerOnly, frameSizeMax: 0)
            connection.streams[id] = stream
            answerIdentify(stream, into: &outputs)
        case IdentifyMessage.pushProtocolID:
            stream = Stream(
                id: id, connection: connection, kind: .identifyPush(IdentifyReader()),
                frameSizeMax: IdentifyMessage.Limits().messageSizeMax)
            connection.streams[id] = stream
            guard peer.pushes.take(now: now.instant) else {
                abandon(stream, .resourceLimitExceeded, .finished, now: now, into: &outputs)
                return
            }
        case PingProtocol.id:
            // Two, because the old one may not be over when a peer begins again (ping.md).
            let refuses = connection.pingStreamCount >= 2
            stream = Stream(
                id: id, connection: connection, kind: .pingResponder(PingAnswer()),
                frameSizeMax: 0)
            connection.streams[id] = stream
            guard !refuses else {
                refuse(stream, of: peer, now: now, into: &outputs)
                return
            }
        case configuration.kademliaProtocol:
            let refuses = connection.kademliaStreamCount >= limits.kademliaStreamsPerPeer
            stream = Stream(
                id: id, connection: connection, kind: .kademliaServer,
                frameSizeMax: limits.kademliaFrameSizeMax)
            connection.streams[id] = stream
            guard !refuses else {
                refuse(stream, of: peer, now: now, into: &outputs)
                return
            }
            setDeadline(stream, limits.idleStreamTimeout, now: now)
            return
        case PerfTransfer.protocolID:
            stream = Stream(
                id: id, connection: connection, kind: .perf(PerfTransfer()), frameSizeMax: 0)
            connection.streams[id] = stream
            connection.machine.setClass(.proof, of: id)
        case BulkTransfer.protocolID:
            stream = Stream(
                id: id, connection: connection, kind: .bulk(BulkTransfer()), frameSizeMax: 0)
            connection.streams[id] = stream
            connection.machine.setClass(.proof, of: id)
        default:
            if let version = Gossipsub.Version(protocolID: name) {
                stream = Stream(
                    id: id, connection: connection, kind: .gossipIn,
                    frameSizeMax: configuration.gossip.limits.rpcSizeMax)
                connection.streams[id] = stream
                acceptGossip(stream, version, peer, now: now, into: &outputs)
                return
            }
            if let requestProtocol = requestProtocols.first(where: { $0.protocolID == name }) {
                stream = Stream(
                    id: id, connection: connection, kind: .requestServer, frameSizeMax: 0)
                connection.streams[id] = stream
                acceptRequest(stream, requestProtocol, now: now, into: &outputs)
                return
            }
            connection.machine.reset(id, code: .protocolViolation)
            return
        }
        setDeadline(stream, limits.idleStreamTimeout, now: now)
    }

    private mutating func refuse(
        _ stream: Stream, of peer: Peer, now: Now, into outputs: inout [NodeOutput]
    ) {
        abandon(stream, .resourceLimitExceeded, .finished, now: now, into: &outputs)
        noteRefusedStream(of: peer, now: now, into: &outputs)
    }

    /// A stream beyond what a peer may have is refused, and that is all; a thousand of them within
    /// seconds are a flood, and whoever sends it is not kept, even when it speaks no gossip and so has
    /// no score.
    private mutating func noteRefusedStream(
        of peer: Peer, now: Now, into outputs: inout [NodeOutput]
    ) {
        counters.streamsRefused += 1
        guard !peer.connection.refusedStreams.take(now: now.instant),
            swarm.link(to: peer.id)?.holds.contains(.pinned) != true
        else { return }
        outputs.append(.event(.peerFault(peer.id, "streams: too many refused")))
        tell(.ban(peer.id, configuration.limits.graylistBan), now: now, into: &outputs)
    }

    mutating func negotiated(
        _ stream: Stream, _ name: String, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch stream.kind {
        case .gossipOut: gossipNegotiated(stream, name, now: now, into: &outputs)
        default: break
        }
    }

    // MARK: Bytes

    mutating func received(
        _ bytes: Span<UInt8>, on stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch stream.kind {
        case .gossipIn: receivedGossip(bytes, stream, now: now, into: &outputs)
        case .perf(let transfer):
            if let failure = transfer.received(bytes, now: now.instant) {
                perfFailed(stream, failure, now: now, into: &outputs)
            }
        case .bulk(let transfer):
            receivedBulk(bytes, stream, transfer, now: now, into: &outputs)
        case .kademliaServer, .kademliaRequest:
            receivedKademlia(bytes, stream, now: now, into: &outputs)
        case .requestServer, .requestClient:
            receivedRequestBytes(bytes, stream, now: now, into: &outputs)
        case .identify(var reader):
            if take(bytes, stream, &reader, now: now, into: &outputs) {
                stream.kind = .identify(reader)
            }
        case .identifyPush(var reader):
            if take(bytes, stream, &reader, now: now, into: &outputs) {
                stream.kind = .identifyPush(reader)
            }
        case .pingResponder(let session):
            receivedPing(bytes, stream, session, now: now, into: &outputs)
        case .pingInitiator(let session):
            receivedPong(bytes, stream, session, now: now, into: &outputs)
        case .answerOnly:
            // Identify takes no request; what comes anyway is read and forgotten.
            break
        case .gossipOut:
            // The protocol has no bytes in this direction (go-libp2p resets on any).
            abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
        }
    }

    mutating func readClosed(_ stream: Stream, now: Now, into outputs: inout [NodeOutput]) {
        switch stream.kind {
        case .identify(let reader):
            identified(stream, reader, isPush: false, now: now, into: &outputs)
            closeWrite(stream, into: &outputs)
        case .identifyPush(let reader):
            identified(stream, reader, isPush: true, now: now, into: &outputs)
            closeWrite(stream, into: &outputs)
        case .perf(let transfer):
            perfReadClosed(stream, transfer, now: now, into: &outputs)
        case .bulk(let transfer):
            // Before its end a half-close says that the other side gave up.
            if transfer.ended() != nil || transfer.command != nil {
                closeWrite(stream, into: &outputs)
            }
        case .kademliaServer:
            if stream.pendingRequests.isEmpty { closeWrite(stream, into: &outputs) }
        case .kademliaRequest:
            abandon(stream, .noError, .finished, now: now, into: &outputs)
        case .requestServer, .requestClient:
            requestReadClosed(stream, now: now, into: &outputs)
        case .gossipIn, .gossipOut, .answerOnly, .pingResponder:
            closeWrite(stream, into: &outputs)
        case .pingInitiator:
            abandon(stream, .noError, .finished, now: now, into: &outputs)
        }
    }

    /// A stream is gone: its session hears why, once.
    mutating func ended(
        _ stream: Stream, _ end: StreamEnd, now: Now, into outputs: inout [NodeOutput]
    ) {
        stream.connection.pulling.removeAll { $0 === stream }
        if let index = stream.connection.answering.firstIndex(where: { $0 === stream }) {
            stream.connection.answering.remove(at: index)
            stream.request?.isUnsent = true
        }
        stream.deadline = nil
        switch stream.kind {
        case .identify:
            identifyEnded(stream, now: now, into: &outputs)
        case .identifyPush, .answerOnly, .pingResponder:
            break
        case .pingInitiator(let session):
            pingEnded(session.command, end, into: &outputs)
        case .gossipIn:
            break
        case .gossipOut:
            gossipStreamEnded(stream, end, now: now, into: &outputs)
        case .kademliaServer:
            kademliaServerEnded(stream, now: now, into: &outputs)
        case .kademliaRequest(let id):
            kademliaRequestEnded(id, end, now: now, into: &outputs)
        case .requestServer, .requestClient:
            requestStreamEnded(stream, end, now: now, into: &outputs)
        case .bulk(let transfer):
            bulkEnded(transfer, end, into: &outputs)
        case .perf(let transfer):
            perfEnded(stream, transfer, end, now: now, into: &outputs)
        }
    }

    // MARK: Pulling

    /// Fills the streams that produce content only when the socket can take it.
    mutating func pull(
        _ connection: PeerConnection, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard !connection.pulling.isEmpty else { return }
        let ahead = configuration.limits.pullAheadSize
        var hasAnswered = false
        for stream in connection.pulling {
            switch stream.kind {
            case .requestServer:
                // One chunk a call, which takes no more than that from a connection; the next call comes
                // at once. But it comes only if there is something to send, and what the peer has no
                // window for must not stand in the way of the rest.
                if !hasAnswered || !connection.machine.hasOutput {
                    hasAnswered =
                        pullChunk(stream, now: now, into: &outputs) || hasAnswered
                }
            case .gossipOut: pullGossip(stream, ahead: ahead, now: now, into: &outputs)
            case .perf(let transfer): pullPerf(stream, transfer)
            case .bulk(let transfer): pullBulk(stream, transfer)
            default: break
            }
        }
        connection.pulling.removeAll { stream in
            switch stream.kind {
            case .perf(let transfer): transfer.isSendingDone
            case .bulk(let transfer): transfer.isSendingDone
            case .requestServer: stream.request?.unsent.isEmpty ?? true
            case .gossipOut: !(peer(of: stream)?.hasGossipToSend ?? false)
            default: true
            }
        }
    }

    func startPulling(_ stream: Stream, into outputs: inout [NodeOutput]) {
        if !stream.connection.pulling.contains(where: { $0 === stream }) {
            stream.connection.pulling.append(stream)
        }
        mark(stream.connection, into: &outputs)
    }
}
