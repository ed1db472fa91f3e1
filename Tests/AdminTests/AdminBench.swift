import ChoraleBase
import Codec
import Crypto
import DriverUV
import Glibc
import Node
import NodeHost
import PeerIdentity
import Swarm
import Testing

@testable import Admin

/// A running node with its admin socket, and clients that share its thread.
final class AdminBench {
    let loop: EventLoop
    let host: NodeHost
    private(set) var server: AdminServer
    let path: String
    private(set) var drops: [AdminServer.DropReason] = []
    private(set) var isStopped = false
    private let ownsLoop: Bool
    private let directory: String
    private var clients: [RawClient] = []
    private var lastID: Int64 = 100

    /// - Parameter sharing: the loop of another node; a new one when nil.
    init(
        sharing other: EventLoop? = nil, options: AdminServer.Options = AdminServer.Options()
    ) throws {
        let loop = try other ?? EventLoop()
        self.loop = loop
        ownsLoop = other == nil
        var template = Array("/tmp/chorale-admin-XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        path = directory + "/admin.sock"
        var configuration = NodeConfiguration(
            identity: IdentityKey(Ed25519.PrivateKey.random()),
            noiseStaticKey: .random(count: 32), networkDigest: [1, 2, 3, 4],
            addressPolicy: .local, seed: 1)
        configuration.listenAddresses = [.tcp(ip: .ip4(.loopback), port: 0)]
        let host = try NodeHost(loop: loop, configuration: configuration, store: nil)
        self.host = host
        server = try AdminServer(
            on: loop, path: path, options: options,
            submit: { id, command in host.perform(command, as: id) },
            cancel: { id in host.cancel(id) })
        server.onDrop = { [unowned self] reason in drops.append(reason) }
        host.onReply = { [unowned self] id, reply, isLast in
            server.reply(id, reply, isLast: isLast)
        }
        host.onStopped = { [unowned self] in isStopped = true }
        var isListening = false
        host.onEvent = { event in if case .listening = event { isListening = true } }
        host.start()
        try drive { isListening }
    }

    func close() {
        for client in clients { client.close() }
        server.close()
        // Closing ends in a later turn.
        turn()
        host.close()
        if ownsLoop { loop.close() }
        unlink(path)
        rmdir(directory)
    }

    static func request(_ method: String, _ params: JSONObject = [:], id: some BinaryInteger)
        -> String
    {
        let request: JSONObject = [
            "jsonrpc": .string("2.0"), "id": JSONValue(id), "method": .string(method),
            "params": .object(params),
        ]
        return JSONValue.object(request).text + "\n"
    }

    func connect() throws -> RawClient {
        let client = try RawClient(path: path)
        clients.append(client)
        return client
    }

    /// Some turns of the loop, and whatever clients can read after them.
    func turn() {
        for _ in 0..<3 { _ = loop.run(until: { false }, patience: .milliseconds(1)) }
        for client in clients { client.read() }
    }

    /// Turns until the condition holds; fails the test if that takes 20 seconds.
    func drive(
        sourceLocation: SourceLocation = #_sourceLocation, until condition: () -> Bool
    ) throws {
        let deadline = loop.now.advanced(by: .seconds(20))
        while !condition() {
            try #require(
                loop.now < deadline, "the condition never held", sourceLocation: sourceLocation)
            turn()
        }
    }

    /// The next line of a client.
    func answer(to client: RawClient) throws -> JSONValue {
        try drive { !client.lines.isEmpty || client.isOver }
        let line = try #require(client.lines.first, "the connection ended")
        client.lines.removeFirst()
        return try JSONValue(parsing: Array(line.utf8))
    }

    /// The result of a call; notifications that come before it stay among the lines.
    func call(
        _ client: RawClient, _ method: String, _ params: JSONObject = [:]
    ) throws -> JSONValue {
        lastID += 1
        let id = JSONValue(lastID)
        try client.send(Array(Self.request(method, params, id: lastID).utf8))
        var found: JSONValue?
        try drive {
            for (index, line) in client.lines.enumerated() {
                guard let value = try? JSONValue(parsing: Array(line.utf8)), value["id"] == id
                else { continue }
                client.lines.remove(at: index)
                found = value
                return true
            }
            return client.isOver
        }
        let answer = try #require(found, "the connection ended")
        return try #require(answer["result"], "\(answer.text)")
    }
}

/// A client as an operator's script may be: it writes bytes, and reads when it likes.
final class RawClient {
    private var descriptor: Int32
    private var unread: [UInt8] = []
    /// Whole lines that arrived and nobody took.
    var lines: [String] = []
    var isReading = true
    private(set) var isOver = false

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(status == 0)
        try #require(fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0)
    }

    deinit { close() }

    func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// - Returns: how many bytes the kernel took; all of them for what is short.
    @discardableResult func send(_ bytes: [UInt8]) throws -> Int {
        let count = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count >= 0 else { throw CancellationError() }
        return count
    }

    func read() {
        guard isReading, descriptor >= 0, !isOver else { return }
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress, $0.count)
            }
            guard count > 0 else {
                isOver = count == 0 || errno != EAGAIN
                break
            }
            unread += chunk[..<count]
        }
        while let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(String(decoding: unread[..<end], as: UTF8.self))
            unread.removeSubrange(...end)
        }
    }
}
