import Bodies
public import Chain
public import ChoraleBase
import ChoraleTypes
import Codec
import Connection
public import Consensus
import ExecutorAgent
import Gossipsub
import Operations
import OrderedCollections
import PartVerification
import PeerIdentity
import RequestResponse
import TransactionPool

/// The chain on this network: its topics on gossip, its requests on streams, its bodies among the others.
extension Node {
    mutating func tellChain(_ input: ChainInput, now: Now, into outputs: inout [NodeOutput]) {
        guard chain != nil else { return }
        var results: [ChainOutput] = []
        chain?.machine.handle(input, now: now, into: &results)
        var messages: OrderedDictionary<PeerID, [ChainMessage]> = [:]
        var reports: [OperationReport] = []
        for result in results {
            note(result, in: &reports)
            // All that one turn has for a peer is one request.
            if case .send(let message, let peer) = result {
                messages[peer, default: []].append(message)
            } else {
                perform(result, now: now, into: &outputs)
            }
        }
        for (peer, messages) in messages { tell(peer, messages, now: now, into: &outputs) }
        operationsAdvanced(reports, now: now, into: &outputs)
    }

    /// A report for each height that has become final, of those that did nothing to operations too.
    private func note(_ output: ChainOutput, in reports: inout [OperationReport]) {
        switch output {
        case .event(.operations(let report)):
            reports.append(report)
        case .event(.committed(let report)) where reports.last?.height != report.height:
            reports.append(OperationReport(height: report.height))
        default: break
        }
    }

    mutating func startChain(now: Now, into outputs: inout [NodeOutput]) {
        guard let start = configuration.chain, chain != nil else { return }
        for topic in chainTopics.keys { tellGossip(.subscribe(topic), now: now, into: &outputs) }
        tellChain(.start(start.recovery), now: now, into: &outputs)
    }

    // MARK: Outputs

    private mutating func perform(
        _ output: ChainOutput, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch output {
        case .publish(let topic, let bytes):
            var options = Gossipsub.PublishOptions()
            options.allowsNoPeers = true
            tellGossip(
                .publish(
                    commands.publication(of: nil),
                    Gossipsub.Topic(configuration.topic(topic.rawValue)),
                    data: Snappy.encode(bytes.span), options), now: now, into: &outputs)
        case .verdict(let id, let verdict):
            guard let handle = chainMessages.removeValue(forKey: id) else { return }
            tellGossip(
                .validated(handle, Self.verdict(verdict)), now: now, into: &outputs)
        case .send:
            preconditionFailure("bundled by whoever calls")
        case .verify(let verification):
            outputs.append(.run(.chain(verification)))
        case .process(let task):
            outputs.append(.process(task))
        case .journal(let order):
            outputs.append(.journal(order))
        case .crossValidate(let contents, let requests):
            outputs.append(.crossValidate(contents, requests: requests))
        case .ask(let id, let peer, let request, _):
            ask(id, peer, request, now: now, into: &outputs)
        case .serveContents(let id, let contents):
            answer(id, contents.map { [$0.sszEncoded()] }, now: now, into: &outputs)
        case .serveBlocks(let id, let encodings):
            answer(id, encodings, now: now, into: &outputs)
        case .servePayload(let id, let built):
            answer(id, built.map { [$0.sszEncoded()] }, now: now, into: &outputs)
        case .served(let id, .item(let encoding)):
            answer(id, [encoding], now: now, into: &outputs)
        case .served(let id, .absent):
            answer(id, nil, now: now, into: &outputs)
        case .served(let id, .busy):
            guard let session = chainServes.removeValue(forKey: id) else { return }
            refuse(
                session, .rateLimited, "others are being served", now: now, into: &outputs)
        case .publishBody(let kind, let height, let bytes):
            publishChainBody(kind, height: height, bytes, now: now, into: &outputs)
        case .readBody(let root):
            readBody(root, for: .chain, now: now, into: &outputs)
        case .penalize(let peer, let text):
            outputs.append(.event(.peerFault(peer, "chain: \(text)")))
            tellGossip(.behaviourPenalty(peer, 5), now: now, into: &outputs)
        case .submitted(let id, let result):
            finish(CommandID(id.rawValue), .transaction(result), into: &outputs)
        case .statusChanged:
            break
        case .event(let event):
            outputs.append(.event(.chain(event)))
        }
    }

    static func verdict(_ verdict: ChainVerdict) -> Gossipsub.Verdict {
        switch verdict {
        case .accept: .accept
        case .ignore: .ignore
        case .reject: .reject
        }
    }

    // MARK: Gossip

    /// A message of one of the chain's topics.
    mutating func receivedChainGossip(
        _ message: Gossipsub.ReceivedMessage, _ topic: ChainTopic, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let sizeMax = TopicKind.sizeMax(of: topic.rawValue)
        guard let bytes = try? Snappy.decode(message.data.span, sizeMax: sizeMax) else {
            tellGossip(.validated(message.handle, .reject), now: now, into: &outputs)
            return
        }
        nextChainMessage += 1
        let id = ChainGossipID(nextChainMessage)
        chainMessages[id] = message.handle
        tellChain(
            .gossip(id, topic, bytes, from: message.propagationSource), now: now, into: &outputs)
    }

    // MARK: Requests of ours

    private mutating func tell(
        _ peer: PeerID, _ messages: [ChainMessage], now: Now, into outputs: inout [NodeOutput]
    ) {
        guard peers[peer] != nil else { return }
        var rest = messages[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(consensusMessagesMax))
            rest = rest.dropFirst(part.count)
            guard let list = ConsensusMessageList(part) else { return }
            _ = ask(.consensus, peer, .consensus, list.sszEncoded(), now: now, into: &outputs)
        }
    }

    private mutating func ask(
        _ id: ChainRequestID, _ peer: PeerID, _ request: ChainRequest, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard peers[peer] != nil else {
            tellChain(.requestEnded(id, .failed), now: now, into: &outputs)
            return
        }
        switch request {
        case .contents(let block):
            _ = ask(
                .blocksByRoot, peer, .chain(id), block.sszEncoded(), now: now, into: &outputs)
        case .payload(let order):
            _ = ask(
                .buildPayload, peer, .chain(id), order.sszEncoded(), now: now, into: &outputs)
        case .blocks(let first, let count):
            _ = ask(
                .blocksByRange, peer, .chain(id),
                BlockRangeRequest(first: first, count: count).sszEncoded(), now: now,
                into: &outputs)
        case .checkpoint(let request):
            _ = ask(.checkpoint, peer, .chain(id), request.sszEncoded(), now: now, into: &outputs)
        case .state(let request):
            _ = ask(.stateRange, peer, .chain(id), request.sszEncoded(), now: now, into: &outputs)
        }
    }

    /// An item of an answer. Returns whether it is one.
    mutating func receivedChainChunk(
        _ id: ChainRequestID, _ bytes: [UInt8], _ session: RequestSession, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Bool {
        switch session.requestProtocol {
        case .blocksByRoot:
            guard let contents = try? BlockContents(ssz: bytes.span) else { return false }
            tellChain(.contentsReceived(id, contents), now: now, into: &outputs)
        case .buildPayload:
            guard let built = try? BuiltPayload(ssz: bytes.span) else { return false }
            tellChain(.payloadReceived(id, built), now: now, into: &outputs)
        case .checkpoint:
            guard let answer = try? CheckpointAnswer(ssz: bytes.span) else { return false }
            tellChain(.checkpointReceived(id, answer), now: now, into: &outputs)
        case .stateRange:
            guard let answer = try? StateRangeAnswer(ssz: bytes.span) else { return false }
            tellChain(.stateReceived(id, answer), now: now, into: &outputs)
        default:
            guard let block = try? CommittedBlock(ssz: bytes.span) else { return false }
            tellChain(
                .blockReceived(id, block, size: bytes.count), now: now, into: &outputs)
        }
        return true
    }

    mutating func chainRequestEnded(
        _ id: ChainRequestID, _ end: Bodies.RequestEnd, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let end: ChainRequestEnd =
            switch end {
            case .finished: .finished
            case .malformed: .malformed
            case .refused(code: ResponseCode.unavailable.wireValue): .unavailable
            case .refused, .failed, .unsupported: .failed
            }
        tellChain(.requestEnded(id, end), now: now, into: &outputs)
    }

    // MARK: Requests of peers

    /// Serves a request of the chain's. Returns false when it is none.
    mutating func serveChain(
        _ session: RequestSession, _ bytes: [UInt8], now: Now, into outputs: inout [NodeOutput]
    ) -> Bool {
        let serve = BlockServeID(session.id.rawValue)
        switch session.requestProtocol {
        case .consensus:
            guard let list = try? ConsensusMessageList(ssz: bytes.span) else {
                refuse(
                    session, .invalidRequest, "not a list of messages", now: now, into: &outputs)
                return true
            }
            endAnswer(session, now: now, into: &outputs)
            for message in list.elements {
                tellChain(.message(message, from: session.peer), now: now, into: &outputs)
            }
        case .blocksByRoot:
            guard let root = try? Bytes32(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not a root", now: now, into: &outputs)
                return true
            }
            chainServes[serve] = session
            tellChain(.serve(serve, session.peer, .contents(root)), now: now, into: &outputs)
        case .buildPayload:
            guard let order = try? PayloadOrder(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not an order", now: now, into: &outputs)
                return true
            }
            chainServes[serve] = session
            tellChain(.serve(serve, session.peer, .payload(order)), now: now, into: &outputs)
        case .blocksByRange:
            guard let range = try? BlockRangeRequest(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not a range", now: now, into: &outputs)
                return true
            }
            chainServes[serve] = session
            tellChain(
                .serve(serve, session.peer, .blocks(from: range.first, count: range.count)),
                now: now, into: &outputs)
        case .checkpoint:
            guard let request = try? CheckpointRequest(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not a checkpoint", now: now, into: &outputs)
                return true
            }
            chainServes[serve] = session
            tellChain(
                .serve(serve, session.peer, .checkpoint(request)), now: now, into: &outputs)
        case .stateRange:
            guard let request = try? StateRangeRequest(ssz: bytes.span) else {
                refuse(
                    session, .invalidRequest, "not a part of a state", now: now, into: &outputs)
                return true
            }
            chainServes[serve] = session
            tellChain(.serve(serve, session.peer, .state(request)), now: now, into: &outputs)
        default:
            return false
        }
        return true
    }

    /// - Parameter items: nil when it is not here.
    private mutating func answer(
        _ id: BlockServeID, _ items: [[UInt8]]?, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let session = chainServes.removeValue(forKey: id) else { return }
        answer(session, items, now: now, into: &outputs)
    }

    // MARK: Bodies

    /// Publications and reads of the chain's own are told from those of commands by this bit.
    static let chainBit: UInt64 = 1 << 63

    mutating func publishChainBody(
        _ kind: BodyKind, height: UInt64, _ bytes: [UInt8], now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard
            let builder = try? BodyBuilder(
                bytes, kind: kind, height: height, issued: now.wall,
                identity: configuration.identity, networkDigest: configuration.networkDigest)
        else { return }
        bodyBuildCount += 1
        nextChainBody += 1
        outputs.append(.run(.buildBody(CommandID(nextChainBody | Self.chainBit), builder)))
    }

    mutating func readBody(
        _ root: Bytes32, for reader: BodyReader, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard
            let info = bodyInfos(now: now).first(where: { $0.root == root && $0.isComplete }),
            chainReads.count < 16
        else {
            bodyRead(root, nil, by: reader, now: now, into: &outputs)
            return
        }
        nextChainBody += 1
        let id = Bodies.ReadID(nextChainBody | Self.chainBit)
        chainReads[id] = ChainBodyRead(
            root: root, reader: reader, count: info.chunkCount)
        tellBodies(.read(id, root: root, index: 0), now: now, into: &outputs)
    }

    private mutating func bodyRead(
        _ root: Bytes32, _ bytes: [UInt8]?, by reader: BodyReader, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        switch reader {
        case .chain: tellChain(.bodyRead(root: root, bytes), now: now, into: &outputs)
        case .parts: tellParts(.bodyRead(root: root, bytes), now: now, into: &outputs)
        case .executor: tellExecutor(.bodyRead(root: root, bytes), now: now, into: &outputs)
        }
    }

    /// A chunk of a body that a machine of this node reads. Returns false when it is a command's.
    mutating func readerChunkRead(
        _ id: Bodies.ReadID, _ result: Bodies.ReadResult, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Bool {
        guard id.rawValue & Self.chainBit != 0 else { return false }
        guard var read = chainReads.removeValue(forKey: id) else { return true }
        guard case .chunk(let bytes) = result else {
            bodyRead(read.root, nil, by: read.reader, now: now, into: &outputs)
            return true
        }
        read.bytes += bytes
        read.next += 1
        guard read.next < read.count else {
            bodyRead(read.root, read.bytes, by: read.reader, now: now, into: &outputs)
            return true
        }
        chainReads[id] = read
        tellBodies(.read(id, root: read.root, index: read.next), now: now, into: &outputs)
        return true
    }

    // MARK: Peers

    /// A peer of this network has said how far its chain is.
    mutating func chainPeerConnected(
        _ id: PeerID, _ status: Status, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = peers[id], peer.speaks(RequestProtocol.consensus.protocolID) else {
            return
        }
        let earliest = min(status.earliestHeight, status.headHeight)
        tellChain(
            .peerConnected(
                id,
                ChainStatus(
                    height: min(status.headHeight, ConsensusBounds.heightMax),
                    blockID: status.headRoot, earliest: earliest),
                buildsPayloads: peer.speaks(RequestProtocol.buildPayload.protocolID)),
            now: now, into: &outputs)
    }

    // MARK: What operators see

    /// nil on a network without a chain.
    public func chainInfo(now: Now) -> ChainInfo? {
        chain?.machine.info(now: now.instant)
    }
}

/// The chain's machine. A class because the machine cannot be copied and is not always there; the node is its
/// only owner.
final class ChainHolder {
    var machine: Chain

    init(_ machine: consuming Chain) { self.machine = machine }
}

/// Which of this node's machines reads a body.
enum BodyReader {
    case chain, parts, executor
}

/// A body that a machine of this node is reading.
struct ChainBodyRead {
    let root: Bytes32
    let reader: BodyReader
    let count: Int
    var next = 0
    var bytes: [UInt8] = []

    init(root: Bytes32, reader: BodyReader, count: Int) {
        self.root = root
        self.reader = reader
        self.count = count
    }
}

/// What a node is given of its chain: parameters, where it stands, and what a validator's log says.
public struct ChainStart: Sendable {
    public var configuration: ChainConfiguration
    /// That of the genesis where a checkpoint is downloaded first.
    public var head: ChainHead
    /// nil for whoever does not validate.
    public var recovery: ConsensusRecovery?
    /// The lowest height whose block is there.
    public var earliest: UInt64 = 0
    /// The last checkpoint that is there.
    public var checkpoint: CheckpointID?

    public init(configuration: ChainConfiguration, head: ChainHead, recovery: ConsensusRecovery?) {
        self.configuration = configuration
        self.head = head
        self.recovery = recovery
    }
}
