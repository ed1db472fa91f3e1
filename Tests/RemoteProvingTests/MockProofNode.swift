import ChoraleBase
import Codec
import Crypto
import Foundation
import Glibc
import ProofSystems
import Synchronization

/// A proof node on loopback that speaks zkboost's API, and can be told to break its rules.
///
/// Its proofs are ``proof(for:)`` of the request's root, which any verifier of these tests can check.
final class MockProofNode: Sendable {
    /// What it does at one of its paths in place of what it should.
    enum Vice: Hashable, Sendable {
        case refuses(status: Int)
        /// Reads the request and says nothing.
        case stalls
        /// Sends the head and a byte every 50 ms, for ever.
        case trickles
        /// Closes the connection without an answer.
        case hangsUp
        /// 200 and this body.
        case says([UInt8])
    }

    enum Path: Hashable, Sendable { case health, types, request, events, proof, verify }

    /// How the provers behind it do.
    enum Proving: Hashable, Sendable {
        case takes(Duration)
        case fails(reason: String)
        /// Neither proof nor failure.
        case never
    }

    static func proof(for root: Bytes32) -> [UInt8] { [1] + SHA256.hash(root.bytes + [7]).bytes }

    let port: UInt16
    private let listener: Int32
    private let vices: [Path: Vice]
    private let proving: Proving
    private let eventStreamsCutOff: Int
    private let eventStreamsStalled: Int
    private struct State {
        var requests: [Bytes32: ContinuousClock.Instant] = [:]
        var eventStreamCount = 0
        var isStopped = false
        /// Their threads wait for the other side, or for ``stop()``, which ends them.
        var connections: Set<Int32> = []
        var log: [String] = []
    }
    private let state = Mutex(State())
    private let answered: (@Sendable (Path) -> Void)?

    /// - Parameters:
    ///   - eventStreamsCutOff: how many streams of events end before anything is said on them.
    ///   - eventStreamsStalled: on how many nothing is said for ever.
    ///   - answered: called when what belongs at a path was said, or when nothing will be.
    init(
        proving: Proving = .takes(.zero), vices: [Path: Vice] = [:], eventStreamsCutOff: Int = 0,
        eventStreamsStalled: Int = 0, answered: (@Sendable (Path) -> Void)? = nil
    ) throws {
        self.answered = answered
        self.proving = proving
        self.vices = vices
        self.eventStreamsCutOff = eventStreamsCutOff
        self.eventStreamsStalled = eventStreamsStalled
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let isBound = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRNOTAVAIL) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                // Closed by its only user: another socket may have the number as soon as it is free.
                guard connection >= 0 else {
                    close(descriptor)
                    return
                }
                Thread.detachNewThread { [self] in serve(connection) }
            }
        }
    }

    var url: String { "http://127.0.0.1:\(port)" }

    /// Lines of the requests that came.
    var log: [String] { state.withLock { $0.log } }

    func stop() {
        state.withLock { state in
            state.isStopped = true
            for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    // MARK: HTTP

    private func serve(_ connection: Int32) {
        let isStopped = state.withLock { state in
            state.connections.insert(connection)
            return state.isStopped
        }
        defer {
            // No longer anybody else's before the number is free.
            state.withLock { _ = $0.connections.remove(connection) }
            close(connection)
        }
        if isStopped { return }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            bytes += buffer[..<count]
            guard let end = bytes.firstRange(of: [13, 10, 13, 10]) else { continue }
            let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
            let lines = head.split(separator: "\r\n")
            let length = lines.first { $0.lowercased().hasPrefix("content-length:") }
            let size = length.flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) }
            guard bytes.count - end.upperBound >= size ?? 0 else { continue }
            let body = Array(bytes[end.upperBound...])
            state.withLock { $0.log.append(String(lines[0])) }
            answer(connection, String(lines[0].split(separator: " ")[1]), body)
            return
        }
    }

    private func answer(_ connection: Int32, _ target: String, _ body: [UInt8]) {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        var query: [String: String] = [:]
        for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1).map(String.init)
            query[halves[0]] = halves.count > 1 ? halves[1] : ""
        }
        switch parts[0] {
        case "/health": act(.health, connection) { send(connection, 200, "{\"status\":\"ok\"}") }
        case "/v1/proof_types": act(.types, connection) { sendTypes(connection) }
        case "/v1/execution_proof_requests" where query["proof_types"] != nil:
            act(.request, connection) { request(connection, query["proof_types"]!, body) }
        case "/v1/execution_proof_requests":
            act(.events, connection) {
                events(connection, query["new_payload_request_root"] ?? "")
            }
        case "/v1/execution_proof_verifications":
            act(.verify, connection) { verify(connection, query, body) }
        default:
            act(.proof, connection) {
                let names = parts[0].split(separator: "/").map(String.init)
                guard names.count == 4, let root = root(names[2]), isDone(root) else {
                    return send(connection, 404, "{\"code\":404,\"message\":\"no proof\"}")
                }
                send(connection, 200, Self.proof(for: root))
            }
        }
    }

    private func act(_ path: Path, _ connection: Int32, _ virtue: () -> Void) {
        switch vices[path] {
        case nil:
            virtue()
            answered?(path)
        case .refuses(let status):
            send(connection, status, "{\"code\":\(status),\"message\":\"not you\"}")
        case .stalls:
            answered?(path)
            waitForEnd(connection)
        case .trickles:
            write(
                connection,
                [UInt8]("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".utf8))
            while write(connection, [0x3A]), !waitForEnd(connection, .milliseconds(50)) {}
        case .hangsUp: break
        case .says(let bytes): send(connection, 200, bytes)
        }
    }

    /// Waits until the other side has closed the connection, or ``stop()``; at most for a while.
    ///
    /// - Returns: whether it has.
    @discardableResult
    private func waitForEnd(_ connection: Int32, _ atMost: Duration? = nil) -> Bool {
        // Nobody says more than a request, so that whatever comes is the end.
        var polled = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        // Rounded up: never before the time has come.
        let milliseconds = atMost.map { Int32(max(.zero, $0).wholeMilliseconds + 1) } ?? -1
        return poll(&polled, 1, milliseconds) != 0
    }

    @discardableResult
    private func write(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let size = bytes.withUnsafeBytes {
                Glibc.send(
                    connection, $0.baseAddress! + sent, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard size > 0 else { return false }
            sent += size
        }
        return true
    }

    private func send(_ connection: Int32, _ status: Int, _ body: String) {
        send(connection, status, [UInt8](body.utf8))
    }

    private func send(_ connection: Int32, _ status: Int, _ body: [UInt8]) {
        let head = "HTTP/1.1 \(status) X\r\nContent-Length: \(body.count)\r\n\r\n"
        write(connection, [UInt8](head.utf8) + body)
    }

    // MARK: The API

    private func root(_ text: String) -> Bytes32? {
        guard text.hasPrefix("0x"), let bytes = try? Hex.decode(text.dropFirst(2)) else {
            return nil
        }
        return Bytes32(bytes)
    }

    private func sendTypes(_ connection: Int32) {
        send(
            connection, 200,
            """
            {"proof_types":[{"proof_type":"reth-sp1","kind":"mock","can_prove":true,"can_verify":true},\
            {"proof_type":"reth-zisk","kind":"verifier","can_prove":false,"can_verify":true},\
            {"proof_type":"reth-tomorrow","kind":"new","can_prove":true,"can_verify":true}]}
            """)
    }

    private func request(_ connection: Int32, _ names: String, _ body: [UInt8]) {
        guard !names.isEmpty,
            names.split(separator: ",").allSatisfy({
                ProofType(name: String($0)) != nil
            })
        else {
            return send(connection, 400, "{\"code\":400,\"message\":\"no such type\"}")
        }
        // What stands for the tree hash of a payload here.
        var root = SHA256.hash(body)
        let size = ProofStatement.encodedSize
        if ProofType(name: names).map({ $0.rawValue >= 64 }) == true, body.count >= size {
            let head = Array(body.prefix(size))
            if let statement = try? ProofStatement(ssz: head.span) { root = statement.binding }
        }
        state.withLock { $0.requests[root] = .now }
        send(connection, 200, "{\"new_payload_request_root\":\"0x\(root)\"}")
    }

    private func isDone(_ root: Bytes32) -> Bool {
        guard case .takes(let duration) = proving,
            let begun = state.withLock({ $0.requests[root] })
        else { return false }
        return begun.duration(to: .now) >= duration
    }

    private func events(_ connection: Int32, _ text: String) {
        let index = state.withLock { state in
            state.eventStreamCount += 1
            return state.eventStreamCount
        }
        write(
            connection,
            [UInt8]("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n".utf8))
        if index <= eventStreamsStalled { waitForEnd(connection) }
        guard index > max(eventStreamsCutOff, eventStreamsStalled), let root = root(text) else {
            return
        }
        switch proving {
        case .never: waitForEnd(connection)
        case .fails(let reason):
            let data = """
                {"new_payload_request_root":"0x\(root)","proof_type":"reth-sp1",\
                "reason":"\(reason)","error":"out of luck"}
                """
            // Another type's event comes first, and is nobody's business here.
            let other = data.replacing("reth-sp1", with: "reth-zisk")
            let events = [other, data].map { "event: proof_failure\ndata: \($0)\n\n" }
            write(connection, [UInt8](events.joined().utf8))
        case .takes(let duration):
            let begun = state.withLock { $0.requests[root] }
            // What nobody asked for never comes.
            let rest = begun.map { ContinuousClock.now.duration(to: $0 + duration) }
            guard !waitForEnd(connection, rest) else { return }
            for name in ["reth-sp1", "groth16"] {
                let data =
                    "{\"new_payload_request_root\":\"0x\(root)\",\"proof_type\":\"\(name)\"}"
                write(connection, [UInt8]("event: proof_complete\r\ndata: \(data)\r\n\r\n".utf8))
            }
        }
    }

    private func verify(_ connection: Int32, _ query: [String: String], _ body: [UInt8]) {
        guard let root = root(query["new_payload_request_root"] ?? ""),
            let name = query["proof_type"], ProofType(name: name) != nil
        else { return send(connection, 404, "{\"code\":404,\"message\":\"unknown\"}") }
        let isValid = body == Self.proof(for: root)
        send(connection, 200, "{\"status\":\"\(isValid ? "VALID" : "INVALID")\"}")
    }
}
