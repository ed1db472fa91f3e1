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

/// Gossipsub on streams: one of ours to each peer, one of theirs to us.
extension Node {
    mutating func startGossip(
        _ peer: Peer, _ version: Gossipsub.Version, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard !peer.isGossiping else { return }
        peer.isGossiping = true
        peer.gossipVersion = version.protocolID
        guard openGossip(peer, version, now: now) else {
            peer.isGossiping = false
            return
        }
        let direction: Gossipsub.Direction =
            peer.connection.direction == .inbound ? .inbound : .outbound
        tellGossip(
            .peerConnected(
                peer.id,
                .init(
                    version: version, direction: direction,
                    addressGroup: gossipGroup(of: peer.connection.remote),
                    // Not whoever is pinned: a peering agreement has two sides, and one that the
                    // other side does not know of keeps both out of each other's mesh.
                    isDirect: isDirect(peer.id))),
            now: now, into: &outputs)
        // From an earlier connection; identify brings a newer one, if there is one.
        if let record = swarm.store[peer.id]?.signedRecord {
            tellGossip(.peerRecord(peer.id, record), now: now, into: &outputs)
        }
    }

    private func isDirect(_ peer: PeerID) -> Bool {
        configuration.directPeers.contains { $0.peerID == peer }
    }

    /// P6 counts peers by address, and by network of 64 bits under IPv6, where a customer has as many
    /// addresses as it likes. A local network shares one, and would only punish itself.
    private func gossipGroup(of address: Multiaddr) -> Gossipsub.AddressGroup? {
        guard configuration.addressPolicy == .publicNetwork, let ip = address.ipAddress else {
            return nil
        }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in ip.group.narrow.address.bytes {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        return Gossipsub.AddressGroup(hash)
    }

    private mutating func openGossip(
        _ peer: Peer, _ version: Gossipsub.Version, now: Now
    ) -> Bool {
        guard
            let stream = open(
                [version.protocolID], .vote, on: peer.connection, .gossipOut, frameSizeMax: 0,
                timeout: nil, now: now)
        else { return false }
        peer.gossipStream = stream
        return true
    }

    mutating func gossipNegotiated(
        _ stream: Stream, _ name: String, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = peer(of: stream) else { return }
        peer.gossipNegotiatedAt = now.instant
    }

    /// The peer opened its stream to us.
    mutating func acceptGossip(
        _ stream: Stream, _ version: Gossipsub.Version, _ peer: Peer, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        // A second inbound stream replaces the first (go-libp2p-pubsub).
        if let old = peer.gossipInStream, old !== stream {
            abandon(old, .noError, .finished, now: now, into: &outputs)
        }
        peer.gossipInStream = stream
        // The peer may be quicker than our identify; that it opened this stream says what it speaks.
        startGossip(peer, version, now: now, into: &outputs)
    }

    mutating func receivedGossip(
        _ bytes: Span<UInt8>, _ stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let id = stream.connection.peer else { return }
        var offset = 0
        do throws(FramingError) {
            while let frame = try stream.assembler.next(in: bytes, from: &offset) {
                switch frame {
                case .inPlace(let range):
                    receivedGossipRPC(id, bytes.extracting(range), now: now, into: &outputs)
                case .assembled(let whole):
                    tellGossip(.rpcReceived(id, whole), now: now, into: &outputs)
                }
                // The frame may have cost the peer its connection.
                guard stream.connection.streams[stream.id] === stream else { return }
            }
            // Nobody else need be asked for what is on its way here.
            if let progress = stream.assembler.progress,
                progress.expected >= configuration.gossip.largeMessageSizeMin
            {
                tellGossip(
                    .frameProgress(
                        id, received: progress.received, expected: progress.expected), now: now,
                    into: &outputs)
            }
        } catch {
            counters.malformedGossipFrames += 1
            tellGossip(.behaviourPenalty(id, 1), now: now, into: &outputs)
            abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
        }
    }

    mutating func gossipStreamEnded(
        _ stream: Stream, _ end: StreamEnd, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = peer(of: stream), peer.gossipStream === stream else { return }
        peer.gossipStream = nil
        peer.hasGossipToSend = false
        if case .connectionLost = end { return }
        // A peer may restart its gossip; one that refuses the stream again and again, or takes it only
        // to end it, has none.
        if let since = peer.gossipNegotiatedAt,
            since.duration(to: now.instant) >= configuration.limits.gossipStreamLife
        {
            peer.gossipReopenings = 0
        }
        peer.gossipNegotiatedAt = nil
        peer.gossipReopenings += 1
        if peer.gossipReopenings <= 3, !peer.connection.isClosing,
            let version = peer.gossipVersion.flatMap(Gossipsub.Version.init(protocolID:)),
            openGossip(peer, version, now: now)
        {
            let direction: Gossipsub.Direction =
                peer.connection.direction == .inbound ? .inbound : .outbound
            tellGossip(
                .peerConnected(
                    peer.id,
                    .init(
                        version: version, direction: direction,
                        addressGroup: gossipGroup(of: peer.connection.remote),
                        isDirect: isDirect(peer.id))),
                now: now, into: &outputs)
        } else if peer.isGossiping {
            peer.isGossiping = false
            tellGossip(.peerDisconnected(peer.id), now: now, into: &outputs)
        }
    }

    /// Takes frames from the gossip machine while the stream's queue is short, so that a vote still
    /// overtakes whatever waits in the machine.
    mutating func pullGossip(
        _ stream: Stream, ahead: Int, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = peer(of: stream), peer.gossipStream === stream else { return }
        let connection = stream.connection
        while connection.machine.queuedBytes(stream.id) < ahead {
            guard let frame = dequeue(peer.id, now: now, into: &outputs) else {
                peer.hasGossipToSend = false
                return
            }
            connection.machine.setClass(frame.trafficClass, of: stream.id)
            let wasWritten =
                connection.write(stream, frame.head)
                && (frame.bodyRange.isEmpty
                    || (try? connection.machine.write(stream.id, frame.body[frame.bodyRange]))
                        != nil)
            guard wasWritten else {
                // Half a frame is worse than none. The stream is reopened when its end is reported.
                counters.gossipStreamsOverrun += 1
                connection.machine.reset(stream.id, code: .resourceLimitExceeded)
                return
            }
            if frame.isLast {
                peer.hasGossipToSend = false
                return
            }
        }
    }

    private mutating func dequeue(
        _ id: PeerID, now: Now, into outputs: inout [NodeOutput]
    ) -> Gossipsub.OutgoingFrame? {
        var results: [Gossipsub.Output] = []
        let frame = gossip.dequeue(id, now: now, into: &results)
        for result in results { perform(result, now: now, into: &outputs) }
        return frame
    }

    mutating func perform(
        _ output: Gossipsub.Output, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch output {
        case .wantsToSend(let id):
            guard let peer = peers[id], let stream = peer.gossipStream else { return }
            peer.hasGossipToSend = true
            startPulling(stream, into: &outputs)
        case .checkSignature(let id, let check):
            outputs.append(.run(.gossipSignature(id, check)))
        case .deliver(let message):
            delivered(message, now: now, into: &outputs)
        case .receipt(let id, let receipt):
            publishReceipt(id, receipt, into: &outputs)
        case .published(_, let outcome):
            counters.gossipCopiesSent += UInt64(outcome.sent)
            for (reason, count) in outcome.shed where reason != .peerHasIt {
                counters.gossipCopiesShed += UInt64(count)
            }
        case .connect(let id, let record, let reason):
            if let record {
                outputs.append(.run(.signedRecord(id, record, isExchange: true)))
            } else if reason == .directPeer || swarm.store[id] != nil {
                tell(.dial(requests.unaskedDial(), id, [], .exchange), now: now, into: &outputs)
            }
        case .pauseIntake, .resumeIntake:
            pauseIntake(output, into: &outputs)
        case .event(let event):
            note(event, now: now, into: &outputs)
        }
    }

    private mutating func pauseIntake(
        _ output: Gossipsub.Output, into outputs: inout [NodeOutput]
    ) {
        let pauses = if case .pauseIntake = output { true } else { false }
        for peer in peers.values {
            // Resuming goes to everybody: a peer may have ended its gossip during the pause.
            if !pauses {
                outputs.append(.resumeReading(peer.connection.id))
            } else if peer.isGossiping {
                outputs.append(.pauseReading(peer.connection.id))
            }
        }
    }

    private mutating func note(
        _ event: Gossipsub.Event, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch event {
        case .grafted(let id, let topic, _):
            tell(.hold(id, .gossipMesh), now: now, into: &outputs)
            outputs.append(.event(.grafted(id, topic: topic.description)))
        case .pruned(let id, let topic, _):
            if !gossip.isInMesh(id) {
                tell(.release(id, .gossipMesh), now: now, into: &outputs)
            }
            outputs.append(.event(.pruned(id, topic: topic.description)))
        case .graylisted(let id, _):
            outputs.append(.event(.graylisted(id)))
            // Nothing it says is read any more, so its connection is of no use. The ban keeps it from
            // costing a handshake a second; its score outlives both.
            guard swarm.link(to: id)?.holds.contains(.pinned) != true else { return }
            tell(.ban(id, configuration.limits.graylistBan), now: now, into: &outputs)
        default:
            break
        }
    }

    /// A message of a peer, its signature already checked where there is one.
    private mutating func delivered(
        _ message: Gossipsub.ReceivedMessage, now: Now, into outputs: inout [NodeOutput]
    ) {
        if message.topic == announcementTopic {
            let check = AnnouncementCheck(
                compressed: message.data, policy: configuration.announcementPolicy)
            announcementSources[message.handle] = message.propagationSource
            outputs.append(.run(.announcement(message.handle, check)))
            return
        }
        if let topic = chainTopics[message.topic] {
            receivedChainGossip(message, topic, now: now, into: &outputs)
        } else if let topic = partTopics[message.topic] {
            receivedPartGossip(message, topic, now: now, into: &outputs)
        } else if message.needsVerdict {
            tellGossip(.validated(message.handle, .accept), now: now, into: &outputs)
        }
        let name = message.topic.description
        for command in commands.subscribers(to: name) {
            outputs.append(
                .reply(
                    command,
                    .message(
                        GossipMessageInfo(
                            topic: name, id: message.id.bytes, data: message.data,
                            author: message.author, from: message.propagationSource)),
                    isLast: false))
        }
    }
}
