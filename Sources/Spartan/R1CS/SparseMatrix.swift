/// A matrix by rows, of which only what is not zero is kept.
struct SparseMatrix: Sendable, Equatable {
    /// Where each row's entries begin, and where the last ends.
    private(set) var rowStarts: [Int] = [0]
    /// Codes of variables, ascending within a row.
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

    /// The product with a vector given by section.
    func product(row: Int, _ sections: [[Scalar]]) -> Scalar {
        var sum = Scalar.zero
        for entry in rowStarts[row]..<rowStarts[row + 1] {
            let variable = Variable(code: columns[entry])
            sum += values[entry] * sections[Int(variable.section.rawValue)][variable.index]
        }
        return sum
    }
}
