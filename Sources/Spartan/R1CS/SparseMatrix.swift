/// A matrix by rows, of which only what is not zero is kept.
struct SparseMatrix: Sendable, Equatable {
    /// Where each row's entries begin, and where the last ends.
    private(set) var rowStarts: [Int] = [0]
    /// Columns, ascending within a row: codes of variables while a builder does not know how many
    /// there will be, then places in z.
    private(set) var columns: [UInt32] = []
    private(set) var values: [Scalar] = []

    var rowCount: Int { rowStarts.count - 1 }

    /// Appends a row in its one form: by ascending column, every column once, nothing zero.
    mutating func append(_ combination: LinearCombination) {
        var terms = combination.terms.map { ($0.variable.code, $0.coefficient) }
        // Circuits are mostly built in the order of their variables.
        if zip(terms, terms.dropFirst()).contains(where: { $0.0 >= $1.0 }) {
            terms.sort { $0.0 < $1.0 }
        }
        var position = 0
        while position < terms.count {
            let column = terms[position].0
            var sum = Scalar.zero
            while position < terms.count, terms[position].0 == column {
                sum += terms[position].1
                position += 1
            }
            if !sum.isZero {
                columns.append(column)
                values.append(sum)
            }
        }
        rowStarts.append(columns.count)
    }

    /// Replaces every column by what it is mapped to. The mapping keeps the order.
    mutating func renumber(_ place: (UInt32) -> UInt32) {
        for entry in columns.indices { columns[entry] = place(columns[entry]) }
    }

    /// The product of one row with a vector.
    func product(row: Int, _ z: [Scalar]) -> Scalar {
        var sum = Scalar.zero
        for entry in rowStarts[row]..<rowStarts[row + 1] {
            sum += values[entry] * z[Int(columns[entry])]
        }
        return sum
    }
}
