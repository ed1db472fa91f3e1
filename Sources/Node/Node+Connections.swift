import Chain
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
import PartVerification
import PeerIdentity
import Ping
import RequestResponse
import Swarm
import Yamux

/// Sockets: their life, and what their machines report.
extension Node {
    mutating func add(
        _ id: ConnectionID, role: Connection.Role, local: Multiaddr, remote: Multiaddr,
        _ ephemeral: SecretBytes, now: Now
    ) {
        let machine = Connection(
            role: role, credentials: credentials, ephemeral: ephemeral,
            inboundProtocols: inboundProtocols, limits: configuration.limits.connection,
            now: now.instant)
        let direction: Direction = role == .listener ? .inbound : .outbound
        connections[id] = PeerConnection(
            id: id, direction: direction, local: local, remote: remote, openedAt: now.instant,
            machine: machine)
    }

    mutating func connected(
        _ id: ConnectionID, local: Multiaddr, _ ephemeral: SecretBytes, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let dial = dialing.removeValue(forKey: id) else {
            outputs.append(.abort(id))
            return
        }
        add(
            id, role: .dialer(expected: dial.expected), local: local, remote: dial.address,
            ephemeral, now: now)
        tell(.connected(id), now: now, into: &outputs)
        if let connection = connections[id], !connection.isClosing {
            touch(connection, into: &outputs)
        }
    }

    /// The driver says that the socket is gone.
    mutating func disconnected(
        _ id: ConnectionID, _ reason: DisconnectReason, detail: String, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        dialing.removeValue(forKey: id)
        guard let connection = connections[id] else {
            tell(.closed(id, reason, detail: detail), now: now, into: &outputs)
            return
        }
        let final = connection.failure?.reason ?? reason
        var words = connection.failure?.detail ?? detail
        if connection.failure == nil, reason == .remoteClosed || reason == .remoteReset {
            // The socket knows only that the peer left; the machine knows in the middle of what.
            var events: [Connection.Event] = []
            connection.machine.inputEnded(into: &events)
            words = connection.machine.closeReason?.label ?? detail
        }
        // Before the streams end: what their sessions want next must not be put on this connection.
        connection.isClosing = true
        endStreams(of: connection, now: now, into: &outputs)
        connection.machine.close()
        extraWindowInUse -= connection.extraWindow
        connections.removeValue(forKey: id)
        outputs.append(.event(.connectionClosed(id, final, detail: words)))
        tell(.closed(id, final, detail: words), now: now, into: &outputs)
    }

    /// Ends a connection from our side. The swarm has decided, or the machine has failed.
    mutating func end(
        _ connection: PeerConnection, code: GoAwayCode, into outputs: inout [NodeOutput]
    ) {
        guard !connection.isClosing else { return }
        connection.isClosing = true
        if connection.established != nil, connection.failure == nil {
            connection.machine.goAway(code)
        }
        outputs.append(.close(connection.id))
    }

    // MARK: Swarm

    mutating func perform(
        _ output: Swarm.Output, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch output {
        case .startDial(let id, let address, let expected, let timeout):
            dialing[id] = (address, expected)
            outputs.append(.dial(id, address, timeout: timeout))
        case .cancelDial(let id):
            outputs.append(.cancelDial(id))
        case .resolve(let id, let query):
            outputs.append(.resolve(id, query))
        case .accept(let id):
            if let connection = connections[id] { touch(connection, into: &outputs) }
        case .close(let id, let reason):
            guard let connection = connections[id] else {
                outputs.append(.abort(id))
                return
            }
            if connection.failure == nil { connection.failure = (reason, "") }
            // Nothing was said yet to somebody we refuse, so nothing need be flushed.
            if connection.established == nil {
                connection.isClosing = true
                outputs.append(.abort(id))
            } else {
                connection.failure = nil
                end(connection, code: .normal, into: &outputs)
                connection.failure = (reason, "")
            }
        case .peerConnected(let peer, let id, let direction, let remote):
            peerConnected(peer, id, direction, remote: remote, now: now, into: &outputs)
        case .peerDisconnected(let peer, let reason):
            peerDisconnected(peer, reason, now: now, into: &outputs)
        case .dialFinished(let id, let outcome):
            dialFinished(id, outcome, now: now, into: &outputs)
        case .refused(let refusal, let remote):
            outputs.append(.event(.refused(refusal, remote)))
        case .store(let writes):
            store(.write(writes, sync: false), for: .swarm, into: &outputs)
        case .wantsPeers:
            // A walk through the DHT finds peers; their addresses come back as `learned`.
            if kademlia.tableSize > 0, now.instant >= nextPeerSearchAt {
                nextPeerSearchAt = now.instant.advanced(by: .seconds(30))
                let key = random.bytes(count: 32)
                tellKademlia(
                    .command(requests.internalQuery(), .getClosestPeers(key: key)), now: now,
                    into: &outputs)
            }
        }
    }

    private mutating func peerConnected(
        _ id: PeerID, _ connectionID: ConnectionID, _ direction: Direction, remote: Multiaddr,
        now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let connection = connections[connectionID] else { return }
        let peer = Peer(
            id: id, connection: connection, since: now.instant, limits: configuration.limits,
            now: now)
        peers.updateValue(peer, forKey: id)?.connection.owner = nil
        connection.owner = peer
        // It stayed in the table while it was away.
        if kademlia.isInTable(id) { tell(.hold(id, .routingTable), now: now, into: &outputs) }
        outputs.append(.event(.peerConnected(id, direction, remote)))
        openIdentify(connection, now: now, into: &outputs)
        touch(connection, into: &outputs)
    }

    private mutating func peerDisconnected(
        _ id: PeerID, _ reason: DisconnectReason, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = peers.removeValue(forKey: id) else { return }
        peer.connection.owner = nil
        if peer.isGossiping { tellGossip(.peerDisconnected(id), now: now, into: &outputs) }
        tellKademlia(.peerDisconnected(id), now: now, into: &outputs)
        tellBodies(.peerDisconnected(id), now: now, into: &outputs)
        tellChain(.peerDisconnected(id), now: now, into: &outputs)
        tellParts(.peerDisconnected(id), now: now, into: &outputs)
        requestsEnded(of: id, now: now, into: &outputs)
        outputs.append(.event(.peerDisconnected(id, reason)))
    }

    // MARK: Connection events

    mutating func handle(
        _ event: Connection.Event, _ bytes: Span<UInt8>, _ connection: PeerConnection, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        switch event {
        case .data(let id, let range):
            if let stream = connection.streams[id] {
                received(bytes.extracting(range), on: stream, now: now, into: &outputs)
            }
            connection.machine.consumed(id, count: range.count, now: now.instant)
        case .established(let established):
            connection.established = established
            tell(.established(connection.id, established.peerID), now: now, into: &outputs)
        case .streamOpened(let id, let name):
            accepted(id, name, on: connection, now: now, into: &outputs)
        case .streamNegotiated(let id, let name):
            if let stream = connection.streams[id] {
                negotiated(stream, name, now: now, into: &outputs)
            }
        case .readClosed(let id):
            if let stream = connection.streams[id] {
                stream.isReadClosed = true
                readClosed(stream, now: now, into: &outputs)
            }
        case .reset(let id, let code):
            if let stream = connection.streams.removeValue(forKey: id) {
                ended(stream, .reset(code: code), now: now, into: &outputs)
            }
        case .streamFailed(let id, let failure):
            if let stream = connection.streams.removeValue(forKey: id) {
                ended(stream, .notNegotiated(failure), now: now, into: &outputs)
            }
        case .writable(let id):
            if connection.streams[id] != nil { mark(connection, into: &outputs) }
        case .closed(let id):
            if let stream = connection.streams.removeValue(forKey: id) {
                ended(stream, .finished, now: now, into: &outputs)
            }
        case .roundTrip(let duration):
            connection.roundTrip = duration
        case .goAway:
            guard !connection.isClosing else { return }
            connection.failure = (.goAway, "the peer announced the end of the connection")
            end(connection, code: .normal, into: &outputs)
        case .failed(let reason):
            guard connection.failure == nil else { return }
            connection.failure = (DisconnectReason(reason), reason.detail)
            end(connection, code: .protocolError, into: &outputs)
        }
    }

    /// Ends every stream of a connection that is gone, in the order of their numbers.
    private mutating func endStreams(
        of connection: PeerConnection, now: Now, into outputs: inout [NodeOutput]
    ) {
        let streams = connection.streams.values.sorted { $0.id < $1.id }
        connection.streams = [:]
        connection.pulling = []
        for stream in streams { ended(stream, .connectionLost, now: now, into: &outputs) }
    }
}

extension DisconnectReason {
    /// The one reason under which a protocol failure is counted. The label keeps the detail.
    init(_ reason: Connection.CloseReason) {
        switch reason {
        case .securityNegotiation, .muxerNegotiation: self = .handshakeFailed
        case .noise(.wrongPeer): self = .wrongPeerID
        case .noise(.frameTooShort), .noise(.frameTagMismatch): self = .protocolViolation
        case .noise: self = .handshakeFailed
        case .yamux(.keepaliveTimeout): self = .keepaliveTimeout
        case .yamux: self = .protocolViolation
        case .handshakeTimeout: self = .handshakeTimeout
        case .endOfInput: self = .remoteClosed
        }
    }
}
