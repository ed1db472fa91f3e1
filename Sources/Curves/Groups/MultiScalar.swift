/// One scalar · point of a sum; the scalar's sign is in the point.
struct ScalarTerm<Shape: CurveShape>: Sendable {
    let point: AffinePoint<Shape>
    let scalar: UInt128
}

/// Sums of scalar multiples.
enum MultiScalar<Shape: CurveShape> {
    /// From how many terms on buckets are cheaper than tables, measured on both groups of BLS12-381.
    static var bucketTermCountMin: Int { 128 }

    /// Σ scalar · point over points of the prime-order subgroup.
    ///
    /// - Complexity: 128 doublings (64 in BLS12-381's G2) for all, and some 26 additions a term; from
    ///   ``bucketTermCountMin`` terms on O(n / log n) additions.
    static func sum(
        of products: [(point: AffinePoint<Shape>, scalar: Limbs<4>)]
    ) -> JacobianPoint<Shape> {
        var terms: [ScalarTerm<Shape>] = []
        terms.reserveCapacity(4 * products.count)
        for product in products where !product.point.isInfinity {
            Shape.appendTerms(of: product.point, times: product.scalar, to: &terms)
        }
        return terms.count < bucketTermCountMin ? sumByTables(terms) : sumByBuckets(terms)
    }

    static func multiply(
        _ point: AffinePoint<Shape>, by scalar: Limbs<4>
    ) -> JacobianPoint<Shape> {
        sum(of: [(point, scalar)])
    }

    // MARK: Few terms

    /// Straus's method: one run of doublings, and for each term a signed-digit form of width four
    /// over a table of four odd multiples.
    ///
    /// Specification: Handbook of Elliptic and Hyperelliptic Curve Cryptography, algorithm 9.46.
    static func sumByTables(_ terms: [ScalarTerm<Shape>]) -> JacobianPoint<Shape> {
        let digits = terms.map { SignedDigits($0.scalar) }
        let multiples = oddMultiples(terms)
        var result = JacobianPoint<Shape>.infinity
        let highest = digits.reduce(-1) { max($0, $1.highest) }
        for position in stride(from: highest, through: 0, by: -1) {
            result = result.doubled()
            for row in digits.indices {
                let digit = digits[row][position]
                if digit == 0 { continue }
                let multiple = multiples[4 * row + Int(digit.magnitude) >> 1]
                result += digit > 0 ? multiple : -multiple
            }
        }
        return result
    }

    /// 1, 3, 5 and 7 times the point of each term, as affine points: the one inversion for all costs
    /// less than the cheaper additions save.
    private static func oddMultiples(_ terms: [ScalarTerm<Shape>]) -> [AffinePoint<Shape>] {
        var multiples: [JacobianPoint<Shape>] = []
        multiples.reserveCapacity(4 * terms.count)
        for term in terms {
            var multiple = JacobianPoint(term.point)
            let double = multiple.doubled()
            multiples.append(multiple)
            for _ in 1..<4 {
                multiple += double
                multiples.append(multiple)
            }
        }
        return JacobianPoint.affine(multiples)
    }

    // MARK: Many terms

    /// Pippenger's method: per window of bits, points with equal digits share one bucket.
    static func sumByBuckets(_ terms: [ScalarTerm<Shape>]) -> JacobianPoint<Shape> {
        let bitCount = terms.reduce(0) { max($0, 128 - $1.scalar.leadingZeroBitCount) }
        let width = windowWidth(termCount: terms.count, bitCount: bitCount)
        let mask = (UInt128(1) << UInt128(width)) - 1
        var result = JacobianPoint<Shape>.infinity
        var buckets = [JacobianPoint<Shape>](repeating: .infinity, count: 1 << width)
        let windowCount = (bitCount + width - 1) / width
        for window in stride(from: windowCount - 1, through: 0, by: -1) {
            for _ in 0..<width where !result.isInfinity { result = result.doubled() }
            for index in buckets.indices { buckets[index] = .infinity }
            for term in terms {
                let digit = Int((term.scalar >> UInt128(window * width)) & mask)
                if digit != 0 { buckets[digit] += term.point }
            }
            // Σ digit · bucket as a sum of running sums from the top.
            var running = JacobianPoint<Shape>.infinity
            for digit in stride(from: buckets.count - 1, through: 1, by: -1) {
                running += buckets[digit]
                result += running
            }
        }
        return result
    }

    /// The width, in bits, with the fewest additions: each window costs one per term and two per
    /// bucket. Limited to 12, where the buckets of G2 take 1.2 MB.
    static func windowWidth(termCount: Int, bitCount: Int) -> Int {
        func cost(_ width: Int) -> Int {
            (bitCount + width - 1) / width * (termCount + 2 << width)
        }
        return (1...12).min { cost($0) < cost($1) } ?? 1
    }
}
