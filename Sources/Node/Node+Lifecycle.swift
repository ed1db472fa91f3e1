import Chain
import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import ExecutorAgent
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

/// Start, stop, and what workers found out.
extension Node {
    mutating func start(now: Now, into outputs: inout [NodeOutput]) {
        guard case .created = phase else { return }
        phase = .running
        startedAt = now.instant
        outputs.append(.event(.started(localPeer)))
        for (index, address) in configuration.listenAddresses.enumerated() {
            outputs.append(.listen(ListenerID(UInt32(index)), address))
        }
        for family in [ColumnFamily.peer, .dht, .witness] {
            loadPage(.init(family: family), into: &outputs)
        }
        for node in configuration.bootnodes {
            tell(.learned(node.peerID, node.addresses, .bootnode), now: now, into: &outputs)
        }
        for peer in configuration.directPeers {
            tell(.pin(peer.peerID, peer.addresses), now: now, into: &outputs)
        }
        addressesChanged(now: now, into: &outputs)
        for topic in configuration.gossipTopics {
            tellGossip(.subscribe(Gossipsub.Topic(topic)), now: now, into: &outputs)
        }
        if configuration.speaksChorale {
            tellGossip(.subscribe(announcementTopic), now: now, into: &outputs)
        }
        startChain(now: now, into: &outputs)
        startParts(now: now, into: &outputs)
        timeout(now: now, into: &outputs)
    }

    mutating func stop(now: Now, into outputs: inout [NodeOutput]) {
        guard case .running = phase else { return }
        outputs.append(.event(.stopping))
        for command in commands.all {
            finish(command, .failed(.init(.shuttingDown, "the node is stopping")), into: &outputs)
        }
        for peer in peers.values { sayGoodbye(peer, .shutdown, now: now, into: &outputs) }
        tell(.shutdown, now: now, into: &outputs)
        phase = .draining(until: now.instant.advanced(by: configuration.limits.drainTimeout))
    }

    /// Ends the drain once every connection is gone, or its time is over.
    mutating func finishDraining(now: Now, into outputs: inout [NodeOutput]) {
        guard case .draining(let until) = phase else { return }
        if !connections.isEmpty || !dialing.isEmpty {
            guard now.instant >= until else { return }
            for id in connections.keys.sorted() { outputs.append(.abort(id)) }
            for id in dialing.keys.sorted() { outputs.append(.cancelDial(id)) }
        }
        phase = .stopped
        outputs.append(.stopped)
    }

    // MARK: Workers

    mutating func finished(
        _ result: JobResult, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch result {
        case .gossipSignature(let id, let isValid):
            tellGossip(.signatureChecked(id, isValid: isValid), now: now, into: &outputs)
        case .recordValidation(let id, let verdict):
            tellKademlia(.validated(id, verdict), now: now, into: &outputs)
        case .announcement(let handle, let verdict):
            announcementChecked(handle, verdict, now: now, into: &outputs)
        case .chain(let outcome):
            tellChain(.verified(outcome), now: now, into: &outputs)
        case .chunk(let id, let isValid):
            tellBodies(.chunkVerified(id, isValid), now: now, into: &outputs)
        case .part(let result):
            tellParts(.finished(result), now: now, into: &outputs)
        case .executor(let result):
            tellExecutor(.finished(result), now: now, into: &outputs)
        case .offeredAnnouncement(let id, let verdict):
            offeredAnnouncementChecked(id, verdict, now: now, into: &outputs)
        case .buildBody(let command, let built):
            bodyBuilt(command, built, now: now, into: &outputs)
        case .signedRecord(let peer, let record, let envelope, let isExchange):
            recordChecked(
                peer, record, envelope: envelope, isExchange: isExchange, now: now, into: &outputs)
        }
    }

    /// A signed peer record of identify or of a peer exchange was opened, or was not genuine.
    private mutating func recordChecked(
        _ peer: PeerID, _ record: PeerRecord?, envelope: [UInt8], isExchange: Bool, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let record, record.peerID == peer else {
            counters.invalidPeerRecords += 1
            return
        }
        tell(
            .learnedRecord(
                peer, sequence: record.sequence, record.addresses, envelope: envelope),
            now: now, into: &outputs)
        // What we pass on to peers that we prune (peer exchange).
        if peers[peer] != nil {
            tellGossip(.peerRecord(peer, envelope), now: now, into: &outputs)
        }
        if isExchange {
            tell(.dial(requests.unaskedDial(), peer, [], .exchange), now: now, into: &outputs)
        }
    }

    // MARK: What is derived from the configuration

    /// The names this node answers to, in the order it lists them.
    mutating func rebuildProtocols() {
        var names = [
            IdentifyMessage.protocolID, IdentifyMessage.pushProtocolID, PingProtocol.id,
        ]
        names += Gossipsub.Version.preferred.map(\.protocolID)
        if isServingDHT { names.append(configuration.kademliaProtocol) }
        if configuration.servesPerf { names += [PerfTransfer.protocolID, BulkTransfer.protocolID] }
        names += requestProtocols.map(\.protocolID)
        inboundProtocols = ProtocolTable(names)
        for connection in connections.values {
            connection.machine.inboundProtocols = inboundProtocols
        }
    }
}
