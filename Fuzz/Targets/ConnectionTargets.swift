import ChoraleBase
import Codec
import Connection
import Crypto
import Multistream
import Noise
import PeerIdentity
import Yamux

extension FuzzTarget {
    static let connectionTargets: [FuzzTarget] = [
        FuzzTarget(
            "connection-plain",
            "what a stranger sends to a listening connection from its first byte",
            sizeMax: 2048,
            seeds: {
                let tokens = ["/multistream/1.0.0\n", "/noise\n"].flatMap {
                    VarintFrame.encoded(Array($0.utf8))
                }
                return [tokens, tokens + [0, 32] + [UInt8](repeating: 7, count: 32)]
            }, run: connectionPlain),
        FuzzTarget(
            "connection-secured",
            "what a verified peer sends inside its encrypted connection: frames, streams, names",
            sizeMax: 2048,
            seeds: {
                func frame(_ type: UInt8, _ flags: UInt16, _ bytes: [UInt8]) -> [UInt8] {
                    var header: [UInt8] = [0, type]
                    header.appendBigEndian(flags)
                    header.appendBigEndian(UInt32(1))
                    header.appendBigEndian(UInt32(bytes.count))
                    return header + bytes
                }
                let names = ["/multistream/1.0.0\n", "/x/1\n"].flatMap {
                    VarintFrame.encoded(Array($0.utf8))
                }
                let other = ["/multistream/1.0.0\n", "/q\n", "/y/1\n"].flatMap {
                    VarintFrame.encoded(Array($0.utf8))
                }
                return [
                    frame(1, 1, []) + frame(0, 0, names) + frame(0, 0, [1, 2, 3]),
                    frame(0, 1, names + [9, 9]) + frame(1, 4, []), frame(0, 1, other),
                    [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5],
                ]
            }, run: connectionSecured),
        FuzzTarget(
            "connection-pair",
            "two connections that open streams, write and lose time over a wire that is cut anywhere",
            sizeMax: 512,
            seeds: {
                [
                    [0, 5, 1, 6, 1, 5, 1, 6, 1, 1, 0, 2, 0, 90, 5, 1, 6, 1],
                    [5, 0, 9, 6, 0, 200, 5, 1, 6, 1, 1, 1, 2, 0, 20, 3, 0, 5, 1, 6, 1, 7, 40],
                ]
            }, run: connectionPair),
    ]

    private static func listener(now: MonotonicInstant) -> Connection {
        var limits = Connection.Limits()
        limits.negotiatingInboundMax = 4
        return Connection(
            role: .listener, credentials: responderCredentials, ephemeral: Actors.secret(0x20),
            inboundProtocols: ProtocolTable(["/x/1", "/y/1"]), limits: limits, now: now)
    }

    private static func dialer(now: MonotonicInstant) -> Connection {
        Connection(
            role: .dialer(expected: Actors.peers[0]), credentials: initiatorCredentials,
            ephemeral: Actors.secret(0x21), inboundProtocols: ProtocolTable(["/x/1", "/y/1"]),
            now: now)
    }

    private struct Heard: Equatable {
        var events: [Connection.Event] = []
        var data: [UInt8] = []
        var closeReason: Connection.CloseReason?
    }

    /// Feeds pieces as a driver does: what is not consumed comes again in front of the next.
    private static func feed(
        _ connection: inout Connection, _ pieces: [[UInt8]], into heard: inout Heard,
        keep pending: inout [UInt8]
    ) {
        for piece in pieces {
            pending += piece
            var events: [Connection.Event] = []
            var span = pending.mutableSpan
            let used = connection.receive(&span, now: .zero, into: &events)
            require(used >= 0 && used <= pending.count, "more was consumed than was there")
            for event in events {
                if case .data(_, let range) = event {
                    require(!range.isEmpty && range.upperBound <= used, "data outside the bytes")
                    heard.data += pending[range]
                } else {
                    heard.events.append(event)
                }
            }
            pending.removeFirst(used)
            require(
                pending.count < NoiseTransport.frameSizeMax, "more than a frame is left to wait")
        }
        heard.closeReason = connection.closeReason
    }

    private static func connectionPlain(_ input: [UInt8], _ findings: inout Findings) {
        let heard = sameHoweverCut(input, "the connection") { pieces in
            var connection = listener(now: .zero)
            var heard = Heard()
            var pending: [UInt8] = []
            feed(&connection, pieces, into: &heard, keep: &pending)
            var output: [UInt8] = []
            connection.transmit(into: &output, sizeMax: 65_536, now: .zero, events: &heard.events)
            connection.inputEnded(into: &heard.events)
            require(connection.isClosed, "an ended connection is open")
            return heard
        }
        for event in heard.events { findings.note("plain", event) }
    }

    private static func connectionSecured(_ input: [UInt8], _ findings: inout Findings) {
        var connection = listener(now: .zero)
        var heard = Heard()
        var pending: [UInt8] = []
        var peer = NoiseHandshake(
            role: .initiator(expected: nil), credentials: initiatorCredentials,
            ephemeral: Actors.secret(0x21), muxers: ["/yamux/1.0.0"])
        let tokens = ["/multistream/1.0.0\n", "/noise\n"].flatMap {
            VarintFrame.encoded(Array($0.utf8))
        }
        var toUs = tokens
        peer.start(into: &toUs)
        feed(&connection, [toUs], into: &heard, keep: &pending)
        var output: [UInt8] = []
        connection.transmit(into: &output, sizeMax: 65_536, now: .zero, events: &heard.events)
        toUs = []
        do throws(NoiseError) {
            // The listener echoes both tokens before its Noise message.
            _ = try peer.receive(output.span.extracting(tokens.count..<output.count), into: &toUs)
        } catch {
            fatalError("the peer of the test failed: \(error)")
        }
        feed(&connection, [toUs], into: &heard, keep: &pending)
        guard connection.phase == .established else {
            fatalError("property broken: a proper handshake failed: \(heard.events)")
        }
        var transport = peer.transport()
        for piece in pieces(input, everyByte: false) {
            var frame: [UInt8] = [0, 0] + piece
            do throws(NoiseError) { try transport.seal(&frame, from: 0) } catch {
                fatalError("the peer of the test failed: \(error)")
            }
            feed(&connection, [frame], into: &heard, keep: &pending)
            output = []
            connection.transmit(into: &output, sizeMax: 65_536, now: .zero, events: &heard.events)
        }
        for event in heard.events { findings.note("secured", event) }
        findings.note("secured", counters: connection.counters)
        findings.note("secured yamux", counters: connection.yamuxCounters)
        let counters = connection.counters
        require(
            counters.inboundAgreed + counters.inboundFailed + counters.inboundRefused
                <= counters.streamsProposedByPeer, "streams that nobody proposed")
        connection.handleTimeout(now: .zero.advanced(by: .seconds(11)), into: &heard.events)
        connection.inputEnded(into: &heard.events)
        require(connection.isClosed, "an ended connection is open")
    }

    private struct End: ~Copyable {
        var connection: Connection
        var wire: [UInt8] = []
        var pending: [UInt8] = []
        var streams: [StreamID] = []
        var failed = false
    }

    private static func connectionPair(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var now = MonotonicInstant.zero
        var left = End(connection: dialer(now: now))
        var right = End(connection: listener(now: now))
        var steps = 0
        while !program.isAtEnd, steps < 200 {
            steps += 1
            let instruction = program.byte()
            switch instruction & 0x0F {
            case 5: pass(&left, &right, &program, now, &findings)
            case 6: pass(&right, &left, &program, now, &findings)
            case 7:
                now = now.advanced(by: program.duration())
                var events: [Connection.Event] = []
                left.connection.handleTimeout(now: now, into: &events)
                note(events, &left, &findings)
                events = []
                right.connection.handleTimeout(now: now, into: &events)
                note(events, &right, &findings)
            case let other where instruction & 0x80 == 0:
                operate(other, &left, &program, now, &findings)
            case let other: operate(other, &right, &program, now, &findings)
            }
        }
        findings.note("left", counters: left.connection.counters)
        findings.note("right", counters: right.connection.counters)
    }

    private static func operate(
        _ instruction: UInt8, _ end: inout End, _ program: inout Program, _ now: MonotonicInstant,
        _ findings: inout Findings
    ) {
        let stream = end.streams.isEmpty ? nil : end.streams[program.below(end.streams.count)]
        switch instruction {
        case 0, 1:
            let choice = program.below(4)
            let names = [["/x/1"], ["/q", "/y/1"], ["/q"], []][choice]
            do throws(Connection.OpenError) {
                end.streams.append(
                    try end.connection.openStream(names, class: .control, now: now))
            } catch {
                findings.note("open", error)
            }
        case 2:
            guard let stream else { return }
            do throws(Connection.WriteError) {
                try end.connection.write(
                    stream, [UInt8](repeating: program.byte(), count: program.word()))
            } catch {
                findings.note("write", error)
            }
        case 3: if let stream { end.connection.closeWrite(stream) }
        case 4: if let stream { end.connection.reset(stream, code: .rateLimited) }
        case 8: end.connection.goAway(.normal)
        case 9:
            var events: [Connection.Event] = []
            end.connection.inputEnded(into: &events)
            note(events, &end, &findings)
        case 10: end.connection.close()
        default: break
        }
    }

    private static func note(
        _ events: [Connection.Event], _ end: inout End, _ findings: inout Findings
    ) {
        for event in events {
            require(!end.failed, "an event after the end")
            findings.note("pair", event)
            switch event {
            case .streamOpened(let stream, _): end.streams.append(stream)
            case .closed(let stream), .streamFailed(let stream, _):
                end.streams.removeAll { $0 == stream }
            case .failed: end.failed = true
            default: break
            }
        }
    }

    private static func pass(
        _ from: inout End, _ to: inout End, _ program: inout Program, _ now: MonotonicInstant,
        _ findings: inout Findings
    ) {
        var events: [Connection.Event] = []
        from.connection.transmit(into: &from.wire, sizeMax: 4096, now: now, events: &events)
        note(events, &from, &findings)
        let cut = program.byte()
        let count = cut == 1 ? from.wire.count : min(from.wire.count, program.word())
        to.pending += from.wire[..<count]
        from.wire.removeFirst(count)
        events = []
        var pending = to.pending
        var span = pending.mutableSpan
        let used = to.connection.receive(&span, now: now, into: &events)
        require(used <= pending.count, "more was consumed than was there")
        for case .data(let stream, let range) in events {
            require(range.upperBound <= used, "data outside the bytes")
            to.connection.consumed(stream, count: range.count, now: now)
        }
        pending.removeFirst(used)
        to.pending = pending
        note(events, &to, &findings)
        for case .failed(let reason) in events {
            switch reason {
            case .handshakeTimeout, .endOfInput, .yamux(.keepaliveTimeout): break
            default: fatalError("property broken: a connection refuses its equal: \(reason)")
            }
        }
    }
}
