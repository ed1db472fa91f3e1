public import ChoraleBase
public import Codec

/// What a committee's member says of a whole operation: the part that is signed.
///
/// Who says it is no part, so that all who agree sign the same bytes.
public struct CommitteeVoteContent: Hashable, Sendable {
    public let operation: Bytes32
    /// Root of the commitment that is judged. An operation may have another after it.
    public let commitment: Bytes32
    /// Root of the set that the voter's index refers to.
    public let validatorsRoot: Bytes32
    /// Hash of the output that the member found, or judged to be right.
    public let outputHash: Bytes32

    public init(
        operation: Bytes32, commitment: Bytes32, validatorsRoot: Bytes32, outputHash: Bytes32
    ) {
        self.operation = operation
        self.commitment = commitment
        self.validatorsRoot = validatorsRoot
        self.outputHash = outputHash
    }
}

extension CommitteeVoteContent: SetNamingContent {
    public static let signingDomain = "chorale/committee-vote/1"
    public static let sszLayout = SSZLayout(
        Bytes32.self, Bytes32.self, Bytes32.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(operation)
        fields.visit(commitment)
        fields.visit(validatorsRoot)
        fields.visit(outputHash)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        operation = try fields.next(in: input)
        commitment = try fields.next(in: input)
        validatorsRoot = try fields.next(in: input)
        outputHash = try fields.next(in: input)
    }
}

/// A member's signed word on an operation that no proof system fits.
///
/// Specification: mechanisms row 0.13.
public struct CommitteeVote: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 128 + 2 + 1 + 4 + ConsensusBounds.signatureSizeMax

    public let content: CommitteeVoteContent
    public let validator: ValidatorIndex
    public let scheme: SignatureScheme
    /// Unchecked until ``verify(validators:network:)``.
    public let signature: SignatureBytes

    public init(
        content: CommitteeVoteContent, validator: ValidatorIndex, scheme: SignatureScheme,
        signature: SignatureBytes
    ) {
        self.content = content
        self.validator = validator
        self.scheme = scheme
        self.signature = signature
    }

    public var operation: Bytes32 { content.operation }
    public var outputHash: Bytes32 { content.outputHash }
}

extension CommitteeVote: SubProofSigned {
    public static let sszLayout = signedLayout
}

/// A quorum of a committee for one output: the operation is *justified*, and final when its challenge
/// window ends without a dispute. Of ``Tranche/everyone`` it is final at once.
///
/// A value has as many signatures as bits set, and at least one.
///
/// Specification: mechanisms row 0.13.
public struct FastPathCertificate: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax =
        128 + 1 + 1 + 8 + 129 + ConsensusBounds.validatorsMax * (4 + 96)

    public let content: CommitteeVoteContent
    public let tranche: Tranche
    /// Of all signatures.
    public let scheme: SignatureScheme
    /// One bit for each validator of the set.
    public let signers: ValidatorBits
    /// In the order of the bits set.
    public let signatures: [SignatureBytes]

    /// Nil when there are not as many signatures as bits set, or none.
    public init?(
        content: CommitteeVoteContent, tranche: Tranche, scheme: SignatureScheme,
        signers: ValidatorBits, signatures: [SignatureBytes]
    ) {
        guard !signatures.isEmpty, signatures.count == signers.setCount else { return nil }
        self.content = content
        self.tranche = tranche
        self.scheme = scheme
        self.signers = signers
        self.signatures = signatures
    }

    public var operation: Bytes32 { content.operation }

    /// The votes it is made of, in the order of the set.
    public var votes: [CommitteeVote] {
        var votes: [CommitteeVote] = []
        votes.reserveCapacity(signatures.count)
        for position in 0..<signers.count where signers[position] {
            votes.append(
                CommitteeVote(
                    content: content, validator: ValidatorIndex(position), scheme: scheme,
                    signature: signatures[votes.count]))
        }
        return votes
    }

    /// Checks every signature.
    ///
    /// - Complexity: one signature check a signer.
    public func verifySignatures(
        validators: ValidatorSet, network: NetworkDigest
    ) throws(SubProofSignatureError) {
        let message = content.signedMessage(network: network)
        for vote in votes {
            try validators.check(
                root: content.validatorsRoot, vote.signature, scheme: scheme, by: vote.validator,
                message: message)
        }
    }
}

extension FastPathCertificate: SSZContainer {
    public static let sszLayout = SSZLayout(
        CommitteeVoteContent.self, Tranche.self, SignatureScheme.self, ValidatorBits.self,
        SSZList<SignatureBytes, 1024>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let list = SSZList<SignatureBytes, 1024>(signatures) else {
            preconditionFailure("a certificate keeps to its limits")
        }
        fields.visit(content)
        fields.visit(tranche)
        fields.visit(scheme)
        fields.visit(signers)
        fields.visit(list)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let content = try fields.next(CommitteeVoteContent.self, in: input)
        let tranche = try fields.next(Tranche.self, in: input)
        let scheme = try fields.next(SignatureScheme.self, in: input)
        let signers = try fields.next(ValidatorBits.self, in: input)
        let signatures = try fields.next(SSZList<SignatureBytes, 1024>.self, in: input).elements
        guard
            let value = Self(
                content: content, tranche: tranche, scheme: scheme, signers: signers,
                signatures: signatures)
        else {
            throw .invalidValue("\(signatures.count) signatures for \(signers.setCount) bits")
        }
        self = value
    }
}
