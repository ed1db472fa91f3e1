/// How a vector is laid out as a matrix whose rows are committed to one by one.
///
/// Depends on the vector's length alone, so that equal vectors have equal commitments wherever they
/// occur.
///
/// Specification: Wahby, Tzialla, shelat, Thaler and Walfish, "Doubly-efficient zkSNARKs without trusted
/// setup" (Hyrax), 2018, section 6.1.
struct VectorShape: Sendable, Equatable {
    /// Elements in use; what follows in the matrix is zero.
    let count: Int
    /// log₂ of the length with padding.
    let variableCount: Int

    static var columnCountMax: Int { 1 << 10 }

    /// - Precondition: at most 2²⁰ elements.
    init(count: Int) {
        precondition(
            count >= 0 && count <= R1CSLimits.sectionCountMax, "a vector has at most 2²⁰ elements")
        self.count = count
        variableCount = count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
    }

    var paddedCount: Int { 1 << variableCount }

    /// Of an odd number of variables the columns have one more: a row costs a point, a column a scalar,
    /// and they are equally large, but points take longer to decode.
    var rowVariableCount: Int { variableCount / 2 }
    var columnVariableCount: Int { variableCount - variableCount / 2 }

    /// Rows with an element in use. The rest are zero, and so are their commitments, which need not be
    /// written.
    var rowCount: Int { (count + columnCount - 1) / columnCount }
    var columnCount: Int { 1 << columnVariableCount }
}
