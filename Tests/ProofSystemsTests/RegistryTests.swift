import ChoraleBase
import Codec
import Crypto
import ProofSystems
import Testing

@Suite struct RegistryTests {
    static func statement(_ type: ProofType, artefact: Bytes32 = .zero) -> ProofStatement {
        StatementTests.statement(type: type, artefact: artefact)
    }

    @Test func unknownTypesAndAbsentArtefactsAreUnsupported() throws {
        var registry = ProofSystemRegistry()
        let proof: [UInt8] = [1]
        var verdict = registry.verify(proof.span, of: Self.statement(.nitro))
        #expect(verdict == .unsupported(.type(.nitro)))
        registry.register(EchoVerifier(type: .nitro))
        verdict = registry.verify(
            proof.span, of: Self.statement(.nitro, artefact: digest("elsewhere")))
        #expect(verdict == .unsupported(.artefact(digest("elsewhere"))))
        // Not even a proof that is too large says anything about what nobody here can check.
        let large = [UInt8](repeating: 0, count: 1 << 16)
        verdict = registry.verify(
            large.span, of: Self.statement(.nitro, artefact: digest("elsewhere")))
        #expect(verdict == .unsupported(.artefact(digest("elsewhere"))))
        #expect(registry.types == [.nitro])
    }

    @Test func verifiesUnderTheNamedArtefactOnly() throws {
        var registry = ProofSystemRegistry()
        registry.register(EchoVerifier(type: .groth16))
        let (first, second): ([UInt8], [UInt8]) = ([1, 1, 1, 1, 1], [2, 2, 2, 2, 2])
        let firstHash = try registry.addArtefact(first.span, for: .groth16)
        let secondHash = try registry.addArtefact(second.span, for: .groth16)
        #expect(firstHash == SHA256.hash(first))
        let statement = Self.statement(.groth16, artefact: firstHash)
        let proof = statement.binding.bytes + [1, 1, 1, 1]
        var verdict = registry.verify(proof.span, of: statement)
        #expect(verdict == .valid)
        let other = Self.statement(.groth16, artefact: secondHash)
        verdict = registry.verify(proof.span, of: other)
        #expect(verdict == .invalid(ProofFault(.notBound, "another statement")))
        #expect(registry.supports(statement.key))

        // An artefact that is forgotten is absent again.
        registry.removeArtefact(firstHash, for: .groth16)
        verdict = registry.verify(proof.span, of: statement)
        #expect(verdict == .unsupported(.artefact(firstHash)))
        #expect(registry.artefactsSize == 5)
    }

    @Test func proofsOutsideTheSizesAreInvalid() {
        var registry = ProofSystemRegistry()
        registry.register(EchoVerifier(type: .groth16))
        for count in [0, 65] {
            let proof = [UInt8](repeating: 0, count: count)
            let verdict = registry.verify(proof.span, of: Self.statement(.groth16))
            #expect(verdict == .invalid(ProofFault(.size, "\(count) bytes, at most 64")))
        }
    }

    @Test func artefactsAreBounded() throws {
        var limits = ProofSystemRegistry.Limits()
        limits.artefactSizeMax = 8
        limits.artefactsSizeMax = 12
        var registry = ProofSystemRegistry(limits: limits)
        registry.register(EchoVerifier(type: .groth16))
        func add(_ count: Int, _ byte: UInt8, _ type: ProofType = .groth16) throws {
            let bytes = [UInt8](repeating: byte, count: count)
            try registry.addArtefact(bytes.span, for: type)
        }
        #expect(throws: ArtefactError.unknownType(.spartan)) { try add(1, 0, .spartan) }
        #expect(throws: ArtefactError.size(found: 0, limit: 8)) { try add(0, 0) }
        #expect(throws: ArtefactError.size(found: 9, limit: 8)) { try add(9, 0) }
        #expect(throws: ArtefactError.refused("three bytes")) { try add(3, 0) }
        try add(8, 1)
        try add(8, 1)
        #expect(throws: ArtefactError.full(needed: 5, free: 4)) { try add(5, 0) }
        try add(4, 2)
        #expect(registry.artefactsSize == 12)
    }

    /// Printed, not judged: machines differ. What the framework adds to a verifier: decoding a sub-proof,
    /// its place in a plan of 64 parts, its binding, and finding the verifier.
    @Test func overhead() throws {
        let key = VerifierKey(type: .groth16, program: digest("program"))
        let plan = try SplitPlan(
            operation: digest("operation"),
            parts: (0..<64).map {
                .init(key: key, input: digest("state \($0)"), output: digest("state \($0 + 1)"))
            })
        var registry = ProofSystemRegistry()
        registry.register(EchoVerifier(type: .groth16))
        let bound = plan.statement(part: 63, prover: digest("prover")).binding.bytes
        let bytes = SubProof(plan: plan, part: 63, prover: digest("prover"), proof: bound)!
            .sszEncoded()
        let count = 1000
        let duration = try ContinuousClock().measure {
            for _ in 0..<count {
                let subProof = try SubProof(ssz: bytes.span)
                let statement = try plan.statement(of: subProof)
                let verdict = registry.verify(subProof.proof.bytes.span, of: statement)
                #expect(verdict == .valid)
            }
        }
        print("framework for each sub-proof: \(duration / count)")
    }
}
