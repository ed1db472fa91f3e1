import ChoraleBase
import Yamux

extension FuzzTarget {
    static let yamuxTargets: [FuzzTarget] = [
        FuzzTarget(
            "yamux-header", "a frame header; encodes to what it means", sizeMax: 64,
            seeds: { sampleFrames.map { Array($0.prefix(12)) } }, run: yamuxHeader),
        FuzzTarget(
            "yamux-session", "a peer's whole session as bytes; the same however cut, and bounded",
            seeds: {
                sampleFrames + [sampleFrames.flatMap { $0 }]
                    + [sampleFrames[0] + sampleFrames[1] + sampleFrames[3]]
            }, run: yamuxSession),
        FuzzTarget(
            "yamux-pair",
            "two sessions that open, write, close, reset and lose time; bytes arrive in order",
            sizeMax: 512,
            seeds: {
                [
                    [0, 1, 0, 5, 20, 6, 7, 5, 6, 5], [0, 2, 0, 1, 0, 200, 2, 0, 5, 6, 3, 0, 5, 6],
                    [0, 0, 8, 40, 9, 30, 5, 6, 4, 9, 5, 6, 10, 1],
                ]
            }, run: yamuxPair),
    ]

    private static func header(
        _ type: UInt8, _ flags: UInt16, _ stream: UInt32, _ length: UInt32
    ) -> [UInt8] {
        var bytes: [UInt8] = [0, type]
        bytes.appendBigEndian(flags)
        bytes.appendBigEndian(stream)
        bytes.appendBigEndian(length)
        return bytes
    }

    private static let sampleFrames: [[UInt8]] = [
        header(1, 1, 1, 0),
        header(0, 0, 1, 5) + [1, 2, 3, 4, 5],
        header(1, 0, 1, 70_000),
        header(1, 4, 1, 0),
        header(0, 1, 3, 3) + [1, 2, 3],
        header(1, 8, 3, 2),
        header(2, 1, 0, 77),
        header(2, 2, 0, 1),
        header(3, 0, 0, 0),
        header(0, 5, 5, 1) + [9],
    ]

    private static func yamuxHeader(_ input: [UInt8], _ findings: inout Findings) {
        do throws(YamuxHeader.DecodeError) {
            guard let header = try YamuxHeader.decode(input.span, payloadSizeMax: 1 << 20) else {
                require(input.count < YamuxHeader.encodedSize, "a whole header is not read")
                return
            }
            let encoded = header.encoded().span.copied()
            let again = try YamuxHeader.decode(encoded.span, payloadSizeMax: 1 << 20)
            require(again == header, "another header")
            findings.note("header", header)
        } catch {
            findings.note("header", error)
        }
    }

    /// Limits at which small inputs reach them.
    private static var tightLimits: YamuxLimits {
        var limits = YamuxLimits()
        limits.inboundStreamsMax = 8
        limits.outboundStreamsMax = 8
        limits.unacknowledgedStreamsMax = 6
        limits.sendQueueSizeMax = 8192
        limits.sendQueueLowWater = 2048
        limits.sessionQueueSizeMax = 16_384
        limits.pongsMax = 4
        limits.resetsMax = 8
        limits.pingBurst = 8
        limits.abandonedStreamBurst = 8
        limits.emptyFrameBurst = 16
        limits.payloadSentMax = 1000
        return limits
    }

    private struct Heard: Equatable {
        var events: [YamuxSession.Event] = []
        var data: [UInt32: [UInt8]] = [:]
        var counters = YamuxCounters()
        var output: [UInt8] = []
    }

    private static func yamuxSession(_ input: [UInt8], _ findings: inout Findings) {
        let limits = tightLimits
        let heard = sameHoweverCut(input, "the session") { pieces in
            var session = YamuxSession(role: .listener, limits: limits, now: .zero)
            var heard = Heard()
            for piece in pieces {
                var events: [YamuxSession.Event] = []
                session.receive(piece.span, now: .zero, into: &events)
                for event in events {
                    if case .data(let stream, let range) = event {
                        require(range.upperBound <= piece.count, "data outside the piece")
                        require(!range.isEmpty, "data without bytes")
                        heard.data[stream.rawValue, default: []] += piece[range]
                    } else {
                        heard.events.append(event)
                    }
                }
                require(session.streamCount <= limits.inboundStreamsMax, "too many streams")
            }
            heard.counters = session.counters
            var events: [YamuxSession.Event] = []
            session.transmit(into: &heard.output, sizeMax: 1 << 20, now: .zero, events: &events)
            heard.events += events
            return heard
        }
        for event in heard.events { findings.note("session", event) }
        findings.note("session", counters: heard.counters)
        require(
            heard.output.count <= 12 * (1 + input.count), "answers out of proportion to what came")
    }

    private struct Side: ~Copyable {
        var session: YamuxSession
        var wire: [UInt8] = []
        /// What was written, and what arrived, for each stream that this side opened.
        var written: [UInt32: [UInt8]] = [:]
        var arrived: [UInt32: [UInt8]] = [:]
        var unconsumed: [(stream: StreamID, count: Int)] = []
        var streams: [StreamID] = []
        var isOver = false
    }

    /// Program: an instruction and its operands; even numbers mostly act, 5 and 6 carry bytes from
    /// one side to the other.
    private static func yamuxPair(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var now = MonotonicInstant.zero
        var left = Side(session: YamuxSession(role: .dialer, limits: tightLimits, now: now))
        var right = Side(session: YamuxSession(role: .listener, limits: tightLimits, now: now))
        var steps = 0
        // Damage ends what can be said about contents, not about safety.
        var isDamaged = false
        while !program.isAtEnd, steps < 400 {
            steps += 1
            let instruction = program.byte()
            if instruction & 0x80 == 0 {
                act(instruction & 0x0F, &left, &program, &now, &findings)
            } else {
                act(instruction & 0x0F, &right, &program, &now, &findings)
            }
            switch instruction & 0x0F {
            case 5: carry(&left, &right, &program, now, isDamaged: isDamaged, &findings)
            case 6: carry(&right, &left, &program, now, isDamaged: isDamaged, &findings)
            case 15:
                guard !left.wire.isEmpty else { continue }
                isDamaged = true
                left.wire[program.word() % left.wire.count] ^= program.byte()
            default: break
            }
        }
        findings.note("left", counters: left.session.counters)
        findings.note("right", counters: right.session.counters)
    }

    private static func act(
        _ instruction: UInt8, _ side: inout Side, _ program: inout Program,
        _ now: inout MonotonicInstant, _ findings: inout Findings
    ) {
        func pick(_ streams: [StreamID], _ program: inout Program) -> StreamID? {
            streams.isEmpty ? nil : streams[program.below(streams.count)]
        }
        switch instruction {
        case 0:
            do throws(YamuxSession.OpenError) {
                side.streams.append(
                    try side.session.open(TrafficClass(rawValue: program.byte() & 3) ?? .control))
            } catch {
                findings.note("open", error)
            }
        case 1:
            guard let stream = pick(side.streams, &program) else { return }
            let size = program.word() & 0x0FFF
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &+ size) }
            let room = side.session.writableBytes(stream)
            do throws(YamuxSession.WriteError) {
                try side.session.write(stream, bytes)
                require(size <= room, "more was taken than there was room for")
                side.written[stream.rawValue, default: []] += bytes
            } catch {
                require(size > room || room == 0, "refused although there is room: \(error)")
                findings.note("write", error)
            }
        case 2: if let stream = pick(side.streams, &program) { side.session.closeWrite(stream) }
        case 3:
            if let stream = pick(side.streams, &program) {
                side.session.reset(stream, code: UInt32(program.byte()))
                side.unconsumed.removeAll { $0.stream == stream }
            }
        case 4:
            guard !side.unconsumed.isEmpty else { return }
            let index = program.below(side.unconsumed.count)
            let taken = min(side.unconsumed[index].count, program.word())
            side.session.consumed(side.unconsumed[index].stream, count: taken, now: now)
            side.unconsumed[index].count -= taken
            if side.unconsumed[index].count == 0 { side.unconsumed.remove(at: index) }
        case 7:
            now = now.advanced(by: program.duration())
            var events: [YamuxSession.Event] = []
            side.session.handleTimeout(now: now, into: &events)
            note(events, &side, &findings)
        case 8: side.session.windowBudget = program.word() << 8
        case 9: side.session.goAway(GoAwayCode(wireValue: UInt32(program.byte() & 3)))
        case 10:
            if let stream = pick(side.streams, &program) {
                side.session.setClass(
                    TrafficClass(rawValue: program.byte() & 3) ?? .control, of: stream)
            }
        default: break
        }
    }

    private static func note(
        _ events: [YamuxSession.Event], _ side: inout Side, _ findings: inout Findings
    ) {
        for event in events {
            findings.note("pair", event)
            switch event {
            case .opened(let stream): side.streams.append(stream)
            case .closed(let stream, _):
                side.streams.removeAll { $0 == stream }
                side.unconsumed.removeAll { $0.stream == stream }
            case .failed: side.isOver = true
            default: break
            }
        }
    }

    private static func carry(
        _ from: inout Side, _ to: inout Side, _ program: inout Program, _ now: MonotonicInstant,
        isDamaged: Bool, _ findings: inout Findings
    ) {
        var events: [YamuxSession.Event] = []
        let before = from.wire.count
        let sizeMax = program.word()
        from.session.transmit(into: &from.wire, sizeMax: sizeMax, now: now, events: &events)
        require(from.wire.count - before <= sizeMax, "more was sent than there was room for")
        note(events, &from, &findings)
        let count = min(from.wire.count, program.word())
        let piece = Array(from.wire[..<count])
        from.wire.removeFirst(count)
        events = []
        let wasOver = to.isOver
        to.session.receive(piece.span, now: now, into: &events)
        require(!wasOver || events.isEmpty, "events after the end")
        for case .data(let stream, let range) in events {
            require(!range.isEmpty && range.upperBound <= piece.count, "data outside the piece")
            to.arrived[stream.rawValue, default: []] += piece[range]
            if let index = to.unconsumed.firstIndex(where: { $0.stream == stream }) {
                to.unconsumed[index].count += range.count
            } else {
                to.unconsumed.append((stream, range.count))
            }
            if !isDamaged {
                require(
                    (from.written[stream.rawValue] ?? []).starts(
                        with: to.arrived[stream.rawValue] ?? []),
                    "other bytes arrived on \(stream) than were written")
            }
        }
        note(events, &to, &findings)
        if !isDamaged {
            for case .failed(let error) in events {
                switch error {
                case .keepaliveTimeout, .pingFlood, .rapidReset, .emptyFrameFlood, .resetsUnread:
                    break
                default: fatalError("property broken: a session refuses its equal: \(error)")
                }
            }
        }
    }
}
