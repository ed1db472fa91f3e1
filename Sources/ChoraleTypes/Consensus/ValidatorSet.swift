public import ChoraleBase
public import Codec
import PeerIdentity

/// A validator: a key, and the stake that weighs its votes.
public struct Validator: Hashable, Sendable {
    /// Ed25519 so far: the beacon needs a key that can make VRF proofs.
    public let key: SigningKeyBytes
    /// At least 1.
    public let stake: UInt64

    public init(key: SigningKeyBytes, stake: UInt64) {
        self.key = key
        self.stake = stake
    }
}

extension Validator: SSZContainer {
    public static let sszLayout = SSZLayout(
        SignatureScheme.self, SSZByteList<64>.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let bytes = SSZByteList<64>(key.bytes) else {
            preconditionFailure("a key keeps to its limit")
        }
        fields.visit(key.scheme)
        fields.visit(bytes)
        fields.visit(stake)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let scheme = try fields.next(SignatureScheme.self, in: input)
        let bytes = try fields.next(SSZByteList<64>.self, in: input)
        stake = try fields.next(in: input)
        guard let key = SigningKeyBytes(scheme: scheme, bytes: bytes.bytes) else {
            throw .invalidValue("a key of \(bytes.bytes.count) bytes")
        }
        self.key = key
    }
}

/// The validators of a height, in the order that indices refer to.
///
/// A value always has 1 to ``ConsensusBounds/validatorsMax`` members with distinct Ed25519 keys and
/// stakes of at least 1, which together are at most ``ConsensusBounds/totalStakeMax``.
public struct ValidatorSet: Hashable, Sendable {
    /// Why a list of validators is no set.
    public enum ListError: Error, Hashable, Sendable {
        case empty
        case tooMany(Int, limit: Int)
        case zeroStake(index: Int)
        case totalStakeAbove(limit: UInt64)
        case duplicateKey(index: Int)
        /// Not a canonical Ed25519 key.
        case unusableKey(index: Int)
    }

    public let validators: [Validator]
    public let totalStake: UInt64
    /// Hash tree root of the list: what blocks call ``BlockHeader/validatorsRoot``.
    public let root: Bytes32
    private let indices: [SigningKeyBytes: ValidatorIndex]

    /// - Throws: the first rule that a validator breaks, in the order of the list.
    public init(_ validators: [Validator]) throws(ListError) {
        guard !validators.isEmpty else { throw .empty }
        let limit = ConsensusBounds.validatorsMax
        guard validators.count <= limit else { throw .tooMany(validators.count, limit: limit) }
        var total: UInt64 = 0
        var indices: [SigningKeyBytes: ValidatorIndex] = [:]
        for (index, validator) in validators.enumerated() {
            guard validator.stake >= 1 else { throw .zeroStake(index: index) }
            let (sum, overflow) = total.addingReportingOverflow(validator.stake)
            guard !overflow, sum <= ConsensusBounds.totalStakeMax else {
                throw .totalStakeAbove(limit: ConsensusBounds.totalStakeMax)
            }
            total = sum
            guard validator.key.scheme == .ed25519, validator.key.publicKey != nil else {
                throw .unusableKey(index: index)
            }
            guard indices.updateValue(ValidatorIndex(index), forKey: validator.key) == nil else {
                throw .duplicateKey(index: index)
            }
        }
        guard let list = SSZList<Validator, 1024>(validators) else {
            preconditionFailure("counted above")
        }
        self.validators = validators
        self.indices = indices
        totalStake = total
        root = list.hashTreeRoot
    }

    public var count: Int { validators.count }

    /// Nil when the set has no such member.
    public subscript(index: ValidatorIndex) -> Validator? {
        index.position < validators.count ? validators[index.position] : nil
    }

    public func index(of key: SigningKeyBytes) -> ValidatorIndex? { indices[key] }

    /// Whether `stake` is more than two thirds of the whole (2f + 1 in the paper).
    ///
    /// - Precondition: `stake` is a sum over distinct members.
    public func isQuorum(_ stake: UInt64) -> Bool { 3 * stake > 2 * totalStake }

    /// Whether `stake` is more than a third of the whole, so that one of its owners is honest (f + 1).
    ///
    /// - Precondition: `stake` is a sum over distinct members.
    public func hasHonestMember(_ stake: UInt64) -> Bool { 3 * stake > totalStake }

    func verify(
        _ signature: [UInt8], scheme: SignatureScheme, by index: ValidatorIndex, message: [UInt8]
    ) throws(ConsensusSignatureError) {
        guard let validator = self[index] else {
            throw .unknownValidator(index, count: count)
        }
        guard scheme == validator.key.scheme else {
            throw .otherScheme(scheme, expected: validator.key.scheme)
        }
        guard let key = validator.key.publicKey,
            key.verify(signature: signature, message: message)
        else { throw .badSignature(index) }
    }

    public static func == (lhs: Self, rhs: Self) -> Bool { lhs.root == rhs.root }
    public func hash(into hasher: inout Hasher) { hasher.combine(root) }
}

extension ValidatorSet: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { nil }

    public func sszEncode(into bytes: inout [UInt8]) {
        guard let list = SSZList<Validator, 1024>(validators) else {
            preconditionFailure("a set keeps to its limit")
        }
        list.sszEncode(into: &bytes)
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 { root }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        let list = try SSZList<Validator, 1024>(ssz: input)
        do throws(ListError) {
            try self.init(list.elements)
        } catch {
            throw .invalidValue("validators: \(error)")
        }
    }
}
