import Admin
import Codec
import Glibc
import Node

/// A blocking client of the admin socket: one call at a time, or one stream.
final class AdminClient {
    private let descriptor: Int32
    private var unread: [UInt8] = []
    private var lastID: Int64 = 0

    /// Longest line accepted: an answer that lists everything, or a chunk of a body.
    private static let lineSizeMax = 64 << 20
    /// A node that says nothing for so long is stuck; its own deadlines are at most a minute.
    private static let answerSeconds = 120

    init(path: String) throws(Failure) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else {
            throw Failure(
                "\(path) is longer than the \(capacity - 1) bytes that a socket's path may have")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure("no socket: \(Self.errorText())") }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            let code = errno
            close(descriptor)
            switch code {
            case ENOENT, ECONNREFUSED:
                throw Failure("no node answers at \(path): is `chorale run` running there?")
            case EACCES:
                throw Failure("\(path) belongs to another user")
            default:
                throw Failure("cannot connect to \(path): \(String(cString: strerror(code)))")
            }
        }
    }

    deinit { close(descriptor) }

    /// - Throws: what the node answered instead of a result.
    func call(_ method: String, _ params: JSONObject = [:]) throws(Failure) -> JSONValue {
        try Self.result(try answer(method, params))
    }

    /// As ``call(_:_:)``, but nil when the node says that there is no such thing.
    func find(_ method: String, _ params: JSONObject) throws(Failure) -> JSONValue? {
        let message = try answer(method, params)
        if message["error"]?["data"]?["kind"] == .string(CommandFailure.Kind.notFound.rawValue) {
            return nil
        }
        return try Self.result(message)
    }

    /// As ``call(_:_:)``, but nil when the node refuses it now and may not in a moment: it is busy, or has begun with the
    /// same for somebody else.
    func callUnlessBusy(_ method: String, _ params: JSONObject) throws(Failure) -> JSONValue? {
        let message = try answer(method, params)
        let kind = message["error"]?["data"]?["kind"]
        let passing: [CommandFailure.Kind] = [.overloaded, .refused]
        if passing.contains(where: { kind == .string($0.rawValue) }) { return nil }
        return try Self.result(message)
    }

    private func answer(_ method: String, _ params: JSONObject) throws(Failure) -> JSONValue {
        setTimeout(seconds: Self.answerSeconds)
        let id = try send(method, params)
        while true {
            let message = try receive()
            if message["id"] == .integer(id) { return message }
        }
    }

    /// Follows a stream until its end, or until `item` returns false.
    func stream(
        _ method: String, _ params: JSONObject = [:],
        item: (JSONValue) throws(Failure) -> Bool
    ) throws(Failure) {
        let name = try call(method, params)
        // Between items any time may pass.
        setTimeout(seconds: 0)
        while true {
            let message = try receive()
            guard let params = message["params"], params["subscription"] == name else { continue }
            if let error = params["error"] { throw Self.failure(error) }
            if let value = params["result"], try !item(value) { return }
            if params["end"] == .bool(true) { return }
        }
    }

    private func send(_ method: String, _ params: JSONObject) throws(Failure) -> Int64 {
        lastID += 1
        let request: JSONObject = [
            "jsonrpc": .string("2.0"), "id": .integer(lastID), "method": .string(method),
            "params": .object(params),
        ]
        var line = JSONValue.object(request).encoded
        line.append(UInt8(ascii: "\n"))
        var rest = line[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw Failure("the node closed the connection: \(Self.errorText())")
            }
            rest = rest.dropFirst(count)
        }
        return lastID
    }

    private func receive() throws(Failure) -> JSONValue {
        var searched = 0
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            if let end = unread[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(unread[..<end])
                unread.removeSubrange(...end)
                var limits = JSONValue.Limits()
                limits.valueCountMax = 16 << 20
                do throws(JSONError) {
                    return try JSONValue(parsing: line, limits: limits)
                } catch {
                    throw Failure("the node's answer is not JSON: \(error)")
                }
            }
            searched = unread.count
            guard unread.count < Self.lineSizeMax else {
                throw Failure("the node's answer is too long")
            }
            let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                throw Failure("the node did not answer within \(Self.answerSeconds) s")
            }
            guard count > 0 else {
                throw Failure(
                    "the node closed the connection: it stopped, or it dropped this client "
                        + "(its log says why)")
            }
            unread.append(contentsOf: chunk[..<count])
        }
    }

    private static func result(_ message: JSONValue) throws(Failure) -> JSONValue {
        if let error = message["error"] { throw failure(error) }
        return message["result"] ?? .null
    }

    private static func failure(_ error: JSONValue) -> Failure {
        Failure(error["message"]?.string ?? error.text)
    }

    private func setTimeout(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    private static func errorText() -> String { String(cString: strerror(errno)) }
}
