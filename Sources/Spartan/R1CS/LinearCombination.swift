/// A column of a constraint system: an input, an output, an internal value, or the constant one.
public struct Variable: Hashable, Sendable {
    enum Section: UInt32, CaseIterable {
        case input, output, `internal`, constant
    }

    /// The section in the highest two bits, the place in it below.
    let code: UInt32

    init(_ section: Section, _ index: Int) {
        code = section.rawValue << 30 | UInt32(index)
    }

    init(code: UInt32) { self.code = code }

    /// The value that is always one.
    public static let one = Variable(.constant, 0)

    var section: Section {
        switch code >> 30 {
        case 0: .input
        case 1: .output
        case 2: .internal
        default: .constant
        }
    }

    /// The place in its section.
    public var index: Int { Int(code & (1 << 30 - 1)) }

    public static func * (coefficient: Scalar, variable: Variable) -> LinearCombination {
        LinearCombination([(variable, coefficient)])
    }
}

/// Σ coefficient · variable. Variables may occur more than once; ``R1CSBuilder`` adds them up.
public struct LinearCombination: Sendable, ExpressibleByIntegerLiteral {
    public private(set) var terms: [(variable: Variable, coefficient: Scalar)]

    /// The empty sum, which is zero.
    public init() { terms = [] }

    public init(_ terms: [(variable: Variable, coefficient: Scalar)]) { self.terms = terms }

    public init(_ variable: Variable) { terms = [(variable, .one)] }

    /// A constant.
    public init(_ constant: Scalar) { terms = [(.one, constant)] }

    public init(integerLiteral value: Int64) { self.init(Scalar(value)) }

    /// Adds one term in place: sums of many terms are built with this in linear time.
    public mutating func add(_ coefficient: Scalar, _ variable: Variable) {
        terms.append((variable, coefficient))
    }

    public mutating func reserveCapacity(_ termCount: Int) { terms.reserveCapacity(termCount) }

    public static func + (lhs: Self, rhs: Self) -> Self { Self(lhs.terms + rhs.terms) }

    public static func - (lhs: Self, rhs: Self) -> Self { lhs + -1 * rhs }

    public static func * (coefficient: Scalar, combination: Self) -> Self {
        Self(combination.terms.map { ($0.variable, coefficient * $0.coefficient) })
    }

    public static prefix func - (operand: Self) -> Self { -1 * operand }

    public static func += (lhs: inout Self, rhs: Self) { lhs.terms += rhs.terms }

    public static func -= (lhs: inout Self, rhs: Self) { lhs += -rhs }
}
