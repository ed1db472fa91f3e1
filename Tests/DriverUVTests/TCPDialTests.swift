import CAres
import CLibuv
import ChoraleBase
import Codec
import Glibc
import Testing

@testable import DriverUV

@Suite struct TCPDialTests {
    @Test func nobodyListens() throws {
        try withLoop { loop in
            // A port that was free a moment ago.
            let listener = try TCPListener(on: loop, address: loopback, delegate: Acceptor())
            let address = listener.address
            listener.close()
            try loop.drive { loop.liveHandleCount <= 6 }
            let end = End()
            end.connection = .dial(address, on: loop, timeout: patience, delegate: end)
            try loop.drive { end.closeReason != nil }
            #expect(end.closes == [.refused])
            #expect(end.opened == 0)
        }
    }

    static let unusable: [(String, Set<TransportCloseReason>)] = [
        // Broadcast needs a socket option; which error it is depends on the routes.
        ("255.255.255.255", [.permissionDenied, .unreachable]),
        // A link-local address without an interface.
        ("fe80::1", [.addressUnusable, .unreachable]),
    ]

    @Test(arguments: unusable)
    func failsThroughTheDelegate(row: (String, Set<TransportCloseReason>)) throws {
        try withLoop { loop in
            let address = try #require(SocketAddress(row.0, port: 9))
            let end = End()
            end.connection = .dial(address, on: loop, timeout: .seconds(1), delegate: end)
            #expect(end.closes.isEmpty, "never within the call")
            try loop.drive { end.closeReason != nil }
            #expect(end.closes.count == 1)
            #expect(row.1.contains(end.closes[0]), "\(end.closes)")
        }
    }

    /// A listener whose queue is full ignores further connections.
    @Test func deadlinesAndCancelling() throws {
        try withLoop { loop in
            let full = try FullListener()
            defer { full.close() }
            let ends = (0..<8).map { _ in End() }
            for end in ends {
                end.connection = .dial(
                    full.address, on: loop, timeout: .milliseconds(60), delegate: end)
            }
            let cancelled = End()
            cancelled.connection = .dial(
                full.address, on: loop, timeout: patience, delegate: cancelled)
            try loop.drive { ends.allSatisfy { $0.opened == 1 || $0.closeReason != nil } }
            let timedOut = ends.filter { $0.closes == [.connectTimedOut] }
            #expect(timedOut.count >= 6)
            #expect(cancelled.closes.isEmpty)
            cancelled.connection?.close()
            try loop.drive { cancelled.closeReason != nil }
            #expect(cancelled.closes == [.local])
            #expect(cancelled.opened == 0)
        }
    }

    /// An aborted connection (RST) is not mistaken for an ordered end.
    @Test func aResetIsAReset() throws {
        try withLoop { loop in
            let acceptor = Acceptor()
            let listener = try TCPListener(on: loop, address: loopback, delegate: acceptor)
            let socket = try RawSocket()
            try socket.connect(to: listener.address)
            try loop.drive { acceptor.ends.count == 1 }
            socket.abort()
            try loop.drive { acceptor.ends[0].closeReason != nil }
            #expect(acceptor.ends[0].closes == [.remoteReset])
        }
    }

    @Test func theOwnerMayRefuse() throws {
        try withLoop { loop in
            let acceptor = Acceptor()
            acceptor.make = { nil }
            let listener = try TCPListener(on: loop, address: loopback, delegate: acceptor)
            let end = End()
            end.connection = .dial(listener.address, on: loop, timeout: patience, delegate: end)
            try loop.drive { end.closeReason != nil }
            #expect(end.closes == [.remoteClosed])
            #expect(listener.acceptedCount == 1)
        }
    }
}

@Suite struct TCPListenerTests {
    @Test func anAddressInUseIsNamed() throws {
        try withLoop { loop in
            let first = try TCPListener(on: loop, address: loopback, delegate: Acceptor())
            #expect(throws: ListenError.addressInUse(first.address)) {
                try TCPListener(on: loop, address: first.address, delegate: Acceptor())
            }
        }
    }

    @Test func anAddressOfAnotherMachineIsNamed() throws {
        try withLoop { loop in
            let address = try #require(SocketAddress("192.0.2.77", port: 0))
            #expect(throws: ListenError.addressNotAvailable(address)) {
                try TCPListener(on: loop, address: address, delegate: Acceptor())
            }
        }
    }

    static let errors: [(Int32, ListenError)] = [
        (EADDRINUSE, .addressInUse(loopback)),
        (EACCES, .permissionDenied(loopback)),
        (EADDRNOTAVAIL, .addressNotAvailable(loopback)),
        (EAFNOSUPPORT, .familyNotSupported(loopback)),
        (EMFILE, .outOfResources(loopback, SystemError(code: -EMFILE))),
        (EIO, .other(loopback, SystemError(code: -EIO))),
    ]

    @Test(arguments: errors) func errorsSayWhatAndWhere(row: (Int32, ListenError)) {
        let error = ListenError(SystemError(code: -row.0), at: loopback)
        #expect(error == row.1)
        let text = error.description
        #expect(text.contains("127.0.0.1:0"))
    }

    @Test func bothFamiliesShareAPortWhenIPv6IsOnly() throws {
        try withLoop { loop in
            let any6 = try #require(SocketAddress("::", port: 0))
            let six = try TCPListener(on: loop, address: any6, delegate: Acceptor())
            let any4 = try #require(SocketAddress("0.0.0.0", port: six.address.port))
            let four = try TCPListener(on: loop, address: any4, delegate: Acceptor())
            #expect(four.address.port == six.address.port)
        }
    }

    @Test func aDualStackListenerReportsMappedPeers() throws {
        try withLoop { loop in
            var options = TCPOptions()
            options.isIPv6Only = false
            let any6 = try #require(SocketAddress("::", port: 0))
            let acceptor = Acceptor()
            let listener = try TCPListener(
                on: loop, address: any6, options: options, delegate: acceptor)
            let target = SocketAddress(.ip4(.loopback), port: listener.address.port)
            let end = End()
            end.connection = .dial(target, on: loop, timeout: patience, delegate: end)
            try loop.drive { end.opened == 1 && acceptor.ends.count == 1 }
            let remote = try #require(acceptor.ends[0].connection).remoteAddress
            #expect(remote.ip.unmapped == .ip4(.loopback))
        }
    }

    @Test func aClosedListenerAcceptsNothing() throws {
        try withLoop { loop in
            let acceptor = Acceptor()
            let listener = try TCPListener(on: loop, address: loopback, delegate: acceptor)
            listener.close()
            listener.close()
            let end = End()
            end.connection = .dial(listener.address, on: loop, timeout: patience, delegate: end)
            try loop.drive { end.closeReason != nil }
            #expect(acceptor.ends.isEmpty)
        }
    }
}

/// A blocking socket of the test's own.
struct RawSocket {
    let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, chorale_sock_stream, 0)
        try #require(descriptor >= 0)
    }

    func connect(to address: SocketAddress) throws {
        let status = address.withSocketAddress {
            Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        try #require(status == 0)
    }

    /// Closes with RST instead of FIN.
    func abort() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func close() { _ = Glibc.close(descriptor) }
}

/// Listens and never accepts.
struct FullListener {
    private let socket: RawSocket
    let address: SocketAddress

    init() throws {
        socket = try RawSocket()
        let descriptor = socket.descriptor
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try #require(loopback.withSocketAddress { bind(descriptor, $0, size) } == 0)
        try #require(listen(descriptor, 0) == 0)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
        }
        try #require(status == 0)
        address = try #require(SocketAddress(storage))
    }

    func close() { socket.close() }
}
