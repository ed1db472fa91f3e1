import ChoraleBase
import Codec
import Glibc
import Testing

@testable import DriverUV

@Suite struct TCPConnectionTests {
    @Test(arguments: ["127.0.0.1", "::1"]) func bytesGoBothWays(host: String) throws {
        try withLoop { loop in
            let acceptor = Acceptor()
            let address = try #require(SocketAddress(host, port: 0))
            let listener = try TCPListener(on: loop, address: address, delegate: acceptor)
            #expect(listener.address.ip == address.ip)
            #expect(listener.address.port != 0)

            let dialed = End()
            dialed.outgoing = pattern(1_000)
            dialed.connection = .dial(
                listener.address, on: loop, timeout: patience, delegate: dialed)
            try loop.drive { acceptor.ends.first?.received.count == 1_000 }
            let accepted = try #require(acceptor.ends.first)
            accepted.send(pattern(500, from: 7))
            try loop.drive { dialed.received.count == 500 }
            #expect(accepted.received == pattern(1_000))
            #expect(dialed.received == pattern(500, from: 7))

            let near = try #require(dialed.connection)
            let far = try #require(accepted.connection)
            #expect(near.remoteAddress == listener.address)
            #expect(near.localAddress == far.remoteAddress)
            #expect(far.localAddress == listener.address)
            #expect((near.direction, far.direction) == (.dialed, .accepted))
            #expect((near.sentSize, near.receivedSize) == (1_000, 500))

            near.close()
            try loop.drive { dialed.closes == [.local] && accepted.closes == [.remoteClosed] }
            // Closing again, or asking for anything, is harmless.
            near.close()
            near.requestWrite()
            near.pauseReading()
            near.resumeReading()
            near.closeAfterWriting()
            #expect(listener.acceptedCount == 1)
        }
    }

    /// A megabyte of frames, each up to one Noise frame long, read by an owner that takes whole
    /// frames only.
    @Test(arguments: UInt64(0)..<6) func whatIsNotConsumedIsPresentedAgain(seed: UInt64) throws {
        try withLoop { loop in
            var random = DeterministicRandom(seed: seed)
            var frames: [[UInt8]] = []
            var stream: [UInt8] = []
            while stream.count < 1 << 20 {
                let count = random.below(65_536)
                let frame = pattern(count, from: stream.count)
                frames.append(frame)
                stream += [UInt8(count >> 8), UInt8(count & 0xFF)] + frame
            }
            let (sender, receiver) = try connectedPair(on: loop)
            var got: [[UInt8]] = []
            receiver.onReceive = { _, bytes in
                var offset = 0
                while bytes.count - offset >= 2 {
                    let size = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
                    guard bytes.count - offset - 2 >= size else { break }
                    got.append((0..<size).map { bytes[offset + 2 + $0] })
                    offset += 2 + size
                }
                return offset
            }
            // Fills of odd sizes, so that reads end anywhere.
            var position = 0
            sender.onFill = { _, buffer, sizeMax in
                let size = min(
                    stream.count - position, sizeMax, 1 + random.below(100_000))
                buffer += stream[position..<(position + size)]
                position += size
            }
            sender.connection?.requestWrite()
            try loop.drive { got.count == frames.count }
            #expect(got == frames)
        }
    }

    @Test func leavingTooMuchEndsTheConnection() throws {
        try withLoop { loop in
            let (sender, receiver) = try connectedPair(on: loop)
            receiver.onReceive = { _, _ in 0 }
            sender.outgoing = pattern(loop.limits.carrySizeMax + 1)
            sender.connection?.requestWrite()
            try loop.drive { receiver.closeReason != nil }
            #expect(receiver.closes == [.unreadOverflow])
        }
    }

    @Test func aPausedConnectionHearsNothingAndLosesNothing() throws {
        try withLoop { loop in
            let (sender, receiver) = try connectedPair(on: loop)
            var presented: [Int] = []
            receiver.onReceive = { connection, bytes in
                presented.append(bytes.count)
                if presented.count == 1 {
                    // Half is taken, then the owner has had enough.
                    connection.pauseReading()
                    for index in 0..<4 { receiver.received.append(bytes[index]) }
                    return 4
                }
                bytes.withUnsafeBufferPointer { receiver.received.append(contentsOf: $0) }
                return bytes.count
            }
            sender.send(pattern(10))
            try loop.drive { presented == [10] }
            sender.send(pattern(10, from: 10))
            let heard = loop.run(until: { presented.count > 1 }, patience: .milliseconds(10))
            #expect(!heard)
            // Resumed: what was left comes first, without waiting for more.
            receiver.connection?.resumeReading()
            try loop.drive { receiver.received.count == 20 }
            #expect(presented == [10, 6, 10])
            #expect(receiver.received == pattern(20))
        }
    }

    /// An intake limit may pause with a whole read unconsumed; only reading on needs it small.
    @Test func aPauseMayLeaveMoreThanACarry() throws {
        try withLoop { loop in
            let (sender, receiver) = try connectedPair(on: loop)
            let total = 3 << 20
            var pauses = 0
            receiver.onReceive = { connection, bytes in
                // Every other presentation is refused whole.
                pauses += 1
                if pauses % 2 == 1 {
                    connection.pauseReading()
                    loop.afterCallbacks { connection.resumeReading() }
                    return 0
                }
                bytes.withUnsafeBufferPointer { receiver.received.append(contentsOf: $0) }
                return bytes.count
            }
            sender.send(pattern(total))
            try loop.drive { receiver.received.count == total }
            #expect(receiver.received == pattern(total))
            #expect(receiver.closes.isEmpty)
        }
    }

    /// The bytes behind a full kernel stay with their owner, where they can be overtaken.
    @Test func nothingIsAskedForWhileAWriteIsPending() throws {
        try withLoop { loop in
            let (sender, receiver) = try connectedPair(on: loop)
            receiver.connection?.pauseReading()
            sender.onFill = { _, buffer, sizeMax in
                buffer += [UInt8](repeating: 1, count: sizeMax)
            }
            sender.connection?.requestWrite()
            // Until nothing happens for a while: the kernel is full.
            var before = -1
            while before != sender.fillCount {
                before = sender.fillCount
                _ = loop.run(until: { false }, patience: .milliseconds(5))
            }
            // Asking changes nothing.
            let asked = sender.fillCount
            for _ in 0..<3 {
                sender.connection?.requestWrite()
                _ = loop.run(until: { false }, patience: .milliseconds(2))
            }
            #expect(sender.fillCount == asked)

            // What is urgent now comes right behind what the kernel and one fill hold.
            let urgent: [UInt8] = [2]
            var sent = false
            sender.onFill = { _, buffer, _ in
                if !sent { buffer += urgent }
                sent = true
            }
            receiver.connection?.resumeReading()
            try loop.drive { receiver.received.last == 2 }
            #expect(UInt64(receiver.received.count) == sender.connection?.sentSize)
            #expect(receiver.received.dropLast().allSatisfy { $0 == 1 })
        }
    }

    @Test func aReaderThatStopsIsGivenUp() throws {
        try withLoop { loop in
            var options = TCPOptions()
            options.writeTimeout = .milliseconds(40)
            let (sender, receiver) = try connectedPair(on: loop, options: options)
            receiver.connection?.pauseReading()
            sender.onFill = { _, buffer, sizeMax in
                buffer += [UInt8](repeating: 1, count: sizeMax)
            }
            sender.connection?.requestWrite()
            try loop.drive { sender.closeReason != nil }
            #expect(sender.closes == [.writeStalled])
        }
    }

    /// An idle connection is not stalled, and neither is one whose reader is merely slow.
    @Test func aSlowReaderIsNotGivenUp() throws {
        try withLoop { loop in
            var options = TCPOptions()
            options.writeTimeout = .milliseconds(60)
            let (sender, receiver) = try connectedPair(on: loop, options: options)
            let total = 6 << 20
            var took = 0
            let timer = LoopTimer(loop: loop) { receiver.connection?.resumeReading() }
            receiver.onReceive = { connection, bytes in
                took += bytes.count
                // At most one read each 10 ms; 6 MiB take several write timeouts.
                connection.pauseReading()
                timer.schedule(at: loop.now.advanced(by: .milliseconds(10)))
                return bytes.count
            }
            sender.outgoing = [UInt8](repeating: 7, count: total)
            sender.connection?.requestWrite()
            try loop.drive { took == total || sender.closeReason != nil }
            #expect(sender.closes.isEmpty)
            #expect(took == total)
        }
    }

    @Test func closingAfterWritingDeliversEverything() throws {
        try withLoop { loop in
            var options = TCPOptions()
            options.lingerTimeout = patience
            let (sender, receiver) = try connectedPair(on: loop, options: options)
            // Unread bytes on the closing side would turn a plain close into a reset.
            sender.connection?.pauseReading()
            receiver.send(pattern(100))
            try loop.drive { receiver.connection?.sentSize == 100 }
            let total = 5 << 20
            sender.outgoing = pattern(total)
            sender.connection?.closeAfterWriting()
            try loop.drive { receiver.closeReason != nil && sender.closeReason != nil }
            #expect(receiver.received == pattern(total))
            #expect(receiver.closes == [.remoteClosed])
            #expect(sender.closes == [.local])
            #expect(sender.received.isEmpty)
        }
    }

    @Test func lingeringEnds() throws {
        try withLoop { loop in
            var options = TCPOptions()
            options.lingerTimeout = .milliseconds(20)
            let (sender, receiver) = try connectedPair(on: loop, options: options)
            // The remote side neither reads nor closes.
            receiver.connection?.pauseReading()
            sender.connection?.closeAfterWriting()
            try loop.drive { sender.closeReason != nil }
            #expect(sender.closes == [.local])
        }
    }

    /// One connection that always has bytes leaves the others their turn.
    @Test func bulkDoesNotStarveOthers() throws {
        try withLoop { loop in
            let (bulk, sink) = try connectedPair(on: loop)
            let (small, answer) = try connectedPair(on: loop)
            bulk.onFill = { _, buffer, sizeMax in
                buffer += [UInt8](repeating: 0, count: sizeMax)
            }
            sink.onReceive = { _, bytes in bytes.count }
            var rounds = 0
            answer.onReceive = { _, bytes in
                answer.send([1])
                return bytes.count
            }
            small.onReceive = { _, bytes in
                rounds += 1
                small.send([1])
                return bytes.count
            }
            bulk.connection?.requestWrite()
            small.send([1])
            try loop.drive { rounds == 100 }
            // Two messages and their two reads are at most four turns, whatever the bulk does.
            let sent = try #require(bulk.connection).sentSize
            #expect(sent > 0)
            #expect(loop.turnCount < 1_000)
        }
    }

    @Test func writesOfATurnAreOneWrite() throws {
        try withLoop { loop in
            let (sender, receiver) = try connectedPair(on: loop)
            var reads = 0
            receiver.onReceive = { _, bytes in
                reads += 1
                return bytes.count
            }
            sender.fillCount = 0
            for _ in 0..<50 { sender.send([1]) }
            try loop.drive { reads > 0 }
            #expect(reads == 1)
            // One that has bytes and one that ends the asking.
            #expect(sender.fillCount == 2)
        }
    }

    /// The last turn's bytes go out even if it stopped the loop.
    @Test func closingTheLoopEndsConnectionsWithTheirReason() throws {
        let loop = try EventLoop()
        let (first, second) = try connectedPair(on: loop)
        loop.close()
        #expect(first.closes == [.loopClosed])
        #expect(second.closes == [.loopClosed])
        #expect(loop.liveHandleCount == 0)
    }

    @Test func ownersMayCloseInEveryCallback() throws {
        try withLoop { loop in
            for place in 0..<3 {
                let dialed = End()
                let accepted = End()
                if place == 0 {
                    accepted.onReceive = { connection, bytes in
                        connection.close()
                        return 0
                    }
                } else if place == 1 {
                    accepted.onFill = { connection, buffer, _ in
                        buffer.append(1)
                        connection.close()
                    }
                } else {
                    accepted.onReceive = { connection, _ in
                        connection.closeAfterWriting()
                        return 0
                    }
                }
                dialed.outgoing = [1]
                let acceptor = Acceptor()
                acceptor.make = { accepted }
                let listener = try TCPListener(on: loop, address: loopback, delegate: acceptor)
                dialed.connection = .dial(
                    listener.address, on: loop, timeout: patience, delegate: dialed)
                try loop.drive { accepted.closeReason != nil && dialed.closeReason != nil }
                #expect(accepted.closes == [.local])
                listener.close()
            }
        }
    }

    /// Opens and closes 2,000 connections, 20 at a time, and finds every handle gone.
    @Test func churnLeavesNothingBehind() throws {
        try withLoop { loop in
            let before = loop.liveHandleCount
            weak var someConnection: TCPConnection?
            do {
                let acceptor = Acceptor()
                var closed = 0
                acceptor.make = {
                    let end = End()
                    end.outgoing = [42]
                    return end
                }
                let listener = try TCPListener(on: loop, address: loopback, delegate: acceptor)
                for round in 0..<100 {
                    let ends = (0..<20).map { _ in End() }
                    for (index, end) in ends.enumerated() {
                        end.onReceive = { connection, bytes in
                            // Alternately this side and the other begin the end.
                            if index % 2 == 0 {
                                connection.close()
                            } else {
                                connection.closeAfterWriting()
                            }
                            return bytes.count
                        }
                        let connection = TCPConnection.dial(
                            listener.address, on: loop, timeout: patience, delegate: end)
                        end.connection = connection
                        if round == 50, index == 0 { someConnection = connection }
                    }
                    try loop.drive {
                        ends.allSatisfy { $0.closes.count == 1 }
                            && acceptor.ends.count == 20 * (round + 1)
                            && acceptor.ends.suffix(20).allSatisfy { $0.closes.count == 1 }
                    }
                    closed += ends.count
                }
                #expect(closed == 2_000)
                #expect(listener.acceptedCount == 2_000)
                #expect(acceptor.ends.allSatisfy { $0.closes == [.remoteClosed] })
                listener.close()
            }
            try loop.drive { loop.liveHandleCount <= before + 1 }  // `drive` has a timer.
            #expect(someConnection == nil)
        }
    }
}
