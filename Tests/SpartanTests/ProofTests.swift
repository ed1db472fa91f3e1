import ChoraleBase
import Foundation
import TestSupport
import Testing

@testable import Spartan

/// Honest proofs of systems of every small size, and of what is not theirs.
@Suite struct ProofTests {
    static let binding = Bytes32([UInt8](repeating: 7, count: 32))!

    struct Size: CustomTestStringConvertible, Sendable {
        let inputs, outputs, internals, constraints: Int
        init(_ inputs: Int, _ outputs: Int, _ internals: Int, _ constraints: Int) {
            self.inputs = inputs
            self.outputs = outputs
            self.internals = internals
            self.constraints = constraints
        }
        var testDescription: String { "\(inputs)-\(outputs)-\(internals)-\(constraints)" }
    }

    static let sizes = [
        Size(0, 0, 0, 0), Size(0, 0, 0, 1), Size(1, 0, 0, 1), Size(0, 1, 0, 1), Size(0, 0, 1, 1),
        Size(1, 1, 1, 1), Size(1, 1, 1, 2), Size(2, 3, 5, 3), Size(3, 1, 0, 4), Size(5, 2, 9, 5),
        Size(0, 4, 16, 17), Size(17, 0, 3, 8), Size(33, 9, 1, 1), Size(8, 8, 8, 8),
        Size(7, 65, 31, 33), Size(3, 2, 130, 127), Size(1, 1, 257, 300),
    ]

    @Test(arguments: sizes) func provesEverySize(size: Size) throws {
        let (shape, assignment) = Circuits.random(
            size.inputs, size.outputs, size.internals, size.constraints, seed: 5)
        #expect(shape.constraintCount == size.constraints)
        let proof = try Spartan.prove(
            shape: shape, assignment: assignment, binding: Self.binding)
        #expect(proof.bytes.count == SpartanProof.size(for: shape))
        let decoded = try SpartanProof.decode(proof.bytes.span, for: shape)
        #expect(decoded == proof)
        let input = VectorCommitment(to: assignment.inputs)
        let output = VectorCommitment(to: assignment.outputs)
        #expect(proof.inputCommitment(for: shape) == input)
        #expect(proof.outputCommitment(for: shape) == output)
        try Spartan.verify(
            proof.bytes.span, shape: shape, input: input, output: output, binding: Self.binding)
        let again = try Spartan.prove(
            shape: shape, assignment: assignment, binding: Self.binding)
        #expect(again == proof)
    }

    /// Whatever changes a digest, a commitment or a proof needs a new version of the format. The same file is
    /// verified by `Tests/NativeProof/verify`, which shares no code with the module.
    @Test func versionOneIsPinned() throws {
        let shape = ForgeryTests.circuit()
        let truth = ForgeryTests.truth
        let proof = try Spartan.prove(shape: shape, assignment: truth, binding: Self.binding)
        #expect(
            "\(shape.digest)"
                == "c125eb438f44a4927ca68caf9f078581069190c0e86412b2ad19f44290d2c86d")
        let file = Vectors.checkout.appendingPathComponent("Tests/NativeProof/version1.hex")
        let text = try String(contentsOf: file, encoding: .utf8)
        let bytes = try Hex.decode(text.filter { !$0.isWhitespace })
        #expect(proof.bytes == bytes)
    }

    @Test func refusesToProveWhatIsFalse() {
        let (shape, assignment) = Circuits.random(2, 2, 6, 6, seed: 1)
        var wrong = assignment
        wrong.internals[5] += 1
        #expect(shape.firstViolatedRow(by: wrong) != nil)
        #expect(
            throws: SpartanProvingError.violatedConstraint(
                row: shape.firstViolatedRow(by: wrong)!)
        ) {
            try Spartan.prove(shape: shape, assignment: wrong, binding: Self.binding)
        }
        wrong.internals.removeLast()
        #expect(throws: SpartanProvingError.assignmentDoesNotFit) {
            try Spartan.prove(shape: shape, assignment: wrong, binding: Self.binding)
        }
    }

    /// The output of one part is the input of the next, byte for byte, whatever their sizes are.
    @Test func commitmentsOfEqualVectorsAreEqual() throws {
        let (first, left) = Circuits.random(3, 10, 40, 50, seed: 1)
        var builder = R1CSBuilder()
        let inputs = (0..<10).map { _ in builder.input() }
        let sum = builder.output()
        var total = LinearCombination()
        for input in inputs { total.add(.one, input) }
        builder.constrain(total, 1, equals: LinearCombination(sum))
        let second = builder.finish()
        let right = Assignment(
            inputs: left.outputs, outputs: [left.outputs.reduce(into: .zero) { $0 += $1 }],
            internals: [])
        let one = try Spartan.prove(shape: first, assignment: left, binding: Self.binding)
        let two = try Spartan.prove(shape: second, assignment: right, binding: Self.binding)
        #expect(one.outputCommitment(for: first) == two.inputCommitment(for: second))
        #expect(one.rows[1] == two.rows[0])
    }

    @Test func commitmentsTellVectorsApart() {
        let vectors: [[Scalar]] = [
            [], [0], [0, 0], [1], [1, 0], [0, 1], [1, 0, 0], [1, 0, 0, 0], [-1], [1, 2, 3],
        ]
        #expect(Set(vectors.map { VectorCommitment(to: $0) }).count == vectors.count)
    }

    @Test func proofsAreOfOneStatementOnly() throws {
        let (shape, assignment) = Circuits.random(3, 3, 20, 20, seed: 2)
        let (other, _) = Circuits.random(3, 3, 20, 20, seed: 3)
        let proof = try Spartan.prove(
            shape: shape, assignment: assignment, binding: Self.binding
        ).bytes
        let input = VectorCommitment(to: assignment.inputs)
        let output = VectorCommitment(to: assignment.outputs)
        func verdict(
            _ shape: R1CS, _ input: VectorCommitment, _ output: VectorCommitment,
            _ binding: Bytes32
        ) -> SpartanFault? {
            do throws(SpartanFault) {
                try Spartan.verify(
                    proof.span, shape: shape, input: input, output: output, binding: binding)
                return nil
            } catch { return error }
        }
        #expect(verdict(shape, input, output, Self.binding) == nil)
        #expect(verdict(shape, input, output, .zero) == .outerSumCheck)
        #expect(verdict(other, input, output, Self.binding) == .outerSumCheck)
        #expect(
            verdict(shape, output, output, Self.binding)
                == .inputCommitment(input, expected: output))
        #expect(
            verdict(shape, input, input, Self.binding)
                == .outputCommitment(output, expected: input))
    }
}
