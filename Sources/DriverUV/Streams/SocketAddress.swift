import CAres
import CLibuv
public import Codec
import Glibc

/// Where a TCP socket is: an IP address and a port.
public struct SocketAddress: Hashable, Sendable {
    public var ip: IPAddress
    public var port: UInt16
    /// Which interface a link-local IPv6 address belongs to; zero for every other address.
    public var scopeID: UInt32

    public init(_ ip: IPAddress, port: UInt16, scopeID: UInt32 = 0) {
        self.ip = ip
        self.port = port
        self.scopeID = scopeID
    }

    /// Reads a literal address such as `127.0.0.1` or `::1`.
    ///
    /// Nil for anything else; names are not looked up.
    public init?(_ literal: String, port: UInt16) {
        guard let ip = IPAddress(literal) else { return nil }
        self.init(ip, port: port)
    }

    var isIPv6: Bool {
        switch ip {
        case .ip4: false
        case .ip6: true
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:4001`, `[::1]:4001` or `[fe80::1%2]:4001`.
    public var description: String {
        switch ip {
        case .ip4(let address): "\(address):\(port)"
        case .ip6(let address):
            scopeID == 0 ? "[\(address)]:\(port)" : "[\(address)%\(scopeID)]:\(port)"
        }
    }
}

// MARK: - The kernel's form

extension SocketAddress {
    init(_ address: sockaddr_in) {
        self.init(
            .ip4(IPv4Address(rawValue: UInt32(bigEndian: address.sin_addr.s_addr))),
            port: UInt16(bigEndian: address.sin_port))
    }

    init(_ address: sockaddr_in6) {
        let (high, low) = withUnsafeBytes(of: address.sin6_addr) { bytes in
            (
                bytes.loadUnaligned(as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
        self.init(
            .ip6(IPv6Address(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low))),
            port: UInt16(bigEndian: address.sin6_port),
            scopeID: address.sin6_scope_id)
    }

    /// Nil for a family other than IPv4 and IPv6.
    init?(_ storage: sockaddr_storage) {
        // `sockaddr_storage` is large and aligned enough for every family; the tag says which.
        switch Int32(storage.ss_family) {
        case AF_INET:
            self.init(withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in.self) })
        case AF_INET6:
            self.init(withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in6.self) })
        default: return nil
        }
    }

    /// Lends the address to a C function.
    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>) -> Result) -> Result {
        var storage = sockaddr_storage()
        return withUnsafeMutableBytes(of: &storage) { bytes in
            switch ip {
            case .ip4(let address):
                var v4 = sockaddr_in()
                v4.sin_family = sa_family_t(AF_INET)
                v4.sin_port = port.bigEndian
                v4.sin_addr.s_addr = address.rawValue.bigEndian
                bytes.storeBytes(of: v4, as: sockaddr_in.self)
            case .ip6(let address):
                var v6 = sockaddr_in6()
                v6.sin6_family = sa_family_t(AF_INET6)
                v6.sin6_port = port.bigEndian
                v6.sin6_scope_id = scopeID
                withUnsafeMutableBytes(of: &v6.sin6_addr) { host in
                    host.storeBytes(of: address.high.bigEndian, as: UInt64.self)
                    host.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
                }
                bytes.storeBytes(of: v6, as: sockaddr_in6.self)
            }
            return body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self))
        }
    }
}
