import ChoraleBase

@testable import Spartan

/// Constraint systems for tests, with assignments that satisfy them.
enum Circuits {
    /// Constraints of up to two random terms a side, over variables chosen at random.
    ///
    /// A constraint's last variable, if it has not been used before, is given the value that makes it
    /// hold; otherwise the constant does.
    ///
    /// - Parameter isSmall: values and coefficients as a quantised network has them, as far as products
    ///   allow.
    static func random(
        _ inputs: Int, _ outputs: Int, _ internals: Int, _ constraints: Int, seed: UInt64,
        isSmall: Bool = false
    ) -> (R1CS, Assignment) {
        var samples = Samples(seed: seed)
        var builder = R1CSBuilder()
        let inputVariables = (0..<inputs).map { _ in builder.input() }
        let outputVariables = (0..<outputs).map { _ in builder.output() }
        let internalVariables = (0..<internals).map { _ in builder.internal() }
        var values: [Variable: Scalar] = [.one: .one]
        var known = [Variable.one]
        func value() -> Scalar { isSmall ? samples.smallScalars(1)[0] : samples.scalar() }
        for variable in inputVariables {
            values[variable] = value()
            known.append(variable)
        }
        // Last first, so that `popLast` gives them in order.
        var open = Array((internalVariables + outputVariables).reversed())
        func combination() -> LinearCombination {
            var combination = LinearCombination()
            for _ in 0..<samples.random.below(3) {
                combination.add(value(), known[samples.random.below(known.count)])
            }
            return combination
        }
        func evaluate(_ combination: LinearCombination) -> Scalar {
            combination.terms.reduce(into: .zero) { $0 += $1.coefficient * values[$1.variable]! }
        }
        for _ in 0..<constraints {
            if let next = open.popLast() {
                if isSmall {
                    // Bits and eight-bit values in turn, as range checks and sums have them.
                    if samples.random.chance(1, in: 2) {
                        values[next] = Scalar(Int64(samples.random.below(2)))
                        let bit = LinearCombination(next)
                        builder.constrain(bit, bit - 1, equals: 0)
                    } else {
                        values[next] = value()
                        let sum = LinearCombination(next) + combination()
                        builder.constrain(sum, 1, equals: LinearCombination(evaluate(sum)))
                    }
                } else {
                    let (a, b, c) = (combination(), combination(), combination())
                    let coefficient = value()
                    values[next] =
                        (evaluate(a) * evaluate(b) - evaluate(c)) * coefficient.inverse()
                    builder.constrain(a, b, equals: c + coefficient * next)
                }
                known.append(next)
            } else {
                let (a, b, c) = (combination(), combination(), combination())
                let rest = evaluate(a) * evaluate(b) - evaluate(c)
                builder.constrain(a, b, equals: c + LinearCombination(rest))
            }
        }
        for variable in open { values[variable] = value() }
        return (
            builder.finish(),
            Assignment(
                inputs: inputVariables.map { values[$0]! },
                outputs: outputVariables.map { values[$0]! },
                internals: internalVariables.map { values[$0]! })
        )
    }
}
