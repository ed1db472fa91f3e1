import ChoraleBase
import ProofSystems
import Spartan
import Testing

@testable import Inference

/// From a model to proofs of its parts, and what is refused on the way.
@Suite(.serialized) struct InferenceJobTests {
    static let operation = bytes(0x0A)
    static let prover = bytes(0x0B)

    static func bytes(_ byte: UInt8) -> Bytes32 { Bytes32([UInt8](repeating: byte, count: 32))! }

    /// An execution of a small model, and proofs of all its parts.
    struct Run {
        let job: InferenceJob
        let input: QuantisedVector
        let execution: Execution
        let plan: SplitPlan
        let proofs: [[UInt8]]

        init(_ model: QuantisedModel, input: QuantisedVector) throws {
            job = try InferenceJob(model)
            self.input = input
            execution = try model.execute(input)
            let plan = job.splitPlan(operation: InferenceJobTests.operation, execution: execution)
            self.plan = plan
            let (job, execution) = (job, execution)
            proofs = try plan.parts.indices.map {
                try job.prove(
                    part: $0, of: execution,
                    binding: plan.statement(part: $0, prover: InferenceJobTests.prover).binding)
            }
        }

        func statement(_ part: Int) -> ProofStatement {
            plan.statement(part: part, prover: InferenceJobTests.prover)
        }
    }

    func verify(_ proof: [UInt8], _ statement: ProofStatement, _ job: InferenceJob) throws {
        try job.verify(proof.span, of: statement)
    }

    /// 6 → 12 → 4 in three parts, the first layer being divided.
    static let run = Result {
        let model = try QuantisedModel.synthetic(
            widths: [6, 12, 4], partConstraintCountMax: 256, seed: 11)
        return try Run(model, input: model.syntheticInput(seed: 12))
    }

    @Test func allPartsVerifyAndThePlanIsThatOfModelInputAndOutput() throws {
        let run = try Self.run.get()
        #expect(run.job.partCount == 3)
        try run.job.check(run.plan, input: run.input, output: run.execution.output)
        var registry = ProofSystemRegistry()
        registry.register(InferenceVerifier())
        let file = run.job.model.encoded()
        let hash = try registry.addArtefact(file.span, for: .spartan)
        #expect(hash == run.job.model.hash)
        for part in run.plan.parts.indices {
            let proof = run.proofs[part]
            let verdict = registry.verify(proof.span, of: run.statement(part))
            #expect(verdict == .valid)
        }
    }

    @Test func withoutTheModelNothingIsJudged() throws {
        let run = try Self.run.get()
        var registry = ProofSystemRegistry()
        registry.register(InferenceVerifier())
        let proof = run.proofs[0]
        let verdict = registry.verify(proof.span, of: run.statement(0))
        #expect(verdict == .unsupported(.artefact(run.job.model.hash)))
    }

    @Test func aProofServesNoOtherPartProverOrOperation() throws {
        let run = try Self.run.get()
        let verifier = InferenceVerifier()
        func verdict(_ proof: [UInt8], _ statement: ProofStatement) -> ProofVerdict {
            verifier.verify(proof.span, of: statement, key: run.job)
        }
        func isInvalid(_ verdict: ProofVerdict) -> Bool {
            if case .invalid = verdict { true } else { false }
        }
        let stolen = run.plan.statement(part: 0, prover: Self.bytes(0x0C))
        #expect(isInvalid(verdict(run.proofs[0], stolen)))
        let other = run.job.splitPlan(operation: Self.bytes(0x0D), execution: run.execution)
        #expect(isInvalid(verdict(run.proofs[0], other.statement(part: 0, prover: Self.prover))))
        for part in run.proofs.indices {
            for statement in run.proofs.indices where statement != part {
                #expect(isInvalid(verdict(run.proofs[part], run.statement(statement))))
            }
        }
    }

    /// An executor who claims another output can prove nothing about it: neither the last part with that
    /// output, nor with the honest proof.
    @Test func aWrongOutputHasNoProof() throws {
        let run = try Self.run.get()
        let last = run.plan.parts.count - 1
        guard case .int32(var values) = run.execution.output else {
            Issue.record("the last layer gives accumulators")
            return
        }
        values[0] += 1
        let lie = QuantisedVector.int32(values)
        var parts = run.plan.parts
        parts[last] = SplitPlan.Part(
            key: parts[last].key, input: parts[last].input, output: lie.commitment)
        let plan = try SplitPlan(operation: Self.operation, parts: parts)
        // As a plan it is in order.
        try run.job.check(plan, input: run.input, output: lie)
        let statement = plan.statement(part: last, prover: Self.prover)
        var assignment = run.job.model.assignment(
            of: run.job.plan.parts[last], in: run.execution)
        assignment.outputs[0] = assignment.outputs[0] + 1
        #expect(throws: SpartanProvingError.violatedConstraint(row: 0)) {
            try Spartan.prove(
                shape: run.job.circuit(part: last), assignment: assignment,
                binding: statement.binding)
        }
        let honest = try run.job.prove(
            part: last, of: run.execution, binding: statement.binding)
        #expect(throws: InferenceFault.self) { try verify(honest, statement, run.job) }
        #expect(
            throws: InferenceFault.output(found: plan.output, expected: run.plan.output)
        ) { try run.job.check(plan, input: run.input, output: run.execution.output) }
    }

    @Test func plansOfOtherModelsInputsAndPartsAreRefused() throws {
        let run = try Self.run.get()
        let (job, output) = (run.job, run.execution.output)
        let otherModel = try QuantisedModel.synthetic(
            widths: [6, 12, 4], partConstraintCountMax: 256, seed: 99)
        let other = try InferenceJob(otherModel)
        let foreign = other.splitPlan(
            operation: Self.operation, execution: try otherModel.execute(run.input))
        #expect(
            throws: InferenceFault.key(
                part: 0, found: other.key(part: 0), expected: job.key(part: 0))
        ) { try job.check(foreign, input: run.input, output: output) }

        let otherInput = job.model.syntheticInput(seed: 13)
        #expect(
            throws: InferenceFault.input(
                found: run.plan.input, expected: otherInput.commitment)
        ) { try job.check(run.plan, input: otherInput, output: output) }

        let short = try SplitPlan(operation: Self.operation, parts: run.plan.parts.dropLast())
        #expect(throws: InferenceFault.partCount(found: 2, expected: 3)) {
            try job.check(short, input: run.input, output: output)
        }
        #expect(throws: InferenceFault.inputShape) {
            try job.check(run.plan, input: .int8([1]), output: output)
        }
        // The same numbers, and so the same commitment, but not what the model gives.
        let narrow = QuantisedVector.int8(output.values.map { Int8(truncatingIfNeeded: $0) })
        #expect(throws: InferenceFault.outputShape) {
            try job.check(run.plan, input: run.input, output: narrow)
        }
    }

    @Test func statementsOfOtherProgramsAndModelsAreRefused() throws {
        let run = try Self.run.get()
        let right = run.statement(0)
        func statement(_ key: VerifierKey, partCount: UInt32 = 3) -> ProofStatement {
            ProofStatement(
                operation: right.operation, part: 0, partCount: partCount, plan: right.plan,
                key: key, input: right.input, output: right.output, prover: right.prover)
        }
        let rows: [(VerifierKey, UInt32, ProofFault.Reason)] = [
            (
                VerifierKey(type: .spartan, program: .zero, artefact: right.key.artefact), 3,
                .program
            ),
            (
                VerifierKey(type: .spartan, program: right.key.program, artefact: .zero), 3, .key
            ),
            (
                VerifierKey(
                    type: .groth16, program: right.key.program, artefact: right.key.artefact), 3,
                .key
            ),
            (right.key, 2, .program),
        ]
        for (key, partCount, reason) in rows {
            let wrong = statement(key, partCount: partCount)
            // Proven for exactly this statement, so that nothing else is wrong with it.
            let proof = try run.job.prove(part: 0, of: run.execution, binding: wrong.binding)
            let verdict = InferenceVerifier().verify(proof.span, of: wrong, key: run.job)
            guard case .invalid(let fault) = verdict else {
                Issue.record("\(key) is \(verdict)")
                continue
            }
            #expect(fault.reason == reason)
        }
    }

    @Test func damagedProofsAreRefusedWithAReason() throws {
        let run = try Self.run.get()
        let proof = run.proofs[1]
        let statement = run.statement(1)
        var random = DeterministicRandom(seed: 5)
        for _ in 0..<64 {
            var damaged = proof
            damaged[random.below(proof.count)] ^= 1 << UInt8(random.below(8))
            #expect(throws: InferenceFault.self) {
                try verify(damaged, statement, run.job)
            }
        }
        for size in [0, 1, proof.count - 1] {
            let cut = Array(proof[..<size])
            let verdict = InferenceVerifier().verify(cut.span, of: statement, key: run.job)
            guard case .invalid(let fault) = verdict else {
                Issue.record("\(size) bytes are \(verdict)")
                continue
            }
            #expect(fault.reason == .size)
        }
    }

    @Test func aProverMakesTheSameProofOfTheInputAlone() throws {
        let run = try Self.run.get()
        let prover = InferenceProver(run.job)
        let proof = try prover.prove(run.statement(1), witness: run.input.encoded())
        #expect(proof == run.proofs[1])
        let other = run.job.model.syntheticInput(seed: 13)
        #expect(throws: ProvingError.self) {
            try prover.prove(run.statement(1), witness: other.encoded())
        }
        #expect(throws: ProvingError.self) { try prover.prove(run.statement(1), witness: [1, 2]) }
    }

    @Test func artefactsThatAreNoModelsAreRefused() {
        var registry = ProofSystemRegistry()
        registry.register(InferenceVerifier())
        #expect(throws: ArtefactError.refused("badMagic")) {
            let file = [UInt8](repeating: 1, count: 40)
            try registry.addArtefact(file.span, for: .spartan)
        }
    }

    /// The digits model whole. Prints what it takes; judges only that all holds.
    @Test func digitsIsExecutedProvenAndVerified() throws {
        let model = try Samples.model("digits")
        let clock = ContinuousClock()
        var (job, execution, plan): (InferenceJob?, Execution?, SplitPlan?) = (nil, nil, nil)
        let input = try QuantisedVector(decoding: try Samples.file("digits/inputs/7.input"))
        let preparing = try clock.measure { job = try InferenceJob(model) }
        let ready = try #require(job)
        let executing = try clock.measure { execution = try model.execute(input) }
        let done = try #require(execution)
        let planning = clock.measure {
            plan = ready.splitPlan(operation: Self.operation, execution: done)
        }
        let split = try #require(plan)
        var proving: [Duration] = []
        var verifying: [Duration] = []
        var sizes: [Int] = []
        for part in 0..<ready.partCount {
            let statement = split.statement(part: part, prover: Self.prover)
            var proof: [UInt8] = []
            proving.append(
                try clock.measure {
                    proof = try ready.prove(part: part, of: done, binding: statement.binding)
                })
            verifying.append(
                try clock.measure { try ready.verify(proof.span, of: statement) })
            sizes.append(proof.count)
        }
        try ready.check(split, input: input, output: done.output)
        print(
            "digits: prepare \(preparing), execute \(executing), commit \(planning),",
            "prove \(proving.reduce(.zero, +)) \(proving),",
            "verify \(verifying.reduce(.zero, +)) \(verifying), bytes \(sizes)")
        #expect(done.output.indexOfMaximum == 7)
    }

    /// Half a million weights: as `digits`, and the largest part is proven with all it has.
    @Test func aLargerModelIsExecutedProvenAndVerified() throws {
        let clock = ContinuousClock()
        let model = try QuantisedModel.synthetic(widths: [784, 512, 256, 10], seed: 2026)
        let job = try InferenceJob(model)
        var execution: Execution?
        let executing = try clock.measure {
            execution = try model.execute(model.syntheticInput(seed: 1))
        }
        let done = try #require(execution)
        let plan = job.splitPlan(operation: Self.operation, execution: done)
        for part in plan.parts.indices {
            let statement = plan.statement(part: part, prover: Self.prover)
            var proof: [UInt8] = []
            let proving = try clock.measure {
                proof = try job.prove(part: part, of: done, binding: statement.binding)
            }
            let verifying = try clock.measure { try job.verify(proof.span, of: statement) }
            let circuit = job.circuit(part: part)
            print(
                "larger: execute \(executing), part \(part): \(circuit.constraintCount)",
                "constraints, \(circuit.entryCount) entries, prove \(proving),",
                "verify \(verifying), \(proof.count) bytes")
        }
    }
}
