import CAres
import CLibuv
import Codec
import Glibc
import Testing

@testable import DriverUV

@Suite struct SocketAddressTests {
    static let addresses = [
        ("0.0.0.0", "0.0.0.0:4001"),
        ("127.0.0.1", "127.0.0.1:4001"),
        ("255.254.253.252", "255.254.253.252:4001"),
        ("::", "[::]:4001"),
        ("::1", "[::1]:4001"),
        ("2001:db8:1:2:3:4:5:6", "[2001:db8:1:2:3:4:5:6]:4001"),
    ]

    @Test(arguments: addresses) func survivesTheKernelsForm(row: (String, String)) throws {
        let address = try #require(SocketAddress(row.0, port: 4001))
        #expect(address.description == row.1)
        let family = address.withSocketAddress { $0.pointee.sa_family }
        #expect(family == sa_family_t(address.isIPv6 ? AF_INET6 : AF_INET))
        // The port follows the family in network order.
        let port = address.withSocketAddress { pointer in
            UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: 2, as: UInt16.self)
        }
        #expect(UInt16(bigEndian: port) == 4001)
        var storage = sockaddr_storage()
        address.withSocketAddress { pointer in
            let size =
                address.isIPv6
                ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
            withUnsafeMutableBytes(of: &storage) {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: size))
            }
        }
        #expect(SocketAddress(storage) == address)
    }

    @Test func keepsTheScopeOfALinkLocalAddress() throws {
        let ip = try #require(IPAddress("fe80::1"))
        let address = SocketAddress(ip, port: 9, scopeID: 3)
        var storage = sockaddr_storage()
        address.withSocketAddress { pointer in
            withUnsafeMutableBytes(of: &storage) {
                $0.copyMemory(
                    from: UnsafeRawBufferPointer(
                        start: pointer, count: MemoryLayout<sockaddr_in6>.size))
            }
        }
        #expect(SocketAddress(storage) == address)
        #expect(address.description == "[fe80::1%3]:9")
    }

    @Test(arguments: ["", "localhost", "1.2.3", "1.2.3.4.5", "::g", "[::1]"])
    func refusesWhatIsNotALiteral(text: String) {
        #expect(SocketAddress(text, port: 1) == nil)
    }

    @Test func otherFamiliesAreNotAddresses() {
        var storage = sockaddr_storage()
        storage.ss_family = sa_family_t(AF_UNIX)
        #expect(SocketAddress(storage) == nil)
    }
}

@Suite struct TransportCloseReasonTests {
    static let rows: [(Int32, TransportCloseReason)] = [
        (ECONNRESET, .remoteReset), (EPIPE, .remoteReset), (ECONNABORTED, .remoteReset),
        (ETIMEDOUT, .timedOut), (ECONNREFUSED, .refused), (EHOSTUNREACH, .unreachable),
        (ENETUNREACH, .unreachable), (EADDRNOTAVAIL, .addressUnusable),
        (EAFNOSUPPORT, .addressUnusable), (EACCES, .permissionDenied), (EPERM, .permissionDenied),
        (EMFILE, .outOfResources), (ENOMEM, .outOfResources), (ENOENT, .notFound),
        (EIO, .other), (4094, .other), (4095, .remoteClosed),
    ]

    @Test(arguments: rows) func namesErrors(row: (Int32, TransportCloseReason)) {
        #expect(TransportCloseReason(SystemError(code: -row.0)) == row.1)
    }

    /// Whatever the kernel comes up with has a reason and a text.
    @Test func mappingIsTotal() {
        for code in -5_000..<0 {
            let error = SystemError(code: Int32(code))
            #expect(TransportCloseReason.allCases.contains(TransportCloseReason(error)))
            #expect(!error.description.isEmpty)
        }
        #expect(SystemError(code: -ECONNREFUSED).name == "ECONNREFUSED")
    }
}
