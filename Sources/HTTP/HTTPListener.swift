import Glibc

/// Why nothing is served.
public enum HTTPServerError: Error, Hashable, Sendable {
    /// Not `HOST:PORT` with a numeric address or `localhost`.
    case badAddress(String)
    case addressInUse(String)
    /// For example a port below 1024, or an address this machine does not have.
    case failed(address: String, detail: String)
}

extension HTTPServerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .badAddress(let text):
            "`\(text)` is no address to serve on: give HOST:PORT with an IP address or localhost, "
                + "for example 127.0.0.1:9090 or [::1]:9090"
        case .addressInUse(let address):
            "\(address) is already in use"
        case .failed(let address, let detail):
            "cannot listen on \(address): \(detail)"
        }
    }
}

/// A socket that listens.
struct HTTPListener {
    let descriptor: Int32
    /// As it was bound: port 0 is replaced by the one the system chose.
    let address: String

    static func open(_ text: String) throws(HTTPServerError) -> HTTPListener {
        guard let (host, port) = parse(text) else { throw .badAddress(text) }
        if var address = ipv4(host, port) {
            return try listen(text, family: AF_INET, &address)
        }
        if var address = ipv6(host, port) {
            return try listen(text, family: AF_INET6, &address)
        }
        throw .badAddress(text)
    }

    /// Splits `HOST:PORT` and `[HOST]:PORT`.
    static func parse(_ text: String) -> (host: String, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }),
            let port = UInt16(digits)
        else { return nil }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = host.dropFirst().dropLast()
            return inner.contains(":") ? (String(inner), port) : nil
        }
        // Without brackets nobody can tell where the address ends.
        if host.isEmpty || host.contains(":") { return nil }
        return (host == "localhost" ? "127.0.0.1" : String(host), port)
    }

    private static func ipv4(_ host: String, _ port: UInt16) -> sockaddr_in? {
        var address = sockaddr_in()
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { return nil }
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        return address
    }

    private static func ipv6(_ host: String, _ port: UInt16) -> sockaddr_in6? {
        var address = sockaddr_in6()
        guard inet_pton(AF_INET6, host, &address.sin6_addr) == 1 else { return nil }
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        return address
    }

    private static func listen<Address>(
        _ text: String,
        family: Int32,
        _ address: inout Address
    ) throws(HTTPServerError) -> HTTPListener {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw failure(text, errno) }
        var yes: Int32 = 1
        // A restart must not wait for the connections of the process before.
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        if family == AF_INET6 {
            setsockopt(
                descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes,
                socklen_t(MemoryLayout<Int32>.size))
        }
        let bound = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard bound == 0, Glibc.listen(descriptor, 64) == 0 else {
            let code = errno
            close(descriptor)
            throw failure(text, code)
        }
        let host = text[..<(text.lastIndex(of: ":") ?? text.endIndex)]
        return HTTPListener(
            descriptor: descriptor, address: "\(host):\(port(of: descriptor))")
    }

    private static func failure(_ text: String, _ code: Int32) -> HTTPServerError {
        code == EADDRINUSE
            ? .addressInUse(text)
            : .failed(address: text, detail: String(cString: strerror(code)))
    }

    /// The port stands at the same place for both families.
    private static func port(of descriptor: Int32) -> UInt16 {
        var address = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &size)
            }
        }
        return result == 0 ? UInt16(bigEndian: address.sin6_port) : 0
    }
}
