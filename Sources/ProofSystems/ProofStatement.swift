public import ChoraleBase
public import Codec
import Crypto

/// What one proof says: for this operation, this part of this plan takes what the input commitment
/// stands for to what the output commitment stands for, and this prover did the work.
///
/// Every proof carries ``binding``, so that one made for another operation, part, plan, key or prover
/// never verifies. In particular a proof that somebody else made cannot be handed in under one's own
/// key, which is what provers are paid by.
///
/// Specification: mechanisms rows 0.6, 0.7 and 0.9.
public struct ProofStatement: Hashable, Sendable {
    /// The operation's ID. It names the network too, so that a proof does not serve on another.
    public let operation: Bytes32
    /// Which part of the plan, below ``partCount``.
    public let part: UInt32
    /// How many parts the plan has, at least one.
    public let partCount: UInt32
    /// ``SplitPlan/root``.
    public let plan: Bytes32
    public let key: VerifierKey
    public let input: Bytes32
    public let output: Bytes32
    /// The prover's Ed25519 public key.
    public let prover: Bytes32

    /// Size of the serialisation that ``binding`` is made of, in bytes.
    public static let encodedSize = 233

    /// - Precondition: `part` is below `partCount`.
    public init(
        operation: Bytes32, part: UInt32, partCount: UInt32, plan: Bytes32, key: VerifierKey,
        input: Bytes32, output: Bytes32, prover: Bytes32
    ) {
        precondition(part < partCount, "part \(part) of \(partCount)")
        self.operation = operation
        self.part = part
        self.partCount = partCount
        self.plan = plan
        self.key = key
        self.input = input
        self.output = output
        self.prover = prover
    }

    /// SHA-256 of ``domain`` and the fixed-size serialisation (SSZ) of all fields.
    ///
    /// Each field has one place and one size, so that no two statements have the same bytes.
    public var binding: Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update([UInt8](Self.domain.utf8))
        hasher.update(sszEncoded())
        return hasher.finish()
    }

    /// Keeps bindings apart from whatever else is hashed.
    public static let domain = "chorale/proof-statement/1"
}

extension ProofStatement: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, UInt32.self, UInt32.self, Bytes32.self, VerifierKey.self, Bytes32.self,
        Bytes32.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(operation)
        fields.visit(part)
        fields.visit(partCount)
        fields.visit(plan)
        fields.visit(key)
        fields.visit(input)
        fields.visit(output)
        fields.visit(prover)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        operation = try fields.next(in: input)
        part = try fields.next(in: input)
        partCount = try fields.next(in: input)
        plan = try fields.next(in: input)
        key = try fields.next(in: input)
        self.input = try fields.next(in: input)
        output = try fields.next(in: input)
        prover = try fields.next(in: input)
        guard part < partCount else { throw .invalidValue("part \(part) of \(partCount)") }
    }
}
