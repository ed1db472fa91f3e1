public import ChoraleBase
public import Codec

/// Which of a round's two votes.
public enum VoteKind: UInt8, Hashable, Sendable, CaseIterable {
    case prevote = 1
    case precommit = 2
}

extension VoteKind: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { rawValue.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        rawValue.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        let number = try UInt8(ssz: input)
        guard let kind = VoteKind(rawValue: number) else {
            throw .invalidValue("a vote of kind \(number)")
        }
        self = kind
    }
}

/// What a vote says: the part that is signed.
///
/// Who says it is no part, so that all who vote alike sign the same bytes, which is what a scheme
/// that aggregates signatures needs.
///
/// Specification: arXiv 1807.04938, `⟨PREVOTE, h, round, id(v)⟩` and `⟨PRECOMMIT, h, round, id(v)⟩`.
public struct VoteContent: Hashable, Sendable {
    public let kind: VoteKind
    /// Within `1...heightMax`.
    public let height: UInt64
    /// Within `0...roundMax`.
    public let round: UInt32
    /// nil: for no block in this round.
    public let blockID: Bytes32?

    /// - Precondition: height and round are within ``ConsensusBounds``; `blockID` is not zero.
    public init(kind: VoteKind, height: UInt64, round: UInt32, blockID: Bytes32?) {
        precondition((1...ConsensusBounds.heightMax).contains(height), "height \(height)")
        precondition(round <= ConsensusBounds.roundMax, "round \(round)")
        precondition(blockID != .zero, "no block has the root zero")
        self.kind = kind
        self.height = height
        self.round = round
        self.blockID = blockID
    }
}

extension VoteContent: SignedContent {
    public static let signingDomain = "chorale/vote/1"
    public static let sszLayout = SSZLayout(
        VoteKind.self, UInt64.self, UInt32.self, OptionalRoot.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(kind)
        fields.visit(height)
        fields.visit(round)
        fields.visit(OptionalRoot(blockID))
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        kind = try fields.next(in: input)
        height = try fields.next(in: input)
        round = try fields.next(in: input)
        blockID = try fields.next(OptionalRoot.self, in: input).root
        try ConsensusBounds.check(height: height)
        try ConsensusBounds.check(round: round)
    }
}

/// A validator's signed vote: what is gossiped on `vote`.
public struct Vote: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 45 + 2 + 1 + 4 + ConsensusBounds.signatureSizeMax

    public let content: VoteContent
    public let validator: ValidatorIndex
    public let scheme: SignatureScheme
    /// Unchecked until ``verify(validators:network:)``.
    public let signature: SignatureBytes

    public init(
        content: VoteContent, validator: ValidatorIndex, scheme: SignatureScheme,
        signature: SignatureBytes
    ) {
        self.content = content
        self.validator = validator
        self.scheme = scheme
        self.signature = signature
    }

    public var kind: VoteKind { content.kind }
    public var height: UInt64 { content.height }
    public var round: UInt32 { content.round }
    public var blockID: Bytes32? { content.blockID }
}

extension Vote: ConsensusSigned {
    public static let sszLayout = signedLayout
}
