/// Sums of scalar multiples.
enum MultiScalar<Shape: SplitShape> {
    /// From how many parts of scalars on buckets are cheaper than tables, measured on both groups of
    /// BLS12-381.
    static var bucketPartCountMin: Int { 128 }

    /// Σ scalar · point over points of the prime-order subgroup.
    ///
    /// - Complexity: 128 doublings (64 in BLS12-381's G2) for all, and some 26 additions for each part
    ///   of a scalar; from ``bucketPartCountMin`` parts on O(n / log n) additions.
    static func sum(of products: [ScalarProduct<Shape>]) -> JacobianPoint<Shape> {
        Shape.partCount * products.count < bucketPartCountMin
            ? sumByTables(products) : sumByBuckets(products)
    }

    static func multiply(
        _ point: AffinePoint<Shape>, by scalar: Limbs<4>
    ) -> JacobianPoint<Shape> {
        sum(of: [ScalarProduct(point: point, scalar: scalar)])
    }

    // MARK: Few products

    /// Straus's method: one run of doublings, and for each part of a scalar a signed-digit form of
    /// width four over a table of four odd multiples.
    ///
    /// Specification: Handbook of Elliptic and Hyperelliptic Curve Cryptography, algorithm 9.46.
    static func sumByTables(_ products: [ScalarProduct<Shape>]) -> JacobianPoint<Shape> {
        var rows: [SignedDigits] = []
        rows.reserveCapacity(Shape.partCount * products.count)
        for product in products {
            let parts = Shape.parts(of: product.scalar)
            for part in 0..<Shape.partCount {
                let digits = SignedDigits(parts[part].magnitude)
                rows.append(parts[part].isNegative ? digits.negated : digits)
            }
        }
        let multiples = oddMultiples(products)
        var result = JacobianPoint<Shape>.infinity
        let highest = rows.reduce(-1) { max($0, $1.highest) }
        for position in stride(from: highest, through: 0, by: -1) {
            result = result.doubled()
            for row in rows.indices {
                let digit = rows[row][position]
                if digit == 0 { continue }
                let multiple = multiples[4 * row + Int(digit.magnitude) >> 1]
                result += digit > 0 ? multiple : -multiple
            }
        }
        return result
    }

    /// Four for each part of each product: 1, 3, 5 and 7 times the point, and then their images under
    /// the endomorphism.
    ///
    /// As affine points, whose one inversion for all costs less than the cheaper additions save.
    private static func oddMultiples(
        _ products: [ScalarProduct<Shape>]
    ) -> [AffinePoint<Shape>] {
        var first: [JacobianPoint<Shape>] = []
        first.reserveCapacity(4 * products.count)
        for product in products {
            var multiple = JacobianPoint(product.point)
            let double = multiple.doubled()
            first.append(multiple)
            for _ in 1..<4 {
                multiple += double
                first.append(multiple)
            }
        }
        let affine = JacobianPoint.affine(first)
        var multiples: [AffinePoint<Shape>] = []
        multiples.reserveCapacity(Shape.partCount * affine.count)
        for start in stride(from: 0, to: affine.count, by: 4) {
            multiples += affine[start..<start + 4]
            for _ in 1..<Shape.partCount {
                for _ in 0..<4 {
                    multiples.append(Shape.endomorphism(multiples[multiples.count - 4]))
                }
            }
        }
        return multiples
    }

    // MARK: Many products

    /// Pippenger's method: per window of bits, points with equal digits share one bucket.
    static func sumByBuckets(_ products: [ScalarProduct<Shape>]) -> JacobianPoint<Shape> {
        var terms: [(point: AffinePoint<Shape>, scalar: UInt128)] = []
        terms.reserveCapacity(Shape.partCount * products.count)
        for product in products {
            let parts = Shape.parts(of: product.scalar)
            var image = product.point
            for part in 0..<Shape.partCount {
                if part > 0 { image = Shape.endomorphism(image) }
                terms.append((parts[part].isNegative ? -image : image, parts[part].magnitude))
            }
        }
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
