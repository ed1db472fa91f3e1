public import ChoraleBase
public import Codec

/// What a proposer says: the part that is signed.
///
/// Specification: arXiv 1807.04938, `⟨PROPOSAL, h, round, v, validRound⟩`, with the block's root in the
/// place of `v`.
public struct ProposalContent: Hashable, Sendable {
    /// Within `1...heightMax`.
    public let height: UInt64
    /// Within `0...roundMax`.
    public let round: UInt32
    /// The earlier round in which the proposer saw > 2/3 prevote the block, or nil for a block
    /// proposed afresh (-1 in the paper).
    public let validRound: UInt32?
    public let blockID: Bytes32

    /// - Precondition: height and round are within ``ConsensusBounds``; `validRound` is below `round`;
    ///   `blockID` is not zero.
    public init(height: UInt64, round: UInt32, validRound: UInt32?, blockID: Bytes32) {
        precondition((1...ConsensusBounds.heightMax).contains(height), "height \(height)")
        precondition(round <= ConsensusBounds.roundMax, "round \(round)")
        precondition(validRound.map { $0 < round } ?? true, "a valid round is an earlier one")
        precondition(blockID != .zero, "no block has the root zero")
        self.height = height
        self.round = round
        self.validRound = validRound
        self.blockID = blockID
    }
}

extension ProposalContent: SignedContent {
    public static let signingDomain = "chorale/proposal/1"
    public static let sszLayout = SSZLayout(
        UInt64.self, UInt32.self, UInt32.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(height)
        fields.visit(round)
        // One more than the round, so that none is zero.
        fields.visit(validRound.map { $0 + 1 } ?? 0)
        fields.visit(blockID)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        height = try fields.next(in: input)
        round = try fields.next(in: input)
        let next = try fields.next(UInt32.self, in: input)
        blockID = try fields.next(in: input)
        validRound = next == 0 ? nil : next - 1
        try ConsensusBounds.check(height: height)
        try ConsensusBounds.check(round: round)
        guard next <= round else {
            throw .invalidValue("valid round \(next - 1) in round \(round)")
        }
        guard blockID != .zero else { throw .invalidValue("a proposal of no block") }
    }
}

/// A proposer's signed proposal. The block itself travels as a body.
public struct Proposal: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 48 + 2 + 1 + 4 + ConsensusBounds.signatureSizeMax

    public let content: ProposalContent
    public let proposer: ValidatorIndex
    public let scheme: SignatureScheme
    /// Unchecked until ``verify(validators:network:)``.
    public let signature: SignatureBytes

    public init(
        content: ProposalContent, proposer: ValidatorIndex, scheme: SignatureScheme,
        signature: SignatureBytes
    ) {
        self.content = content
        self.proposer = proposer
        self.scheme = scheme
        self.signature = signature
    }

    public var height: UInt64 { content.height }
    public var round: UInt32 { content.round }
    public var validRound: UInt32? { content.validRound }
    public var blockID: Bytes32 { content.blockID }
}

extension Proposal: ConsensusSigned {
    public static let sszLayout = signedLayout

    public var validator: ValidatorIndex { proposer }

    public init(
        content: ProposalContent, validator: ValidatorIndex, scheme: SignatureScheme,
        signature: SignatureBytes
    ) {
        self.init(content: content, proposer: validator, scheme: scheme, signature: signature)
    }
}
