internal import ChoraleBase

/// A proof that some internal values make an input and an output satisfy a shape.
///
/// Encoding, version 1; every number of elements follows from the shape, and so does the size:
///
///     1       version, 1
///     32 · r  commitments to the rows of the inputs, then outputs, then internals: ristretto255
///     32 · 3s outer sum-check: s rounds, each the coefficients of 1, X² and X³
///     32 · 3  what A·z, B·z and C·z are
///     32 · 2t inner sum-check: t rounds, each the coefficients of 1 and X²
///     32 · c  openings of inputs, outputs and internals
///
/// Scalars are little-endian integers below the group's order. There is one encoding of a proof.
public struct SpartanProof: Hashable, Sendable {
    /// By section: inputs, outputs, internals.
    var rows: [[Bytes32]]
    var outerRounds: [RoundPolynomial]
    var evaluations: MatrixEvaluations
    var innerRounds: [RoundPolynomial]
    var openings: [[Scalar]]

    static var version: UInt8 { 1 }

    /// Size of every proof of a shape, in bytes.
    public static func size(for shape: R1CS) -> Int { size(Layout(shape)) }

    static func size(_ layout: Layout) -> Int {
        var count = RoundPolynomial.outerCount * layout.constraintVariableCount + 3
        count += RoundPolynomial.innerCount * layout.columnVariableCount
        for section in layout.sections where section.count > 0 {
            count += section.rowCount + section.columnCount
        }
        return 1 + 32 * count
    }

    /// The commitment to the inputs that the proof is about.
    public func inputCommitment(for shape: R1CS) -> VectorCommitment {
        VectorCommitment(count: shape.inputCount, rows: rows[0])
    }

    /// The commitment to the outputs that the proof is about.
    public func outputCommitment(for shape: R1CS) -> VectorCommitment {
        VectorCommitment(count: shape.outputCount, rows: rows[1])
    }

    public var bytes: [UInt8] {
        var bytes = [Self.version]
        for row in rows.joined() { bytes += row.bytes }
        let scalars =
            outerRounds.flatMap(\.coefficients) + [evaluations.a, evaluations.b, evaluations.c]
            + innerRounds.flatMap(\.coefficients) + openings.joined()
        for scalar in scalars { scalar.append(to: &bytes) }
        return bytes
    }

    /// A proof from its one encoding.
    ///
    /// That it decodes says nothing about whether it is right; and rows need not be elements of the
    /// group before ``Spartan/verify(_:shape:input:output:binding:)`` has decoded them.
    ///
    /// - Throws: ``SpartanFault`` `size`, `unsupportedVersion` or `invalidScalar`.
    /// - Complexity: linear in the size, which is compared first.
    public static func decode(
        _ bytes: Span<UInt8>, for shape: R1CS
    ) throws(SpartanFault) -> SpartanProof {
        try decode(bytes, Layout(shape))
    }

    static func decode(
        _ bytes: Span<UInt8>, _ layout: Layout
    ) throws(SpartanFault) -> SpartanProof {
        let expected = size(layout)
        guard bytes.count == expected else {
            throw .size(count: bytes.count, expected: expected)
        }
        guard bytes[0] == version else { throw .unsupportedVersion(bytes[0]) }
        var offset = 1
        var rows: [[Bytes32]] = []
        for section in layout.sections {
            var encodings: [Bytes32] = []
            for _ in 0..<section.rowCount {
                var encoding = Bytes32.zero
                for index in 0..<32 { encoding.storage[index] = bytes[offset + index] }
                encodings.append(encoding)
                offset += 32
            }
            rows.append(encodings)
        }
        func scalars(_ count: Int) throws(SpartanFault) -> [Scalar] {
            var scalars: [Scalar] = []
            scalars.reserveCapacity(count)
            for _ in 0..<count {
                guard let scalar = Scalar(canonical: bytes, at: offset) else {
                    throw .invalidScalar(offset: offset)
                }
                scalars.append(scalar)
                offset += Scalar.size
            }
            return scalars
        }
        func rounds(_ count: Int, of size: Int) throws(SpartanFault) -> [RoundPolynomial] {
            var rounds: [RoundPolynomial] = []
            for _ in 0..<count { rounds.append(RoundPolynomial(coefficients: try scalars(size))) }
            return rounds
        }
        let outer = try rounds(layout.constraintVariableCount, of: RoundPolynomial.outerCount)
        let evaluations = try scalars(3)
        let inner = try rounds(layout.columnVariableCount, of: RoundPolynomial.innerCount)
        var openings: [[Scalar]] = []
        for section in layout.sections {
            openings.append(try scalars(section.count > 0 ? section.columnCount : 0))
        }
        return SpartanProof(
            rows: rows, outerRounds: outer,
            evaluations: MatrixEvaluations(
                a: evaluations[0], b: evaluations[1], c: evaluations[2]),
            innerRounds: inner, openings: openings)
    }
}
