import Glibc

/// A blocking connection to loopback with a deadline on every read.
public final class LoopbackClient {
    private let descriptor: Int32

    public struct Failure: Error { let code: Int32 }

    public init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var deadline = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &deadline, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(code: errno) }
    }

    deinit { close(descriptor) }

    /// - Parameter isLast: says to the server that nothing follows.
    public func send(_ bytes: [UInt8], isLast: Bool = true) throws {
        var sent = 0
        while sent < bytes.count {
            let size = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    descriptor, buffer.baseAddress! + sent, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            // The server may close before it has read everything.
            guard size > 0 else { return }
            sent += size
        }
        if isLast { shutdown(descriptor, Int32(SHUT_WR)) }
    }

    /// What comes first, as far as it came at once.
    public func receiveOnce() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let size = recv(descriptor, &buffer, buffer.count, 0)
        return size > 0 ? Array(buffer[..<size]) : []
    }

    /// All that comes until the server closes, or says nothing for five seconds.
    public func receiveAll() -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let size = recv(descriptor, &buffer, buffer.count, 0)
            guard size > 0 else { return bytes }
            bytes += buffer[..<size]
        }
    }

    /// That of `HOST:PORT`.
    public static func port(of address: String) -> UInt16? {
        address.lastIndex(of: ":").flatMap { UInt16(address[address.index(after: $0)...]) }
    }
}
