public import ChoraleBase
public import Codec
public import PeerIdentity

/// The part of a message that is signed.
public protocol SignedContent: SSZContainer, Hashable, Sendable {
    /// Keeps a signature for one purpose from meaning something for another. Ends in a version.
    static var signingDomain: String { get }
}

extension SignedContent {
    /// What is signed: ``signingDomain`` ‖ network digest ‖ hash tree root.
    public func signedMessage(network: NetworkDigest) -> [UInt8] {
        ConsensusDomain.message(Self.signingDomain, network, hashTreeRoot)
    }
}

/// A content and a validator's signature below it.
///
/// On the wire: the content, the validator's index, the scheme, the signature.
///
/// Which set the index is of, and so how the signature is checked, ``ConsensusSigned`` and
/// ``SubProofSigned`` say.
public protocol ValidatorSigned: SSZContainer, Hashable, Sendable {
    associatedtype Content: SignedContent

    var content: Content { get }
    /// Who says it.
    var validator: ValidatorIndex { get }
    var scheme: SignatureScheme { get }
    /// Unchecked.
    var signature: SignatureBytes { get }

    init(
        content: Content, validator: ValidatorIndex, scheme: SignatureScheme,
        signature: SignatureBytes)
}

extension ValidatorSigned {
    /// Signs `content` for the validator that has `key`.
    public init(
        signing content: Content, as validator: ValidatorIndex, with key: IdentityKey,
        network: NetworkDigest
    ) {
        guard let signature = SignatureBytes(key.sign(content.signedMessage(network: network)))
        else { preconditionFailure("signatures have at most 96 bytes") }
        self.init(
            content: content, validator: validator, scheme: SigningKeyBytes(key).scheme,
            signature: signature)
    }

    static var signedLayout: SSZLayout {
        SSZLayout(Content.self, ValidatorIndex.self, SignatureScheme.self, SignatureBytes.self)
    }

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(content)
        fields.visit(validator)
        fields.visit(scheme)
        fields.visit(signature)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        self.init(
            content: try fields.next(in: input), validator: try fields.next(in: input),
            scheme: try fields.next(in: input), signature: try fields.next(in: input))
    }
}

/// A message of consensus: the validator is one of the set of the content's height.
public protocol ConsensusSigned: ValidatorSigned {}

extension ConsensusSigned {
    /// Checks the signature against the set of the content's height. Whose turn it is to speak is for
    /// others to say.
    public func verify(
        validators: ValidatorSet, network: NetworkDigest
    ) throws(ConsensusSignatureError) {
        try validators.verify(
            signature.bytes, scheme: scheme, by: validator,
            message: content.signedMessage(network: network))
    }
}

/// A content that says of which set its author is.
public protocol SetNamingContent: SignedContent {
    /// Root of the set that the author's index refers to.
    var validatorsRoot: Bytes32 { get }
}

/// A message about an operation: the validator is one of the set that the content names.
public protocol SubProofSigned: ValidatorSigned where Content: SetNamingContent {}

extension SubProofSigned {
    /// Checks the signature against the set that the content names.
    public func verify(
        validators: ValidatorSet, network: NetworkDigest
    ) throws(SubProofSignatureError) {
        try validators.check(
            root: content.validatorsRoot, signature, scheme: scheme, by: validator,
            message: content.signedMessage(network: network))
    }
}
