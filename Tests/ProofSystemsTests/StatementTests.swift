import ChoraleBase
import Codec
import Crypto
import ProofSystems
import Testing

@Suite struct StatementTests {
    static func statement(
        operation: Bytes32 = digest("operation"), part: UInt32 = 2, partCount: UInt32 = 8,
        plan: Bytes32 = digest("plan"), type: ProofType = .groth16,
        program: Bytes32 = digest("program"), artefact: Bytes32 = digest("artefact"),
        input: Bytes32 = digest("input"), output: Bytes32 = digest("output"),
        prover: Bytes32 = digest("prover")
    ) -> ProofStatement {
        ProofStatement(
            operation: operation, part: part, partCount: partCount, plan: plan,
            key: VerifierKey(type: type, program: program, artefact: artefact), input: input,
            output: output, prover: prover)
    }

    @Test func bindingIsTheHashOfDomainAndFieldsInOrder() {
        let statement = Self.statement()
        var bytes = [UInt8]("chorale/proof-statement/1".utf8) + digest("operation").bytes
        bytes += [2, 0, 0, 0, 8, 0, 0, 0] + digest("plan").bytes + [67]
        bytes += digest("program").bytes + digest("artefact").bytes + digest("input").bytes
        bytes += digest("output").bytes + digest("prover").bytes
        #expect(statement.binding == SHA256.hash(bytes))
        #expect(statement.sszEncoded().count == ProofStatement.encodedSize)
        #expect(bytes.count == 25 + ProofStatement.encodedSize)
    }

    @Test func everyFieldChangesTheBinding() {
        let other = digest("other")
        let statements = [
            Self.statement(), Self.statement(operation: other), Self.statement(part: 3),
            Self.statement(partCount: 9), Self.statement(plan: other),
            Self.statement(type: .spartan), Self.statement(program: other),
            Self.statement(artefact: other), Self.statement(input: other),
            Self.statement(output: other), Self.statement(prover: other),
            // The same bytes in each other's places.
            Self.statement(input: digest("output"), output: digest("input")),
            Self.statement(program: digest("artefact"), artefact: digest("program")),
        ]
        #expect(Set(statements.map(\.binding)).count == statements.count)
    }

    @Test func decodesOnlyWhatItEncodes() throws {
        let statement = Self.statement()
        let bytes = statement.sszEncoded()
        #expect(try ProofStatement(ssz: bytes.span) == statement)
        for count in 0..<bytes.count {
            let short = Array(bytes.prefix(count))
            #expect(throws: SSZError.self) { try ProofStatement(ssz: short.span) }
        }
        var outside = bytes
        outside[32] = 8
        #expect(throws: SSZError.invalidValue("part 8 of 8")) {
            try ProofStatement(ssz: outside.span)
        }
    }

    @Test func typesHaveTheNumbersOfProofNodes() {
        let names = [
            "ethrex-risc0", "ethrex-sp1", "ethrex-zisk", "reth-openvm", "reth-risc0", "reth-sp1",
            "reth-zisk",
        ]
        for (number, name) in names.enumerated() {
            #expect(ProofType(name: name)?.rawValue == UInt8(number))
            #expect(ProofType(rawValue: UInt8(number)).name == name)
        }
        #expect(ProofType.spartan.rawValue == 64)
        #expect(ProofType(name: "none") == nil)
        #expect("\(ProofType(rawValue: 200))" == "type 200")
        #expect(Set(ProofType.named.map(\.type)).count == ProofType.named.count)
        #expect(Set(ProofType.named.map(\.name)).count == ProofType.named.count)
        #expect(ProofType.named.filter(\.type.isAttestation).count == 4)
    }
}
