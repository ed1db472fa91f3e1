public import ChoraleBase
import Crypto
public import Curves

/// Why a receipt of RISC Zero was refused.
public enum RISCZeroFault: Error, Hashable, Sendable {
    /// Sizes are exact, in bytes.
    case size(found: Int, expected: Int)
    /// The seal names other parameters by its first four bytes.
    case selector(found: UInt32, expected: UInt32)
    case groth16(Groth16Fault)
    /// A set-inclusion seal that is not the ABI's one encoding, and where.
    case encoding(offset: Int)
    /// A path longer than any set's tree is deep.
    case pathLength(found: Int, limit: Int)
}

/// What seals of one release of RISC Zero are checked with.
///
/// Specification: risc0/risc0 `Groth16ReceiptVerifierParameters`.
public struct RISCZeroKey: Sendable {
    /// Roots of the recursion programs that may have made the proof that the circuit wraps.
    public let controlRoot: Bytes32
    public let controlID: Bytes32
    /// Names control root, control ID and verifying key. Its first four bytes begin every seal.
    public let parameters: Bytes32
    /// Names the verifying key.
    public let keyDigest: Bytes32
    private let key: Groth16Key<BN254>
    private let controlInputs: [Scalar<BN254.Order>]
    private let controlIDInput: Scalar<BN254.Order>

    static let inputCount = 5

    /// Size of the artefact, in bytes: control root, control ID, then α, β, γ, δ and six points of the
    /// inputs as contracts write points.
    public static let artefactSize = 64 + 64 + 3 * 128 + 6 * 64

    /// Size of a seal, in bytes.
    public static let sealSize = 4 + Groth16Proof<BN254>.size

    public init(
        controlRoot: Bytes32, controlID: Bytes32, key points: Groth16KeyPoints<BN254>
    ) throws(VerifyingKeyFault) {
        guard points.inputs.count == Self.inputCount + 1 else {
            throw .inputCount(found: points.inputs.count - 1, limit: Self.inputCount)
        }
        guard let controlIDInput = Scalar<BN254.Order>(controlID.storage.span) else {
            throw .inconsistent("a control ID that is not below the order")
        }
        key = try Groth16Key(points)
        keyDigest = Self.digest(points)
        self.controlIDInput = controlIDInput
        controlInputs = Self.halves(controlRoot)
        self.controlRoot = controlRoot
        self.controlID = controlID
        parameters = TaggedDigest.of(
            "risc0.Groth16ReceiptVerifierParameters",
            [controlRoot, Self.reversed(controlID), keyDigest])
    }

    /// - Parameter artefact: ``artefactSize`` bytes.
    public init(artefact bytes: Span<UInt8>) throws(VerifyingKeyFault) {
        guard bytes.count == Self.artefactSize else {
            throw .size(found: bytes.count, expected: Self.artefactSize)
        }
        let points: Groth16KeyPoints<BN254>
        do {
            var inputs: [BN254.Point1] = []
            for index in 0...Self.inputCount {
                inputs.append(try BN254.Point1(uncompressed: bytes, at: 512 + 64 * index))
            }
            points = Groth16KeyPoints(
                alpha: try BN254.Point1(uncompressed: bytes, at: 64),
                beta: try BN254.Point2(uncompressed: bytes, at: 128),
                gamma: try BN254.Point2(uncompressed: bytes, at: 256),
                delta: try BN254.Point2(uncompressed: bytes, at: 384), inputs: inputs)
        } catch {
            throw .point(error)
        }
        try self.init(
            controlRoot: Bytes32(bytes.extracting(0..<32)) ?? .zero,
            controlID: Bytes32(bytes.extracting(32..<64)) ?? .zero, key: points)
    }

    /// The artefact of parameters, for whoever registers them.
    public static func artefact(
        controlRoot: Bytes32, controlID: Bytes32, key points: Groth16KeyPoints<BN254>
    ) -> [UInt8] {
        var bytes = controlRoot.bytes + controlID.bytes + points.alpha.uncompressed
        for point in [points.beta, points.gamma, points.delta] { bytes += point.uncompressed }
        for point in points.inputs { bytes += point.uncompressed }
        return bytes
    }

    /// The first four bytes of every seal, big-endian.
    public var selector: UInt32 {
        parameters.storage.span.loadBigEndian(UInt32.self, at: 0)
    }

    /// Checks that a seal proves a claim.
    ///
    /// - Parameter seal: selector, then A, B and C.
    /// - Throws: ``RISCZeroFault``, unless it does.
    public func verify(_ seal: Span<UInt8>, claim: RISCZeroClaim) throws(RISCZeroFault) {
        guard seal.count == Self.sealSize else {
            throw .size(found: seal.count, expected: Self.sealSize)
        }
        let found = seal.loadBigEndian(UInt32.self, at: 0)
        guard found == selector else { throw .selector(found: found, expected: selector) }
        do {
            try key.verify(
                try Groth16Proof(uncompressed: seal, at: 4),
                inputs: inputs(claim))
        } catch {
            throw .groth16(error)
        }
    }

    /// The circuit's public inputs for a claim: halves of the control root and of the claim, and the
    /// control ID.
    public func inputs(_ claim: RISCZeroClaim) -> [Scalar<BN254.Order>] {
        controlInputs + Self.halves(claim.digest) + [controlIDInput]
    }

    /// A digest, byte-reversed, as its low and its high half.
    private static func halves(_ digest: Bytes32) -> [Scalar<BN254.Order>] {
        let bytes = reversed(digest).bytes
        let (high, low) = (Array(bytes[0..<16]), Array(bytes[16..<32]))
        return [Scalar(reducing: low.span), Scalar(reducing: high.span)]
    }

    private static func reversed(_ digest: Bytes32) -> Bytes32 {
        var reversed = digest
        for index in 0..<32 { reversed.storage[index] = digest.storage[31 - index] }
        return reversed
    }

    /// Specification: risc0/risc0 `groth16/src/verifier.rs`, `VerifyingKey::digest`.
    private static func digest(_ points: Groth16KeyPoints<BN254>) -> Bytes32 {
        TaggedDigest.of(
            "risc0_groth16.VerifyingKey",
            [
                SHA256.hash(points.alpha.uncompressed), SHA256.hash(points.beta.uncompressed),
                SHA256.hash(points.gamma.uncompressed), SHA256.hash(points.delta.uncompressed),
                TaggedDigest.list(
                    "risc0_groth16.VerifyingKey.IC",
                    points.inputs.map { SHA256.hash($0.uncompressed) }),
            ])
    }
}
