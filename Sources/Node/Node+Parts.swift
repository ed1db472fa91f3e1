import Bodies
import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import ExecutorAgent
import Gossipsub
import Kademlia
import Operations
import OrderedCollections
import PartVerification
import PeerIdentity
import RequestResponse
import Swarm

/// Verification in parts on this network: its topics on gossip, its requests on streams, its rows in the store.
extension Node {
    mutating func tellParts(_ input: PartInput, now: Now, into outputs: inout [NodeOutput]) {
        guard let parts else { return }
        var results: [PartOutput] = []
        parts.machine.handle(input, now: now, into: &results)
        for result in results { perform(result, now: now, into: &outputs) }
    }

    mutating func startParts(now: Now, into outputs: inout [NodeOutput]) {
        guard parts != nil, let head = chain?.machine.head else { return }
        for topic in partTopics.keys { tellGossip(.subscribe(topic), now: now, into: &outputs) }
        tellParts(.start(OperationHead(head)), now: now, into: &outputs)
        tellExecutor(.start(OperationHead(head)), now: now, into: &outputs)
    }

    /// A block is final. Told when the chain is done with its turn: what follows goes back to it.
    mutating func operationsAdvanced(
        _ reports: [OperationReport], now: Now, into outputs: inout [NodeOutput]
    ) {
        guard parts != nil || executor != nil, let head = chain?.machine.head else { return }
        for report in reports {
            tellParts(.advanced(OperationHead(head), report), now: now, into: &outputs)
            tellExecutor(.advanced(OperationHead(head), report), now: now, into: &outputs)
        }
    }

    // MARK: Outputs

    private mutating func perform(
        _ output: PartOutput, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch output {
        case .publish(let topic, let bytes):
            var options = Gossipsub.PublishOptions()
            options.allowsNoPeers = true
            tellGossip(
                .publish(
                    commands.publication(of: nil),
                    Gossipsub.Topic(configuration.topic(topic.name)),
                    data: Snappy.encode(bytes.span), options), now: now, into: &outputs)
        case .verdict(let id, let verdict):
            guard let handle = partMessages.removeValue(forKey: id) else { return }
            tellGossip(.validated(handle, Self.verdict(verdict)), now: now, into: &outputs)
        case .run(let job):
            outputs.append(.run(.part(job)))
        case .store(let id, let request):
            store(request, for: .parts(id), into: &outputs)
        case .sign(let requests):
            outputs.append(.signParts(requests))
        case .ask(let id, let peer, let request):
            ask(id, peer, request, now: now, into: &outputs)
        case .connect(let peer):
            connect(peer, now: now, into: &outputs)
        case .serveProof(let id, let proof):
            answer(id, proof.map { [$0] }, now: now, into: &outputs)
        case .serveCertificates(let id, let certificates):
            answer(id, certificates.map { $0.sszEncoded() }, now: now, into: &outputs)
        case .serveStatements(let id, let statements):
            answer(id, statements.map { $0.sszEncoded() }, now: now, into: &outputs)
        case .readBody(let root):
            readBody(root, for: .parts, now: now, into: &outputs)
        case .readCommitments(let height):
            outputs.append(.process(.readCommitments(height: height)))
        case .shelved(let operation):
            tellExecutor(.shelved(operation: operation), now: now, into: &outputs)
        case .include(let certificate):
            tellChain(.include(certificate), now: now, into: &outputs)
        case .includeFastPath(let certificate):
            tellChain(.includeFastPath(certificate), now: now, into: &outputs)
        case .dispute(let vote):
            tellChain(.dispute(vote), now: now, into: &outputs)
        case .accuse(let evidence):
            tellChain(.accuse(evidence), now: now, into: &outputs)
        case .contradict(let found):
            tellChain(.contradict(found), now: now, into: &outputs)
        case .penalize(let peer, let text):
            outputs.append(.event(.peerFault(peer, "parts: \(text)")))
            tellGossip(.behaviourPenalty(peer, 5), now: now, into: &outputs)
        case .event(let event):
            outputs.append(.event(.part(event)))
        }
    }

    /// Whoever has what is wanted may be anywhere in the network: the DHT says where.
    private mutating func connect(
        _ peer: PeerID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard peers[peer] == nil, peer != localPeer else { return }
        if swarm.store[peer] != nil {
            tell(.dial(requests.unaskedDial(), peer, [], .exchange), now: now, into: &outputs)
        } else {
            tellKademlia(
                .command(requests.query(.connection(peer)), .findPeer(peer)), now: now,
                into: &outputs)
        }
    }

    /// The DHT has been asked where a peer is that is wanted.
    mutating func peerFound(
        _ peer: PeerID, _ result: Kademlia.QueryResult, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard case .peer(let found, _) = result, found.peer == peer else { return }
        tell(
            .dial(requests.unaskedDial(), peer, found.addresses, .exchange), now: now,
            into: &outputs)
    }

    // MARK: Gossip

    mutating func receivedPartGossip(
        _ message: Gossipsub.ReceivedMessage, _ topic: PartTopic, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let sizeMax = TopicKind.sizeMax(of: topic.kindName)
        guard let bytes = try? Snappy.decode(message.data.span, sizeMax: sizeMax) else {
            tellGossip(.validated(message.handle, .reject), now: now, into: &outputs)
            return
        }
        nextPartMessage += 1
        let id = PartMessageID(nextPartMessage)
        partMessages[id] = message.handle
        tellParts(
            .gossip(id, topic, bytes, from: message.propagationSource), now: now, into: &outputs)
    }

    // MARK: Requests of ours

    private mutating func ask(
        _ id: PartRequestID, _ peer: PeerID, _ request: PartRequest, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let requestProtocol: RequestProtocol
        let bytes: [UInt8]
        switch request {
        case .proof(let root):
            (requestProtocol, bytes) = (.proofsByRoot, root.bytes)
        case .certificates(let operation, let parts):
            let named = Array(parts.prefix(CertificatesRequest.partsMax))
            requestProtocol = .certificatesByOperation
            bytes = CertificatesRequest(operation: operation, parts: named)?.sszEncoded() ?? []
        case .statements(let operation):
            (requestProtocol, bytes) = (.statementsByOperation, operation.bytes)
        case .votes(let votes):
            requestProtocol = .partVotes
            bytes = votes.sszEncoded()
        }
        guard let known = peers[peer], known.speaks(requestProtocol.protocolID) else {
            tellParts(.requestEnded(id, .failed), now: now, into: &outputs)
            return
        }
        _ = ask(requestProtocol, peer, .parts(id), bytes, now: now, into: &outputs)
    }

    /// An item of an answer. Returns whether it is one.
    mutating func receivedPartChunk(
        _ id: PartRequestID, _ bytes: [UInt8], _ session: RequestSession, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Bool {
        switch session.requestProtocol {
        case .proofsByRoot:
            tellParts(.proofReceived(id, bytes), now: now, into: &outputs)
        case .certificatesByOperation:
            guard let certificate = try? SubProofCertificate(ssz: bytes.span) else { return false }
            tellParts(.certificateReceived(id, certificate), now: now, into: &outputs)
        case .statementsByOperation:
            guard let statement = try? PartStatement(ssz: bytes.span) else { return false }
            tellParts(.statementReceived(id, statement), now: now, into: &outputs)
        default:
            return false
        }
        return true
    }

    mutating func partRequestEnded(
        _ id: PartRequestID, _ end: Bodies.RequestEnd, now: Now, into outputs: inout [NodeOutput]
    ) {
        let end: PartRequestEnd =
            switch end {
            case .finished: .finished
            case .malformed: .malformed
            case .refused(code: ResponseCode.unavailable.wireValue): .unavailable
            case .refused, .failed, .unsupported: .failed
            }
        tellParts(.requestEnded(id, end), now: now, into: &outputs)
    }

    // MARK: Requests of peers

    /// Serves a request about parts. Returns false when it is none.
    mutating func servePart(
        _ session: RequestSession, _ bytes: [UInt8], now: Now, into outputs: inout [NodeOutput]
    ) -> Bool {
        let request: PartRequest
        switch session.requestProtocol {
        case .proofsByRoot:
            guard let root = try? Bytes32(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not a root", now: now, into: &outputs)
                return true
            }
            request = .proof(root: root)
        case .certificatesByOperation:
            guard let asked = try? CertificatesRequest(ssz: bytes.span) else {
                refuse(
                    session, .invalidRequest, "not parts of an operation", now: now,
                    into: &outputs)
                return true
            }
            request = .certificates(operation: asked.operation, parts: asked.parts)
        case .statementsByOperation:
            guard let operation = try? Bytes32(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not an operation", now: now, into: &outputs)
                return true
            }
            request = .statements(operation: operation)
        case .partVotes:
            guard let votes = try? PartVotes(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not lists of votes", now: now, into: &outputs)
                return true
            }
            endAnswer(session, now: now, into: &outputs)
            let id = PartServeID(session.id.rawValue)
            tellParts(.serve(id, session.peer, .votes(votes)), now: now, into: &outputs)
            return true
        default:
            return false
        }
        let id = PartServeID(session.id.rawValue)
        partServes[id] = session
        tellParts(.serve(id, session.peer, request), now: now, into: &outputs)
        return true
    }

    /// - Parameter items: nil when it is not here.
    private mutating func answer(
        _ id: PartServeID, _ items: [[UInt8]]?, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let session = partServes.removeValue(forKey: id) else { return }
        answer(session, items, now: now, into: &outputs)
    }
}

extension PartTopic {
    /// As `TopicKind` names it: all subnets are one kind.
    var kindName: String {
        switch self {
        case .votes: "subproof_vote"
        case .certificate: "certificate"
        case .attestation: "attestation_tee"
        }
    }
}

/// The machine of verification in parts. A class for the same reason as ``ChainHolder``.
final class PartsHolder {
    var machine: PartVerification

    init(_ machine: consuming PartVerification) { self.machine = machine }
}
