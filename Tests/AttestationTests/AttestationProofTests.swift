import ChoraleBase
import Codec
import Crypto
import MadeEnclaves
import ProofSystems
import Testing

@testable import Attestation

/// Attestations behind the interface of proof systems.
@Suite struct AttestationProofTests {
    static let program = MadePlatform().quietMeasurement

    static func statement(
        part: UInt32 = 1, output: UInt8 = 5, prover: UInt8 = 6, rules: Bytes32
    ) -> ProofStatement {
        func bytes(_ value: UInt8) -> Bytes32 { Bytes32([UInt8](repeating: value, count: 32))! }
        return ProofStatement(
            operation: bytes(1), part: part, partCount: 4, plan: bytes(3),
            key: VerifierKey(type: .sgx, program: program, artefact: rules), input: bytes(4),
            output: bytes(output), prover: bytes(prover))
    }

    static func rules(_ change: (inout AttestationPolicy) -> Void = { _ in }) -> AttestationRules {
        var policy = AttestationPolicy(allowed: [])
        change(&policy)
        let now = UInt64(MadePlatform.now.milliseconds)
        return AttestationRules(times: now - 1000...now + 1000, policy: policy)!
    }

    /// A registry with one artefact, and what a good prover hands in for a statement under it.
    struct Setting {
        let registry: ProofSystemRegistry
        let statement: ProofStatement
        let proof: AttestationProof

        init(
            _ rules: AttestationRules = rules(), part: UInt32 = 1,
            change: (inout MadePlatform) -> Void = { _ in }
        ) throws {
            let artefact = rules.sszEncoded()
            statement = AttestationProofTests.statement(
                part: part, rules: SHA256.hash(artefact))
            var platform = MadePlatform()
            platform.enclave.replaceSubrange(
                320..<384, with: AttestationProofVerifier.attested(statement).reportData)
            change(&platform)
            let made = try platform.made()
            var registry = ProofSystemRegistry()
            registry.register(AttestationProofVerifier(.sgx, anchors: made.anchors))
            try registry.addArtefact(artefact.span, for: .sgx)
            self.registry = registry
            proof = AttestationProof(
                time: UInt64(MadePlatform.now.milliseconds), evidence: .init(made.evidence.bytes)!,
                collateral: .init(Collateral.intel(made.collateral).encoded)!)
        }

        func reason(
            _ proof: AttestationProof? = nil, of statement: ProofStatement? = nil
        ) -> ProofFault.Reason? {
            let bytes = (proof ?? self.proof).sszEncoded()
            switch registry.verify(bytes.span, of: statement ?? self.statement) {
            case .valid: return nil
            case .invalid(let fault): return fault.reason
            case .unsupported(let what):
                Issue.record("unsupported: \(what)")
                return nil
            }
        }
    }

    @Test func aGoodAttestationIsValid() throws {
        let setting = try Setting()
        #expect(setting.reason() == nil)
        #expect(setting.proof.sszEncoded().count <= AttestationProof.encodedSizeMax)
    }

    @Test func everyFieldOfTheStatementIsBound() throws {
        let setting = try Setting()
        let artefact = setting.statement.key.artefact
        for other in [
            Self.statement(part: 2, rules: artefact), Self.statement(output: 7, rules: artefact),
            Self.statement(prover: 7, rules: artefact),
        ] { #expect(setting.reason(of: other) == .notBound) }
        let said = setting.statement
        for other in [
            ProofStatement(
                operation: said.input, part: said.part, partCount: said.partCount,
                plan: said.plan, key: said.key, input: said.input, output: said.output,
                prover: said.prover),
            ProofStatement(
                operation: said.operation, part: said.part, partCount: said.partCount,
                plan: said.input, key: said.key, input: said.input, output: said.output,
                prover: said.prover),
            ProofStatement(
                operation: said.operation, part: said.part, partCount: said.partCount,
                plan: said.plan, key: said.key, input: said.output, output: said.output,
                prover: said.prover),
            ProofStatement(
                operation: said.operation, part: said.part, partCount: 5, plan: said.plan,
                key: said.key, input: said.input, output: said.output, prover: said.prover),
        ] { #expect(setting.reason(of: other) == .notBound) }
    }

    @Test func anotherProgramIsRefused() throws {
        let setting = try Setting { $0.enclave[64] = 1 }
        #expect(setting.reason() == .program)
    }

    @Test func timeIsChosenWithinTheRules() throws {
        let setting = try Setting()
        let now = UInt64(MadePlatform.now.milliseconds)
        func at(_ time: UInt64) -> AttestationProof {
            AttestationProof(
                time: time, evidence: setting.proof.evidence,
                collateral: setting.proof.collateral)
        }
        #expect(setting.reason(at(now - 1000)) == nil)
        #expect(setting.reason(at(now + 1000)) == nil)
        #expect(setting.reason(at(now - 1001)) == .expired)
        #expect(setting.reason(at(now + 1001)) == .expired)
        #expect(setting.reason(at(.max)) == .malformed)
    }

    @Test func rulesAreKept() throws {
        #expect(try Setting { $0.levelStatus = "OutOfDate" }.reason() == .expired)
        let lenient = Self.rules { $0.acceptedStatuses.insert(.outOfDate) }
        #expect(try Setting(lenient) { $0.levelStatus = "OutOfDate" }.reason() == nil)
        #expect(try Setting { $0.platformList.serials = [3] }.reason() == .expired)
        let caught = Self.rules {
            $0.revokedPlatforms = [SHA256.hash(MadePlatform.platformKey.subjectPublicKeyInfo)]
        }
        #expect(try Setting(caught).reason() == .expired)
        #expect(try Setting { $0.enclave[48] = 2 }.reason() == .program)
        #expect(try Setting { $0.platform.signer = MadePlatform.rootKey }.reason() == .check)
    }

    @Test func whatIsUnknownIsUnsupported() throws {
        let setting = try Setting()
        let bytes = setting.proof.sszEncoded()
        let other = Self.statement(rules: .zero)
        #expect(setting.registry.verify(bytes.span, of: other) == .unsupported(.artefact(.zero)))
    }

    @Test func malformedProofsAreRefused() throws {
        let setting = try Setting()
        let bytes = setting.proof.sszEncoded()
        for size in [1, 7, 15, 16, 17, 100, 4000, bytes.count - 1] {
            let cut = Array(bytes.prefix(size))
            guard
                case .invalid(let fault) = setting.registry.verify(cut.span, of: setting.statement)
            else {
                Issue.record("\(size) bytes are accepted")
                continue
            }
            #expect(fault.reason == .malformed || fault.reason == .check, "\(size) bytes")
        }
    }

    @Test func rulesHaveOneEncoding() throws {
        let rules = Self.rules {
            $0.acceptedStatuses = [.upToDate, .configurationNeeded]
            $0.minimumTCB = [.genoa: AMDTCB(bytes: [1, 2, 3, 4, 5, 6, 7, 8])!]
            $0.revokedPlatforms = [Bytes32([UInt8](1...32))!, Bytes32([UInt8](0...31))!]
            $0.evaluationNumberMin = 17
            $0.requiresAMDRevocationList = false
        }
        let bytes = rules.sszEncoded()
        #expect(try AttestationRules(ssz: bytes.span) == rules)
        let measurement = EnclaveMeasurement(kind: .sgx, digest: .zero)
        let policy = rules.policy(allowing: measurement)
        #expect(policy.acceptedStatuses == [.upToDate, .configurationNeeded])
        #expect(policy.minimumTCB == [.genoa: AMDTCB(bytes: [1, 2, 3, 4, 5, 6, 7, 8])!])
        #expect(policy.evaluationNumberMin == 17)
        #expect(!policy.requiresAMDRevocationList)
        #expect(policy.revokedPlatforms.count == 2)
        #expect(policy.allowed == [measurement: 0...0])

        var revokedStatus = bytes
        revokedStatus[16] |= 1 << 6
        var notBoolean = bytes
        notBoolean[17] = 2
        var backwards = bytes
        backwards.replaceSubrange(0..<8, with: [UInt8](repeating: 0x7F, count: 8))
        var unsorted = bytes
        unsorted.replaceSubrange(
            (bytes.count - 64)..<bytes.count, with: bytes.suffix(32) + bytes.suffix(64).prefix(32))
        for bad in [
            revokedStatus, notBoolean, backwards, unsorted, bytes + [0], Array(bytes.dropLast()),
        ] {
            #expect(throws: SSZError.self) { _ = try AttestationRules(ssz: bad.span) }
        }
    }
}

extension MadePlatform {
    /// What runs on the platform as it is.
    var quietMeasurement: Bytes32 {
        EnclaveIdentity.sgx(EnclaveReport(enclave[...])).measurement.digest
    }
}
