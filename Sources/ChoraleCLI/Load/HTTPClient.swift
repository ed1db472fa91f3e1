import Glibc

/// Where an HTTP server is: `http://HOST[:PORT][/PATH]`. No TLS: this is for one's own node.
struct HTTPAddress: Hashable, CustomStringConvertible {
    let host: String
    let port: UInt16
    let path: String

    init?(_ text: String) {
        let scheme = "http://"
        guard text.lowercased().hasPrefix(scheme),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        let rest = text.dropFirst(scheme.count)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        path = slash == rest.endIndex ? "/" : String(rest[slash...])
        var authority = rest[..<slash]
        guard !authority.contains("@") else { return nil }
        // An IPv6 address has colons of its own, inside brackets.
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            host = String(authority[authority.index(after: authority.startIndex)..<close])
            authority = authority[authority.index(after: close)...]
            guard authority.isEmpty || authority.hasPrefix(":") else { return nil }
        } else {
            host = String(authority.prefix { $0 != ":" })
            authority = authority.drop { $0 != ":" }
        }
        guard !host.isEmpty else { return nil }
        if authority.isEmpty {
            port = 80
        } else {
            let digits = authority.dropFirst()
            // The initializer would take a sign as well.
            guard !digits.hasPrefix("+"), let number = UInt16(digits), number > 0 else {
                return nil
            }
            port = number
        }
    }

    var description: String {
        "http://\(host.contains(":") ? "[\(host)]" : host):\(port)\(path)"
    }
}

/// A connection to an HTTP/1.1 server that posts JSON, one request at a time.
///
/// Blocking: for commands that do nothing else meanwhile. It is kept open between requests and opened
/// again when the server has closed it. Answers are bounded, and so is the time for each.
///
/// Specification: RFC 9112.
final class HTTPClient {
    static let headSizeMax = 64 << 10
    static let bodySizeMax = 64 << 20
    /// For a connection, and for each wait for bytes.
    static let patience = 10

    let address: HTTPAddress
    private var descriptor: Int32 = -1
    private var buffer: [UInt8] = []

    init(_ address: HTTPAddress) { self.address = address }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        buffer = []
    }

    /// Posts `body` and returns the answer's body.
    ///
    /// - Throws: when there is no answer, or one that is not 200.
    func post(_ body: [UInt8]) throws(Failure) -> [UInt8] {
        // A server may close a connection that was idle: then the request was not looked at.
        let isReused = descriptor >= 0
        do throws(HTTPFault) {
            return try exchange(body)
        } catch {
            close()
            guard isReused, error.isBeforeAnswer else { throw failure(error.reason) }
        }
        do throws(HTTPFault) {
            return try exchange(body)
        } catch {
            close()
            throw failure(error.reason)
        }
    }

    private func failure(_ reason: String) -> Failure { Failure("\(address): \(reason)") }

    private struct HTTPFault: Error {
        let reason: String
        /// Whether no byte of an answer had come.
        var isBeforeAnswer = false
    }

    private func exchange(_ body: [UInt8]) throws(HTTPFault) -> [UInt8] {
        if descriptor < 0 { try connect() }
        let host = address.host.contains(":") ? "[\(address.host)]" : address.host
        let head = """
            POST \(address.path) HTTP/1.1\r
            Host: \(host):\(address.port)\r
            Content-Type: application/json\r
            Accept: application/json\r
            Content-Length: \(body.count)\r
            \r

            """
        try send(Array(head.utf8) + body)
        buffer = []
        let lines = try readHead()
        let status = lines[0].split(separator: " ", maxSplits: 2).dropFirst().first ?? ""
        let answer: [UInt8]
        if Self.header("transfer-encoding", lines)?.lowercased() == "chunked" {
            answer = try readChunks()
        } else if let length = Self.header("content-length", lines) {
            guard let count = Int(length), (0...Self.bodySizeMax).contains(count) else {
                throw HTTPFault(reason: "an answer of \(length.prefix(20)) bytes")
            }
            answer = try take(count)
        } else {
            throw HTTPFault(reason: "an answer without a length")
        }
        if Self.header("connection", lines)?.lowercased() == "close" { close() }
        guard status == "200" else {
            let text = String(decoding: answer.prefix(200), as: UTF8.self)
            throw HTTPFault(
                reason: "status \(Table.printable(String(status))): \(Table.printable(text))")
        }
        return answer
    }

    private func connect() throws(HTTPFault) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(address.host, "\(address.port)", &hints, &found)
        guard status == 0 else {
            throw HTTPFault(reason: String(cString: gai_strerror(status)))
        }
        defer { freeaddrinfo(found) }
        var reason = "no address"
        var next = found
        while let entry = next?.pointee {
            next = entry.ai_next
            let socket = Glibc.socket(
                entry.ai_family, entry.ai_socktype | Int32(SOCK_CLOEXEC.rawValue),
                entry.ai_protocol)
            guard socket >= 0 else { continue }
            var limit = timeval(tv_sec: Self.patience, tv_usec: 0)
            var yes: Int32 = 1
            let size = socklen_t(MemoryLayout<timeval>.size)
            // The first bounds connecting as well.
            setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
            setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
            if Glibc.connect(socket, entry.ai_addr, entry.ai_addrlen) == 0 {
                descriptor = socket
                return
            }
            reason = String(cString: strerror(errno))
            Glibc.close(socket)
        }
        throw HTTPFault(reason: reason)
    }

    private func send(_ bytes: [UInt8]) throws(HTTPFault) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw HTTPFault(reason: String(cString: strerror(errno)), isBeforeAnswer: true)
            }
            rest = rest.dropFirst(count)
        }
    }

    /// Waits for bytes and appends them to the buffer.
    private func receive(isFirst: Bool = false) throws(HTTPFault) {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        // A server that writes headers and body apart waits in between for the first to be
        // acknowledged (Nagle), which Linux puts off for 40 ms unless it is told each time.
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &yes, 4)
        while true {
            let count = chunk.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress, $0.count, 0)
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                throw HTTPFault(reason: "no answer within \(Self.patience) s")
            }
            guard count > 0 else {
                let reason = count == 0 ? "the server hung up" : String(cString: strerror(errno))
                throw HTTPFault(reason: reason, isBeforeAnswer: isFirst)
            }
            buffer.append(contentsOf: chunk[..<count])
            return
        }
    }

    /// The status line and headers.
    private func readHead() throws(HTTPFault) -> [String] {
        let end: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A]
        while true {
            if let range = buffer.firstRange(of: end) {
                let text = String(decoding: buffer[..<range.lowerBound], as: UTF8.self)
                buffer.removeSubrange(..<range.upperBound)
                let lines = text.split(separator: "\r\n").map(String.init)
                guard let first = lines.first, first.hasPrefix("HTTP/1.") else {
                    throw HTTPFault(reason: "the answer is not HTTP/1.1")
                }
                return lines
            }
            guard buffer.count <= Self.headSizeMax else {
                throw HTTPFault(reason: "headers of more than \(Self.headSizeMax) bytes")
            }
            try receive(isFirst: buffer.isEmpty)
        }
    }

    private static func header(_ name: String, _ lines: [String]) -> String? {
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name else {
                continue
            }
            let value = line[line.index(after: colon)...]
            return String(value.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" })
        }
        return nil
    }

    private func take(_ count: Int) throws(HTTPFault) -> [UInt8] {
        while buffer.count < count { try receive() }
        let bytes = Array(buffer[..<count])
        buffer.removeSubrange(..<count)
        return bytes
    }

    private func takeLine() throws(HTTPFault) -> String {
        while true {
            if let range = buffer.firstRange(of: [0x0D, 0x0A]) {
                let line = String(decoding: buffer[..<range.lowerBound], as: UTF8.self)
                buffer.removeSubrange(..<range.upperBound)
                return line
            }
            guard buffer.count <= Self.headSizeMax else {
                throw HTTPFault(reason: "a line of more than \(Self.headSizeMax) bytes")
            }
            try receive()
        }
    }

    private func readChunks() throws(HTTPFault) -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let size = try takeLine().prefix { $0 != ";" }
            guard let count = Int(size, radix: 16), count >= 0,
                body.count + count <= Self.bodySizeMax
            else { throw HTTPFault(reason: "a chunk of \(size.prefix(20)) bytes") }
            if count == 0 {
                while try !takeLine().isEmpty {}
                return body
            }
            body += try take(count)
            guard try takeLine().isEmpty else { throw HTTPFault(reason: "a malformed chunk") }
        }
    }
}
