import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import MadeEnclaves
import OrderedCollections
import ProofSystems
import Testing

@testable import Operations

/// Statements of enclaves: what they say, what is bound, and whose they are.
@Suite struct StatementTests {
    private static func fault(_ statement: EnclaveStatement) -> EnclaveFault? {
        do throws(EnclaveFault) {
            _ = try Fixture.enclaves.platform(of: statement, network: Fixture.network)
            return nil
        } catch {
            return error
        }
    }

    private static func reason(_ statement: EnclaveStatement) -> ProofFault.Reason? {
        guard case .evidence(let fault)? = fault(statement) else { return nil }
        return fault.reason
    }

    @Test func statementsRoundTrip() throws {
        let claim = Fixture.claim(by: 1)
        let statement = Fixture.statement(claim, by: 1)
        #expect(statement.content.statement == claim)
        #expect(statement.content.kind == .nitro)
        try checkCodec(statement, sizeMax: EnclaveStatement.encodedSizeMax)
        #expect(
            try Fixture.enclaves.platform(of: statement, network: Fixture.network)
                == MadeEnclave(1).platform)
        let contradiction = try #require(
            EnclaveContradiction(
                commitment: Fixture.commitment(by: 2).content,
                statement: Fixture.statement(Fixture.claim(output: "wrong", by: 1), by: 1)))
        #expect(contradiction.part == 1)
        try checkCodec(contradiction, sizeMax: EnclaveContradiction.encodedSizeMax)
    }

    /// The largest fits beside the largest commitment into what a block has for items.
    @Test func theLargestKeepsToItsBound() throws {
        func statement(_ size: Int) -> EnclaveStatement? {
            let claim = Fixture.claim(part: 63, of: 64, output: "wrong", by: 1)
            guard
                let body = SubProof(
                    plan: claim.plan, part: claim.part, input: claim.input, output: claim.output,
                    prover: claim.prover, type: .nitro, proof: [UInt8](repeating: 1, count: size)),
                let content = EnclaveStatementContent(
                    operation: claim.operation, partCount: 64, program: claim.key.program,
                    artefact: claim.key.artefact, body: body),
                let bytes = SignatureBytes([UInt8](repeating: 1, count: 96))
            else { return nil }
            return EnclaveStatement(
                content: content, signature: ExecutorSignature(scheme: .ed25519, bytes: bytes))
        }
        let largest = try #require(statement(EnclaveStatementContent.proofSizeMax))
        #expect(largest.sszEncoded().count == EnclaveStatement.encodedSizeMax)
        #expect(statement(EnclaveStatementContent.proofSizeMax + 1) == nil)
        #expect(statement(0) == nil)
        let commitment = Fixture.commitment(
            by: 2, parts: (0..<64).map { Fixture.part($0, types: [1, 2, 80, 255]) })
        let contradiction = try #require(
            EnclaveContradiction(commitment: commitment.content, statement: largest))
        let size = contradiction.sszEncoded().count
        #expect(size <= EnclaveContradiction.encodedSizeMax && size < 64 << 10)
    }

    @Test func whatIsNoStatementIsNone() throws {
        let claim = Fixture.claim(by: 1)
        func content(part: UInt32, count: UInt8, type: ProofType) throws
            -> EnclaveStatementContent?
        {
            let body = try #require(
                SubProof(
                    plan: claim.plan, part: part, input: claim.input, output: claim.output,
                    prover: claim.prover, type: type, proof: [1]))
            return EnclaveStatementContent(
                operation: claim.operation, partCount: count, program: .zero, artefact: .zero,
                body: body)
        }
        #expect(try content(part: 1, count: 2, type: .nitro) != nil)
        #expect(try content(part: 2, count: 2, type: .nitro) == nil)
        #expect(try content(part: 0, count: 0, type: .nitro) == nil)
        #expect(try content(part: 0, count: 65, type: .nitro) == nil)
        #expect(try content(part: 1, count: 2, type: .spartan) == nil)
        #expect(try content(part: 1, count: 2, type: ProofType(rawValue: 95)) == nil)
    }

    @Test func nobodyElsesWordCounts() {
        let claim = Fixture.claim(by: 1)
        #expect(Self.fault(Fixture.statement(claim, by: 1)) == nil)
        // Whoever has an enclave can have it vouch for another's key, and not sign it.
        #expect(
            Self.fault(Fixture.statement(claim, by: 1, signedBy: 2))
                == .badSignature(Fixture.key(1)))
        #expect(
            Self.fault(Fixture.statement(Fixture.claim(by: 1, artefact: .zero), by: 1))
                == .otherRules(.zero))
        // Evidence for something else.
        for other in [
            Fixture.claim(by: 2), Fixture.claim(part: 2, by: 1), Fixture.claim("other", by: 1),
            Fixture.claim(of: 4, by: 1), Fixture.claim(output: "other", by: 1),
        ] { #expect(Self.reason(Fixture.statement(claim, by: 1, says: other)) == .notBound) }
    }

    @Test func contradictionsAreOfOneComputation() throws {
        let commitment = Fixture.commitment(by: 2).content
        func isOne(_ claim: ProofStatement) -> Bool {
            EnclaveContradiction(
                commitment: commitment, statement: Fixture.statement(claim, by: 1)) != nil
        }
        #expect(isOne(Fixture.claim(output: "wrong", by: 1)))
        #expect(!isOne(Fixture.claim(by: 1)))
        #expect(!isOne(Fixture.claim("other", output: "wrong", by: 1)))
        #expect(!isOne(Fixture.claim(of: 4, output: "wrong", by: 1)))
        let claim = Fixture.claim(output: "wrong", by: 1)
        #expect(
            !isOne(
                ProofStatement(
                    operation: claim.operation, part: claim.part, partCount: claim.partCount,
                    plan: claim.plan, key: claim.key, input: Fixture.root("else"),
                    output: claim.output, prover: claim.prover)))
    }

    @Test func theListSaysForWhatAndWhen() throws {
        let registry = EnclaveRegistry(allowed: Fixture.enclaves.allowed)
        let measurement = MadeEnclave.measurement
        #expect(registry.allows(measurement, kind: 10, epoch: 1))
        #expect(registry.allows(measurement, kind: 10, epoch: 3))
        #expect(!registry.allows(measurement, kind: 10, epoch: 0))
        #expect(!registry.allows(measurement, kind: 10, epoch: 4))
        #expect(!registry.allows(measurement, kind: 7, epoch: 1))
        #expect(
            !registry.allows(
                EnclaveMeasurement(kind: .sgx, digest: measurement.digest), kind: 10, epoch: 1))
        #expect(Fixture.enclaves.epoch(of: 9) == 0 && Fixture.enclaves.epoch(of: 10) == 1)
    }

    @Test func registriesAreBounded() throws {
        var registry = EnclaveRegistry(allowed: Fixture.enclaves.allowed)
        for index in 0...EnclaveRegistry.revokedMax { registry.revoke(Fixture.root("\(index)")) }
        registry.revoke(Fixture.root("5"))
        #expect(registry.revoked.count == EnclaveRegistry.revokedMax)
        #expect(!registry.revoked.contains(Fixture.root("0")))
        #expect(registry.revoked.contains(Fixture.root("1")))
        try checkCodec(EnclaveRegistry(allowed: Fixture.enclaves.allowed), sizeMax: 59)
        let bytes = registry.sszEncoded()
        #expect(try EnclaveRegistry(ssz: bytes.span) == registry)
        var twice = bytes
        twice.replaceSubrange(59..<91, with: bytes[91..<123])
        #expect(throws: SSZError.self) { _ = try EnclaveRegistry(ssz: twice.span) }
    }
}
