import Testing

@testable import Spartan

/// Constraint systems, built and judged.
@Suite struct R1CSTests {
    /// x · (x + 2) = y and 3·y − x = w.
    static func small() -> R1CS {
        var builder = R1CSBuilder()
        let x = builder.input()
        let y = builder.output()
        let w = builder.internal()
        builder.constrain(
            LinearCombination(x), LinearCombination(x) + 2, equals: LinearCombination(y))
        builder.constrain(3 * y - LinearCombination(x), 1, equals: LinearCombination(w))
        return builder.finish()
    }

    @Test func namesTheFirstViolatedRow() {
        let system = Self.small()
        #expect(system.inputCount == 1 && system.outputCount == 1 && system.internalCount == 1)
        #expect(system.constraintCount == 2)
        let right = Assignment(inputs: [-5], outputs: [15], internals: [50])
        #expect(system.isSatisfied(by: right))
        var wrong = right
        wrong.internals[0] = 51
        #expect(system.firstViolatedRow(by: wrong) == 1)
        wrong.outputs[0] = 14
        #expect(system.firstViolatedRow(by: wrong) == 0)
    }

    @Test func termsAreOneFormWhateverTheirOrder() {
        func build(_ combination: (Variable, Variable) -> LinearCombination) -> R1CS {
            var builder = R1CSBuilder()
            let (x, y) = (builder.input(), builder.input())
            builder.constrain(combination(x, y), 1, equals: 0)
            return builder.finish()
        }
        let one = build { 2 * $0 + 3 * $1 }
        let other = build { 3 * $1 + 1 * $0 + 5 * $0 - 4 * $0 + 0 * .one }
        #expect(one.digest == other.digest)
        #expect(one.digest != build { 2 * $0 + 4 * $1 }.digest)
        #expect(one.digest != build { 2 * $1 + 3 * $0 }.digest)
        #expect(one.entryCount == 3)
    }

    @Test func theDigestDependsOnEveryCount() {
        var digests: Set<String> = []
        for section in 0..<4 {
            var builder = R1CSBuilder()
            switch section {
            case 0: _ = builder.input()
            case 1: _ = builder.output()
            case 2: _ = builder.internal()
            default: builder.constrain(0, 0, equals: 0)
            }
            digests.insert("\(builder.finish().digest)")
        }
        #expect(digests.count == 4)
    }
}
