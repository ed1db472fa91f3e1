import CLibuv

/// Where a TCP socket is: an IP address and a port.
public struct SocketAddress: Hashable, Sendable {
    enum Host: Hashable, Sendable {
        case v4(UInt32)
        case v6(high: UInt64, low: UInt64, scope: UInt32)
    }

    let host: Host
    public var port: UInt16

    init(host: Host, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads a literal address such as `127.0.0.1`, `::1` or `fe80::1%eth0`.
    ///
    /// Nil for anything else; names are not looked up.
    public init?(_ literal: String, port: UInt16) {
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        if uv_ip4_addr(literal, Int32(port), &v4) == 0 {
            self.init(v4)
        } else if uv_ip6_addr(literal, Int32(port), &v6) == 0 {
            self.init(v6)
        } else {
            return nil
        }
    }

    public var isIPv6: Bool {
        switch host {
        case .v4: false
        case .v6: true
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:4001` or `[::1]:4001`.
    public var description: String {
        isIPv6 ? "[\(hostDescription)]:\(port)" : "\(hostDescription):\(port)"
    }

    /// The address without the port, in the form that ``init(_:port:)`` reads.
    public var hostDescription: String {
        var text = [CChar](repeating: 0, count: 64)
        // Cannot fail: 64 characters hold every IPv6 address.
        switch host {
        case .v4:
            var address = sockaddr_in(self)
            uv_ip4_name(&address, &text, text.count)
        case .v6:
            var address = sockaddr_in6(self)
            uv_ip6_name(&address, &text, text.count)
        }
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
}

// MARK: - The kernel's form

extension SocketAddress {
    init(_ address: sockaddr_in) {
        self.init(
            host: .v4(UInt32(bigEndian: address.sin_addr.s_addr)),
            port: UInt16(bigEndian: address.sin_port))
    }

    init(_ address: sockaddr_in6) {
        let (high, low) = withUnsafeBytes(of: address.sin6_addr) { bytes in
            (bytes.load(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        self.init(
            host: .v6(
                high: UInt64(bigEndian: high), low: UInt64(bigEndian: low),
                scope: address.sin6_scope_id),
            port: UInt16(bigEndian: address.sin6_port))
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
            switch host {
            case .v4: bytes.storeBytes(of: sockaddr_in(self), as: sockaddr_in.self)
            case .v6: bytes.storeBytes(of: sockaddr_in6(self), as: sockaddr_in6.self)
            }
            return body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self))
        }
    }
}

extension sockaddr_in {
    fileprivate init(_ address: SocketAddress) {
        self.init()
        guard case .v4(let bits) = address.host else { preconditionFailure("not IPv4") }
        sin_family = sa_family_t(AF_INET)
        sin_port = address.port.bigEndian
        sin_addr.s_addr = bits.bigEndian
    }
}

extension sockaddr_in6 {
    fileprivate init(_ address: SocketAddress) {
        self.init()
        guard case .v6(let high, let low, let scope) = address.host else {
            preconditionFailure("not IPv6")
        }
        sin6_family = sa_family_t(AF_INET6)
        sin6_port = address.port.bigEndian
        sin6_scope_id = scope
        withUnsafeMutableBytes(of: &sin6_addr) { bytes in
            bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
    }
}
