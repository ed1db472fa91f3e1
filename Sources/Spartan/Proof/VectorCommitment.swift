public import ChoraleBase
internal import Crypto

/// What a vector of scalars is bound by: 32 bytes that anyone who knows the vector computes.
///
/// The vector is laid out as a matrix, each of whose rows is committed to as Σ value · generator; the
/// commitment is SHA-256 of the vector's length and the rows' encodings. Equal vectors have equal
/// commitments, whether they are a system's inputs or another's outputs: that is how parts chain. It
/// *binds and does not hide*.
public struct VectorCommitment: Hashable, Sendable, CustomStringConvertible {
    public let digest: Bytes32

    /// A commitment that somebody else computed.
    public init(digest: Bytes32) { self.digest = digest }

    /// The commitment of a vector.
    ///
    /// - Precondition: at most 2²⁰ values.
    /// - Complexity: as a sum of multiples of all values; values of few bits cost less.
    public init(to vector: [Scalar]) {
        self.init(count: vector.count, rows: CommittedMatrix(vector).rows)
    }

    init(count: Int, rows: [Bytes32]) {
        var hasher = SHA256.Hasher()
        hasher.update(Array("chorale.spartan.vector.v1".utf8))
        var size: [UInt8] = []
        size.appendLittleEndian(UInt64(count))
        hasher.update(size)
        for row in rows { hasher.update(row) }
        digest = hasher.finish()
    }

    public var description: String { "\(digest)" }
}

/// A vector as a matrix, committed to row by row.
///
/// The value of its multilinear extension at a point is L · matrix · R for tensors L and R of the point's
/// halves. To open it, the prover sends L · matrix: the verifier checks it against the same combination
/// of the commitments, and takes its product with R itself.
///
/// Specification: Hyrax, 2018, section 6.1, with the vector itself in place of an argument for it.
struct CommittedMatrix: Sendable {
    let shape: VectorShape
    /// Encodings of the commitments to the rows that are in use.
    let rows: [Bytes32]
    private let vector: [Scalar]

    init(_ vector: [Scalar]) {
        self.init(VectorShape(count: vector.count), vector)
    }

    /// - Parameter vector: at most as many values as the shape has with padding, which an honest prover
    ///   leaves alone.
    init(_ shape: VectorShape, _ vector: [Scalar]) {
        let width = shape.columnCount
        let generators = Generators.first(width)
        self.shape = shape
        self.vector = vector
        rows = (0..<shape.rowCount).map { row in
            let values = vector[
                min(row * width, vector.count)..<min((row + 1) * width, vector.count)]
            return MultiScalar.sum(values, generators[...]).encoding
        }
    }

    /// L · matrix, for L the tensor of the point's first half. Empty for an empty vector.
    func opening(at point: ArraySlice<Scalar>) -> [Scalar] {
        guard shape.count > 0 else { return [] }
        let weights = Multilinear.tensor(point.prefix(shape.rowVariableCount))
        var opening = [Scalar](repeating: .zero, count: shape.columnCount)
        for index in vector.indices {
            let value = vector[index]
            if value.isZero { continue }
            opening[index % shape.columnCount] += weights[index / shape.columnCount] * value
        }
        return opening
    }
}

extension VectorShape {
    /// The value at a point that an opening stands for: its product with R.
    func value(of opening: [Scalar], at point: ArraySlice<Scalar>) -> Scalar {
        guard count > 0 else { return .zero }
        let weights = Multilinear.tensor(point.suffix(columnVariableCount))
        return zip(opening, weights).reduce(into: .zero) { $0 += $1.0 * $1.1 }
    }

    /// Whether an opening is the combination of the committed rows that the point asks for.
    func verifies(_ opening: [Scalar], at point: ArraySlice<Scalar>, rows: [AffinePoint]) -> Bool {
        guard count > 0 else { return true }
        let weights = Multilinear.tensor(point.prefix(rowVariableCount)).prefix(rowCount)
        // Both sides in one sum, which is then the neutral element.
        let scalars = weights + opening.map { -$0 }
        let points = rows + Generators.first(columnCount).prefix(columnCount)
        return MultiScalar.sum(scalars[...], points[...]).isIdentity
    }
}
