import ChoraleBase
import Codec
import Crypto
import HTTP
import ProofSystems
import Synchronization
import Testing

@testable import RemoteProving

/// What must come of each kind of proof node: one that does its work, refuses, stalls or lies.
@Suite(.serialized) struct RemoteConformance {
    /// Checks the mock's proofs.
    struct MockVerifier: ProofVerifier {
        let type: ProofType
        var proofSizeMax: Int { 1024 }

        func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) {}

        func verify(
            _ proof: Span<UInt8>, of statement: ProofStatement, key: ()
        ) -> ProofVerdict {
            proof.copied() == MockProofNode.proof(for: type.requestRoot(of: statement))
                ? .valid : .invalid(ProofFault(.check, "not the mock's"))
        }
    }

    static let witness = [UInt8]("a payload".utf8)

    static func statement(_ type: ProofType, prover: String = "prover") -> ProofStatement {
        ProofStatement(
            operation: SHA256.hash([1]), part: 0, partCount: 1, plan: SHA256.hash([2]),
            key: VerifierKey(type: type, program: SHA256.hash([3])), input: SHA256.hash(witness),
            output: SHA256.hash([4]), prover: SHA256.hash([UInt8](prover.utf8)))
    }

    /// Patient by default, because machines that run tests are busy.
    static func client(
        _ node: MockProofNode, callTime: Duration = .seconds(20)
    ) -> ProofNodeClient {
        var limits = ProofNodeClient.Limits()
        limits.callTimeMax = callTime
        limits.idleTimeMax = .seconds(1)
        limits.proofSizeMax = 4096
        return ProofNodeClient(url: node.url, limits: limits)!
    }

    static func prover(
        _ node: MockProofNode, _ type: ProofType = .rethSP1,
        timeout: Duration = .seconds(60), callTime: Duration = .seconds(20),
        retryPause: Duration = .milliseconds(50),
        cancellation: HTTPClient.Cancellation = HTTPClient.Cancellation(),
        clock: ProverClock = .system
    ) -> RemoteProver {
        var registry = ProofSystemRegistry()
        registry.register(MockVerifier(type: type))
        return RemoteProver(
            client: client(node, callTime: callTime), type: type, timeout: timeout,
            retryPause: retryPause, registry: registry, cancellation: cancellation, clock: clock)
    }

    func outcome(_ prove: () throws(ProvingError) -> [UInt8]) -> Result<[UInt8], ProvingError> {
        do {
            return .success(try prove())
        } catch {
            return .failure(error)
        }
    }

    // MARK: Proves

    @Test(arguments: [ProofType.rethSP1, .groth16]) func proves(type: ProofType) throws {
        let node = try MockProofNode(proving: .takes(.milliseconds(100)))
        defer { node.stop() }
        let statement = Self.statement(type)
        let proof = try Self.prover(node, type).prove(statement, witness: Self.witness)
        #expect(proof == MockProofNode.proof(for: type.requestRoot(of: statement)))
        let requests = node.log
        #expect(requests.count == 3)
        #expect(requests.first?.contains("proof_types=\(type) ") == true)
    }

    /// Connections end; what completed while nobody listened is found all the same.
    @Test func provesOverStreamsThatEnd() throws {
        let node = try MockProofNode(
            proving: .takes(.milliseconds(200)), eventStreamsCutOff: 100)
        defer { node.stop() }
        let statement = Self.statement(.rethSP1)
        let proof = try Self.prover(node).prove(statement, witness: Self.witness)
        #expect(proof == MockProofNode.proof(for: statement.input))
    }

    /// A stream that falls silent is given up after the idle time, long before the proof's.
    @Test func provesOverStreamsThatFallSilent() throws {
        let node = try MockProofNode(eventStreamsStalled: 1)
        defer { node.stop() }
        let statement = Self.statement(.rethSP1)
        let begun = ContinuousClock.now
        let proof = try Self.prover(node).prove(statement, witness: Self.witness)
        #expect(proof == MockProofNode.proof(for: statement.input))
        #expect(begun.duration(to: .now) >= .milliseconds(900))
    }

    /// Another prover's statement is another request: its proof is no proof of this one.
    @Test func provesForOneProverOnly() throws {
        let node = try MockProofNode()
        defer { node.stop() }
        let first = try Self.prover(node, .groth16).prove(
            Self.statement(.groth16), witness: Self.witness)
        let second = try Self.prover(node, .groth16).prove(
            Self.statement(.groth16, prover: "thief"), witness: Self.witness)
        #expect(first != second)
    }

    // MARK: Refuses

    @Test func refusals() throws {
        for (vice, expected): (MockProofNode.Vice, ProvingError) in [
            (.refuses(status: 400), .refused("400: not you")),
            (.refuses(status: 500), .unavailable("500: not you")),
            (.refuses(status: 302), .refused("302: not you")),
        ] {
            let node = try MockProofNode(vices: [.request: vice])
            defer { node.stop() }
            let result = outcome { () throws(ProvingError) in
                try Self.prover(node).prove(Self.statement(.rethSP1), witness: Self.witness)
            }
            #expect(result == .failure(expected))
        }
        for reason in ["proving_error", "witness_timeout", "proving_timeout", "internal_error"] {
            let node = try MockProofNode(proving: .fails(reason: reason))
            defer { node.stop() }
            let result = outcome { () throws(ProvingError) in
                try Self.prover(node).prove(Self.statement(.rethSP1), witness: Self.witness)
            }
            #expect(result == .failure(.refused("\(reason): out of luck")))
        }
    }

    @Test func anotherTypeIsUnsupported() throws {
        let node = try MockProofNode()
        defer { node.stop() }
        let prover = Self.prover(node)
        #expect(throws: ProvingError.unsupported(.spartan)) {
            _ = try prover.prove(Self.statement(.spartan), witness: [])
        }
        #expect(node.log.isEmpty)
    }

    // MARK: Stalls

    @Test func stalls() throws {
        for (path, expected): (MockProofNode.Path, ProvingError) in [
            (.request, .timedOut(after: .milliseconds(400))),
            (.proof, .timedOut(after: .milliseconds(400))),
        ] {
            for vice in [MockProofNode.Vice.stalls, .trickles] {
                let node = try MockProofNode(vices: [path: vice])
                defer { node.stop() }
                let result = outcome { () throws(ProvingError) in
                    try Self.prover(node, callTime: .milliseconds(400)).prove(
                        Self.statement(.rethSP1), witness: Self.witness)
                }
                #expect(result == .failure(expected), "\(path) \(vice)")
            }
        }
        // A prover that never ends, and one whose events say nothing, end at the deadline.
        for vices: [MockProofNode.Path: MockProofNode.Vice] in [
            [:], [.events: .stalls], [.events: .trickles], [.events: .says([])],
        ] {
            let node = try MockProofNode(proving: .never, vices: vices)
            defer { node.stop() }
            let begun = ContinuousClock.now
            let result = outcome { () throws(ProvingError) in
                try Self.prover(node, timeout: .milliseconds(700)).prove(
                    Self.statement(.rethSP1), witness: Self.witness)
            }
            #expect(result == .failure(.timedOut(after: .milliseconds(700))), "\(vices)")
            #expect(begun.duration(to: .now) < .seconds(20))
        }
    }

    /// Time that passes in pauses only.
    final class PausedTime: Sendable {
        private let start = ContinuousClock.now
        private let taken = Mutex<[Duration]>([])

        var pauses: [Duration] { taken.withLock { $0 } }

        var clock: ProverClock {
            ProverClock(
                now: { self.pauses.reduce(self.start) { $0 + $1 } },
                pause: { duration, _ in self.taken.withLock { $0.append(duration) } })
        }
    }

    /// Streams that end at once are opened again after each pause; the last one ends at the deadline.
    @Test func pausesUntilTheDeadline() throws {
        let node = try MockProofNode(proving: .never, eventStreamsCutOff: 100)
        defer { node.stop() }
        let time = PausedTime()
        let result = outcome { () throws(ProvingError) in
            try Self.prover(
                node, timeout: .seconds(100), retryPause: .seconds(30), clock: time.clock
            ).prove(Self.statement(.rethSP1), witness: Self.witness)
        }
        #expect(result == .failure(.timedOut(after: .seconds(100))))
        #expect(time.pauses == [.seconds(30), .seconds(30), .seconds(30), .seconds(10)])
        // The request, and for each pause a stream and a question for the proof.
        #expect(node.log.count == 9)
    }

    // MARK: Cancelled

    @Test func canBeCancelledBefore() throws {
        let node = try MockProofNode(proving: .never)
        defer { node.stop() }
        let cancellation = HTTPClient.Cancellation()
        cancellation.cancel()
        let prover = Self.prover(node, timeout: .seconds(60), cancellation: cancellation)
        #expect(throws: ProvingError.unavailable("cancelled")) {
            _ = try prover.prove(Self.statement(.rethSP1), witness: Self.witness)
        }
        #expect(node.log.isEmpty)
    }

    /// Whatever it waits for, and however long it would wait: while the node says nothing to a request,
    /// on a stream or about a proof, and in a pause.
    @Test(
        .timeLimit(.minutes(5)),
        arguments: [
            (MockProofNode.Path.request, true), (.events, true), (.proof, true), (.proof, false),
        ]
    )
    func canBeCancelledMeanwhile(path: MockProofNode.Path, stalls: Bool) throws {
        let cancellation = HTTPClient.Cancellation()
        let node = try MockProofNode(
            proving: .never, vices: stalls ? [path: .stalls] : [:],
            eventStreamsCutOff: path == .proof ? 100 : 0,
            answered: { if $0 == path { cancellation.cancel() } })
        defer { node.stop() }
        let prover = Self.prover(
            node, timeout: .seconds(100_000), callTime: .seconds(100_000),
            retryPause: .seconds(100_000), cancellation: cancellation)
        #expect(throws: ProvingError.unavailable("cancelled")) {
            _ = try prover.prove(Self.statement(.rethSP1), witness: Self.witness)
        }
    }

    // MARK: Lies

    struct Lie: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let path: MockProofNode.Path
        let vice: MockProofNode.Vice
        let detail: String

        init(
            _ name: String, _ path: MockProofNode.Path, _ vice: MockProofNode.Vice,
            _ detail: String
        ) {
            testDescription = name
            self.path = path
            self.vice = vice
            self.detail = detail
        }
    }

    static let otherRoot = "0x" + String(repeating: "ab", count: 32)

    static func event(_ count: Int, root: String = otherRoot, type: String = "reth-sp1") -> [UInt8]
    {
        let one = """
            event: proof_complete
            data: {"new_payload_request_root":"\(root)","proof_type":"\(type)"}


            """
        return [UInt8](String(repeating: one, count: count).utf8)
    }

    static let lies = [
        Lie(
            "another root", .request,
            .says([UInt8]("{\"new_payload_request_root\":\"\(otherRoot)\"}".utf8)), "the root abab"),
        Lie(
            "a root that is none", .request,
            .says([UInt8]("{\"new_payload_request_root\":\"0x12\"}".utf8)), "no root"),
        Lie("no JSON", .request, .says([0xFF, 0xFE]), "unexpected byte"),
        Lie(
            "an endless answer", .request, .says(.init(repeating: 0x20, count: 70_000)),
            "more than 65536 bytes"),
        Lie("events about others without end", .events, .says(event(65)), "65 events"),
        Lie(
            "an event of an unknown type", .events, .says(event(1, type: "reth-tomorrow")),
            "an unknown proof_type"),
        Lie(
            "an event that is too large", .events,
            .says([UInt8]("data: ".utf8) + .init(repeating: 0x61, count: 20_000)), "eventTooLarge"),
        Lie("an empty proof", .proof, .says([]), "without bytes"),
        Lie("a proof of something else", .proof, .says([1, 2, 3]), "does not verify"),
        Lie(
            "a proof that is too large", .proof, .says(.init(repeating: 1, count: 5000)),
            "more than 4096 bytes"),
        Lie("announced and not there", .proof, .refuses(status: 404), "announced and not there"),
    ]

    @Test(arguments: lies) func findsOut(_ lie: Lie) throws {
        let node = try MockProofNode(vices: [lie.path: lie.vice])
        defer { node.stop() }
        let result = outcome { () throws(ProvingError) in
            try Self.prover(node).prove(Self.statement(.rethSP1), witness: Self.witness)
        }
        guard case .failure(.misbehaved(let detail)) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(detail.contains(lie.detail), "\(detail)")
    }

    @Test func nobodyThere() throws {
        let node = try MockProofNode()
        node.stop()
        let result = outcome { () throws(ProvingError) in
            try Self.prover(node).prove(Self.statement(.rethSP1), witness: Self.witness)
        }
        guard case .failure(.unavailable) = result else {
            Issue.record("\(result)")
            return
        }
        let rude = try MockProofNode(vices: [.request: .hangsUp])
        defer { rude.stop() }
        let cut = outcome { () throws(ProvingError) in
            try Self.prover(rude).prove(Self.statement(.rethSP1), witness: Self.witness)
        }
        guard case .failure(.unavailable) = cut else {
            Issue.record("\(cut)")
            return
        }
    }

    // MARK: Verifies

    @Test func verifies() throws {
        let node = try MockProofNode()
        defer { node.stop() }
        var registry = ProofSystemRegistry()
        registry.register(RemoteVerifier(client: Self.client(node), type: .rethSP1))
        let statement = Self.statement(.rethSP1)
        let proof = MockProofNode.proof(for: statement.input)
        var verdict = registry.verify(proof.span, of: statement)
        #expect(verdict == .valid)
        let wrong: [UInt8] = [1]
        verdict = registry.verify(wrong.span, of: statement)
        #expect(verdict == .invalid(ProofFault(.check, "the proof node says INVALID")))
        let large = [UInt8](repeating: 0, count: 5000)
        verdict = registry.verify(large.span, of: statement)
        #expect(verdict == .invalid(ProofFault(.size, "5000 bytes, at most 4096")))
    }

    /// What is no verdict makes the validator abstain.
    @Test func abstains() throws {
        let statement = Self.statement(.rethSP1)
        let proof = MockProofNode.proof(for: statement.input)
        for vice in [
            MockProofNode.Vice.refuses(status: 500), .refuses(status: 404), .stalls, .trickles,
            .hangsUp, .says([UInt8]("{\"status\":\"MAYBE\"}".utf8)), .says([]),
            .says(.init(repeating: 0x20, count: 70_000)),
        ] {
            let node = try MockProofNode(vices: [.verify: vice])
            defer { node.stop() }
            let client = Self.client(node, callTime: .milliseconds(500))
            let verifier = RemoteVerifier(client: client, type: .rethSP1)
            let verdict = verifier.verify(proof.span, of: statement, key: ())
            guard case .unsupported(.variant(.rethSP1, _)) = verdict else {
                Issue.record("\(vice): \(verdict)")
                continue
            }
        }
    }

    @Test func probes() throws {
        let honest = try MockProofNode()
        defer { honest.stop() }
        try RemoteVerifier(client: Self.client(honest), type: .rethSP1).probe(seed: 1)
        #expect(throws: RemoteVerifier.ProbeFailure.cannotVerify(.ethrexSP1)) {
            try RemoteVerifier(client: Self.client(honest), type: .ethrexSP1).probe(seed: 1)
        }
        let yes = try MockProofNode(
            vices: [.verify: .says([UInt8]("{\"status\":\"VALID\"}".utf8))])
        defer { yes.stop() }
        #expect(throws: RemoteVerifier.ProbeFailure.acceptsAnything) {
            try RemoteVerifier(client: Self.client(yes), type: .rethSP1).probe(seed: 1)
        }
        let picky = try MockProofNode(vices: [.verify: .refuses(status: 400)])
        defer { picky.stop() }
        try RemoteVerifier(client: Self.client(picky), type: .rethSP1).probe(seed: 1)
        let broken = try MockProofNode(vices: [.verify: .refuses(status: 500)])
        defer { broken.stop() }
        #expect(
            throws: RemoteVerifier.ProbeFailure.unreachable(
                .refused(status: 500, message: "not you"))
        ) { try RemoteVerifier(client: Self.client(broken), type: .rethSP1).probe(seed: 1) }
    }

    // MARK: Says what it can

    @Test func describesItself() throws {
        let node = try MockProofNode()
        defer { node.stop() }
        let client = Self.client(node)
        #expect(try client.isHealthy())
        #expect(
            try client.capabilities() == [
                .init(type: .rethSP1, canProve: true, canVerify: true),
                .init(type: .rethZisK, canProve: false, canVerify: true),
            ])
        let ill = try MockProofNode(vices: [.health: .refuses(status: 503)])
        defer { ill.stop() }
        #expect(try !Self.client(ill).isHealthy())
    }

    @Test func addresses() {
        for url in ["http://a", "https://a.b:80", "http://[::1]:3000/", "http://127.0.0.1:1"] {
            #expect(ProofNodeClient(url: url) != nil, "\(url)")
        }
        for url in ["", "a", "file:///etc", "http://", "http://a/b", "http://a?b", "http://a b"] {
            #expect(ProofNodeClient(url: url) == nil, "\(url)")
        }
    }
}
