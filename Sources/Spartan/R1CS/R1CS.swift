public import ChoraleBase
internal import Crypto

/// A rank-1 constraint system: (A·z) ∘ (B·z) = C·z over z = (inputs ‖ outputs ‖ internals ‖ 1).
///
/// The shape only; values are an ``Assignment``. Made by ``R1CSBuilder``. Two systems with equal
/// ``digest`` are the same system, so that the digest is what a verifying key is.
///
/// Specification: S. Setty, "Spartan", CRYPTO 2020, definition 2.3.
public struct R1CS: Sendable {
    public let inputCount: Int
    public let outputCount: Int
    public let internalCount: Int
    public let constraintCount: Int

    /// With columns that are places in z.
    let a: SparseMatrix
    let b: SparseMatrix
    let c: SparseMatrix

    /// SHA-256 of everything above in one form: a domain, the counts, and the matrices by row with
    /// columns ascending.
    public let digest: Bytes32

    init(
        inputCount: Int, outputCount: Int, internalCount: Int,
        a: SparseMatrix, b: SparseMatrix, c: SparseMatrix
    ) {
        self.inputCount = inputCount
        self.outputCount = outputCount
        self.internalCount = internalCount
        constraintCount = a.rowCount
        self.a = a
        self.b = b
        self.c = c
        var hasher = SHA256.Hasher()
        hasher.update(Array("chorale.r1cs.v1".utf8))
        var counts: [UInt8] = []
        for count in [inputCount, outputCount, internalCount, a.rowCount] {
            counts.appendLittleEndian(UInt64(count))
        }
        hasher.update(counts)
        for matrix in [a, b, c] {
            for row in 0..<matrix.rowCount {
                let entries = matrix.rowStarts[row]..<matrix.rowStarts[row + 1]
                var bytes: [UInt8] = []
                bytes.reserveCapacity(4 + 36 * entries.count)
                bytes.appendLittleEndian(UInt32(entries.count))
                for entry in entries {
                    bytes.appendLittleEndian(matrix.columns[entry])
                    matrix.values[entry].append(to: &bytes)
                }
                hasher.update(bytes)
            }
        }
        digest = hasher.finish()
    }

    /// Coefficients that are not zero, in all three matrices. What a verifier's time is linear in.
    public var entryCount: Int { a.values.count + b.values.count + c.values.count }

    /// Whether every constraint holds.
    public func isSatisfied(by assignment: Assignment) -> Bool {
        firstViolatedRow(by: assignment) == nil
    }

    /// The first constraint, in the order in which they were built, that does not hold.
    ///
    /// - Precondition: the assignment has as many values in each section as the system.
    public func firstViolatedRow(by assignment: Assignment) -> Int? {
        precondition(fits(assignment), "an assignment has a value for each variable")
        let z = assignment.z
        for row in 0..<constraintCount {
            let left = a.product(row: row, z) * b.product(row: row, z)
            if left != c.product(row: row, z) { return row }
        }
        return nil
    }

    /// Whether an assignment has as many values in each section as the system.
    public func fits(_ assignment: Assignment) -> Bool {
        assignment.inputs.count == inputCount && assignment.outputs.count == outputCount
            && assignment.internals.count == internalCount
    }
}

/// Values of a system's variables, in the order in which the builder made them.
public struct Assignment: Hashable, Sendable {
    public var inputs: [Scalar]
    public var outputs: [Scalar]
    public var internals: [Scalar]

    public init(inputs: [Scalar], outputs: [Scalar], internals: [Scalar]) {
        self.inputs = inputs
        self.outputs = outputs
        self.internals = internals
    }

    /// The vector that the matrices are multiplied with.
    var z: [Scalar] { inputs + outputs + internals + [.one] }
}
