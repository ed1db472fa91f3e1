import ChoraleBase
import Crypto
import Curves
import ProofSystems
import Testing

@testable import Groth16

/// The verifiers behind the common interface: what a proof must contain to be one of a statement.
@Suite struct AdapterTests {
    static func digest(_ text: String) -> Bytes32 {
        var digest = SHA256.hash([UInt8](text.utf8))
        // Programs of SP1 are scalars.
        digest.storage[0] &= 0x1F
        return digest
    }

    static func statement(
        _ type: ProofType, artefact: Bytes32, program: Bytes32 = digest("program"),
        operation: Bytes32 = digest("operation"), part: UInt32 = 1,
        input: Bytes32 = digest("input"), output: Bytes32 = digest("output"),
        prover: Bytes32 = digest("prover")
    ) -> ProofStatement {
        ProofStatement(
            operation: operation, part: part, partCount: 4, plan: digest("plan"),
            key: VerifierKey(type: type, program: program, artefact: artefact), input: input,
            output: output, prover: prover)
    }

    /// Statements that differ from `statement(…)` in one thing each: what a thief would want.
    static func others(_ type: ProofType, artefact: Bytes32, program: Bytes32) -> [ProofStatement] {
        [
            statement(type, artefact: artefact, program: program, operation: digest("other")),
            statement(type, artefact: artefact, program: program, part: 2),
            statement(type, artefact: artefact, program: program, input: digest("other")),
            statement(type, artefact: artefact, program: program, output: digest("other")),
            statement(type, artefact: artefact, program: program, prover: digest("thief")),
        ]
    }

    func reason(_ verdict: ProofVerdict) -> ProofFault.Reason? {
        guard case .invalid(let fault) = verdict else { return nil }
        return fault.reason
    }

    static func bound(_ statement: ProofStatement) -> [UInt8] {
        statement.binding.bytes + statement.input.bytes + statement.output.bytes
    }

    // MARK: SP1

    @Test(arguments: [false, true]) func sp1(isVersion6: Bool) throws {
        let root = isVersion6 ? Self.digest("root") : nil
        let trapdoor = Trapdoor<BN254>(seed: 1, inputCount: isVersion6 ? 5 : 2)
        let file = trapdoor.gnarkFile
        let release = SP1Release(
            name: "test", system: .groth16, keyHash: SHA256.hash(file), recursionRoot: root)
        var registry = ProofSystemRegistry()
        registry.register(SP1Verifier(type: .groth16SP1, releases: [release]))
        let artefact = try registry.addArtefact(file.span, for: .groth16SP1)
        let statement = Self.statement(.groth16SP1, artefact: artefact)

        func proof(_ values: [UInt8], exitCode: UInt64 = 0) -> [UInt8] {
            var inputs: [Scalar<BN254.Order>] = [
                Scalar(statement.key.program.storage.span)!, SP1Key.digest(values.span),
            ]
            var bytes = Array(artefact.bytes.prefix(4))
            if let root {
                let words: [Scalar<BN254.Order>] = [
                    Scalar(exitCode), Scalar(root.storage.span)!, Scalar(9),
                ]
                inputs += words
                for word in words { bytes += word.bytes }
            }
            return bytes + trapdoor.proof(of: inputs).uncompressed + values
        }

        let values = Self.bound(statement) + [1, 2, 3]
        let valid = proof(values)
        var verdict = registry.verify(valid.span, of: statement)
        #expect(verdict == .valid)
        for other in Self.others(
            .groth16SP1, artefact: artefact, program: statement.key.program)
        {
            verdict = registry.verify(valid.span, of: other)
            #expect(reason(verdict) == .notBound)
            // With the values of the other statement in their place the proof is one of nothing.
            let stolen = Array(valid.prefix(valid.count - values.count)) + Self.bound(other)
            verdict = registry.verify(stolen.span, of: other)
            #expect(reason(verdict) == .check)
        }
        let otherProgram = Self.statement(
            .groth16SP1, artefact: artefact, program: Self.digest("other"))
        let moved =
            Array(valid.prefix(valid.count - values.count)) + Self.bound(otherProgram) + [1, 2, 3]
        verdict = registry.verify(moved.span, of: otherProgram)
        #expect(reason(verdict) == .check)
        let unbound = proof([1, 2, 3])
        verdict = registry.verify(unbound.span, of: statement)
        #expect(reason(verdict) == .notBound)
        if isVersion6 {
            let failed = proof(values, exitCode: 1)
            verdict = registry.verify(failed.span, of: statement)
            #expect(reason(verdict) == .program)
        }
        for index in 0..<valid.count {
            var changed = valid
            changed[index] ^= 1
            guard index % 13 == 0 || index < 40 else { continue }
            verdict = registry.verify(changed.span, of: statement)
            #expect(reason(verdict) != nil, "byte \(index)")
        }
        for count in stride(from: 0, to: valid.count, by: 3) {
            let short = Array(valid.prefix(count))
            verdict = registry.verify(short.span, of: statement)
            #expect(reason(verdict) != nil, "\(count) bytes")
        }
    }

    @Test func keysOfNoReleaseAreRefused() throws {
        var registry = ProofSystemRegistry()
        registry.register(SP1Verifier.groth16)
        registry.register(SP1Verifier.plonk)
        let file = Trapdoor<BN254>(seed: 1, inputCount: 2).gnarkFile
        let hash = SHA256.hash(file)
        let expected = ArtefactError.refused(
            "\(VerifyingKeyFault.unknown("no release of SP1 has the key \(hash)"))")
        #expect(throws: expected) { try registry.addArtefact(file.span, for: .groth16SP1) }
        #expect(throws: expected) { try registry.addArtefact(file.span, for: .plonkSP1) }
        let statement = Self.statement(.groth16SP1, artefact: hash)
        let proof = [UInt8](repeating: 0, count: 400)
        let verdict = registry.verify(proof.span, of: statement)
        #expect(verdict == .unsupported(.artefact(hash)))
    }

    @Test func sp1KeyOfTheWrongNumberOfInputs() {
        let file = Trapdoor<BN254>(seed: 1, inputCount: 5).gnarkFile
        // Five inputs and no root would let anybody's recursion programs in.
        let release = SP1Release(name: "test", system: .groth16, keyHash: SHA256.hash(file))
        #expect(throws: VerifyingKeyFault.inputCount(found: 5, limit: 2)) {
            try SP1Key(file: file.span, releases: [release])
        }
    }

    // MARK: RISC Zero

    @Test func riscZero() throws {
        let trapdoor = Trapdoor<BN254>(seed: 2, inputCount: 5)
        let bytes = RISCZeroKey.artefact(
            controlRoot: SHA256.hash([1]), controlID: Self.digest("control"),
            key: trapdoor.points)
        var registry = ProofSystemRegistry()
        registry.register(RISCZeroVerifier())
        let artefact = try registry.addArtefact(bytes.span, for: .groth16RISCZero)
        let key = try RISCZeroKey(artefact: bytes.span)
        let image = SHA256.hash([2])
        let statement = Self.statement(.groth16RISCZero, artefact: artefact, program: image)

        let journal = Self.bound(statement) + [4, 5]
        let claim = RISCZeroClaim(imageID: image, journal: journal.span)
        let seal =
            key.parameters.bytes.prefix(4) + trapdoor.proof(of: key.inputs(claim)).uncompressed
        let valid = seal + journal
        var verdict = registry.verify(valid.span, of: statement)
        #expect(verdict == .valid)
        for other in Self.others(.groth16RISCZero, artefact: artefact, program: image) {
            verdict = registry.verify(valid.span, of: other)
            #expect(reason(verdict) == .notBound)
            let stolen = seal + Self.bound(other) + [4, 5]
            verdict = registry.verify(stolen.span, of: other)
            #expect(reason(verdict) == .check)
        }
        let otherImage = Self.statement(
            .groth16RISCZero, artefact: artefact, program: SHA256.hash([3]))
        let moved = seal + Self.bound(otherImage)
        verdict = registry.verify(moved.span, of: otherImage)
        #expect(reason(verdict) == .check)
        for count in 0..<valid.count {
            let short = Array(valid.prefix(count))
            verdict = registry.verify(short.span, of: statement)
            #expect(reason(verdict) != nil, "\(count) bytes")
        }
        for index in 0..<4 {
            var changed = valid
            changed[index] ^= 1
            verdict = registry.verify(changed.span, of: statement)
            #expect(reason(verdict) == .key)
        }
        for count in [0, 895, 897] {
            let other = Array((bytes + [0]).prefix(count))
            #expect(throws: ArtefactError.self) {
                try registry.addArtefact(other.span, for: .groth16RISCZero)
            }
        }
    }

    // MARK: Circuits

    func circuit<Curve: ProofCurve>(_: Curve.Type, name: String) throws {
        let trapdoor = Trapdoor<Curve>(seed: 3, inputCount: 7)
        let file = trapdoor.snarkKey(curve: name)
        var registry = ProofSystemRegistry()
        registry.register(CircuitVerifier())
        let artefact = try registry.addArtefact(file.span, for: .groth16)
        let statement = Self.statement(.groth16, artefact: artefact, program: artefact)

        func proof(_ inputs: [UInt8]) throws -> [UInt8] {
            let scalars = try Groth16Key<Curve>.inputs(
                inputs.span, at: 0, count: inputs.count / 32)
            return trapdoor.proof(of: scalars).uncompressed + inputs
        }
        let inputs =
            CircuitVerifier.boundInputs(of: statement) + [UInt8](repeating: 0, count: 31) + [5]
        let valid = try proof(inputs)
        var verdict = registry.verify(valid.span, of: statement)
        #expect(verdict == .valid)
        for other in Self.others(.groth16, artefact: artefact, program: artefact) {
            verdict = registry.verify(valid.span, of: other)
            #expect(reason(verdict) == .notBound)
            let stolen =
                Array(valid.prefix(Groth16Proof<Curve>.size))
                + CircuitVerifier.boundInputs(of: other) + inputs.suffix(32)
            verdict = registry.verify(stolen.span, of: other)
            #expect(reason(verdict) == .check)
        }
        let otherProgram = Self.statement(.groth16, artefact: artefact)
        verdict = registry.verify(valid.span, of: otherProgram)
        #expect(reason(verdict) == .program)
        // The same residue is another statement.
        let order = (-Scalar<Curve.Order>.one).bytes
        var large = Array(valid.dropLast(32)) + order
        large[large.count - 1] += 6
        verdict = registry.verify(large.span, of: statement)
        #expect(reason(verdict) == .malformed)
        verdict = registry.verify((valid + [0]).span, of: statement)
        #expect(reason(verdict) == .size)
        for index in stride(from: 0, to: valid.count, by: 7) {
            var changed = valid
            changed[index] ^= 1
            verdict = registry.verify(changed.span, of: statement)
            #expect(reason(verdict) != nil, "byte \(index)")
        }

        // A circuit that takes less than the statement proves nothing of it.
        let small = Trapdoor<Curve>(seed: 4, inputCount: 2)
        let smallFile = small.snarkKey(curve: name)
        let smallHash = try registry.addArtefact(smallFile.span, for: .groth16)
        let smallStatement = Self.statement(.groth16, artefact: smallHash, program: smallHash)
        let some = small.proof(of: [.one, .one]).uncompressed + Scalar<Curve.Order>.one.bytes
        verdict = registry.verify(
            (some + Scalar<Curve.Order>.one.bytes).span, of: smallStatement)
        #expect(reason(verdict) == .notBound)
    }

    @Test func circuits() throws {
        try circuit(BN254.self, name: "bn128")
        try circuit(BLS12381.self, name: "bls12381")
    }
}
