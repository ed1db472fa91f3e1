public import ChoraleBase
public import Codec

/// What makes an output of a kind believed.
public enum ProofPolicy: UInt8, Hashable, Sendable, CaseIterable {
    /// Each part has a proof, and those assigned to it verify it.
    case proof = 1
    /// Each part has an attestation of an enclave.
    case enclave = 2
    /// An attestation first, and a proof behind it that has the last word.
    case enclaveThenProof = 3
    /// A small group executes again, or judges. No proofs.
    case committee = 4
}

/// A kind of operation, as the chain knows it.
///
/// Specification: mechanisms rows 0.2, 0.5 and 0.6.
public struct KindRecord: Hashable, Sendable {
    /// Most proof types of one kind.
    public static let proofTypesMax = 8

    /// As requests say it, at least 1.
    public let number: UInt16
    /// What an executor must offer.
    public let capability: UInt8
    public let policy: ProofPolicy
    /// Whether two honest executions of one input give one output. What is not, is for an enclave or a committee.
    public let isDeterministic: Bool
    /// Types that the proofs of a part may have, ascending. Numbers as EIP-8025 has them below 64, ours above.
    public let proofTypes: [UInt8]
    /// In bytes.
    public let inputSizeMax: UInt64
    public let outputSizeMax: UInt64
    /// Most parts, `1...64`.
    public let partsMax: UInt8
    /// Blocks from request to settlement.
    public let ttlMin: UInt64
    public let ttlMax: UInt64
    /// In wei.
    public let feeMin: UInt128

    /// - Throws: the first rule that is broken, in words.
    public init(
        number: UInt16, capability: UInt8, policy: ProofPolicy, isDeterministic: Bool,
        proofTypes: [UInt8], inputSizeMax: UInt64, outputSizeMax: UInt64, partsMax: UInt8,
        ttlMin: UInt64 = OperationsContract.ttls.lowerBound,
        ttlMax: UInt64 = OperationsContract.ttls.upperBound, feeMin: UInt128 = 1
    ) throws(SSZError) {
        guard number >= 1 else { throw .invalidValue("kind 0") }
        guard isDeterministic || policy == .enclave || policy == .committee else {
            throw .invalidValue("kind \(number): proofs of what is not deterministic")
        }
        guard proofTypes.count <= Self.proofTypesMax,
            zip(proofTypes, proofTypes.dropFirst()).allSatisfy({ $0 < $1 }),
            proofTypes.isEmpty == (policy == .committee)
        else { throw .invalidValue("kind \(number): proof types \(proofTypes)") }
        guard (1...UInt8(ExecutionCommitmentContent.partsMax)).contains(partsMax) else {
            throw .invalidValue("kind \(number): \(partsMax) parts")
        }
        guard outputSizeMax >= 1, outputSizeMax <= OperationsContract.outputSizeMax else {
            throw .invalidValue("kind \(number): outputs of \(outputSizeMax) bytes")
        }
        guard ttlMin <= ttlMax, OperationsContract.ttls.contains(ttlMin),
            OperationsContract.ttls.contains(ttlMax)
        else { throw .invalidValue("kind \(number): ttl \(ttlMin) to \(ttlMax)") }
        guard feeMin <= OperationsContract.feeMax else {
            throw .invalidValue("kind \(number): a fee of \(feeMin)")
        }
        self.number = number
        self.capability = capability
        self.policy = policy
        self.isDeterministic = isDeterministic
        self.proofTypes = proofTypes
        self.inputSizeMax = inputSizeMax
        self.outputSizeMax = outputSizeMax
        self.partsMax = partsMax
        self.ttlMin = ttlMin
        self.ttlMax = ttlMax
        self.feeMin = feeMin
    }
}

extension ProofPolicy: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { rawValue.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        rawValue.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        let number = try UInt8(ssz: input)
        guard let policy = ProofPolicy(rawValue: number) else {
            throw .invalidValue("policy \(number)")
        }
        self = policy
    }
}

extension KindRecord: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt16.self, UInt8.self, ProofPolicy.self, Bool.self, SSZByteList<8>.self, UInt64.self,
        UInt64.self, UInt8.self, UInt64.self, UInt64.self, UInt128.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let types = SSZByteList<8>(proofTypes) else {
            preconditionFailure("a kind keeps to its limits")
        }
        fields.visit(number)
        fields.visit(capability)
        fields.visit(policy)
        fields.visit(isDeterministic)
        fields.visit(types)
        fields.visit(inputSizeMax)
        fields.visit(outputSizeMax)
        fields.visit(partsMax)
        fields.visit(ttlMin)
        fields.visit(ttlMax)
        fields.visit(feeMin)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        try self.init(
            number: try fields.next(in: input), capability: try fields.next(in: input),
            policy: try fields.next(in: input), isDeterministic: try fields.next(in: input),
            proofTypes: try fields.next(SSZByteList<8>.self, in: input).bytes,
            inputSizeMax: try fields.next(in: input), outputSizeMax: try fields.next(in: input),
            partsMax: try fields.next(in: input), ttlMin: try fields.next(in: input),
            ttlMax: try fields.next(in: input), feeMin: try fields.next(in: input))
    }
}
