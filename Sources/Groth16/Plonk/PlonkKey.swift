import ChoraleBase
public import Curves

/// A verifying key of gnark's PLONK with KZG commitments.
///
/// Specification: Gabizon, Williamson and Ciobotaru, "PLONK"; consensys/gnark `backend/plonk`.
public struct PlonkKey<Curve: ProofCurve>: Sendable {
    /// Most public inputs.
    public static var inputCountMax: Int { 64 }
    /// Most commitments of a circuit to its own wires.
    public static var commitmentCountMax: Int { 4 }
    /// Largest number of constraints, as a power of two: the two-adicity of BN254's scalar field.
    static var sizeLogMax: Int { 28 }

    public let size: UInt64
    /// A primitive root of unity of order ``size``.
    let root: Scalar<Curve.Order>
    let sizeInverse: Scalar<Curve.Order>
    public let inputCount: Int
    let cosetShift: Scalar<Curve.Order>
    /// S₁, S₂, S₃.
    let permutation: [Curve.Point1]
    let ql: Curve.Point1
    let qr: Curve.Point1
    let qm: Curve.Point1
    let qo: Curve.Point1
    let qk: Curve.Point1
    /// Where commitments enter the gates, one for each, and at which constraint.
    let commitmentSelectors: [Curve.Point1]
    let commitmentIndices: [UInt64]
    /// The set-up of the polynomial commitments: [1]₁, [1]₂ and [τ]₂.
    let generator1: Curve.Point1
    let generator2: Curve.Point2
    let tau: Curve.Point2

    /// - Parameter selectors: Qₗ, Qᵣ, Qₘ, Qₒ, Qₖ.
    public init(
        size: UInt64, root: Scalar<Curve.Order>, inputCount: Int,
        cosetShift: Scalar<Curve.Order>, permutation: [Curve.Point1], selectors: [Curve.Point1],
        commitmentSelectors: [Curve.Point1], commitmentIndices: [UInt64],
        generator1: Curve.Point1, generator2: Curve.Point2, tau: Curve.Point2
    ) throws(VerifyingKeyFault) {
        guard size.nonzeroBitCount == 1, size.trailingZeroBitCount <= Self.sizeLogMax else {
            throw .inconsistent("a domain of \(size)")
        }
        guard size > 1, root.power(size) == .one, root.power(size / 2) != .one else {
            throw .inconsistent("a root of unity of another order than the domain's")
        }
        guard (0...Self.inputCountMax).contains(inputCount) else {
            throw .inputCount(found: inputCount, limit: Self.inputCountMax)
        }
        guard permutation.count == 3, selectors.count == 5,
            commitmentSelectors.count == commitmentIndices.count,
            commitmentSelectors.count <= Self.commitmentCountMax
        else { throw .inconsistent("numbers of points") }
        guard commitmentIndices.allSatisfy({ $0 < size - UInt64(inputCount) }),
            UInt64(inputCount) < size
        else { throw .inconsistent("a commitment beyond the domain") }
        guard !generator1.isInfinity, !generator2.isInfinity, !tau.isInfinity else {
            throw .infinity
        }
        self.size = size
        self.root = root
        sizeInverse = Scalar(size).inverse()
        self.inputCount = inputCount
        self.cosetShift = cosetShift
        self.permutation = permutation
        ql = selectors[0]
        qr = selectors[1]
        qm = selectors[2]
        qo = selectors[3]
        qk = selectors[4]
        self.commitmentSelectors = commitmentSelectors
        self.commitmentIndices = commitmentIndices
        self.generator1 = generator1
        self.generator2 = generator2
        self.tau = tau
    }
}

extension PlonkKey where Curve == BN254 {
    /// Size of SP1's key files, in bytes.
    public static var fileSize: Int { 34_368 }

    /// A verifying key file of SP1. The 33,792 bytes of precomputed lines in it are not read: they follow
    /// from the points.
    ///
    /// Specification: consensys/gnark `backend/plonk/bn254/marshal.go`.
    public init(file bytes: Span<UInt8>) throws(VerifyingKeyFault) {
        guard bytes.count == Self.fileSize else {
            throw .size(found: bytes.count, expected: Self.fileSize)
        }
        guard let sizeInverse = Scalar<BN254.Order>(bytes, at: 8),
            let root = Scalar<BN254.Order>(bytes, at: 40),
            let cosetShift = Scalar<BN254.Order>(bytes, at: 80)
        else { throw .inconsistent("a scalar that is not below the order") }
        let size = bytes.loadBigEndian(UInt64.self, at: 0)
        guard Scalar(size) * sizeInverse == .one else {
            throw .inconsistent("the inverse of another size")
        }
        let inputCount = bytes.loadBigEndian(UInt64.self, at: 72)
        guard inputCount <= Self.inputCountMax else {
            throw .inputCount(
                found: Int(clamping: inputCount), limit: Self.inputCountMax)
        }
        guard bytes.loadBigEndian(UInt32.self, at: 368) == 1,
            bytes.loadBigEndian(UInt32.self, at: 34_356) == 1
        else { throw .inconsistent("not one commitment") }
        var points: [BN254.Point1] = []
        let generator1: BN254.Point1
        let generator2: BN254.Point2
        let tau: BN254.Point2
        let selector: BN254.Point1
        do {
            for index in 0..<8 {
                points.append(try BN254.Point1(compressed: bytes, at: 112 + 32 * index))
            }
            selector = try BN254.Point1(compressed: bytes, at: 372)
            generator1 = try BN254.Point1(compressed: bytes, at: 404)
            generator2 = try BN254.Point2(compressed: bytes, at: 436)
            tau = try BN254.Point2(compressed: bytes, at: 500)
        } catch {
            throw .point(error)
        }
        try self.init(
            size: size, root: root, inputCount: Int(inputCount), cosetShift: cosetShift,
            permutation: Array(points[0..<3]), selectors: Array(points[3..<8]),
            commitmentSelectors: [selector],
            commitmentIndices: [bytes.loadBigEndian(UInt64.self, at: 34_360)],
            generator1: generator1, generator2: generator2, tau: tau)
    }
}
