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

/// Identify: what we tell, and what follows from what we are told.
extension Node {
    /// What this node says about itself to a peer that it sees at `observed`.
    func identifyMessage(observed: Multiaddr?) -> IdentifyMessage {
        var message = IdentifyMessage()
        message.publicKey = configuration.identity.publicKey.encoded
        message.listenAddresses = announcedAddresses
        message.protocols = inboundProtocols.names
        message.observedAddress = observed
        message.protocolVersion = "chorale/1.0.0"
        message.agentVersion = configuration.agentVersion
        message.signedPeerRecord = ownRecord
        return message
    }

    mutating func openIdentify(
        _ connection: PeerConnection, now: Now, into outputs: inout [NodeOutput]
    ) {
        let stream = open(
            [IdentifyMessage.protocolID], .control, on: connection, .identify(IdentifyReader()),
            frameSizeMax: IdentifyMessage.Limits().messageSizeMax,
            timeout: configuration.limits.streamTimeout, now: now)
        if stream == nil, let id = connection.peer { identifyDone(id, now: now, into: &outputs) }
        mark(connection, into: &outputs)
    }

    mutating func answerIdentify(_ stream: Stream, into outputs: inout [NodeOutput]) {
        let bytes = identifyMessage(observed: stream.connection.remote).encoded()
        _ = stream.connection.write(stream, VarintFrame.encoded(bytes))
        closeWrite(stream, into: &outputs)
    }

    /// Tells every connected peer that something changed.
    mutating func pushIdentify(now: Now, into outputs: inout [NodeOutput]) {
        for peer in peers.values where peer.speaks(IdentifyMessage.pushProtocolID) {
            guard
                let stream = open(
                    [IdentifyMessage.pushProtocolID], .control, on: peer.connection, .answerOnly,
                    frameSizeMax: 0, timeout: configuration.limits.streamTimeout, now: now)
            else { continue }
            answerIdentify(stream, into: &outputs)
        }
    }

    /// Reads frames of an identify stream. False when the stream was ended.
    mutating func take(
        _ bytes: Span<UInt8>, _ stream: Stream, _ reader: inout IdentifyReader, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Bool {
        var offset = 0
        do {
            while let frame = try stream.assembler.next(in: bytes, from: &offset) {
                switch frame {
                case .inPlace(let range): try reader.add(bytes.extracting(range))
                case .assembled(let whole): try reader.add(whole.span)
                }
            }
            return true
        } catch {
            counters.malformedIdentify += 1
            abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
            return false
        }
    }

    /// The other side has said everything.
    mutating func identified(
        _ stream: Stream, _ reader: IdentifyReader, isPush: Bool, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let id = stream.connection.peer, let peer = peers[id], let news = reader.merged else {
            return
        }
        if peer.identified == nil { peer.identified = news } else { peer.identified?.merge(news) }
        if let observed = news.observedAddress, !isPush {
            noteObservation(observed, by: peer, now: now, into: &outputs)
        }
        if let record = news.signedPeerRecord, record.count <= 8 * 1024 {
            outputs.append(.run(.signedRecord(id, record, isExchange: false)))
        }
        let addresses = news.listenAddresses ?? []
        if !addresses.isEmpty {
            tell(
                .learned(id, believable(addresses, of: peer), .identify), now: now, into: &outputs)
        }
        tell(
            .identified(
                id, protocols: peer.protocols, agentVersion: peer.identified?.agentVersion ?? ""),
            now: now, into: &outputs)
        if !isPush || peer.isIdentifyDone {
            identifyDone(id, now: now, into: &outputs)
        }
    }

    /// Addresses of a peer worth remembering: what it says, without ranges that a peer on the public
    /// Internet cannot be reached at.
    private func believable(_ addresses: [Multiaddr], of peer: Peer) -> [Multiaddr] {
        let isRemotePublic = peer.connection.remote.ipAddress?.isGlobal ?? false
        return addresses.filter { address in
            guard let ip = address.ipAddress else { return true }
            return !isRemotePublic || ip.isGlobal
        }
    }

    mutating func identifyEnded(
        _ stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let id = stream.connection.peer, let peer = peers[id], !peer.isIdentifyDone,
            peer.connection === stream.connection, !stream.connection.isClosing
        else { return }
        // It would not say. It is a peer all the same, one that speaks nothing we know of.
        identifyDone(id, now: now, into: &outputs)
    }

    /// What a peer can do is known, or has changed.
    private mutating func identifyDone(
        _ id: PeerID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = peers[id] else { return }
        let isFirst = !peer.isIdentifyDone
        peer.isIdentifyDone = true
        if isFirst {
            outputs.append(
                .event(.peerIdentified(id, agentVersion: peer.identified?.agentVersion ?? "")))
        }
        tellKademlia(
            .peerIdentified(
                id, addresses: believable(peer.identified?.listenAddresses ?? [], of: peer),
                supportsServer: peer.speaks(configuration.kademliaProtocol),
                remote: peer.connection.remote.ipAddress),
            now: now, into: &outputs)
        if !peer.isGossiping,
            let version = Gossipsub.Version.preferred.first(where: { peer.speaks($0.protocolID) })
        {
            startGossip(peer, version, now: now, into: &outputs)
        }
        if isFirst { greet(peer, now: now, into: &outputs) }
    }

    // MARK: Our own addresses

    /// What others can reach this node at.
    var announcedAddresses: [Multiaddr] {
        var addresses = configuration.externalAddresses
        let policy = configuration.addressPolicy
        for address in listeners.values {
            guard let ip = address.ipAddress else { continue }
            if policy.allows(ip), !addresses.contains(address) { addresses.append(address) }
        }
        for address in observations.confirmed where policy.allows(address) {
            if !addresses.contains(address) { addresses.append(address) }
        }
        return Array(addresses.prefix(16))
    }

    /// Remembers how a peer sees us. Four different address groups that agree make an address.
    private mutating func noteObservation(
        _ address: Multiaddr, by peer: Peer, now: Now, into outputs: inout [NodeOutput]
    ) {
        // Only a peer that dialed a listener of ours sees a port that others can dial.
        guard peer.connection.direction == .inbound,
            let group = peer.connection.remote.ipAddress?.group.wide,
            observations.add(address, by: group)
        else { return }
        outputs.append(.event(.observedAddress(address)))
        addressesChanged(now: now, into: &outputs)
    }

    mutating func addressesChanged(now: Now, into outputs: inout [NodeOutput]) {
        let addresses = announcedAddresses
        recordSequence = max(recordSequence + 1, UInt64(clamping: now.wall.milliseconds))
        ownRecord =
            PeerRecord(peerID: localPeer, sequence: recordSequence, addresses: addresses)
            .seal(with: configuration.identity).encoded
        tellKademlia(.listenAddressesChanged(addresses), now: now, into: &outputs)
        let serves =
            switch configuration.dhtMode {
            case .auto: !addresses.isEmpty
            case .client: false
            case .server: true
            }
        if serves != isServingDHT {
            isServingDHT = serves
            tellKademlia(.setMode(serves ? .server : .client), now: now, into: &outputs)
            outputs.append(.event(.dhtModeChanged(serving: serves)))
            rebuildProtocols()
        }
        pushIdentify(now: now, into: &outputs)
    }
}
