import ChoraleBase
import Spartan

extension Micro {
    /// Field arithmetic, commitments (sums of multiples), and proofs of 65,536 constraints.
    static func spartan() {
        var random = DeterministicRandom(seed: 1)
        func full() -> Scalar {
            (0..<4).reduce(into: Scalar.zero) { sum, _ in
                sum = sum * Scalar(UInt64.max) + Scalar(random.next())
            }
        }
        var product = full()
        let factor = full()
        let multiplications = perSecond(100_000) {
            for _ in 0..<100_000 { product *= factor }
        }
        precondition(!product.isZero, "a product of what is not zero")
        report("spartan, scalar multiplication", 1e9 / multiplications, "ns")

        let count = 65_536
        let vectors: [(String, [Scalar])] = [
            ("full-size", (0..<count).map { _ in full() }),
            ("eight-bit", (0..<count).map { _ in Scalar(Int64(random.integer(in: -128...127))) }),
        ]
        for (name, vector) in vectors {
            let rate = perSecond(1) {
                precondition(VectorCommitment(to: vector).digest != .zero, "a commitment")
            }
            report("spartan, commitment to 65,536 \(name) values", 1e3 / rate, "ms")
        }
        for (name, vector) in vectors { prove(name, vector) }
    }

    /// Bits (x · x = x) and sums of eight products, of the values given.
    private static func prove(_ name: String, _ vector: [Scalar]) {
        let count = vector.count
        var builder = R1CSBuilder()
        let inputs = (0..<256).map { _ in builder.input() }
        let inputValues = Array(vector[..<256])
        let output = builder.output()
        var outputValue = Scalar.zero
        var total = LinearCombination()
        var internals: [Scalar] = []
        internals.reserveCapacity(count - 1)
        for index in 0..<count - 1 {
            let variable = builder.internal()
            if index.isMultiple(of: 8) {
                // The sum of a few inputs, weighted, times another.
                var sum = LinearCombination()
                var value = Scalar.zero
                for term in 0..<8 {
                    let place = (31 * index + 7 * term) % 256
                    sum.add(vector[index + term], inputs[place])
                    value += vector[index + term] * inputValues[place]
                }
                internals.append(value * inputValues[index % 256])
                builder.constrain(
                    sum, LinearCombination(inputs[index % 256]),
                    equals: LinearCombination(variable))
            } else {
                // x · (x − v) = 0 for a constant v.
                internals.append(vector[index])
                builder.constrain(
                    LinearCombination(variable),
                    LinearCombination(variable) - LinearCombination(vector[index]), equals: 0)
            }
            if index < 1024 {
                total.add(.one, variable)
                outputValue += internals[index]
            }
        }
        builder.constrain(total, 1, equals: LinearCombination(output))
        let shape = builder.finish()
        let assignment = Assignment(
            inputs: inputValues, outputs: [outputValue], internals: internals)
        var proof: [UInt8] = []
        let proofs = perSecond(1) {
            guard
                let made = try? Spartan.prove(
                    shape: shape, assignment: assignment, binding: .zero)
            else { preconditionFailure("a system that is satisfied") }
            proof = made.bytes
        }
        let input = VectorCommitment(to: assignment.inputs)
        let outputCommitment = VectorCommitment(to: assignment.outputs)
        let verifications = perSecond(1) {
            guard
                (try? Spartan.verify(
                    proof.span, shape: shape, input: input, output: outputCommitment,
                    binding: .zero)) != nil
            else { preconditionFailure("a true proof") }
        }
        report("spartan, prove 65,536 constraints, \(name)", 1e3 / proofs, "ms")
        report("spartan, verify 65,536 constraints, \(name)", 1e3 / verifications, "ms")
        report("spartan, proof of 65,536 constraints, \(name)", Double(proof.count) / 1024, "KiB")
    }
}
