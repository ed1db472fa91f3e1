public import ChoraleBase
public import Codec
import Crypto

/// What a prover signs about itself: who it is, for which epoch or block, in which place, and where
/// it can be reached.
///
/// Values of this type have been read or built, not checked: see ``ProverIdentityRules``.
///
/// SSZ, in this order: `schema: uint8`, `network: Bytes4`, `keyScheme: uint8`,
/// `proverKey: ByteList[64]`, `subjectKind: uint8`, `subject: Bytes32`, `position: uint64`,
/// `orderingProof: ByteList[128]`, `addresses: List[ByteList[128], 4]`, `sequence: uint64`,
/// `issued: uint64`, `expiry: uint64`.
public struct ProverIdentityContent: Hashable, Sendable {
    public typealias NetworkDigest = SSZByteVector<4>
    public typealias Address = SSZByteList<128>

    /// The one schema there is.
    public static let schemaCurrent: UInt8 = 1

    /// How keys and signatures are to be read, so that an aggregate scheme can follow.
    public enum Scheme {
        public static let ed25519: UInt8 = 1
    }

    /// What a record is about.
    public enum Subject: Hashable, Sendable {
        case epoch(UInt64)
        /// The root of a block, for proofs that are published late.
        case block(Bytes32)
    }

    public var schema: UInt8
    /// Digest of the network, so that a record cannot be carried into another one.
    public var network: NetworkDigest
    public var keyScheme: UInt8
    /// For scheme 1 an Ed25519 public key, 32 bytes.
    public var proverKey: SSZByteList<64>
    public var subject: Subject
    /// Place in the order of provers.
    public var position: UInt64
    /// A VRF proof for ``orderingAlpha``, or empty.
    public var orderingProof: SSZByteList<128>
    /// Multiaddrs in binary form, nearest the prover's heart first.
    public var addresses: SSZList<Address, 4>
    /// Higher replaces lower. Two contents with one number are equivocation.
    public var sequence: UInt64
    /// Seconds since 1970.
    public var issued: UInt64
    /// Seconds since 1970; from this second on the record means nothing.
    public var expiry: UInt64

    public init(
        network: NetworkDigest, proverKey: Bytes32, subject: Subject, position: UInt64,
        orderingProof: SSZByteList<128> = SSZByteList(), addresses: SSZList<Address, 4>,
        sequence: UInt64, issued: UInt64, expiry: UInt64
    ) {
        schema = Self.schemaCurrent
        self.network = network
        keyScheme = Scheme.ed25519
        self.proverKey = SSZByteList(proverKey.bytes)!
        self.subject = subject
        self.position = position
        self.orderingProof = orderingProof
        self.addresses = addresses
        self.sequence = sequence
        self.issued = issued
        self.expiry = expiry
    }

    /// `hash_tree_root`.
    public var root: Bytes32 { hashTreeRoot(MerkleHash.self) }
}

extension ProverIdentityContent: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt8.self, NetworkDigest.self, UInt8.self, SSZByteList<64>.self, UInt8.self, Bytes32.self,
        UInt64.self, SSZByteList<128>.self, SSZList<Address, 4>.self, UInt64.self, UInt64.self,
        UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(schema)
        fields.visit(network)
        fields.visit(keyScheme)
        fields.visit(proverKey)
        fields.visit(subject.kind)
        fields.visit(subject.root)
        fields.visit(position)
        fields.visit(orderingProof)
        fields.visit(addresses)
        fields.visit(sequence)
        fields.visit(issued)
        fields.visit(expiry)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        schema = try fields.next(in: input)
        network = try fields.next(in: input)
        keyScheme = try fields.next(in: input)
        proverKey = try fields.next(in: input)
        let kind = try fields.next(UInt8.self, in: input)
        let root = try fields.next(Bytes32.self, in: input)
        guard let subject = Subject(kind: kind, root: root) else {
            throw .invalidValue("subject of kind \(kind)")
        }
        self.subject = subject
        position = try fields.next(in: input)
        orderingProof = try fields.next(in: input)
        addresses = try fields.next(in: input)
        sequence = try fields.next(in: input)
        issued = try fields.next(in: input)
        expiry = try fields.next(in: input)
    }
}

extension ProverIdentityContent.Subject {
    var kind: UInt8 {
        switch self {
        case .epoch: 0
        case .block: 1
        }
    }

    /// The block's root, or the epoch's: its little-endian bytes and zeros, as SSZ has it.
    var root: Bytes32 {
        switch self {
        case .epoch(let epoch): epoch.hashTreeRoot(MerkleHash.self)
        case .block(let root): root
        }
    }

    init?(kind: UInt8, root: Bytes32) {
        switch kind {
        case 0:
            let epoch = root.storage.span.loadLittleEndian(UInt64.self, at: 0)
            // One value has one encoding: the rest of an epoch's root is zero.
            guard epoch.hashTreeRoot(MerkleHash.self) == root else { return nil }
            self = .epoch(epoch)
        case 1:
            self = .block(root)
        default:
            return nil
        }
    }
}

/// A signed ``ProverIdentityContent``: the value of a DHT record.
///
/// SSZ: `content`, `signatureScheme: uint8`, `signature: ByteList[128]`.
public struct ProverIdentityRecord: Hashable, Sendable {
    /// Largest encoding, in bytes. The sizes of the lists allow 940.
    public static let encodedSizeMax = 1024

    public var content: ProverIdentityContent
    public var signatureScheme: UInt8
    /// For scheme 1 an Ed25519 signature, 64 bytes, over ``signedMessage(_:)``.
    public var signature: SSZByteList<128>

    public init(
        content: ProverIdentityContent, signatureScheme: UInt8, signature: SSZByteList<128>
    ) {
        self.content = content
        self.signatureScheme = signatureScheme
        self.signature = signature
    }
}

extension ProverIdentityRecord: SSZContainer {
    public static let sszLayout = SSZLayout(
        ProverIdentityContent.self, UInt8.self, SSZByteList<128>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(content)
        fields.visit(signatureScheme)
        fields.visit(signature)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        content = try fields.next(in: input)
        signatureScheme = try fields.next(in: input)
        signature = try fields.next(in: input)
    }
}

/// SHA-256 for Merkle roots.
enum MerkleHash: SHA256Hashing {
    static func combine(_ left: Bytes32, _ right: Bytes32) -> Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update(left)
        hasher.update(right)
        return hasher.finish()
    }
}
