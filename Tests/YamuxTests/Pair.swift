import ChoraleBase
import Foundation
import Testing

@testable import Yamux

/// Bytes whose value at each offset of each stream is known.
enum Pattern {
    private static let period = 65_521
    static let lengthMax = 1 << 20
    private static let bytes: [UInt8] = {
        var random = DeterministicRandom(seed: 99)
        let once = random.bytes(count: period)
        var all: [UInt8] = []
        while all.count < period + lengthMax { all += once }
        return all
    }()

    private static func start(_ stream: StreamID, _ role: YamuxSession.Role, _ offset: Int) -> Int {
        (Int(stream.rawValue) * 131 + (role == .dialer ? 0 : 7919) + offset) % period
    }

    /// What the end with `role` writes on `stream` from `offset` on.
    static func bytes(
        _ stream: StreamID, by role: YamuxSession.Role, from offset: Int, count: Int
    ) -> [UInt8] {
        let start = start(stream, role, offset)
        return Array(bytes[start..<(start + count)])
    }

    static func matches(
        _ piece: ArraySlice<UInt8>, _ stream: StreamID, by role: YamuxSession.Role, from offset: Int
    ) -> Bool {
        let start = start(stream, role, offset)
        return unsafe bytes.withUnsafeBufferPointer { all in
            unsafe piece.withUnsafeBufferPointer { piece in
                guard let base = piece.baseAddress, piece.count > 0 else { return true }
                return unsafe memcmp(base, all.baseAddress! + start, piece.count) == 0
            }
        }
    }
}

/// One end with an application that knows what it wrote, read and was told.
final class Application {
    struct Record {
        var written = 0
        var received = 0
        var unconsumed = 0
        var writeClosed = false
        var readClosed = false
        var wasReset = false
        var isGone = false
    }

    let end: End
    var records: [StreamID: Record] = [:]
    /// Streams in the order they came, so that choices depend on the seed alone.
    var order: [StreamID] = []
    /// Bytes under way to the other end.
    var pipe: [UInt8] = []
    var failure: SessionError?
    /// Where the patterns of the other end come from.
    var peerRole: YamuxSession.Role { end.session.role == .dialer ? .listener : .dialer }

    init(_ role: YamuxSession.Role, limits: YamuxLimits) {
        end = End(role, limits: limits)
    }

    var living: [StreamID] { order.filter { !records[$0]!.isGone } }

    func open(_ trafficClass: TrafficClass = .control) {
        guard let stream = try? end.open(trafficClass) else { return }
        add(stream)
    }

    private func add(_ stream: StreamID) {
        #expect(records[stream] == nil)
        records[stream] = Record()
        order.append(stream)
    }

    /// - Returns: false when there was no room.
    @discardableResult
    func write(_ stream: StreamID, count: Int) -> Bool {
        let room = end.session.writableBytes(stream)
        let bytes = Pattern.bytes(
            stream, by: end.session.role, from: records[stream]!.written, count: count)
        do throws(YamuxSession.WriteError) {
            try end.session.write(stream, bytes)
            #expect(count <= room)
            records[stream]!.written += count
            return true
        } catch {
            #expect(count > room || records[stream]!.writeClosed, "\(error)")
            return false
        }
    }

    func closeWrite(_ stream: StreamID) {
        end.session.closeWrite(stream)
        records[stream]!.writeClosed = true
    }

    func reset(_ stream: StreamID) {
        end.session.reset(stream, code: .badRequest)
        records[stream]!.isGone = true
        records[stream]!.wasReset = true
    }

    func consume(_ stream: StreamID, _ count: Int) {
        end.consume(stream, count)
        records[stream]!.unconsumed -= count
    }

    func consumeAll() {
        for stream in living where records[stream]!.unconsumed > 0 {
            consume(stream, records[stream]!.unconsumed)
        }
    }

    /// Moves frames into the pipe.
    func transmit(sizeMax: Int) {
        let hadOutput = end.hasOutput
        let bytes = end.transmit(sizeMax: sizeMax)
        #expect(bytes.count <= sizeMax)
        if !bytes.isEmpty { #expect(hadOutput) }
        if sizeMax >= 24 && hadOutput { #expect(!bytes.isEmpty) }
        pipe += bytes
        digest(end.takeEvents(), of: [])
    }

    func receive(_ bytes: [UInt8]) {
        end.receive(bytes)
        digest(end.takeEvents(), of: bytes)
    }

    private func digest(_ events: [Event], of input: [UInt8]) {
        for event in events {
            #expect(failure == nil, "nothing is reported after the failure")
            switch event {
            case .opened(let stream): add(stream)
            case .data(let stream, let range):
                let record = records[stream]!
                #expect(!record.isGone && !record.readClosed && !range.isEmpty)
                #expect(
                    Pattern.matches(input[range], stream, by: peerRole, from: record.received),
                    "stream \(stream) at \(record.received)")
                records[stream]!.received += range.count
                records[stream]!.unconsumed += range.count
            case .readClosed(let stream):
                #expect(!records[stream]!.isGone && !records[stream]!.readClosed)
                records[stream]!.readClosed = true
            case .reset(let stream, let code):
                #expect(!records[stream]!.isGone)
                #expect(code == StreamResetCode.badRequest.rawValue)
                records[stream]!.wasReset = true
            case .closed(let stream, let reason):
                let record = records[stream]!
                #expect(!record.isGone)
                records[stream]!.isGone = true
                if case .finished = reason {
                    #expect(record.readClosed && record.writeClosed)
                } else {
                    #expect(record.wasReset)
                }
            case .writable(let stream):
                #expect(!records[stream]!.isGone)
                #expect(end.session.writableBytes(stream) > 0)
            case .roundTrip(let duration): #expect(duration >= .zero)
            case .goAway: break
            case .failed(let error):
                failure = error
                Issue.record("the session failed: \(error)")
            }
        }
        checkInvariants()
    }

    func checkInvariants() {
        var extra = 0
        var inbound = 0
        var queued = 0
        for slot in end.session.table.slots.indices {
            let stream = end.session.table.slots[slot]
            #expect(end.session.table.queues[slot].byteCount == stream.queuedCount)
            guard stream.flags.contains(.live) else { continue }
            #expect(stream.receiveCredit >= 0 && stream.unconsumed >= 0 && stream.sendCredit >= 0)
            if !stream.flags.contains(.finReceived) {
                #expect(stream.receiveCredit + stream.unconsumed <= stream.windowSize)
            }
            #expect(stream.inReady == (stream.queuedCount > 0 && stream.sendCredit > 0))
            #expect(stream.inControl == stream.needsControlFrame)
            extra += stream.windowSize - YamuxLimits.windowSizeInitial
            queued += stream.queuedCount
            if !stream.flags.contains(.openedByUs) { inbound += 1 }
        }
        #expect(extra == end.session.extraWindowInUse)
        #expect(queued == end.session.queuedBytes)
        #expect(inbound == end.session.inboundCount)
        #expect(end.session.inboundCount + end.session.outboundCount == end.session.streamCount)
        #expect(end.session.streamCount == living.count)
    }
}

/// Two ends and what lies between them.
final class Pair {
    let dialer: Application
    let listener: Application
    /// Bytes that fit into the pipe in each direction.
    var pipeSizeMax = 1 << 20

    init(limits: YamuxLimits = YamuxLimits()) {
        dialer = Application(.dialer, limits: limits)
        listener = Application(.listener, limits: limits)
    }

    func advance(_ duration: Duration) {
        dialer.end.advance(duration)
        listener.end.advance(duration)
    }

    func transmit(_ from: Application, sizeMax: Int) {
        from.transmit(sizeMax: min(sizeMax, max(0, pipeSizeMax - from.pipe.count)))
    }

    /// Delivers the first `count` bytes of what `from` has sent.
    func deliver(_ from: Application, _ count: Int) {
        let count = min(count, from.pipe.count)
        let bytes = Array(from.pipe.prefix(count))
        from.pipe.removeFirst(count)
        (from === dialer ? listener : dialer).receive(bytes)
    }

    /// Lets everything that can move move, both applications taking what comes.
    func settle() {
        for _ in 0..<100_000 {
            var moved = false
            for side in [dialer, listener] {
                transmit(side, sizeMax: 1 << 16)
                if !side.pipe.isEmpty {
                    moved = true
                    deliver(side, side.pipe.count)
                }
                side.consumeAll()
            }
            dialer.consumeAll()
            if !moved && !dialer.end.hasOutput && !listener.end.hasOutput { return }
        }
        Issue.record("the two ends do not come to rest")
    }
}
