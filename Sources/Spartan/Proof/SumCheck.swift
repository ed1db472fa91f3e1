// The prover's side of both sum-checks.
//
// Specification: S. Setty, "Spartan", CRYPTO 2020, sections 3 and 5.1; C. Lund, L. Fortnow, H. Karloff and
// N. Nisan, 1992; the linear-time prover is that of J. Thaler, 2013.

/// Σ over x of eq(τ, x) · ((A·z)(x) · (B·z)(x) − (C·z)(x)) = 0, a polynomial of degree three in each
/// variable.
struct OuterSumCheck: Sendable {
    private var equality: [Scalar]
    private var a: [Scalar]
    private var b: [Scalar]
    private var c: [Scalar]

    init(_ shape: R1CS, _ layout: Layout, z: [Scalar], point: [Scalar]) {
        equality = Multilinear.tensor(point[...])
        let padded = 1 << layout.constraintVariableCount
        func product(_ matrix: SparseMatrix) -> [Scalar] {
            var product = [Scalar](repeating: .zero, count: padded)
            for row in 0..<matrix.rowCount { product[row] = matrix.product(row: row, z) }
            return product
        }
        a = product(shape.a)
        b = product(shape.b)
        c = product(shape.c)
    }

    /// The polynomial of the next round.
    var round: RoundPolynomial {
        let half = equality.count / 2
        var (constant, square, cube) = (Scalar.zero, Scalar.zero, Scalar.zero)
        for low in 0..<half {
            let high = low + half
            let step = equality[high] - equality[low]
            // A·z · B·z − C·z is q₀ + q₁X + q₂X².
            let q0 = a[low] * b[low] - c[low]
            let q2 = (a[high] - a[low]) * (b[high] - b[low])
            let q1 = a[high] * b[high] - c[high] - q0 - q2
            constant += equality[low] * q0
            square += equality[low] * q2 + step * q1
            cube += step * q2
        }
        return RoundPolynomial(coefficients: [constant, square, cube])
    }

    mutating func bind(to coordinate: Scalar) {
        Multilinear.bind(&equality, to: coordinate)
        Multilinear.bind(&a, to: coordinate)
        Multilinear.bind(&b, to: coordinate)
        Multilinear.bind(&c, to: coordinate)
    }

    /// After the last round.
    var evaluations: MatrixEvaluations { MatrixEvaluations(a: a[0], b: b[0], c: c[0]) }
}

/// Σ over y of M(y) · z(y), where M is the three matrices at the outer point, weighted and made one, and
/// the weights of padding.
struct InnerSumCheck: Sendable {
    private var matrix: [Scalar]
    private var z: [Scalar]

    /// - Parameter sections: inputs, outputs and internals, with padding if it is not zero.
    init(
        _ shape: R1CS, _ layout: Layout, sections: [[Scalar]], point: [Scalar],
        _ weights: ClaimWeights, checks: Set<Check> = Check.all
    ) {
        let count = 1 << layout.columnVariableCount
        z = [Scalar](repeating: .zero, count: count)
        for (section, values) in (sections + [[.one]]).enumerated() {
            let start = layout.start(of: section)
            for (index, value) in values.enumerated() { z[start + index] = value }
        }
        // By place in the unpadded z first, then moved to where the sections lie.
        var sums = [Scalar](
            repeating: .zero,
            count: shape.inputCount + shape.outputCount + shape.internalCount + 1)
        let rowWeights = Multilinear.tensor(point[...])
        for (entries, weight) in [
            (shape.a, weights.a), (shape.b, weights.b), (shape.c, weights.c),
        ] {
            for row in 0..<entries.rowCount {
                let rowWeight = weight * rowWeights[row]
                for entry in entries.rowStarts[row]..<entries.rowStarts[row + 1] {
                    sums[Int(entries.columns[entry])] += rowWeight * entries.values[entry]
                }
            }
        }
        matrix = [Scalar](repeating: .zero, count: count)
        var place = 0
        for section in 0..<4 {
            let start = layout.start(of: section)
            for index in 0..<(section < 3 ? layout.sections[section].count : 1) {
                matrix[start + index] = sums[place]
                place += 1
            }
        }
        guard checks.contains(.padding) else { return }
        var power = Scalar.one
        for (section, index) in layout.paddingPlaces {
            power *= weights.padding
            matrix[layout.start(of: section) + index] = power
        }
    }

    /// What the sum is, whatever was claimed.
    var sum: Scalar { zip(matrix, z).reduce(into: .zero) { $0 += $1.0 * $1.1 } }

    /// The polynomial of the next round.
    var round: RoundPolynomial {
        let half = matrix.count / 2
        var (constant, square) = (Scalar.zero, Scalar.zero)
        for low in 0..<half {
            let high = low + half
            constant += matrix[low] * z[low]
            square += (matrix[high] - matrix[low]) * (z[high] - z[low])
        }
        return RoundPolynomial(coefficients: [constant, square])
    }

    mutating func bind(to coordinate: Scalar) {
        Multilinear.bind(&matrix, to: coordinate)
        Multilinear.bind(&z, to: coordinate)
    }
}
