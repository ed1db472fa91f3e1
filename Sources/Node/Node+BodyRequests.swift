import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import OrderedCollections
import PeerIdentity
import RequestResponse
import Swarm
import Yamux

/// What the bodies machine asks of peers and answers them: chunks, and announcements that were missed.
extension Node {
    mutating func requestChunks(
        _ id: Bodies.RequestID, _ peer: PeerID, _ request: ChunksByRootRequest,
        deadline: MonotonicInstant, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard peers[peer] != nil else {
            tellBodies(.requestEnded(id, .failed), now: now, into: &outputs)
            return
        }
        let session = RequestSession.ID(requestCount + 1)
        chunkRequests[id] = session
        _ = ask(
            .chunksByRoot, peer, .chunks(id), request.sszEncoded(), now: now, into: &outputs)
    }

    mutating func requestAnnouncements(
        _ id: Bodies.RequestID, _ peer: PeerID, _ request: AnnouncementsRequest, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard peers[peer] != nil else {
            tellBodies(.requestEnded(id, .failed), now: now, into: &outputs)
            return
        }
        chunkRequests[id] = RequestSession.ID(requestCount + 1)
        _ = ask(
            .announcements, peer, .announcements(id), request.sszEncoded(), now: now,
            into: &outputs)
    }

    mutating func respondAnnouncements(
        _ id: Bodies.ServeID, _ announcements: [BodyAnnouncement], now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let session = serves[id] else { return }
        for announcement in announcements {
            respond(session, announcement.sszEncoded(), isLast: false, now: now, into: &outputs)
        }
        endChunkResponse(id, now: now, into: &outputs)
    }

    mutating func cancelChunkRequest(
        _ id: Bodies.RequestID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let sessionID = chunkRequests.removeValue(forKey: id),
            let session = requestSessions[sessionID]
        else { return }
        session.isSettled = true
        if let stream = session.stream {
            abandon(stream, .noError, .finished, now: now, into: &outputs)
        } else {
            forget(session, now: now, into: &outputs)
            schedule(into: &outputs, now: now) { scheduler, results in
                scheduler.leave(
                    sessionID, of: session.peer, now: now.instant, into: &results)
            }
        }
    }

    mutating func respondChunk(
        _ id: Bodies.ServeID, _ response: ChunkResponse, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let session = serves[id], let stream = session.stream else { return }
        session.unsent.append(response)
        startPulling(stream, into: &outputs)
    }

    /// Encodes the next chunk of an answer, when its turn to be sent has come.
    ///
    /// Not when the chunk is there: that takes a quarter of a millisecond, and the chunks of many peers
    /// may come at once.
    ///
    /// - Returns: whether there was one.
    mutating func pullChunk(
        _ stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) -> Bool {
        guard let session = stream.request, !session.unsent.isEmpty else { return false }
        var bytes: [UInt8] = []
        swap(&bytes, &chunkScratch)
        bytes.reserveCapacity(ChunkResponse.encodedSizeMax)
        session.unsent.removeFirst().sszEncode(into: &bytes)
        var results: [RequestServer.Output] = []
        session.server?.respond(bytes.span, into: &results)
        if session.unsent.isEmpty, session.endsAfterUnsent {
            session.server?.finish(into: &results)
        }
        bytes.removeAll(keepingCapacity: true)
        swap(&bytes, &chunkScratch)
        perform(results, session, now: now, into: &outputs)
        return true
    }

    mutating func endChunkResponse(
        _ id: Bodies.ServeID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let session = serves[id] else { return }
        guard session.unsent.isEmpty else {
            session.endsAfterUnsent = true
            if let stream = session.stream { answered(session, stream, now: now) }
            return
        }
        var results: [RequestServer.Output] = []
        session.server?.finish(into: &results)
        perform(results, session, now: now, into: &outputs)
    }

    mutating func refuseChunks(
        _ id: Bodies.ServeID, code: UInt8, text: String, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let session = serves[id] else { return }
        session.unsent = []
        refuse(session, ResponseCode(wireValue: code), text, now: now, into: &outputs)
    }
}
