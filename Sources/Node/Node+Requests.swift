import Chain
import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Gossipsub
import OrderedCollections
import PartVerification
import PeerIdentity
import RequestResponse
import Swarm
import Yamux

/// Chorale's request/response protocols on streams: status on every new connection, goodbye at its
/// end, ping and metadata on demand, and the chunks of bodies.
extension Node {
    // MARK: Asking

    mutating func ask(
        _ requestProtocol: RequestProtocol, _ peer: PeerID, _ purpose: RequestSession.Purpose,
        _ request: [UInt8], now: Now, into outputs: inout [NodeOutput]
    ) -> RequestSession.ID {
        let id = nextRequestID()
        requestSessions[id] = RequestSession(
            id: id, peer: peer, requestProtocol: requestProtocol, role: .client(purpose),
            request: request)
        if let asked = peers[peer] {
            asked.requestCount += 1
            // A connection that carries an answer to us is not the one to let go.
            if asked.requestCount == 1 {
                tell(.hold(peer, .request), now: now, into: &outputs)
            }
        }
        schedule(into: &outputs, now: now) { scheduler, results in
            scheduler.request(id, to: peer, requestProtocol, now: now.instant, into: &results)
        }
        return id
    }

    /// - Returns: false when it was forgotten already.
    @discardableResult
    mutating func forget(
        _ session: RequestSession, now: Now, into outputs: inout [NodeOutput]
    ) -> Bool {
        guard requestSessions.removeValue(forKey: session.id) != nil else { return false }
        if case .client = session.role, let peer = peers[session.peer], peer.requestCount > 0 {
            peer.requestCount -= 1
            if peer.requestCount == 0 {
                tell(.release(session.peer, .request), now: now, into: &outputs)
            }
        }
        return true
    }

    private mutating func nextRequestID() -> RequestSession.ID {
        requestCount += 1
        return RequestSession.ID(requestCount)
    }

    mutating func schedule(
        into outputs: inout [NodeOutput], now: Now,
        _ change: (
            inout RequestScheduler<PeerID>, inout [RequestScheduler<PeerID>.Output]
        ) -> Void
    ) {
        var results: [RequestScheduler<PeerID>.Output] = []
        change(&requestScheduler, &results)
        for result in results {
            switch result {
            case .open(let id): openRequest(id, now: now, into: &outputs)
            case .serve(let id): serve(id, now: now, into: &outputs)
            case .refuse(let id), .abandon(let id):
                if let session = requestSessions[id] {
                    settle(session, .failed, now: now, into: &outputs)
                    forget(session, now: now, into: &outputs)
                }
            case .rateLimit(let id):
                if let session = requestSessions[id] {
                    refuse(
                        session, .rateLimited, "too many requests; slow down", now: now,
                        into: &outputs)
                }
            }
        }
    }

    private mutating func openRequest(
        _ id: RequestSession.ID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let session = requestSessions[id] else {
            // It left between the scheduler's word and this.
            requestVanished(id, now: now, into: &outputs)
            return
        }
        guard let peer = peers[session.peer],
            let stream = open(
                [session.requestProtocol.protocolID], session.requestProtocol.trafficClass,
                on: peer.connection, .requestClient, frameSizeMax: 0, timeout: nil, now: now)
        else {
            settle(session, .failed, now: now, into: &outputs)
            endSession(session, now: now, into: &outputs)
            return
        }
        stream.request = session
        session.stream = stream
        var client = RequestClient(session.requestProtocol)
        var results: [RequestClient.Output] = []
        client.start(session.request.span, now: now.instant, into: &results)
        session.request = []
        session.client = consume client
        perform(results, session, stream, now: now, into: &outputs)
    }

    private mutating func perform(
        _ results: [RequestClient.Output], _ session: RequestSession, _ stream: Stream, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        for result in results {
            switch result {
            case .sendAndEnd(let bytes):
                if !bytes.isEmpty { _ = stream.connection.write(stream, bytes) }
                closeWrite(stream, into: &outputs)
            case .chunk(let bytes):
                received(bytes, session, now: now, into: &outputs)
                // A malformed chunk has ended it.
                guard !session.isSettled else { break }
            case .completed:
                settle(session, .finished, now: now, into: &outputs)
            case .refused(let code, _):
                settle(session, .refused(code: code.wireValue), now: now, into: &outputs)
            case .failed(let fault):
                counters.malformedRequests += 1
                settle(session, fault.isSilence ? .failed : .malformed, now: now, into: &outputs)
            }
        }
        if session.isSettled {
            if stream.connection.streams[stream.id] != nil {
                abandon(stream, .noError, .finished, now: now, into: &outputs)
            }
        } else if let deadline = session.client?.nextDeadline {
            setDeadline(stream, now.instant.duration(to: deadline), now: now)
        }
    }

    /// One chunk of an answer to us.
    private mutating func received(
        _ bytes: [UInt8], _ session: RequestSession, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard case .client(let purpose) = session.role else { return }
        switch purpose {
        case .status:
            if let status = try? Status(ssz: bytes.span) {
                learned(status, of: session.peer, now: now, into: &outputs)
            } else {
                fault(session, now: now, into: &outputs)
            }
        case .goodbye, .consensus:
            break
        case .chain(let id):
            if !receivedChainChunk(id, bytes, session, now: now, into: &outputs) {
                fault(session, now: now, into: &outputs)
            }
        case .parts(let id):
            if !receivedPartChunk(id, bytes, session, now: now, into: &outputs) {
                fault(session, now: now, into: &outputs)
            }
        case .chunks(let id):
            if let response = try? ChunkResponse(ssz: bytes.span) {
                tellBodies(.chunkReceived(id, response), now: now, into: &outputs)
            } else {
                fault(session, now: now, into: &outputs)
            }
        case .announcements(let id):
            if let announcement = try? BodyAnnouncement(ssz: bytes.span) {
                tellBodies(
                    .announcementReceived(id, announcement), now: now, into: &outputs)
            } else {
                fault(session, now: now, into: &outputs)
            }
        }
    }

    private mutating func fault(
        _ session: RequestSession, now: Now, into outputs: inout [NodeOutput]
    ) {
        counters.malformedRequests += 1
        tellGossip(.behaviourPenalty(session.peer, 1), now: now, into: &outputs)
        settle(session, .malformed, now: now, into: &outputs)
    }

    /// Tells whoever asked how it ended. Once.
    private mutating func settle(
        _ session: RequestSession, _ end: Bodies.RequestEnd, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard !session.isSettled, case .client(let purpose) = session.role else { return }
        session.isSettled = true
        if let id = purpose.bodiesRequest {
            chunkRequests.removeValue(forKey: id)
            tellBodies(.requestEnded(id, end), now: now, into: &outputs)
        }
        if case .chain(let id) = purpose {
            chainRequestEnded(id, end, now: now, into: &outputs)
        }
        if case .parts(let id) = purpose {
            partRequestEnded(id, end, now: now, into: &outputs)
        }
    }

    private mutating func endSession(
        _ session: RequestSession, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard forget(session, now: now, into: &outputs) else { return }
        // It may still have waited: begun later, it would be begun for nobody and never end.
        schedule(into: &outputs, now: now) { scheduler, results in
            scheduler.leave(session.id, of: session.peer, now: now.instant, into: &results)
        }
    }

    /// The scheduler began a request whose session is gone.
    private mutating func requestVanished(
        _ id: RequestSession.ID, now: Now, into outputs: inout [NodeOutput]
    ) {
        schedule(into: &outputs, now: now) { scheduler, results in
            scheduler.ended(id, now: now.instant, into: &results)
        }
    }

    // MARK: Streams

    mutating func acceptRequest(
        _ stream: Stream, _ requestProtocol: RequestProtocol, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let peer = stream.connection.peer else { return }
        let session = RequestSession(
            id: nextRequestID(), peer: peer, requestProtocol: requestProtocol, role: .server)
        session.server = RequestServer(requestProtocol, now: now.instant)
        session.stream = stream
        stream.request = session
        stream.connection.machine.setClass(requestProtocol.trafficClass, of: stream.id)
        requestSessions[session.id] = session
        setDeadline(stream, configuration.limits.streamTimeout, now: now)
    }

    mutating func receivedRequestBytes(
        _ bytes: Span<UInt8>, _ stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let session = stream.request else { return }
        switch session.role {
        case .client:
            var results: [RequestClient.Output] = []
            session.client?.receive(bytes, now: now.instant, into: &results)
            perform(results, session, stream, now: now, into: &outputs)
        case .server:
            var results: [RequestServer.Output] = []
            session.server?.receive(bytes, into: &results)
            perform(results, session, now: now, into: &outputs)
        }
    }

    mutating func requestReadClosed(
        _ stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let session = stream.request else { return }
        switch session.role {
        case .client:
            var results: [RequestClient.Output] = []
            session.client?.end(into: &results)
            perform(results, session, stream, now: now, into: &outputs)
        case .server:
            var results: [RequestServer.Output] = []
            session.server?.end(into: &results)
            perform(results, session, now: now, into: &outputs)
        }
    }

    mutating func requestStreamEnded(
        _ stream: Stream, _ end: StreamEnd, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let session = stream.request else { return }
        stream.request = nil
        session.stream = nil
        if case .notNegotiated(.negotiation) = end {
            settle(session, .unsupported, now: now, into: &outputs)
        } else {
            settle(session, .failed, now: now, into: &outputs)
        }
        answerOver(session, now: now, into: &outputs)
    }

    /// Frees the places of answers whose last byte is out of our hands.
    ///
    /// Not with the end of their streams: a peer that keeps its direction open, or does not read, would
    /// hold a place that others wait for.
    mutating func settleAnswers(
        of connection: PeerConnection, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard !connection.answering.isEmpty else { return }
        var left: [Stream] = []
        connection.answering.removeAll { stream in
            guard connection.machine.queuedBytes(stream.id) == 0,
                stream.request?.unsent.isEmpty ?? true
            else { return false }
            left.append(stream)
            return true
        }
        for stream in left {
            guard let session = stream.request else { continue }
            answerOver(session, now: now, into: &outputs)
        }
    }

    private mutating func answerOver(
        _ session: RequestSession, now: Now, into outputs: inout [NodeOutput]
    ) {
        if let serve = session.serve {
            serves.removeValue(forKey: serve)
            session.serve = nil
            var wasRead = true
            if session.isUnsent, let answeredAt = session.answeredAt {
                // Not those who change their mind, as they do when another was quicker.
                let patience = configuration.limits.answerTimeout / 2
                wasRead = answeredAt.duration(to: now.instant) < patience
            }
            tellBodies(.serveEnded(serve, wasRead: wasRead), now: now, into: &outputs)
        }
        endSession(session, now: now, into: &outputs)
    }

    /// Requests that waited for a peer who is gone.
    mutating func requestsEnded(of peer: PeerID, now: Now, into outputs: inout [NodeOutput]) {
        schedule(into: &outputs, now: now) { scheduler, results in
            scheduler.peerGone(peer, into: &results)
        }
    }

    mutating func expireRequests(now: Now, into outputs: inout [NodeOutput]) {
        guard let deadline = requestScheduler.nextDeadline, deadline <= now.instant else { return }
        schedule(into: &outputs, now: now) { scheduler, results in
            scheduler.timeout(now: now.instant, into: &results)
        }
    }

    // MARK: Serving

    mutating func perform(
        _ results: [RequestServer.Output], _ session: RequestSession, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let stream = session.stream else { return }
        for result in results {
            switch result {
            case .request(let bytes):
                session.request = bytes
                // It may wait for tokens and for the store, but not for ever.
                setDeadline(stream, configuration.limits.idleStreamTimeout, now: now)
                let cost =
                    switch session.requestProtocol {
                    case .chunksByRoot: max(1, bytes.count / 64)
                    case .announcements: session.requestProtocol.chunkCountMax
                    // An answer of 4 MiB, as much as so many chunks.
                    case .blocksByRange, .blocksByRoot, .buildPayload, .checkpoint: 16
                    // Half a megabyte, and some 20 ms: fifteen a second for each peer.
                    case .stateRange: 16
                    // A proof has some tens of kilobytes, and is read from the disk.
                    case .proofsByRoot: 2
                    case .certificatesByOperation, .statementsByOperation: 4
                    default: 1
                    }
                schedule(into: &outputs, now: now) { scheduler, results in
                    scheduler.arrived(
                        session.id, from: session.peer, session.requestProtocol, cost: cost,
                        now: now.instant, into: &results)
                }
            case .send(let bytes):
                guard stream.connection.write(stream, bytes) else {
                    // It asks for more than it reads.
                    abandon(stream, .resourceLimitExceeded, .finished, now: now, into: &outputs)
                    return
                }
                mark(stream.connection, into: &outputs)
            case .sendAndEnd(let bytes):
                if !bytes.isEmpty { _ = stream.connection.write(stream, bytes) }
                closeWrite(stream, into: &outputs)
                answered(session, stream, now: now)
            case .failed:
                counters.malformedRequests += 1
                tellGossip(.behaviourPenalty(session.peer, 1), now: now, into: &outputs)
            }
        }
    }

    /// The answer is complete; from now on it is for the peer to read.
    mutating func answered(_ session: RequestSession, _ stream: Stream, now: Now) {
        guard session.answeredAt == nil else { return }
        session.answeredAt = now.instant
        stream.connection.answering.append(stream)
        setDeadline(stream, configuration.limits.answerTimeout, now: now)
    }

    mutating func respond(
        _ session: RequestSession, _ bytes: [UInt8], isLast: Bool, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        var results: [RequestServer.Output] = []
        session.server?.respond(bytes.span, into: &results)
        if isLast { session.server?.finish(into: &results) }
        perform(results, session, now: now, into: &outputs)
    }

    /// Answers with these items and no more.
    ///
    /// - Parameter items: nil when it is not here.
    mutating func answer(
        _ session: RequestSession, _ items: [[UInt8]]?, now: Now, into outputs: inout [NodeOutput]
    ) {
        // The peer may be gone meanwhile.
        guard requestSessions[session.id] != nil else { return }
        guard let items else {
            refuse(session, .unavailable, "not here", now: now, into: &outputs)
            return
        }
        for (index, item) in items.enumerated() {
            respond(session, item, isLast: index == items.count - 1, now: now, into: &outputs)
        }
        if items.isEmpty { endAnswer(session, now: now, into: &outputs) }
    }

    /// Ends an answer to which nothing is added.
    mutating func endAnswer(
        _ session: RequestSession, now: Now, into outputs: inout [NodeOutput]
    ) {
        var results: [RequestServer.Output] = []
        session.server?.finish(into: &results)
        perform(results, session, now: now, into: &outputs)
    }

    mutating func refuse(
        _ session: RequestSession, _ code: ResponseCode, _ text: String, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        var results: [RequestServer.Output] = []
        session.server?.refuse(code, text: text, into: &results)
        perform(results, session, now: now, into: &outputs)
    }

    /// The scheduler lets a peer's request through.
    private mutating func serve(
        _ id: RequestSession.ID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let session = requestSessions[id] else {
            requestVanished(id, now: now, into: &outputs)
            return
        }
        let bytes = session.request
        session.request = []
        switch session.requestProtocol {
        case .status:
            guard let status = try? Status(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not a status", now: now, into: &outputs)
                return
            }
            respond(session, ownStatus.sszEncoded(), isLast: true, now: now, into: &outputs)
            learned(status, of: session.peer, now: now, into: &outputs)
        case .goodbye:
            respond(session, Goodbye.shutdown.sszEncoded(), isLast: true, now: now, into: &outputs)
        case .ping:
            guard (try? PingSequence(ssz: bytes.span)) != nil else {
                refuse(session, .invalidRequest, "not a sequence number", now: now, into: &outputs)
                return
            }
            respond(
                session, PingSequence(rawValue: metadataSequence).sszEncoded(), isLast: true,
                now: now, into: &outputs)
        case .metadata:
            let metadata = Metadata(
                sequence: metadataSequence, roles: configuration.roles.rawValue,
                capabilities: ownCapabilities)
            respond(session, metadata.sszEncoded(), isLast: true, now: now, into: &outputs)
        case .chunksByRoot:
            guard let request = try? ChunksByRootRequest(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not a chunk request", now: now, into: &outputs)
                return
            }
            let serve = Bodies.ServeID(session.id.rawValue)
            session.serve = serve
            serves[serve] = session
            tellBodies(.serve(serve, session.peer, request), now: now, into: &outputs)
        case .announcements:
            guard let request = try? AnnouncementsRequest(ssz: bytes.span) else {
                refuse(session, .invalidRequest, "not a list of roots", now: now, into: &outputs)
                return
            }
            let serve = Bodies.ServeID(session.id.rawValue)
            session.serve = serve
            serves[serve] = session
            tellBodies(.serveAnnouncements(serve, request), now: now, into: &outputs)
        default:
            if serveChain(session, bytes, now: now, into: &outputs) { return }
            if servePart(session, bytes, now: now, into: &outputs) { return }
            refuse(session, .serverError, "not served here", now: now, into: &outputs)
        }
    }

    // MARK: Status

    var ownCapabilities: Capabilities { [.servesChunks, .offersAnnouncements] }

    var ownStatus: Status {
        var status = Status(
            networkDigest: configuration.networkDigestVector, roles: configuration.roles.rawValue,
            capabilities: ownCapabilities)
        if let chain = chain?.machine.status {
            status.headHeight = chain.height
            status.headRoot = chain.blockID
            status.finalizedHeight = chain.height
            status.finalizedRoot = chain.blockID
            status.earliestHeight = chain.earliest
        }
        return status
    }

    /// The first thing said to a new peer that speaks Chorale.
    mutating func greet(_ peer: Peer, now: Now, into outputs: inout [NodeOutput]) {
        guard configuration.speaksChorale, peer.speaks(RequestProtocol.status.protocolID) else {
            return
        }
        _ = ask(.status, peer.id, .status, ownStatus.sszEncoded(), now: now, into: &outputs)
    }

    private mutating func learned(
        _ status: Status, of id: PeerID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = peers[id] else { return }
        guard status.networkDigest == configuration.networkDigestVector else {
            outputs.append(.event(.wrongNetwork(id, digest: status.networkDigest.bytes)))
            sayGoodbye(peer, .irrelevantNetwork, now: now, into: &outputs)
            tell(.disconnect(id, .wrongNetwork), now: now, into: &outputs)
            return
        }
        guard !peer.isSameNetwork else { return }
        peer.isSameNetwork = true
        peer.servesBodies = peer.speaks(RequestProtocol.chunksByRoot.protocolID)
        peer.offersAnnouncements = peer.speaks(RequestProtocol.announcements.protocolID)
        tellBodies(
            .peerConnected(
                id, canServe: peer.servesBodies, offers: peer.offersAnnouncements), now: now,
            into: &outputs)
        chainPeerConnected(id, status, now: now, into: &outputs)
        if peer.speaks(RequestProtocol.proofsByRoot.protocolID) {
            tellParts(.peerConnected(id), now: now, into: &outputs)
        }
    }

    mutating func sayGoodbye(
        _ peer: Peer, _ reason: Goodbye, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard configuration.speaksChorale, peer.speaks(RequestProtocol.goodbye.protocolID) else {
            return
        }
        _ = ask(.goodbye, peer.id, .goodbye, reason.sszEncoded(), now: now, into: &outputs)
    }
}

extension RequestProtocol {
    /// Chunks go behind everything that somebody waits for.
    var trafficClass: TrafficClass {
        switch self {
        case .chunksByRoot, .stateRange: .witness
        case .consensus, .partVotes, .certificatesByOperation, .statementsByOperation: .vote
        case .proofsByRoot: .proof
        case .blocksByRoot, .blocksByRange, .buildPayload, .checkpoint: .block
        default: .control
        }
    }
}

extension RequestFault {
    /// Whether nothing was said, rather than something wrong.
    var isSilence: Bool {
        switch self {
        case .reset, .firstByteTimeout, .payloadTimeout, .endedEarly: true
        case .sizeMalformed, .payloadTooLarge, .payloadDamaged, .trailingBytes: false
        }
    }
}
