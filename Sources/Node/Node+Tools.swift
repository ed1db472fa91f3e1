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

/// Ping and perf: the two protocols that exist to measure.
extension Node {
    // MARK: Ping

    mutating func receivedPing(
        _ bytes: Span<UInt8>, _ stream: Stream, _ session: PingAnswer, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let connection = stream.connection
        var results: [PingResponder.Output] = []
        session.machine.receive(
            bytes, unsent: connection.machine.queuedBytes(stream.id), now: now.instant,
            into: &results)
        setDeadline(stream, configuration.limits.idleStreamTimeout, now: now)
        for result in results {
            switch result {
            case .send(let echo):
                _ = connection.write(stream, echo)
                mark(connection, into: &outputs)
            case .close:
                closeWrite(stream, into: &outputs)
            case .failed:
                abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
                return
            }
        }
    }

    mutating func startPing(
        _ command: CommandID, _ peer: Peer, count: Int, now: Now, into outputs: inout [NodeOutput]
    ) {
        let session = PingQuestion(
            machine: PingInitiator(random: random.fork()), command: command)
        guard
            let stream = open(
                [PingProtocol.id], .control, on: peer.connection, .pingInitiator(session),
                frameSizeMax: 0, timeout: configuration.limits.streamTimeout, now: now)
        else {
            finish(
                command, .failed(.init(.overloaded, "no stream could be opened to \(peer.id)")),
                into: &outputs)
            return
        }
        commands.setPing(command, remaining: count, sequence: 0, peer: peer.id)
        var results: [PingInitiator.Output] = []
        session.machine.ping(now: now.instant, into: &results)
        perform(results, stream, session, now: now, into: &outputs)
    }

    mutating func receivedPong(
        _ bytes: Span<UInt8>, _ stream: Stream, _ session: PingQuestion, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        var results: [PingInitiator.Output] = []
        session.machine.receive(bytes, now: now.instant, into: &results)
        perform(results, stream, session, now: now, into: &outputs)
    }

    private mutating func perform(
        _ results: [PingInitiator.Output], _ stream: Stream, _ session: PingQuestion, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        for result in results {
            switch result {
            case .send(let payload):
                setDeadline(stream, configuration.limits.streamTimeout, now: now)
                _ = stream.connection.write(stream, payload)
                mark(stream.connection, into: &outputs)
            case .roundTrip(let duration):
                answered(stream, session, duration, now: now, into: &outputs)
            case .failed(let fault):
                finish(
                    session.command, .failed(.init(.refused, "ping: \(fault)")), into: &outputs)
                abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
                return
            case .ended:
                closeWrite(stream, into: &outputs)
            }
        }
    }

    private mutating func answered(
        _ stream: Stream, _ session: PingQuestion, _ duration: Duration, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let ping = commands.pinged(session.command) else {
            closeWrite(stream, into: &outputs)
            return
        }
        let reply = Reply.pinged(sequence: ping.sequence, ping.peer, roundTrip: duration)
        guard ping.remaining > 0 else {
            finish(session.command, reply, into: &outputs)
            closeWrite(stream, into: &outputs)
            return
        }
        outputs.append(.reply(session.command, reply, isLast: false))
        var results: [PingInitiator.Output] = []
        session.machine.ping(now: now.instant, into: &results)
        perform(results, stream, session, now: now, into: &outputs)
    }

    mutating func pingEnded(
        _ command: CommandID, _ end: StreamEnd, into outputs: inout [NodeOutput]
    ) {
        finish(
            command, .failed(.init(.unreachable, "the ping stream ended: \(end)")), into: &outputs)
    }

    // MARK: Perf

    mutating func startPerf(
        _ command: CommandID, _ peer: Peer, upload: UInt64, download: UInt64, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let transfer = PerfTransfer(
            command: command, upload: upload, download: download, now: now.instant)
        guard
            let stream = open(
                [PerfTransfer.protocolID], .proof, on: peer.connection, .perf(transfer),
                frameSizeMax: 0, timeout: configuration.limits.streamTimeout, now: now)
        else {
            finish(
                command, .failed(.init(.overloaded, "no stream could be opened to \(peer.id)")),
                into: &outputs)
            return
        }
        var request: [UInt8] = []
        request.appendBigEndian(download)
        _ = stream.connection.write(stream, request)
        setDeadline(stream, configuration.limits.idleStreamTimeout, now: now)
        startPulling(stream, into: &outputs)
    }

    /// Keeps a stream's queue filled ahead of the socket, without holding more than that.
    mutating func pullPerf(_ stream: Stream, _ transfer: PerfTransfer) {
        let connection = stream.connection
        let ahead = 4 * configuration.limits.pullAheadSize
        while transfer.toSend > 0, connection.machine.queuedBytes(stream.id) < ahead {
            let size = Int(min(transfer.toSend, UInt64(PerfTransfer.block.count)))
            guard (try? connection.machine.write(stream.id, PerfTransfer.block[..<size])) != nil
            else { break }
            transfer.toSend -= UInt64(size)
        }
        if transfer.toSend == 0, transfer.closesWhenSent, !transfer.didClose {
            transfer.didClose = true
            connection.machine.closeWrite(stream.id)
        }
    }

    mutating func perfReadClosed(
        _ stream: Stream, _ transfer: PerfTransfer, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch transfer.role {
        case .server:
            guard let count = transfer.requested else {
                abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
                return
            }
            transfer.toSend = count
            transfer.closesWhenSent = true
            // The other side reads at its own pace; a stall is the connection's write timeout.
            stream.deadline = nil
            startPulling(stream, into: &outputs)
        case .client(let command, let expected):
            guard transfer.received == expected else {
                perfFailed(
                    stream, .endedEarly(received: transfer.received, expected: expected), now: now,
                    into: &outputs)
                return
            }
            let end = transfer.lastByteAt ?? now.instant
            let turn = transfer.firstByteAt ?? now.instant
            finish(
                command,
                .perf(
                    PerfInfo(
                        uploaded: transfer.uploaded,
                        uploadTime: transfer.startedAt.duration(to: turn),
                        downloaded: transfer.received, downloadTime: turn.duration(to: end))),
                into: &outputs)
        }
    }

    mutating func perfFailed(
        _ stream: Stream, _ failure: PerfTransfer.Failure, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        if case .perf(let transfer) = stream.kind, case .client(let command, _) = transfer.role {
            finish(command, .failed(.init(.refused, "perf: \(failure)")), into: &outputs)
        }
        abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
    }

    mutating func perfEnded(
        _ stream: Stream, _ transfer: PerfTransfer, _ end: StreamEnd, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard case .client(let command, _) = transfer.role else { return }
        finish(
            command, .failed(.init(.unreachable, "the perf stream ended: \(end)")), into: &outputs)
    }

    // MARK: Bulk

    mutating func startBulk(
        _ command: CommandID, _ peer: Peer, upload: UInt64, download: UInt64, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let transfer = BulkTransfer(
            command: command, upload: upload, download: download, now: now.instant)
        guard
            let stream = open(
                [BulkTransfer.protocolID], .proof, on: peer.connection, .bulk(transfer),
                frameSizeMax: 0, timeout: configuration.limits.idleStreamTimeout, now: now)
        else {
            finish(
                command, .failed(.init(.overloaded, "no stream could be opened to \(peer.id)")),
                into: &outputs)
            return
        }
        _ = stream.connection.write(stream, transfer.header)
        startPulling(stream, into: &outputs)
    }

    mutating func pullBulk(_ stream: Stream, _ transfer: BulkTransfer) {
        let connection = stream.connection
        let ahead = 4 * configuration.limits.pullAheadSize
        while connection.machine.queuedBytes(stream.id) < ahead,
            let range = transfer.next(sizeMax: BulkTransfer.block.count)
        {
            guard (try? connection.machine.write(stream.id, BulkTransfer.block[range])) != nil
            else { return }
        }
        // A server has said everything; a client waits for the answer before it closes.
        if transfer.isSendingDone, transfer.command == nil {
            connection.machine.closeWrite(stream.id)
        }
    }

    mutating func receivedBulk(
        _ bytes: Span<UInt8>, _ stream: Stream, _ transfer: BulkTransfer, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        setDeadline(stream, configuration.limits.idleStreamTimeout, now: now)
        switch transfer.received(bytes, now: now.instant) {
        case .goesOn:
            break
        case .answer:
            _ = stream.connection.write(stream, transfer.answer())
            startPulling(stream, into: &outputs)
        case .done:
            if let command = transfer.command {
                finish(command, .perf(transfer.info), into: &outputs)
            }
            closeWrite(stream, into: &outputs)
        case .failed(let failure):
            if let command = transfer.command {
                finish(command, .failed(.init(.refused, "bulk: \(failure)")), into: &outputs)
            }
            abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
        }
    }

    mutating func bulkEnded(
        _ transfer: BulkTransfer, _ end: StreamEnd, into outputs: inout [NodeOutput]
    ) {
        guard let command = transfer.command else { return }
        let reason = transfer.ended().map { "\($0)" } ?? "\(end)"
        finish(
            command, .failed(.init(.unreachable, "the bulk stream ended: \(reason)")),
            into: &outputs)
    }
}
