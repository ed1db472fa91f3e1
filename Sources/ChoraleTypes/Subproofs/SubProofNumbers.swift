public import ChoraleBase
public import Codec

/// Bounds of the numbers in votes on parts.
public enum SubProofBounds {
    /// Most parts of one operation: a plan of them, at some 100 bytes each, fits into a block.
    public static let partsMax = 1024
    /// Gossip topics that votes are spread over, by part.
    ///
    /// Specification: mechanisms section 6.2, `subproof_vote_{0..63}`.
    public static let subnetCount = 64
    /// Largest proof of a part, in bytes. Larger ones must be split further.
    public static let proofSizeMax: UInt64 = 4 << 20
}

/// One proof for one part of one operation: what is voted on.
///
/// A commitment on the chain says which proof an operation's part has. When a standby executor commits
/// another proof, that is another identity, and votes on the first say nothing about it.
public struct SubProofID: Hashable, Comparable, Sendable {
    public let operation: Bytes32
    /// From 0; below ``SubProofBounds/partsMax``.
    public let part: UInt16
    /// Digest of the proof's bytes, as the commitment on the chain names it.
    public let proof: Bytes32

    /// Nil when no operation has so many parts.
    public init?(operation: Bytes32, part: UInt16, proof: Bytes32) {
        guard Int(part) < SubProofBounds.partsMax else { return nil }
        self.operation = operation
        self.part = part
        self.proof = proof
    }

    /// Which of the topics its votes are on.
    public var subnet: Int { Int(part) % SubProofBounds.subnetCount }

    public static func < (lhs: Self, rhs: Self) -> Bool {
        guard lhs.operation == rhs.operation else { return lhs.operation < rhs.operation }
        guard lhs.part == rhs.part else { return lhs.part < rhs.part }
        return lhs.proof < rhs.proof
    }
}

extension SubProofID: SSZContainer {
    public static let sszLayout = SSZLayout(Bytes32.self, UInt16.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(operation)
        fields.visit(part)
        fields.visit(proof)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let operation = try fields.next(Bytes32.self, in: input)
        let part = try fields.next(UInt16.self, in: input)
        let proof = try fields.next(Bytes32.self, in: input)
        guard let value = Self(operation: operation, part: part, proof: proof) else {
            throw .invalidValue("part \(part)")
        }
        self = value
    }
}

/// What is wrong with a proof. Whoever says so is slashed when verifying again finds it good.
///
/// None means "not to be had" or "not understood": who cannot verify abstains.
public enum RejectReason: UInt8, Hashable, Sendable, CaseIterable {
    /// No proof of its type: bytes that do not decode, or too many.
    case malformed = 1
    /// Not of this statement: another operation, part, program or prover.
    case otherStatement = 2
    /// Its input is not the output of the part before.
    case brokenChain = 3
    /// The verifier says no.
    case proofFails = 4
}

/// What a validator found of a part's proof. In SSZ one byte: 0 for valid, or the reason.
public enum SubProofVerdict: Hashable, Sendable {
    case valid
    case reject(RejectReason)

    public var isValid: Bool { self == .valid }

    var byte: UInt8 {
        switch self {
        case .valid: 0
        case .reject(let reason): reason.rawValue
        }
    }

    init?(byte: UInt8) {
        if byte == 0 {
            self = .valid
        } else {
            guard let reason = RejectReason(rawValue: byte) else { return nil }
            self = .reject(reason)
        }
    }
}

extension SubProofVerdict: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { byte.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        byte.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        let byte = try UInt8(ssz: input)
        guard let value = Self(byte: byte) else { throw .invalidValue("a verdict \(byte)") }
        self = value
    }
}

/// How many of a part's validators are asked. Each is a prefix of the next, in the part's own order.
///
/// Specification: mechanisms rows 0.11 and 0.12.
public enum Tranche: UInt8, Hashable, Comparable, Sendable, CaseIterable {
    case first = 0
    case second = 1
    case everyone = 2

    /// How many validators it asks, of `count`.
    public func size(of count: Int) -> Int {
        switch self {
        case .first: min(count, 32)
        case .second: min(count, 128)
        case .everyone: count
        }
    }

    /// The next larger one.
    public var next: Tranche? { Tranche(rawValue: rawValue + 1) }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension Tranche: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { rawValue.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        rawValue.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        let number = try UInt8(ssz: input)
        guard let value = Self(rawValue: number) else { throw .invalidValue("tranche \(number)") }
        self = value
    }
}
