import ChoraleBase
public import Codec
public import Crypto

/// An Ethereum node record (ENR) of identity scheme "v4": sorted key-value pairs about a node,
/// signed with its secp256k1 key.
///
/// A value is always one whose signature was checked, or that was signed here.
///
///     record  = RLP [signature, seq, k, v, …]      at most 300 bytes
///     content = RLP [seq, k, v, …]                 what is signed, over Keccak-256
///     text    = "enr:" base64url(record)           without padding
///
/// Specification: EIP-778. Besides its own keys: `quic` and `quic6` (consensus clients), and
/// Chorale's `cho`, `rol` and `pvr`.
public struct NodeRecord: Hashable, Sendable {
    /// Grows with every change of the record.
    public let sequence: UInt64
    public let publicKey: Secp256k1.PublicKey
    /// Ascending by key, each key once.
    public let pairs: [Pair]
    /// r‖s.
    public let signature: [UInt8]
    /// The whole record, at most ``sizeMax`` bytes.
    public let bytes: [UInt8]

    /// Largest record, in bytes (EIP-778, "RLP Encoding").
    public static let sizeMax = 300
    /// `enr:` and the base64 of the largest record, in characters.
    public static let textSizeMax = 404

    /// A key with its value as it stands in the record.
    public struct Pair: Hashable, Sendable {
        public let key: [UInt8]
        /// The RLP of the value: usually a byte string, but some keys hold lists.
        public let encodedValue: [UInt8]

        public init(key: [UInt8], encodedValue: [UInt8]) {
            self.key = key
            self.encodedValue = encodedValue
        }
    }

    /// Why a record was refused.
    public enum RecordError: Error, Equatable, Sendable {
        /// Text that does not start with `enr:`.
        case noPrefix
        case base64(Multibase.DecodeError)
        case tooLarge(size: Int, limit: Int)
        /// Not the canonical RLP of a list of signature, number, keys and values.
        case rlp(RLPError)
        case wrongSignatureSize(Int)
        /// Keys must ascend, and so none may repeat.
        case keysOutOfOrder
        /// A record without `id`, or with another identity scheme than "v4".
        case unknownIdentityScheme
        case noPublicKey
        case publicKey(Secp256k1.KeyError)
        /// The key to sign with is not the one in the record.
        case otherKey
        case badSignature
    }

    /// Reads `enr:…`.
    public init(text: String) throws(RecordError) {
        guard text.hasPrefix("enr:") else { throw .noPrefix }
        guard text.utf8.count <= Self.textSizeMax else {
            throw .tooLarge(size: text.utf8.count, limit: Self.textSizeMax)
        }
        let bytes: [UInt8]
        do throws(Multibase.DecodeError) {
            bytes = try Multibase.Encoding.base64url.decode(String(text.dropFirst(4)))
        } catch {
            throw .base64(error)
        }
        try self.init(bytes: bytes.span)
    }

    /// Reads and verifies the record that fills `bytes`.
    public init(bytes: Span<UInt8>) throws(RecordError) {
        guard bytes.count <= Self.sizeMax else {
            throw .tooLarge(size: bytes.count, limit: Self.sizeMax)
        }
        let signature: [UInt8]
        let sequence: UInt64
        var pairs: [Pair] = []
        do throws(RLPError) {
            let items = try Self.items(bytes)
            guard items.count >= 2 else { throw .missingItem }
            signature = bytes.extracting(try items[0].bytes()).copied()
            sequence = try items[1].uint64(in: bytes)
            guard items.count.isMultiple(of: 2) else { throw .missingItem }
            for index in stride(from: 2, to: items.count, by: 2) {
                let key = bytes.extracting(try items[index].bytes()).copied()
                let value = bytes.extracting(items[index + 1].encoding).copied()
                pairs.append(Pair(key: key, encodedValue: value))
            }
        } catch {
            throw .rlp(error)
        }
        guard signature.count == Secp256k1.compactSignatureSize else {
            throw .wrongSignatureSize(signature.count)
        }
        try self.init(sequence: sequence, pairs: pairs, signature: signature, bytes: bytes.copied())
    }

    private init(
        sequence: UInt64,
        pairs: [Pair],
        signature: [UInt8],
        bytes: [UInt8]
    ) throws(RecordError) {
        let key = try Self.publicKey(in: pairs)
        // geth refuses the other half, in which every signature has a second form.
        guard Secp256k1.isLowS(signatureCompact: signature.span),
            key.verifyCompact(signature, digest: Self.digest(sequence, pairs))
        else { throw .badSignature }
        self.sequence = sequence
        self.pairs = pairs
        self.publicKey = key
        self.signature = signature
        self.bytes = bytes
    }

    /// Signs a record of these pairs, which hold `id` and `secp256k1` already.
    ///
    /// - Throws: ``RecordError`` for pairs that make no record, or one that is too large.
    public init(
        signing pairs: [Pair],
        sequence: UInt64,
        with key: Secp256k1.PrivateKey
    ) throws(RecordError) {
        guard try Self.publicKey(in: pairs) == key.publicKey else { throw .otherKey }
        let signature = key.signCompact(digest: Self.digest(sequence, pairs))
        let bytes = Self.encode(signature, sequence, pairs)
        guard bytes.count <= Self.sizeMax else {
            throw .tooLarge(size: bytes.count, limit: Self.sizeMax)
        }
        self.sequence = sequence
        self.pairs = pairs
        self.publicKey = key.publicKey
        self.signature = signature
        self.bytes = bytes
    }

    /// Checks order and scheme, and finds the key.
    private static func publicKey(in pairs: [Pair]) throws(RecordError) -> Secp256k1.PublicKey {
        for (pair, next) in zip(pairs, pairs.dropFirst()) {
            guard pair.key.lexicographicallyPrecedes(next.key) else { throw .keysOutOfOrder }
        }
        guard value(of: "id", in: pairs) == Array("v4".utf8) else { throw .unknownIdentityScheme }
        guard let encoded = value(of: "secp256k1", in: pairs) else { throw .noPublicKey }
        do throws(Secp256k1.KeyError) {
            return try Secp256k1.PublicKey(compressed: encoded)
        } catch {
            throw .publicKey(error)
        }
    }

    private static func digest(_ sequence: UInt64, _ pairs: [Pair]) -> Bytes32 {
        Keccak256.hash(encode(nil, sequence, pairs))
    }

    /// `enr:` and the record in base64url without padding.
    public var text: String { "enr:" + Multibase.Encoding.base64url.encode(bytes) }

    /// The byte string under `key`, or nil when there is none or it is a list.
    public subscript(key: String) -> [UInt8]? { Self.value(of: key, in: pairs) }

    private static func value(of key: String, in pairs: [Pair]) -> [UInt8]? {
        guard let pair = pairs.first(where: { $0.key.elementsEqual(key.utf8) }) else { return nil }
        return string(pair.encodedValue)
    }
}

extension NodeRecord: CustomStringConvertible {
    public var description: String { text }
}
