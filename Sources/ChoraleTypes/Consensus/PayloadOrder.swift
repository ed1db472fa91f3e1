public import ChoraleBase
public import Codec
public import PeerIdentity

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

    /// What is signed: `"chorale/payload/1" ‖ network digest ‖ hash tree root`.
    public func signedMessage(network: NetworkDigest) -> [UInt8] {
        ConsensusDomain.message("chorale/payload/1", network, hashTreeRoot)
    }
}

extension PayloadOrderContent: SSZContainer {
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

    /// Signs `content` for the validator that has `key`.
    public init(
        signing content: PayloadOrderContent, as proposer: ValidatorIndex, with key: IdentityKey,
        network: NetworkDigest
    ) {
        self.content = content
        self.proposer = proposer
        scheme = SigningKeyBytes(key).scheme
        signature = SignatureBytes(key.sign(content.signedMessage(network: network)))!
    }

    public var height: UInt64 { content.height }
    public var round: UInt32 { content.round }

    /// Checks the signature against the set of the height. Whose turn it is, the proposer's rotation says.
    public func verify(
        validators: ValidatorSet, network: NetworkDigest
    ) throws(ConsensusSignatureError) {
        try validators.verify(
            signature.bytes, scheme: scheme, by: proposer,
            message: content.signedMessage(network: network))
    }
}

extension PayloadOrder: SSZContainer {
    public static let sszLayout = SSZLayout(
        PayloadOrderContent.self, ValidatorIndex.self, SignatureScheme.self, SignatureBytes.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(content)
        fields.visit(proposer)
        fields.visit(scheme)
        fields.visit(signature)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        content = try fields.next(in: input)
        proposer = try fields.next(in: input)
        scheme = try fields.next(in: input)
        signature = try fields.next(in: input)
    }
}
