import ChoraleBase
import Codec
import ProofSystems
import Testing

@Suite struct SplitPlanTests {
    @Test func partsThatDoNotMeetAreNoPlan() throws {
        let plan = samplePlan()
        var parts = plan.parts
        parts.swapAt(1, 2)
        #expect(
            throws: SplitPlan.PlanFault.broken(
                after: 0, output: digest("state 1"), nextInput: digest("state 2"))
        ) { try SplitPlan(operation: plan.operation, parts: parts) }
        #expect(throws: SplitPlan.PlanFault.partCount(found: 0, limit: 256)) {
            try SplitPlan(operation: plan.operation, parts: [])
        }
        let same = SplitPlan.Part(
            key: plan.parts[0].key, input: digest("state"), output: digest("state"))
        #expect(throws: SplitPlan.PlanFault.partCount(found: 257, limit: 256)) {
            try SplitPlan(
                operation: plan.operation, parts: .init(repeating: same, count: 257))
        }
    }

    @Test func rootNamesEverything() throws {
        let plan = samplePlan()
        var roots: Set<Bytes32> = [plan.root, samplePlan(operation: "other").root]
        roots.insert(samplePlan(parts: 3).root)
        roots.insert(samplePlan(parts: 5).root)
        let key = VerifierKey(type: .groth16, program: digest("program"))
        var parts = plan.parts
        parts[3] = .init(key: key, input: parts[3].input, output: parts[3].output)
        roots.insert(try SplitPlan(operation: plan.operation, parts: parts).root)
        parts = plan.parts
        parts[3] = .init(key: parts[3].key, input: parts[3].input, output: digest("lie"))
        roots.insert(try SplitPlan(operation: plan.operation, parts: parts).root)
        #expect(roots.count == 6)
        #expect(plan.input == digest("state 0"))
        #expect(plan.output == digest("state 4"))
    }

    @Test func decodesOnlyPlansThatHold() throws {
        let plan = samplePlan()
        let bytes = plan.sszEncoded()
        #expect(try SplitPlan(ssz: bytes.span) == plan)
        #expect(bytes.count == 36 + 4 * 129)
        for count in 0..<bytes.count {
            let short = Array(bytes.prefix(count))
            // Whole parts fewer are a shorter plan, and another root.
            guard (count - 36) % 129 != 0 || count <= 36 else { continue }
            #expect(throws: SSZError.self) { try SplitPlan(ssz: short.span) }
        }
        var broken = bytes
        broken[36 + 129 + 65] ^= 1
        #expect(throws: SSZError.self) { try SplitPlan(ssz: broken.span) }
    }

    @Test func partsInAnyOrderAreThePlan() throws {
        let plan = samplePlan()
        let statements = try plan.statements(of: sampleSubProofs(plan).reversed())
        #expect(statements.map(\.part) == [0, 1, 2, 3])
        for (index, statement) in statements.enumerated() {
            #expect(statement == plan.statement(part: index, prover: digest("prover")))
            #expect(statement.input == digest("state \(index)"))
            #expect(statement.output == digest("state \(index + 1)"))
        }
    }

    struct Refusal: CustomTestStringConvertible, Sendable {
        let name: String
        let fault: ChainFault
        let change: @Sendable (inout [SubProof]) -> Void

        init(
            _ name: String, _ fault: ChainFault,
            _ change: @escaping @Sendable (inout [SubProof]) -> Void
        ) {
            self.name = name
            self.fault = fault
            self.change = change
        }

        var testDescription: String { name }
    }

    static func altered(
        _ proof: SubProof, plan: Bytes32? = nil, part: UInt32? = nil, input: Bytes32? = nil,
        output: Bytes32? = nil, type: ProofType? = nil
    ) -> SubProof {
        SubProof(
            plan: plan ?? proof.plan, part: part ?? proof.part, input: input ?? proof.input,
            output: output ?? proof.output, prover: proof.prover, type: type ?? proof.type,
            proof: proof.proof.bytes)!
    }

    static let refusals = [
        Refusal("a part is missing", .missing(part: 2)) { $0.remove(at: 2) },
        Refusal("all parts are missing", .missing(part: 0)) { $0 = [] },
        Refusal("a part comes twice", .duplicated(part: 1)) { $0[2] = $0[1] },
        Refusal("two parts are swapped", .swapped(part: 1, actual: 2)) {
            let (second, third) = ($0[1], $0[2])
            $0[1] = altered(third, part: 1)
            $0[2] = altered(second, part: 2)
        },
        Refusal(
            "a part of another plan",
            .foreignPlan(
                found: samplePlan(operation: "other").root, expected: samplePlan().root)
        ) { $0[3] = sampleSubProofs(samplePlan(operation: "other"))[3] },
        Refusal("a part that the plan has not", .foreignPart(part: 4, partCount: 4)) {
            $0.append(altered($0[3], part: 4))
        },
        Refusal(
            "a part with another input",
            .input(
                part: 1, found: digest("lie"), expected: digest("state 1"))
        ) { $0[1] = altered($0[1], input: digest("lie")) },
        Refusal(
            "a part with another output",
            .output(
                part: 1, found: digest("lie"), expected: digest("state 2"))
        ) { $0[1] = altered($0[1], output: digest("lie")) },
        Refusal(
            "a part by another system",
            .type(
                part: 0, found: .nitro, expected: .spartan)
        ) { $0[0] = altered($0[0], type: .nitro) },
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        let plan = samplePlan()
        var subProofs = sampleSubProofs(plan)
        row.change(&subProofs)
        let changed = subProofs
        #expect(throws: row.fault) { try plan.statements(of: changed) }
    }

    @Test func containersRoundTrip() throws {
        let plan = samplePlan()
        let subProof = sampleSubProofs(plan)[2]
        let bytes = subProof.sszEncoded()
        #expect(try SubProof(ssz: bytes.span) == subProof)
        let tooLarge = SubProof(
            plan: plan, part: 0, prover: .zero,
            proof: .init(repeating: 0, count: SubProof.proofSizeMax + 1))
        #expect(tooLarge == nil)

        let reference = ProofRef(
            hash: digest("body"), operation: plan.operation, size: bytes.count, part: 2,
            type: .spartan)!
        let encoded = reference.sszEncoded()
        #expect(encoded.count == 73)
        #expect(try ProofRef(ssz: encoded.span) == reference)
        var empty = encoded
        for index in 64..<68 { empty[index] = 0 }
        #expect(throws: SSZError.invalidValue("a proof of 0 bytes of part 2")) {
            try ProofRef(ssz: empty.span)
        }
    }
}
