/// Multilinear extensions of vectors whose length is a power of two. The first variable of a point is the
/// highest bit of an index.
enum Multilinear {
    /// eq(point, i) for every i: the product of rⱼ where i's bit is one and 1 − rⱼ where it is zero.
    static func tensor(_ point: ArraySlice<Scalar>) -> [Scalar] {
        var tensor = [Scalar.one]
        tensor.reserveCapacity(1 << point.count)
        // From the last variable on, whose bit is the lowest.
        for coordinate in point.reversed() {
            let half = tensor.count
            for index in 0..<half {
                let high = coordinate * tensor[index]
                tensor.append(high)
                tensor[index] -= high
            }
        }
        return tensor
    }

    /// eq of two points.
    static func equality(_ a: [Scalar], _ b: [Scalar]) -> Scalar {
        zip(a, b).reduce(into: .one) { product, pair in
            let both = pair.0 * pair.1
            product *= Scalar.one - pair.0 - pair.1 + both + both
        }
    }

    /// Fixes the first variable.
    static func bind(_ table: inout [Scalar], to coordinate: Scalar) {
        let half = table.count / 2
        for index in 0..<half {
            let low = table[index]
            table[index] = low + coordinate * (table[index + half] - low)
        }
        table.removeLast(half)
    }
}
