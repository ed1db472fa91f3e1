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

/// Kademlia on streams: requests of others answered in order, our requests one to a stream.
extension Node {
    mutating func receivedKademlia(
        _ bytes: Span<UInt8>, _ stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) {
        var offset = 0
        do throws(FramingError) {
            while let frame = try stream.assembler.next(in: bytes, from: &offset) {
                let message: [UInt8] =
                    switch frame {
                    case .inPlace(let range): bytes.extracting(range).copied()
                    case .assembled(let whole): whole
                    }
                if case .kademliaRequest(let id) = stream.kind {
                    answered(stream, id, message, now: now, into: &outputs)
                    return
                }
                request(message, stream, now: now, into: &outputs)
                guard stream.connection.streams[stream.id] === stream else { return }
            }
        } catch {
            counters.malformedKademliaFrames += 1
            abandon(stream, .protocolViolation, .finished, now: now, into: &outputs)
        }
    }

    // MARK: Serving

    private mutating func request(
        _ message: [UInt8], _ stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = stream.connection.peer else { return }
        // Pipelining is legal; a queue of questions without reading the answers is not.
        guard stream.pendingRequests.count < 16 else {
            abandon(stream, .rateLimited, .finished, now: now, into: &outputs)
            return
        }
        setDeadline(stream, configuration.limits.idleStreamTimeout, now: now)
        let id = requests.inbound(stream.key)
        stream.pendingRequests.append(id)
        tellKademlia(.requestReceived(id, from: peer, message), now: now, into: &outputs)
    }

    private mutating func respond(
        _ id: Kademlia.InboundRequestID, _ message: [UInt8]?, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let key = requests.takeInbound(id),
            let stream = connections[key.connection]?.streams[key.stream]
        else { return }
        stream.readyAnswers[id] = .some(message)
        // Answers go out in the order of the questions, whatever order they became ready in.
        while let first = stream.pendingRequests.first, let answer = stream.readyAnswers[first] {
            stream.pendingRequests.removeFirst()
            stream.readyAnswers.removeValue(forKey: first)
            guard let answer else { continue }
            // Without this answer the next one would be taken for it.
            guard stream.connection.write(stream, VarintFrame.encoded(answer)) else {
                abandon(stream, .resourceLimitExceeded, .finished, now: now, into: &outputs)
                return
            }
        }
        if stream.isReadClosed, stream.pendingRequests.isEmpty {
            closeWrite(stream, into: &outputs)
        } else {
            mark(stream.connection, into: &outputs)
        }
    }

    mutating func kademliaServerEnded(
        _ stream: Stream, now: Now, into outputs: inout [NodeOutput]
    ) {
        for id in stream.pendingRequests {
            _ = requests.takeInbound(id)
            tellKademlia(.requestCancelled(id), now: now, into: &outputs)
        }
        stream.pendingRequests = []
    }

    // MARK: Asking

    private mutating func send(
        _ rpc: OutboundRPC, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let peer = peers[rpc.peer] else {
            let dial = requests.dial(for: rpc)
            tell(.dial(dial, rpc.peer, rpc.addresses, .routing), now: now, into: &outputs)
            return
        }
        guard
            let stream = open(
                [configuration.kademliaProtocol], .control, on: peer.connection,
                .kademliaRequest(rpc.id), frameSizeMax: configuration.limits.kademliaFrameSizeMax,
                timeout: rpc.deadline > now.instant
                    ? now.instant.duration(to: rpc.deadline) : .zero,
                now: now)
        else {
            tellKademlia(.rpcFailed(rpc.id, .localLimit), now: now, into: &outputs)
            return
        }
        guard stream.connection.write(stream, VarintFrame.encoded(rpc.message)) else {
            abandon(stream, .resourceLimitExceeded, .finished, now: now, into: &outputs)
            tellKademlia(.rpcFailed(rpc.id, .localLimit), now: now, into: &outputs)
            return
        }
        if rpc.expectsAnswer {
            requests.sent(rpc.id, on: stream.key)
            // Half-closing at once is legal, but go-libp2p's and py-libp2p's servers read until an
            // error; leaving it open until the answer came is what all of them do themselves.
            mark(stream.connection, into: &outputs)
        } else {
            closeWrite(stream, into: &outputs)
            tellKademlia(.requestSent(rpc.id), now: now, into: &outputs)
        }
    }

    /// A connection that a request waited for is there, or is not.
    mutating func dialed(
        _ rpc: OutboundRPC, _ outcome: Swarm.DialOutcome, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        switch outcome {
        case .connected: send(rpc, now: now, into: &outputs)
        case .failed(.refusedByLimit):
            tellKademlia(.rpcFailed(rpc.id, .localLimit), now: now, into: &outputs)
        case .failed:
            tellKademlia(.rpcFailed(rpc.id, .dialFailed), now: now, into: &outputs)
        }
    }

    private mutating func answered(
        _ stream: Stream, _ id: Kademlia.RPCID, _ message: [UInt8], now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard requests.takeSent(id) != nil else { return }
        closeWrite(stream, into: &outputs)
        setDeadline(stream, configuration.limits.streamTimeout, now: now)
        tellKademlia(.responseReceived(id, message), now: now, into: &outputs)
    }

    mutating func kademliaRequestEnded(
        _ id: Kademlia.RPCID, _ end: StreamEnd, now: Now, into outputs: inout [NodeOutput]
    ) {
        // After its answer the end of the stream is no news.
        guard requests.takeSent(id) != nil else { return }
        let failure: Kademlia.RPCFailure =
            switch end {
            case .timedOut: .timedOut
            case .notNegotiated(.negotiation): .protocolUnsupported
            case .notNegotiated(.timeout): .timedOut
            case .finished, .reset, .notNegotiated, .connectionLost: .streamReset
            }
        tellKademlia(.rpcFailed(id, failure), now: now, into: &outputs)
    }

    /// A request that is wrong in itself costs its sender something: honest peers have few, and
    /// whoever has hundreds is not kept, even when it speaks no gossip and so has no score.
    private mutating func noteRefusal(
        _ id: Kademlia.InboundRequestID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let key = requests.inboundStream(of: id),
            let peerID = connections[key.connection]?.peer,
            let peer = peers[peerID], !peer.refusals.take(now: now.instant),
            swarm.link(to: peerID)?.holds.contains(.pinned) != true
        else { return }
        outputs.append(.event(.peerFault(peerID, "dht: too many refused requests")))
        tell(.ban(peerID, configuration.limits.graylistBan), now: now, into: &outputs)
    }

    // MARK: Outputs

    mutating func perform(
        _ output: Kademlia.Output, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch output {
        case .sendRequest(let id, let peer, let addresses, let message, let expectsAnswer, let wait):
            let rpc = OutboundRPC(
                id: id, peer: peer, addresses: addresses, message: message,
                expectsAnswer: expectsAnswer, deadline: now.instant.advanced(by: wait))
            send(rpc, now: now, into: &outputs)
        case .cancelRequest(let id):
            if let dial = requests.cancelDial(of: id) {
                tell(.cancelDial(dial), now: now, into: &outputs)
            } else if let key = requests.takeSent(id),
                let stream = connections[key.connection]?.streams[key.stream]
            {
                abandon(stream, .noError, .finished, now: now, into: &outputs)
            }
        case .respond(let id, let message):
            respond(id, message, now: now, into: &outputs)
        case .acknowledge(let id):
            respond(id, nil, now: now, into: &outputs)
        case .refuse(let id, let reason):
            if reason.isRequesterFault { noteRefusal(id, now: now, into: &outputs) }
            if let key = requests.takeInbound(id),
                let stream = connections[key.connection]?.streams[key.stream]
            {
                stream.pendingRequests.removeAll { $0 == id }
                let code: StreamResetCode = reason == .rateLimited ? .rateLimited : .badRequest
                abandon(stream, code, .finished, now: now, into: &outputs)
            }
        case .validate(let id, let job):
            outputs.append(.run(.recordValidation(id, job)))
        case .queryProgress:
            break
        case .queryFinished(let id, let result):
            queryFinished(id, result, now: now, into: &outputs)
        case .renew(let key, let previous):
            renew(key: key, previous: previous, now: now, into: &outputs)
        case .store(let writes):
            store(.write(writes, sync: false), for: .kademlia, into: &outputs)
        case .peerFault(let peer, let fault):
            outputs.append(.event(.peerFault(peer, "dht: \(fault.rawValue)")))
            tellGossip(.behaviourPenalty(peer, 1), now: now, into: &outputs)
        case .equivocation(let key, _, _):
            outputs.append(.event(.equivocation(key: key)))
        case .event(let event):
            note(event, now: now, into: &outputs)
        }
    }

    private mutating func note(
        _ event: Kademlia.Event, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch event {
        case .peerAdded(let id, _):
            tell(.hold(id, .routingTable), now: now, into: &outputs)
        case .peerRemoved(let id, _, _):
            tell(.release(id, .routingTable), now: now, into: &outputs)
        default:
            break
        }
    }
}
