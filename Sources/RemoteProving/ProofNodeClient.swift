public import ChoraleBase
public import HTTP
public import ProofSystems

/// Why a proof node did not do what it was asked.
public enum ProofNodeError: Error, Hashable, Sendable {
    /// Nobody answers, or the connection broke.
    case unreachable(String)
    case timedOut
    case cancelled
    /// The answer is larger than anything that could be wanted, in bytes.
    case tooLarge(limit: Int)
    /// The node said no.
    case refused(status: Int, message: String)
    /// There is no such proof yet, or no such type here.
    case notFound(message: String)
    /// Not the API's answer.
    case malformed(String)
    /// The API has no name for the type.
    case unknownType(ProofType)
}

/// Asks one proof node, on the calling thread: whoever speaks zkboost's HTTP API.
///
/// Every call is bounded in time and bytes. What the node says is not believed: roots are compared by
/// ``RemoteProver``, proofs verified.
///
/// Specification: eth-act/zkboost `openapi.json`; mechanisms section 3.6.
public struct ProofNodeClient: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Bytes of an answer in JSON.
        public var messageSizeMax = 64 << 10
        /// Bytes of a proof.
        public var proofSizeMax = SubProof.proofSizeMax
        /// Bytes of a stream of events, with comments.
        public var eventsSizeMax = 1 << 20
        /// Events about other proofs before the one that is waited for. The stream is filtered, so there
        /// should be none but those of the same request's other types.
        public var foreignEventCountMax = 64
        /// Time for one call.
        public var callTimeMax: Duration = .seconds(10)
        /// Time without a byte on a stream: three of the comments that nodes send every 15 seconds.
        public var idleTimeMax: Duration = .seconds(45)

        public init() {}
    }

    /// Of http or https, without a path.
    public let url: String
    public let limits: Limits

    /// Nil for anything but `http://HOST[:PORT]` and `https://HOST[:PORT]`, with or without a slash.
    public init?(url: String, limits: Limits = Limits()) {
        guard let scheme = ["http://", "https://"].first(where: { url.hasPrefix($0) }) else {
            return nil
        }
        var host = url.dropFirst(scheme.count)
        if host.hasSuffix("/") { host.removeLast() }
        guard !host.isEmpty, host.utf8.count <= 255,
            host.utf8.allSatisfy({
                0x30...0x39 ~= $0 || 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0
                    || [0x2D, 0x2E, 0x3A, 0x5B, 0x5D].contains($0)
            })
        else { return nil }
        self.url = scheme + host
        self.limits = limits
    }

    /// Whether the node says that it is well.
    public func isHealthy(
        cancellation: HTTPClient.Cancellation? = nil
    ) throws(ProofNodeError) -> Bool {
        do {
            _ = try call(.get, "/health", cancellation)
            return true
        } catch {
            guard case .refused = error else { throw error }
            return false
        }
    }

    /// What the node can prove and verify. Types that this version does not know are left out.
    public func capabilities(
        cancellation: HTTPClient.Cancellation? = nil
    ) throws(ProofNodeError) -> [ProofNodeCapability] {
        let body = try call(.get, "/v1/proof_types", cancellation)
        return try decode { () throws(ProofNodeMessage.Malformed) in
            try ProofNodeMessage.capabilities(body)
        }
    }

    /// Asks for proofs.
    ///
    /// - Parameter body: what is to be proven, in the encoding of the type: for the types of EIP-8025 an
    ///   SSZ `NewPayloadRequest`.
    /// - Returns: the root by which the node names the request.
    public func request(
        _ body: [UInt8], types: [ProofType], cancellation: HTTPClient.Cancellation? = nil
    ) throws(ProofNodeError) -> Bytes32 {
        var names: [String] = []
        for type in types { names.append(try name(type)) }
        let answer = try call(
            .post(body, contentType: "application/octet-stream"),
            "/v1/execution_proof_requests?proof_types=\(names.joined(separator: ","))",
            cancellation)
        return try decode { () throws(ProofNodeMessage.Malformed) in
            try ProofNodeMessage.root(in: try ProofNodeMessage.object(answer))
        }
    }

    /// Waits until the node says that a proof is there, or that there will be none.
    ///
    /// - Returns: what it said of this root and type, or nil when the stream ended or fell silent before,
    ///   in which case the proof may be there all the same.
    public func awaitEvent(
        root: Bytes32, type: ProofType, timeout: Duration,
        cancellation: HTTPClient.Cancellation? = nil
    ) throws(ProofNodeError) -> ProofNodeEvent? {
        let path = "/v1/execution_proof_requests?new_payload_request_root=0x\(root)"
        var wait = EventWait(root: root, type: type, limits: limits)
        let status: Int
        do {
            status = try HTTPClient.stream(
                HTTPClient.Request(.get, url + path, accept: "text/event-stream"),
                timeout: timeout, idle: limits.idleTimeMax, answerSizeMax: limits.eventsSizeMax,
                cancellation: cancellation
            ) { status, bytes in wait.take(status, bytes) }
        } catch {
            switch error {
            case .timedOut: return nil
            default: throw ProofNodeError(error)
            }
        }
        if let error = wait.error { throw error }
        guard status == 200 else { throw wait.refusal(status) }
        return wait.event
    }

    /// The bytes of a proof that is there.
    public func proof(
        root: Bytes32, type: ProofType, cancellation: HTTPClient.Cancellation? = nil
    ) throws(ProofNodeError) -> [UInt8] {
        let path = "/v1/execution_proofs/0x\(root)/\(try name(type))"
        let proof = try call(.get, path, cancellation, sizeMax: limits.proofSizeMax)
        guard !proof.isEmpty else { throw .malformed("a proof without bytes") }
        return proof
    }

    /// Whether the node finds that a proof proves what a root names.
    public func verify(
        _ proof: [UInt8], root: Bytes32, type: ProofType,
        cancellation: HTTPClient.Cancellation? = nil
    ) throws(ProofNodeError) -> Bool {
        let query = "new_payload_request_root=0x\(root)&proof_type=\(try name(type))"
        let answer = try call(
            .post(proof, contentType: "application/octet-stream"),
            "/v1/execution_proof_verifications?\(query)", cancellation)
        return try decode { () throws(ProofNodeMessage.Malformed) in
            try ProofNodeMessage.isValid(answer)
        }
    }

    private func name(_ type: ProofType) throws(ProofNodeError) -> String {
        guard let name = type.name else { throw .unknownType(type) }
        return name
    }

    private func call(
        _ method: HTTPClient.Request.Method, _ path: String,
        _ cancellation: HTTPClient.Cancellation?, sizeMax: Int? = nil
    ) throws(ProofNodeError) -> [UInt8] {
        let answer: (status: Int, body: [UInt8])
        do {
            answer = try HTTPClient.send(
                HTTPClient.Request(method, url + path), timeout: limits.callTimeMax,
                answerSizeMax: sizeMax ?? limits.messageSizeMax, cancellation: cancellation)
        } catch {
            throw ProofNodeError(error)
        }
        guard answer.status == 200 else {
            throw ProofNodeError(status: answer.status, body: answer.body)
        }
        return answer.body
    }

    private func decode<Value>(
        _ decode: () throws(ProofNodeMessage.Malformed) -> Value
    ) throws(ProofNodeError) -> Value {
        do {
            return try decode()
        } catch {
            throw .malformed(error.detail)
        }
    }
}

/// One stream of events, up to the one that is waited for.
private struct EventWait {
    let root: Bytes32
    let type: ProofType
    let limits: ProofNodeClient.Limits
    private var events = ServerSentEvents()
    private var foreignCount = 0
    private var refusal: [UInt8] = []
    private(set) var event: ProofNodeEvent?
    private(set) var error: ProofNodeError?

    init(root: Bytes32, type: ProofType, limits: ProofNodeClient.Limits) {
        self.root = root
        self.type = type
        self.limits = limits
    }

    func refusal(_ status: Int) -> ProofNodeError {
        ProofNodeError(status: status, body: refusal)
    }

    /// Returns whether more is wanted.
    mutating func take(_ status: Int, _ bytes: [UInt8]) -> Bool {
        guard status == 200 else {
            refusal += bytes.prefix(512 - refusal.count)
            return refusal.count < 512
        }
        do {
            for event in try events.append(bytes) {
                guard let event = try ProofNodeMessage.event(event) else { continue }
                switch event {
                case .complete(let root, let type), .failure(let root, let type, _, _):
                    if root == self.root, type == self.type {
                        self.event = event
                        return false
                    }
                    foreignCount += 1
                    if foreignCount > limits.foreignEventCountMax {
                        error = .malformed("\(foreignCount) events about other proofs")
                        return false
                    }
                }
            }
            return true
        } catch let malformed as ProofNodeMessage.Malformed {
            error = .malformed(malformed.detail)
        } catch {
            self.error = .malformed("\(error)")
        }
        return false
    }
}

extension ProofNodeError {
    init(_ error: HTTPClientError) {
        switch error {
        case .timedOut: self = .timedOut
        case .cancelled: self = .cancelled
        case .tooLarge(let limit): self = .tooLarge(limit: limit)
        case .failed(let detail): self = .unreachable(detail)
        }
    }

    init(status: Int, body: [UInt8]) {
        let message = ProofNodeMessage.message(body)
        self =
            status == 404 ? .notFound(message: message) : .refused(status: status, message: message)
    }
}
