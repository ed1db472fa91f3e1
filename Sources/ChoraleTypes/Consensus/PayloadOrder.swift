public import ChoraleBase
public import Codec

/// What a proposer that keeps no state asks of nodes that do: the part that is signed.
///
/// A payload follows from its parent, this, and the transactions that whoever builds it knows. So this
/// is what Ethereum calls payload attributes, less what the parent already says.
public struct PayloadOrderContent: Hashable, Sendable {
    /// Of the block, within `1...heightMax`.
    public let height: UInt64
    /// In which it is to be proposed, within `0...roundMax`.
    public let round: UInt32
    public let parentID: Bytes32
    /// Of the consensus block.
    public let time: WallTime
    /// An address. Receives the fees of the block.
    public let feeRecipient: SSZByteVector<20>

    /// - Precondition: height and round are within ``ConsensusBounds``.
    public init(
        height: UInt64, round: UInt32, parentID: Bytes32, time: WallTime,
        feeRecipient: SSZByteVector<20>
    ) {
        precondition((1...ConsensusBounds.heightMax).contains(height), "height \(height)")
        precondition(round <= ConsensusBounds.roundMax, "round \(round)")
        self.height = height
        self.round = round
        self.parentID = parentID
        self.time = time
        self.feeRecipient = feeRecipient
    }
}

extension PayloadOrderContent: SignedContent {
    public static let signingDomain = "chorale/payload/1"
    public static let sszLayout = SSZLayout(
        UInt64.self, UInt32.self, Bytes32.self, UInt64.self, SSZByteVector<20>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(height)
        fields.visit(round)
        fields.visit(parentID)
        fields.visit(UInt64(bitPattern: time.milliseconds))
        fields.visit(feeRecipient)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        height = try fields.next(in: input)
        round = try fields.next(in: input)
        parentID = try fields.next(in: input)
        time = WallTime(
            milliseconds: Int64(bitPattern: try fields.next(UInt64.self, in: input)))
        feeRecipient = try fields.next(in: input)
        try ConsensusBounds.check(height: height)
        try ConsensusBounds.check(round: round)
    }
}

/// An order with its proposer's signature: only who may propose in a round makes others work for it.
public struct PayloadOrder: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 72 + 4 + 2 + 1 + 4 + ConsensusBounds.signatureSizeMax

    public let content: PayloadOrderContent
    public let proposer: ValidatorIndex
    public let scheme: SignatureScheme
    /// Unchecked until ``verify(validators:network:)``.
    public let signature: SignatureBytes

    public init(
        content: PayloadOrderContent, validator: ValidatorIndex, scheme: SignatureScheme,
        signature: SignatureBytes
    ) {
        self.content = content
        proposer = validator
        self.scheme = scheme
        self.signature = signature
    }

    public var height: UInt64 { content.height }
    public var round: UInt32 { content.round }
}

extension PayloadOrder: ConsensusSigned {
    public static let sszLayout = signedLayout

    public var validator: ValidatorIndex { proposer }
}
