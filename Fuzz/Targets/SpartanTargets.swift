import ChoraleBase
import Spartan

extension FuzzTarget {
    static let spartanTargets: [FuzzTarget] = [
        FuzzTarget(
            "spartan-proof",
            "a proof; what decodes has one encoding, and no change to a true proof is accepted",
            sizeMax: 2048, seeds: { [SpartanExample.proof] }, run: spartanProof),
        FuzzTarget(
            "spartan-system",
            "a constraint system and its values; what is satisfied is proven, and nothing else",
            sizeMax: 600,
            seeds: { [Array(1...120), [UInt8](repeating: 0xFF, count: 90), [3, 1, 2]] },
            run: spartanSystem),
    ]

    private static func spartanProof(_ input: [UInt8], _ findings: inout Findings) {
        let example = SpartanExample.shape
        if let proof = try? SpartanProof.decode(input.span, for: example) {
            require(proof.bytes == input, "a second encoding")
            require(input.count == SpartanProof.size(for: example), "a second size")
        }
        do {
            try Spartan.verify(
                input.span, shape: example,
                input: VectorCommitment(to: SpartanExample.values.inputs),
                output: VectorCommitment(to: SpartanExample.values.outputs), binding: .zero)
            require(input == SpartanExample.proof, "another proof is accepted")
        } catch {
            require(input != SpartanExample.proof, "a true proof is refused: \(error)")
            findings.note("fault", error)
        }
    }

    private static func spartanSystem(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var builder = R1CSBuilder()
        let counts = (0..<3).map { _ in program.below(9) }
        let variables =
            [Variable.one] + (0..<counts[0]).map { _ in builder.input() }
            + (0..<counts[1]).map { _ in builder.output() }
            + (0..<counts[2]).map { _ in builder.internal() }
        let values = variables.dropFirst().map { _ in Scalar(Int64(program.below(256)) - 128) }
        func value(_ variable: Variable) -> Scalar {
            variables.firstIndex(of: variable).map { $0 == 0 ? .one : values[$0 - 1] } ?? .zero
        }
        for _ in 0..<program.below(12) {
            func combination() -> LinearCombination {
                var combination = LinearCombination()
                for _ in 0..<program.below(4) {
                    combination.add(
                        Scalar(Int64(program.below(5)) - 2),
                        variables[program.below(variables.count)])
                }
                return combination
            }
            func sum(_ combination: LinearCombination) -> Scalar {
                combination.terms.reduce(into: .zero) {
                    $0 += $1.coefficient * value($1.variable)
                }
            }
            let (a, b, c) = (combination(), combination(), combination())
            // Seldom left as it is, which then is mostly false.
            let rest = program.chance(1, in: 8) ? .zero : sum(a) * sum(b) - sum(c)
            builder.constrain(a, b, equals: c + LinearCombination(rest))
        }
        let shape = builder.finish()
        let assignment = Assignment(
            inputs: Array(values[..<counts[0]]),
            outputs: Array(values[counts[0]..<counts[0] + counts[1]]),
            internals: Array(values[(counts[0] + counts[1])...]))
        findings.note("entries", size: shape.entryCount)
        let violated = shape.firstViolatedRow(by: assignment)
        findings.note("violated", size: violated ?? -1)
        do {
            let proof = try Spartan.prove(shape: shape, assignment: assignment, binding: .zero)
            require(violated == nil, "a false statement is proven")
            let input = VectorCommitment(to: assignment.inputs)
            let output = VectorCommitment(to: assignment.outputs)
            require(proof.inputCommitment(for: shape) == input, "another input")
            require(proof.outputCommitment(for: shape) == output, "another output")
            var bytes = proof.bytes
            func isAccepted(_ binding: Bytes32) -> Bool {
                (try? Spartan.verify(
                    bytes.span, shape: shape, input: input, output: output, binding: binding))
                    != nil
            }
            require(isAccepted(.zero), "a true proof is refused")
            // Where nothing is said, as of an empty system, all bindings have one proof.
            let other = try Spartan.prove(
                shape: shape, assignment: assignment, binding: shape.digest)
            require(
                isAccepted(shape.digest) == (other == proof),
                "a proof of another binding is accepted")
            bytes[program.below(bytes.count)] ^= 1 << UInt8(program.below(8))
            require(!isAccepted(.zero), "a changed proof is accepted")
        } catch {
            require(error == .violatedConstraint(row: violated ?? -1), "\(error)")
        }
    }
}

/// x · y = w and w · (w − 3) = z for inputs x, y and z the output, five times.
private enum SpartanExample {
    static let shape: R1CS = {
        var builder = R1CSBuilder()
        for _ in 0..<5 {
            let (x, y, z, w) =
                (builder.input(), builder.input(), builder.output(), builder.internal())
            builder.constrain(
                LinearCombination(x), LinearCombination(y), equals: LinearCombination(w))
            builder.constrain(
                LinearCombination(w), LinearCombination(w) - 3, equals: LinearCombination(z))
        }
        return builder.finish()
    }()

    static let values: Assignment = {
        let products = (1...5).map { Int64($0 * (10 - 3 * $0)) }
        return Assignment(
            inputs: (1...5).flatMap { [Scalar(Int64($0)), Scalar(Int64(10 - 3 * $0))] },
            outputs: products.map { Scalar($0 * ($0 - 3)) }, internals: products.map { Scalar($0) })
    }()

    static let proof: [UInt8] =
        (try? Spartan.prove(shape: shape, assignment: values, binding: .zero).bytes) ?? []
}
