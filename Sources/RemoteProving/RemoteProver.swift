import ChoraleBase
import Codec
public import HTTP
public import ProofSystems

/// A proof node as a prover: provers that speak zkboost's API attach unchanged.
///
/// What is asked for, and under which root:
///
/// | type | body | root |
/// | --- | --- | --- |
/// | 0 to 6, EIP-8025 | the witness: an SSZ `NewPayloadRequest` | the statement's input commitment, which is the request's root |
/// | 64 and above, Chorale's | the statement (SSZ, 233 bytes), then the witness | the statement's binding |
///
/// Proofs of the first kind say that a payload is valid and do not name who made them.
///
/// A node is trusted with nothing but time: another root than the one expected, another proof than one
/// that verifies, and anything that the API does not have are ``ProvingError/misbehaved(_:)``.
///
/// Specification: mechanisms section 3.6.
public struct RemoteProver: ProofProver {
    public let client: ProofNodeClient
    public let type: ProofType
    /// Time from the request to the proof.
    public let timeout: Duration
    /// Pause before a stream that ended is opened again.
    public let retryPause: Duration
    private let registry: ProofSystemRegistry
    private let cancellation: HTTPClient.Cancellation
    private let clock: ProverClock

    /// - Parameter registry: checks what comes back, if it has a verifier of the type.
    public init(
        client: ProofNodeClient, type: ProofType, timeout: Duration,
        retryPause: Duration = .seconds(2), registry: ProofSystemRegistry,
        cancellation: HTTPClient.Cancellation? = nil
    ) {
        self.init(
            client: client, type: type, timeout: timeout, retryPause: retryPause,
            registry: registry, cancellation: cancellation ?? HTTPClient.Cancellation(),
            clock: .system)
    }

    init(
        client: ProofNodeClient, type: ProofType, timeout: Duration, retryPause: Duration,
        registry: ProofSystemRegistry, cancellation: HTTPClient.Cancellation, clock: ProverClock
    ) {
        self.client = client
        self.type = type
        self.timeout = timeout
        self.retryPause = retryPause
        self.registry = registry
        self.cancellation = cancellation
        self.clock = clock
    }

    public func prove(
        _ statement: ProofStatement, witness: [UInt8]
    ) throws(ProvingError) -> [UInt8] {
        guard statement.key.type == type, type.name != nil else {
            throw .unsupported(statement.key.type)
        }
        let deadline = clock.now() + timeout
        let expected = type.requestRoot(of: statement)
        let body = type.isChorale ? statement.sszEncoded() + witness : witness
        let root: Bytes32
        do {
            root = try client.request(body, types: [type], cancellation: cancellation)
        } catch {
            throw provingError(error)
        }
        guard root == expected else {
            throw .misbehaved("the root \(root) where \(expected) was asked for")
        }
        let proof = try fetch(root, until: deadline)
        switch registry.verify(proof.span, of: statement) {
        case .valid, .unsupported: return proof
        case .invalid(let fault):
            throw .misbehaved("a proof that does not verify: \(fault.detail)")
        }
    }

    /// Waits for events, and asks for the proof whenever a stream ended without one: what completed while
    /// nobody listened is there.
    private func fetch(
        _ root: Bytes32, until deadline: ContinuousClock.Instant
    ) throws(ProvingError) -> [UInt8] {
        while true {
            let rest = clock.now().duration(to: deadline)
            guard rest > .zero else { throw .timedOut(after: timeout) }
            var isAnnounced = false
            do {
                switch try client.awaitEvent(
                    root: root, type: type, timeout: rest, cancellation: cancellation)
                {
                case .complete: isAnnounced = true
                case .failure(_, _, let reason, let message):
                    throw ProvingError.refused("\(reason.rawValue): \(message)")
                case nil: break
                }
                return try client.proof(root: root, type: type, cancellation: cancellation)
            } catch let error as ProvingError {
                throw error
            } catch let error as ProofNodeError {
                // Not there yet; a proof that was announced has to be.
                guard case .notFound = error, !isAnnounced else { throw provingError(error) }
            } catch {
                throw .unavailable("\(error)")
            }
            clock.pause(min(retryPause, clock.now().duration(to: deadline)), cancellation)
        }
    }

    private func provingError(_ error: ProofNodeError) -> ProvingError {
        switch error {
        case .unreachable(let detail): .unavailable(detail)
        case .timedOut: .timedOut(after: client.limits.callTimeMax)
        case .cancelled: .unavailable("cancelled")
        case .tooLarge(let limit): .misbehaved("an answer of more than \(limit) bytes")
        case .refused(let status, let message):
            status < 500
                ? .refused("\(status): \(message)") : .unavailable("\(status): \(message)")
        case .notFound(let message): .misbehaved("announced and not there: \(message)")
        case .malformed(let detail): .misbehaved(detail)
        case .unknownType(let type): .unsupported(type)
        }
    }
}

/// What a prover waits by. Tests have one on which time passes as they say.
struct ProverClock: Sendable {
    let now: @Sendable () -> ContinuousClock.Instant
    /// Lets time pass; less when it is cancelled.
    let pause: @Sendable (Duration, HTTPClient.Cancellation) -> Void

    static let system = ProverClock(
        now: { .now }, pause: { duration, cancellation in cancellation.wait(duration) })
}

extension ProofType {
    /// Whether the number is one of Chorale's own.
    var isChorale: Bool { rawValue >= 64 }

    /// How proof nodes name what a statement asks for.
    func requestRoot(of statement: ProofStatement) -> Bytes32 {
        isChorale ? statement.binding : statement.input
    }
}
