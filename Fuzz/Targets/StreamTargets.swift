import ChoraleBase
import Codec
import Identify
import Multistream
import PeerIdentity
import RequestResponse

extension FuzzTarget {
    static let streamTargets: [FuzzTarget] = [
        FuzzTarget(
            "multistream-dialer", "what a listener answers; the same however cut", sizeMax: 2048,
            seeds: {
                [
                    tokens(["/multistream/1.0.0", "/b"]),
                    tokens(["/multistream/1.0.0", "na", "/b"]) + [1, 2, 3],
                    tokens(["/multistream/1.0.0", "na", "na", "na"]),
                ]
            }, run: dialer),
        FuzzTarget(
            "multistream-listener", "what a dialer proposes; the same however cut", sizeMax: 2048,
            seeds: {
                [
                    tokens(["/multistream/1.0.0", "/b"]),
                    tokens(["/multistream/1.0.0", "/x", "ls", "/a"]) + [9],
                ]
            }, run: listener),
        FuzzTarget(
            "identify", "an identify message; limits kept, and what is written is read",
            seeds: {
                var message = IdentifyMessage()
                message.publicKey = Actors.keys[1].publicKey.encoded
                message.listenAddresses = Array(Actors.addresses.prefix(3))
                message.protocols = ["/ipfs/ping/1.0.0", "/meshsub/1.2.0"]
                message.observedAddress = Actors.addresses[4]
                message.agentVersion = "chorale/0.1"
                message.protocolVersion = "ipfs/0.1.0"
                message.signedPeerRecord = Actors.peerRecord
                return [message.encoded()]
            }, run: identify),
        FuzzTarget(
            "request-client", "what answers a request; the same however cut, chunks bounded",
            seeds: {
                let chunk = Payloads.encoded([UInt8](repeating: 3, count: 90))
                return [
                    [0, 0] + chunk, [1, 0] + chunk + [0] + chunk,
                    [0, 3] + Payloads.encoded(Array("not here".utf8)), [2, 0] + chunk,
                ]
            }, run: client),
        FuzzTarget(
            "request-server", "what asks for something; the same however cut, requests bounded",
            seeds: {
                (0..<5).map { [UInt8($0)] + Payloads.encoded([UInt8](repeating: 1, count: 88)) }
                    + [[1], [2] + Payloads.encoded([UInt8](repeating: 0, count: 8))]
            }, run: server),
    ]

    private static func tokens(_ names: [String]) -> [UInt8] {
        names.flatMap { VarintFrame.encoded(Array(($0 + "\n").utf8)) }
    }

    /// A request's or a chunk's size and framed snappy data.
    enum Payloads {
        static func encoded(_ bytes: [UInt8]) -> [UInt8] {
            Varint.encoded(UInt64(bytes.count)) + SnappyFrameEncoder.encoded(bytes.span)
        }
    }

    private struct Negotiated: Equatable {
        var agreed: String?
        var consumed = 0
        var output: [UInt8] = []
        var error: NegotiationError?
    }

    private static func dialer(_ input: [UInt8], _ findings: inout Findings) {
        let result = sameHoweverCut(input, "the dialer") { pieces in
            var negotiation = DialerNegotiation(
                protocols: ["/a", "/b", "/c"], limits: .init(tokenSizeMax: 64))
            var result = Negotiated()
            negotiation.start(into: &result.output)
            for piece in pieces {
                do throws(NegotiationError) {
                    let progress = try negotiation.receive(piece.span, into: &result.output)
                    result.consumed += progress.consumed
                    result.agreed = progress.agreed
                } catch {
                    result.error = error
                    result.consumed = 0
                }
                if result.error != nil || result.agreed != nil { break }
                require(progressed(result, input), "more was consumed than was there")
            }
            return result
        }
        if let agreed = result.agreed {
            require(["/a", "/b", "/c"].contains(agreed), "agreed on \(agreed)")
        }
        findings.note("dialer", (result.agreed.map { _ in "agreed" }, result.error))
        findings.note("dialer", size: result.output.count)
    }

    private static func progressed(_ result: Negotiated, _ input: [UInt8]) -> Bool {
        result.consumed <= input.count
    }

    private static func listener(_ input: [UInt8], _ findings: inout Findings) {
        let result = sameHoweverCut(input, "the listener") { pieces in
            var negotiation = ListenerNegotiation(
                supported: ProtocolTable(["/a", "/b"]),
                limits: .init(tokenSizeMax: 64, proposalCountMax: 4))
            var result = Negotiated()
            for piece in pieces {
                do throws(NegotiationError) {
                    let progress = try negotiation.receive(piece.span, into: &result.output)
                    result.consumed += progress.consumed
                    result.agreed = progress.agreed
                } catch {
                    result.error = error
                    result.consumed = 0
                }
                if result.error != nil || result.agreed != nil { break }
                require(progressed(result, input), "more was consumed than was there")
            }
            return result
        }
        if let agreed = result.agreed {
            require(["/a", "/b"].contains(agreed), "agreed on \(agreed)")
        }
        // Each proposal is at least four bytes long and answered with fewer than 32.
        require(result.output.count <= 32 * (1 + input.count), "answers out of proportion")
        findings.note("listener", (result.agreed.map { _ in "agreed" }, result.error))
        findings.note("listener", size: result.output.count)
    }

    private static func identify(_ input: [UInt8], _ findings: inout Findings) {
        let limits = IdentifyMessage.Limits()
        do throws(IdentifyMessage.DecodeError) {
            let message = try IdentifyMessage.decode(input.span, limits: limits)
            require((message.listenAddresses?.count ?? 0) <= limits.addressCountMax, "addresses")
            require((message.protocols?.count ?? 0) <= limits.protocolCountMax, "protocols")
            let encoded = message.encoded(limits: limits)
            require(encoded.count <= limits.messageSizeMax, "a message that no peer reads")
            _ = try IdentifyMessage.decode(encoded.span, limits: limits)
            findings.note("addresses", size: message.listenAddresses?.count ?? 0)
            findings.note("protocols", size: message.protocols?.count ?? 0)
            findings.note("agent", size: message.agentVersion?.utf8.count ?? 0)
        } catch {
            findings.note("identify", error)
        }
        // The same bytes as several messages that are merged.
        var reader = IdentifyReader()
        do throws(IdentifyMessage.DecodeError) {
            for piece in pieces(input, everyByte: false) { try reader.add(piece.span) }
        } catch {
            findings.note("merge", error)
        }
        if let merged = reader.merged {
            require((merged.listenAddresses?.count ?? 0) <= limits.addressCountMax, "addresses")
        }
    }

    /// Outputs with bytes joined, since they may be sent in any portions.
    private static func client(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let request = program.below(3)
        let response = program.rest()
        let kind: RequestProtocol = [.status, .chunksByRoot, .metadata][request]
        let outputs = sameHoweverCut(response, "the client") { pieces in
            var client = RequestClient(kind, chunkCountMax: 3)
            var outputs: [RequestClient.Output] = []
            client.start(
                [UInt8](repeating: 1, count: min(kind.requestSizeMax, 40)).span, now: .zero,
                into: &outputs)
            for piece in pieces {
                client.receive(piece.span, now: .zero, into: &outputs)
                require(
                    client.bufferedSize <= max(kind.chunkSizeMax, 4096) + 65_536 + 65_536,
                    "more is held than a chunk: \(client.bufferedSize)")
            }
            client.end(into: &outputs)
            client.timeout(now: .zero.advanced(by: .seconds(60)), into: &outputs)
            return outputs
        }
        var ends = 0
        for output in outputs {
            findings.note("client", output)
            switch output {
            case .chunk(let bytes): require(bytes.count <= kind.chunkSizeMax, "a large chunk")
            case .completed, .refused, .failed: ends += 1
            case .sendAndEnd: break
            }
        }
        require(ends == 1, "a request ends once, not \(ends) times: \(outputs)")
        findings.note("client", size: outputs.count)
    }

    private static func server(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let kind = RequestProtocol.all[program.below(RequestProtocol.all.count)]
        let answers = program.below(4)
        let request = program.rest()
        let outputs = sameHoweverCut(request, "the server") { pieces in
            var server = RequestServer(kind, now: .zero)
            var outputs: [RequestServer.Output] = []
            for piece in pieces {
                server.receive(piece.span, into: &outputs)
                require(
                    server.bufferedSize <= kind.requestSizeMax + 2 * 65_536 + 4096,
                    "more is held than a request: \(server.bufferedSize)")
            }
            server.end(into: &outputs)
            if outputs.contains(where: { if case .request = $0 { true } else { false } }) {
                if answers == 1 { server.respond([1, 2, 3].span, into: &outputs) }
                if answers == 2 { server.refuse(.unavailable, text: "no", into: &outputs) }
                server.finish(into: &outputs)
            }
            server.timeout(now: .zero.advanced(by: .seconds(60)), into: &outputs)
            server.reset(into: &outputs)
            // Bytes behind a request may come before or after it is seen, so whether it was is
            // settled by the cut; how the stream ends is not.
            if outputs.contains(where: { if case .failed = $0 { true } else { false } }) {
                outputs.removeAll { if case .request = $0 { true } else { false } }
            }
            return outputs
        }
        var requests = 0
        for output in outputs {
            findings.note("server", output)
            if case .request(let bytes) = output {
                requests += 1
                require(bytes.count <= kind.requestSizeMax, "a request over its limit")
            }
        }
        require(requests <= 1, "a stream carries one request")
    }
}
