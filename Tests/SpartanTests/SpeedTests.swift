import ChoraleBase
import Testing

@testable import Spartan

/// Prints how long 2¹⁶ constraints take. Only sizes pass or fail: time is the machine's.
@Suite struct SpeedTests {
    @Test(arguments: [false, true]) func largeSystem(isSmall: Bool) throws {
        let clock = ContinuousClock()
        let (shape, assignment) = Circuits.random(
            256, 128, 65_280, 1 << 16, seed: 1, isSmall: isSmall)
        _ = Generators.first(256)
        var proof: SpartanProof?
        let proving = try clock.measure {
            proof = try Spartan.prove(
                shape: shape, assignment: assignment, binding: ProofTests.binding)
        }
        let bytes = try #require(proof).bytes
        let input = VectorCommitment(to: assignment.inputs)
        let output = VectorCommitment(to: assignment.outputs)
        var best = Duration.seconds(1000)
        for _ in 0..<3 {
            best = try min(
                best,
                clock.measure {
                    try Spartan.verify(
                        bytes.span, shape: shape, input: input, output: output,
                        binding: ProofTests.binding)
                })
        }
        print(
            """
            65,536 constraints, \(shape.entryCount) entries, \(isSmall ? "small" : "full-size") \
            values: prove \(proving), verify \(best), \(bytes.count) bytes
            """)
        #expect(bytes.count <= 64 * 1024)
    }
}
