import Bodies
import Chain
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
import TransactionPool

/// What operators ask. Each command gets exactly one last reply.
extension Node {
    mutating func perform(
        _ command: Command, _ id: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard case .running = phase else {
            outputs.append(
                .reply(id, .failed(.init(.shuttingDown, "the node is not running")), isLast: true))
            return
        }
        guard commands.count < configuration.limits.commandsMax else {
            counters.commandsRefused += 1
            let text =
                "\(commands.count) commands are under way and the limit is "
                + "\(configuration.limits.commandsMax); wait for some to finish"
            outputs.append(.reply(id, .failed(.init(.overloaded, text)), isLast: true))
            return
        }
        commands[id] = .waiting
        switch command {
        case .nodeInfo: finish(id, .nodeInfo(nodeInfo(now: now)), into: &outputs)
        case .peers: finish(id, .peers(peerInfos(now: now)), into: &outputs)
        case .addPeer(let address): addPeer(address, id, now: now, into: &outputs)
        case .removePeer(let peer):
            let isKnown = swarm.link(to: peer) != nil
            tell(.unpin(peer), now: now, into: &outputs)
            tell(.disconnect(peer, .operatorRequest), now: now, into: &outputs)
            finish(id, .removed(isKnown), into: &outputs)
        case .mesh: finish(id, .mesh(meshInfos()), into: &outputs)
        case .scores: finish(id, .scores(scoreInfos(now: now)), into: &outputs)
        case .explainScore(let peer): explainScore(peer, id, now: now, into: &outputs)
        case .dht: finish(id, .dht(dhtInfo(now: now)), into: &outputs)
        case .limits: finish(id, .limits(limitInfos(now: now)), into: &outputs)
        case .counters: finish(id, .counters(counterInfos()), into: &outputs)
        case .publish(let topic, let data):
            publish(data, on: topic, id, now: now, into: &outputs)
        case .subscribe(let topic):
            subscribe(topic, id, now: now, into: &outputs)
        case .dhtPut(let key, let value):
            query(.putValue(key: key, value: value, republish: false), id, now: now, into: &outputs)
        case .dhtGet(let key):
            query(.getValue(key: key, quorum: nil), id, now: now, into: &outputs)
        case .dhtProvide(let key): query(.provide(key: key), id, now: now, into: &outputs)
        case .dhtFindProviders(let key):
            query(.findProviders(key: key, count: 20), id, now: now, into: &outputs)
        case .dhtFindPeer(let peer): query(.findPeer(peer), id, now: now, into: &outputs)
        case .publishProverIdentity:
            publishProverIdentity(id, now: now, into: &outputs)
        case .findProver(let publicKey):
            findProver(publicKey, id, now: now, into: &outputs)
        case .ping(let address, _), .perf(let address, _, _), .bulk(let address, _, _):
            connectFirst(address, command, id, now: now, into: &outputs)
        case .publishBody(let kind, let bytes):
            publishBody(kind, bytes, id, now: now, into: &outputs)
        case .bodies: finish(id, .bodies(bodyInfos(now: now)), into: &outputs)
        case .readBody(let root): readBody(root, id, now: now, into: &outputs)
        case .watchBodies: commands[id] = .bodies
        case .watchEvents: commands[id] = .events
        case .chainInfo:
            if let info = chainInfo(now: now) {
                finish(id, .chain(info), into: &outputs)
            } else {
                finish(id, .failed(Self.noChain), into: &outputs)
            }
        case .submitTransaction(let encoding):
            guard chain != nil else {
                finish(id, .failed(Self.noChain), into: &outputs)
                return
            }
            commands[id] = .waiting
            tellChain(.submit(SubmissionID(id.rawValue), encoding), now: now, into: &outputs)
        case .poolQuery(.transaction(let hash)):
            finish(id, .pooled(chain?.machine.pool.transaction(hash)), into: &outputs)
        case .poolQuery(.pendingNonce(let address)):
            finish(id, .pendingNonce(chain?.machine.pool.pendingNonce(of: address)), into: &outputs)
        case .operations, .operation, .assignments, .proofs:
            answerAboutOperations(command, id, now: now, into: &outputs)
        case .validations(let height):
            readValidations(height, id, now: now, into: &outputs)
        case .backup(let directory):
            store(
                .checkpoint(directory: directory), for: .backup(id, directory), into: &outputs)
        }
    }

    static let noChain = CommandFailure(
        .unavailable, "this network has no chain: its genesis names no validators")

    /// The last reply. Later results for this command are dropped.
    mutating func finish(
        _ id: CommandID, _ reply: Reply, into outputs: inout [NodeOutput]
    ) {
        guard commands.remove(id) != nil else { return }
        outputs.append(.reply(id, reply, isLast: true))
    }

    mutating func cancelCommand(
        _ id: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let work = commands.remove(id) else { return }
        for query in requests.queries(of: id) {
            tellKademlia(.cancel(query), now: now, into: &outputs)
        }
        if case .subscription(let topic) = work, commands.subscribers(to: topic).isEmpty,
            !configuration.gossipTopics.contains(topic), topic != announcementTopic.description
        {
            tellGossip(.unsubscribe(Gossipsub.Topic(topic)), now: now, into: &outputs)
        }
    }

    // MARK: Connecting

    private mutating func addPeer(
        _ address: Multiaddr, _ id: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let multihash = address.peerIDMultihash,
            let peer = try? PeerID(multihash: multihash)
        else {
            let text = "\(address.text) names no peer: append /p2p/<peer id>"
            finish(id, .failed(.init(.invalidArgument, text)), into: &outputs)
            return
        }
        tell(.pin(peer, [address]), now: now, into: &outputs)
        tell(.dialAddress(requests.dial(for: id), address), now: now, into: &outputs)
    }

    private mutating func connectFirst(
        _ address: Multiaddr, _ command: Command, _ id: CommandID, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        commands[id] = .afterDial(command)
        tell(.dialAddress(requests.dial(for: id), address), now: now, into: &outputs)
    }

    mutating func dialFinished(
        _ id: DialID, _ outcome: Swarm.DialOutcome, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch requests.takeDial(id) {
        case .rpc(let rpc): dialed(rpc, outcome, now: now, into: &outputs)
        case .command(let command): dialed(command, outcome, now: now, into: &outputs)
        case .unasked, nil: break
        }
    }

    private mutating func dialed(
        _ id: CommandID, _ outcome: Swarm.DialOutcome, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let work = commands[id] else { return }
        switch outcome {
        case .failed(let failure):
            finish(id, .failed(.init(.unreachable, failure.description)), into: &outputs)
        case .connected(let peerID, _):
            guard case .afterDial(let command) = work, let peer = peers[peerID] else {
                finish(id, .added(peerID), into: &outputs)
                return
            }
            switch command {
            case .ping(_, let count):
                startPing(id, peer, count: count, now: now, into: &outputs)
            case .perf(_, let upload, let download):
                startPerf(id, peer, upload: upload, download: download, now: now, into: &outputs)
            case .bulk(_, let upload, let download):
                startBulk(id, peer, upload: upload, download: download, now: now, into: &outputs)
            default:
                finish(id, .added(peerID), into: &outputs)
            }
        }
    }

    // MARK: Gossip

    private mutating func publish(
        _ data: [UInt8], on topic: String, _ id: CommandID, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        commands[id] = .publication(topic: topic)
        // Published to without being joined: the machine keeps a fanout for it.
        configureTopic(Gossipsub.Topic(topic), now: now, into: &outputs)
        tellGossip(
            .publish(commands.publication(of: id), Gossipsub.Topic(topic), data: data, .init()),
            now: now, into: &outputs)
    }

    mutating func publishReceipt(
        _ id: Gossipsub.PublishID, _ receipt: Gossipsub.PublishReceipt,
        into outputs: inout [NodeOutput]
    ) {
        guard let command = commands.takePublication(id),
            case .publication(let topic) = commands[command]
        else { return }
        switch receipt {
        case .queued(let message, let queuedTo, let announcedTo):
            finish(
                command,
                .published(
                    PublicationInfo(
                        id: message.bytes, topic: topic, queuedTo: queuedTo,
                        announcedTo: announcedTo)),
                into: &outputs)
        case .failed(let error):
            finish(command, .failed(.init(.refused, Self.words(for: error))), into: &outputs)
        }
    }

    private static func words(for error: Gossipsub.PublishError) -> String {
        switch error {
        case .unknownTopic:
            "the topic is not one of this node's: list it in `gossip-topics`, or subscribe first"
        case .topicTooLong(let size, let limit):
            "the topic's name has \(size) bytes and the limit is \(limit)"
        case .tooManyTopics(let limit): "\(limit) topics are in use, which is the limit"
        case .tooLarge(let size, let limit):
            "the message needs \(size) bytes and the limit is \(limit); publish it as a body"
        case .duplicate(let id): "the same message was published or seen before (id \(id))"
        case .noPeers: "no connected peer has subscribed to the topic"
        case .invalidMessageID(let size): "the message id would have \(size) bytes"
        case .overloaded(let size, let limit):
            "no room for \(size) bytes: \(limit) bytes of messages are held already"
        }
    }

    private mutating func subscribe(
        _ topic: String, _ id: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        commands[id] = .subscription(topic)
        let name = Gossipsub.Topic(topic)
        configureTopic(name, now: now, into: &outputs)
        tellGossip(.subscribe(name), now: now, into: &outputs)
        outputs.append(.reply(id, .subscribed(topic: topic), isLast: false))
    }

    /// Lets the machine know a topic that it does not know; one that it knows keeps its parameters.
    private mutating func configureTopic(
        _ name: Gossipsub.Topic, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard !gossip.meshSnapshot().contains(where: { $0.topic == name }) else { return }
        tellGossip(.topicConfigured(configuration.parameters(of: name)), now: now, into: &outputs)
    }

    // MARK: DHT

    private mutating func query(
        _ query: Kademlia.Command, _ id: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        tellKademlia(.command(requests.query(.command(id)), query), now: now, into: &outputs)
    }

    mutating func queryFinished(
        _ id: Kademlia.QueryID, _ result: Kademlia.QueryResult, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        switch requests.takeQuery(id) {
        case .command(let command):
            finish(command, Self.reply(to: result), into: &outputs)
        case .prover(let command):
            proverPublished(command, result, now: now, into: &outputs)
        case .proverSearch(let command):
            proverFound(command, result, now: now, into: &outputs)
        case .connection(let peer):
            peerFound(peer, result, now: now, into: &outputs)
        case .unasked:
            if case .closestPeers(let found, _) = result {
                for peer in found {
                    tell(.learned(peer.peer, peer.addresses, .routing), now: now, into: &outputs)
                }
            }
        case nil:
            break
        }
    }

    static func reply(to result: Kademlia.QueryResult) -> Reply {
        switch result {
        case .peer(let peer, let confirmed):
            .dhtPeer(
                PeerAddressInfo(peer: peer.peer, addresses: peer.addresses), confirmed: confirmed)
        case .value(let found):
            .dhtValue(value: found.value, agreeing: found.agreeing, answered: found.answered)
        case .stored(let acknowledged, let of): .dhtStored(acknowledged: acknowledged, of: of)
        case .provided(let sent, let of): .dhtProvided(sent: sent, of: of)
        case .providers(let peers), .closestPeers(let peers, _):
            .dhtProviders(peers.map { PeerAddressInfo(peer: $0.peer, addresses: $0.addresses) })
        case .bootstrapped: .done
        case .failed(let failure): .failed(Self.failure(failure))
        }
    }

    static func failure(_ failure: Kademlia.QueryFailure) -> CommandFailure {
        switch failure {
        case .noPeers:
            .init(.unreachable, "no DHT peer is known: connect to one, or give --bootnodes")
        case .notFound: .init(.notFound, "nobody asked has it")
        case .timedOut: .init(.timedOut, "the deadline came before an answer")
        case .tooFewAcknowledged(let count, let of):
            .init(.unreachable, "only \(count) of \(of) peers stored it")
        case .invalidRecord(let reason):
            .init(.invalidArgument, "the record is not valid: \(reason)")
        case .superseded: .init(.refused, "this node holds a better record for the key")
        case .equivocation:
            .init(.refused, "the owner signed two values with one sequence number")
        case .noNamespace:
            .init(.invalidArgument, "no namespace of this network accepts the key")
        case .keyTooLong(let size, let limit):
            .init(.invalidArgument, "the key has \(size) bytes and the limit is \(limit)")
        case .valueTooLarge(let size, let limit):
            .init(.invalidArgument, "the value has \(size) bytes and the limit is \(limit)")
        case .tooManyQueries(let limit):
            .init(.overloaded, "\(limit) queries are running, which is the limit")
        case .tooManyOwnKeys(let limit):
            .init(.overloaded, "\(limit) keys are published, which is the limit")
        case .noAddresses:
            .init(.unavailable, "this node has no address that others can reach")
        case .cancelled: .init(.refused, "cancelled")
        }
    }
}
