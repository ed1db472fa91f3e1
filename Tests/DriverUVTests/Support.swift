import ChoraleBase
import Codec
import Glibc
import Testing

@testable import DriverUV

/// How long a test drives a loop before it gives up. Never reached by a passing test.
let patience = Duration.seconds(20)

/// Gives the body a loop and checks that closing it leaves nothing open.
func withLoop(
    limits: EventLoop.Limits = EventLoop.Limits(),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (EventLoop) throws -> Void
) throws {
    let loop = try EventLoop(limits: limits)
    defer {
        loop.close()
        #expect(loop.liveHandleCount == 0, sourceLocation: sourceLocation)
    }
    try body(loop)
}

extension EventLoop {
    /// Drives the loop until the condition holds, and fails the test if it never does.
    func drive(
        until condition: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let held = run(until: condition, patience: patience)
        try #require(held, "the condition never held", sourceLocation: sourceLocation)
    }
}

/// One end of a TCP connection, scripted by closures.
final class End: TCPConnectionDelegate {
    var connection: TCPConnection?
    var received: [UInt8] = []
    var outgoing: [UInt8] = []
    var opened = 0
    var closes: [TransportCloseReason] = []
    var fillCount = 0
    /// Replaces "take everything".
    var onReceive: ((TCPConnection, inout MutableSpan<UInt8>) -> Int)?
    /// Replaces "write `outgoing`".
    var onFill: ((TCPConnection, inout [UInt8], Int) -> Void)?

    var closeReason: TransportCloseReason? { closes.first }

    func connectionDidOpen(_ connection: TCPConnection) { opened += 1 }

    func connection(
        _ connection: TCPConnection, didReceive bytes: inout MutableSpan<UInt8>
    ) -> Int {
        if let onReceive { return onReceive(connection, &bytes) }
        bytes.withUnsafeBufferPointer { received.append(contentsOf: $0) }
        return bytes.count
    }

    func connection(_ connection: TCPConnection, fill buffer: inout [UInt8], sizeMax: Int) {
        fillCount += 1
        if let onFill { return onFill(connection, &buffer, sizeMax) }
        let count = min(sizeMax, outgoing.count)
        buffer.append(contentsOf: outgoing[..<count])
        outgoing.removeSubrange(..<count)
    }

    func connectionDidClose(_ connection: TCPConnection, reason: TransportCloseReason) {
        closes.append(reason)
        self.connection = nil
    }

    func send(_ bytes: [UInt8]) {
        outgoing += bytes
        connection?.requestWrite()
    }
}

/// Accepts with ends made by a closure.
final class Acceptor: TCPListenerDelegate {
    var ends: [End] = []
    var failures: [SystemError] = []
    var make: () -> End? = { End() }

    func listener(
        _ listener: TCPListener, didAccept connection: TCPConnection
    ) -> (any TCPConnectionDelegate)? {
        guard let end = make() else { return nil }
        end.connection = connection
        ends.append(end)
        return end
    }

    func listener(_ listener: TCPListener, didFailToAccept error: SystemError) {
        failures.append(error)
    }
}

let loopback = SocketAddress(.ip4(.loopback), port: 0)

/// A dialed and an accepted end of one connection.
func connectedPair(
    on loop: EventLoop, options: TCPOptions = TCPOptions(), dialed: End = End(),
    accepted: End = End()
) throws -> (dialed: End, accepted: End) {
    let acceptor = Acceptor()
    acceptor.make = { accepted }
    let listener = try TCPListener(
        on: loop, address: loopback, options: options, delegate: acceptor)
    dialed.connection = .dial(
        listener.address, on: loop, timeout: patience, options: options, delegate: dialed)
    try loop.drive { dialed.opened == 1 && acceptor.ends.count == 1 }
    listener.close()
    return (dialed, accepted)
}

/// Bytes that tell where they belong.
func pattern(_ count: Int, from start: Int = 0) -> [UInt8] {
    (start..<(start + count)).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
}
