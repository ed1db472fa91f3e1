/// Makes an ``R1CS``, variable by variable and constraint by constraint.
///
/// Building is deterministic: the same calls give the same digest.
public struct R1CSBuilder: Sendable {
    private var counts = [3 of Int](repeating: 0)
    private var a = SparseMatrix()
    private var b = SparseMatrix()
    private var c = SparseMatrix()

    public init() {}

    public var inputCount: Int { counts[0] }
    public var outputCount: Int { counts[1] }
    public var internalCount: Int { counts[2] }
    public var constraintCount: Int { a.rowCount }

    private mutating func next(_ section: Variable.Section) -> Variable {
        let index = Int(section.rawValue)
        precondition(
            counts[index] < R1CSLimits.sectionCountMax, "a section has at most 2²⁰ variables")
        defer { counts[index] += 1 }
        return Variable(section, counts[index])
    }

    /// The next value of the vector that is committed as the input.
    public mutating func input() -> Variable { next(.input) }

    /// The next value of the vector that is committed as the output.
    public mutating func output() -> Variable { next(.output) }

    /// The next value that only the prover knows.
    public mutating func `internal`() -> Variable { next(.internal) }

    /// Demands a · b = c.
    ///
    /// - Precondition: the variables are of this builder, and there are at most 2²⁰ constraints.
    public mutating func constrain(
        _ a: LinearCombination, _ b: LinearCombination, equals c: LinearCombination
    ) {
        precondition(
            constraintCount < R1CSLimits.constraintCountMax, "there are at most 2²⁰ constraints")
        for combination in [a, b, c] {
            for term in combination.terms {
                let section = Int(term.variable.section.rawValue)
                let count = section < 3 ? counts[section] : 1
                precondition(term.variable.index < count, "a variable is of this builder")
            }
        }
        self.a.append(a)
        self.b.append(b)
        self.c.append(c)
    }

    /// The system of everything so far.
    public consuming func finish() -> R1CS {
        let starts = [0, counts[0], counts[0] + counts[1], counts[0] + counts[1] + counts[2]]
        func place(_ code: UInt32) -> UInt32 {
            let variable = Variable(code: code)
            return UInt32(starts[Int(variable.section.rawValue)] + variable.index)
        }
        a.renumber(place)
        b.renumber(place)
        c.renumber(place)
        return R1CS(
            inputCount: counts[0], outputCount: counts[1], internalCount: counts[2],
            a: a, b: b, c: c)
    }
}

/// How large a system may be.
public enum R1CSLimits {
    /// Constraints. 2²⁰ take the verifier under a second and its tables 32 MiB each.
    public static let constraintCountMax = 1 << 20
    /// Variables of one section: a commitment has at most 2¹⁰ rows of 2¹⁰ values.
    public static let sectionCountMax = 1 << 20
}
