public import ChoraleBase
public import Codec

/// What a vote on a part says: the part that is signed.
///
/// Who says it is no part, nor in which tranche: a vote counts in every tranche that its author is in,
/// and all who agree sign the same bytes.
public struct SubProofVoteContent: Hashable, Sendable {
    public let id: SubProofID
    /// Root of the set that the voter's index refers to: that of the block with the commitment.
    public let validatorsRoot: Bytes32
    public let verdict: SubProofVerdict

    public init(id: SubProofID, validatorsRoot: Bytes32, verdict: SubProofVerdict) {
        self.id = id
        self.validatorsRoot = validatorsRoot
        self.verdict = verdict
    }
}

extension SubProofVoteContent: SetNamingContent {
    public static let signingDomain = "chorale/subproof-vote/1"
    public static let sszLayout = SSZLayout(
        SubProofID.self, Bytes32.self, SubProofVerdict.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(id)
        fields.visit(validatorsRoot)
        fields.visit(verdict)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        id = try fields.next(in: input)
        validatorsRoot = try fields.next(in: input)
        verdict = try fields.next(in: input)
    }
}

/// A validator's signed verdict on one part: what is gossiped on `subproof_vote_{part % 64}`.
///
/// Specification: mechanisms row 0.12.
public struct SubProofVote: Hashable, Sendable {
    /// Largest encoding, in bytes; below the topic's 1 KiB.
    public static let encodedSizeMax = 99 + 2 + 1 + 4 + ConsensusBounds.signatureSizeMax

    public let content: SubProofVoteContent
    public let validator: ValidatorIndex
    public let scheme: SignatureScheme
    /// Unchecked until ``verify(validators:network:)``.
    public let signature: SignatureBytes

    public init(
        content: SubProofVoteContent, validator: ValidatorIndex, scheme: SignatureScheme,
        signature: SignatureBytes
    ) {
        self.content = content
        self.validator = validator
        self.scheme = scheme
        self.signature = signature
    }

    public var id: SubProofID { content.id }
    public var verdict: SubProofVerdict { content.verdict }
}

/// Checks votes one after the other, and makes the bytes that many of them sign only once.
///
/// For a worker that has a batch: the bytes cost six hashes, a tenth of a signature.
///
/// Memory: ``contentsMax`` contents with their bytes.
public struct SubProofVoteChecker {
    /// Each of the 64 subnets has the two verdicts of some parts under way.
    public static let contentsMax = 256

    private let network: NetworkDigest
    private var messages: [SubProofVoteContent: [UInt8]] = [:]

    public init(network: NetworkDigest) { self.network = network }

    /// As ``SubProofVote/verify(validators:network:)``.
    public mutating func verify(
        _ vote: SubProofVote, validators: ValidatorSet
    ) throws(SubProofSignatureError) {
        let message: [UInt8]
        if let known = messages[vote.content] {
            message = known
        } else {
            message = vote.content.signedMessage(network: network)
            if messages.count >= Self.contentsMax { messages.removeAll(keepingCapacity: true) }
            messages[vote.content] = message
        }
        try validators.check(
            root: vote.content.validatorsRoot, vote.signature, scheme: vote.scheme,
            by: vote.validator, message: message)
    }
}

/// Why a signed message about operations was refused. Every case is its author's fault, or that of
/// whoever sent it in the author's name.
public enum SubProofSignatureError: Error, Hashable, Sendable {
    /// It means the indices of another set.
    case otherValidators(Bytes32, expected: Bytes32)
    case signature(ConsensusSignatureError)
}

extension ValidatorSet {
    func check(
        root: Bytes32, _ signature: SignatureBytes, scheme: SignatureScheme,
        by index: ValidatorIndex, message: [UInt8]
    ) throws(SubProofSignatureError) {
        guard root == self.root else { throw .otherValidators(root, expected: self.root) }
        do throws(ConsensusSignatureError) {
            try verify(signature.bytes, scheme: scheme, by: index, message: message)
        } catch {
            throw .signature(error)
        }
    }
}

extension SubProofVote: SubProofSigned {
    public static let sszLayout = signedLayout
}
