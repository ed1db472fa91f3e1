public import ChoraleBase
public import ChoraleTypes
public import Codec
public import PeerIdentity

extension SignedContent {
    /// Whether `signature` is that of the Ed25519 key.
    func isSigned(by key: Bytes32, _ signature: [UInt8], network: NetworkDigest) -> Bool {
        guard let key = SigningKeyBytes(scheme: .ed25519, bytes: key.bytes)?.publicKey else {
            return false
        }
        return key.verify(signature: signature, message: signedMessage(network: network))
    }
}

/// An executor's signature below something that it says, for a block.
public struct ExecutorSignature: Hashable, Sendable {
    /// Ed25519 so far: one that is not known is no signature.
    public let scheme: SignatureScheme
    public let bytes: SignatureBytes

    public init(scheme: SignatureScheme, bytes: SignatureBytes) {
        self.scheme = scheme
        self.bytes = bytes
    }

    init(_ message: [UInt8], by key: IdentityKey) {
        guard let bytes = SignatureBytes(key.sign(message)) else {
            preconditionFailure("signatures have at most 96 bytes")
        }
        self.init(scheme: .ed25519, bytes: bytes)
    }
}

extension ExecutorSignature: SSZContainer {
    public static let sszLayout = SSZLayout(SignatureScheme.self, SignatureBytes.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(scheme)
        fields.visit(bytes)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        scheme = try fields.next(in: input)
        bytes = try fields.next(in: input)
    }
}

/// What an executor says.
public protocol ExecutorContent: SignedContent {
    /// Its key: Ed25519.
    var executor: Bytes32 { get }
}

/// A content and the signature of the executor that it names.
///
/// On the wire: the content, the signature.
public protocol ExecutorSigned: SSZContainer, Hashable, Sendable {
    associatedtype Content: ExecutorContent

    var content: Content { get }
    /// Unchecked until ``isSigned(network:)``.
    var signature: ExecutorSignature { get }

    init(content: Content, signature: ExecutorSignature)
}

extension ExecutorSigned {
    /// - Precondition: `key` is Ed25519.
    public init(signing content: Content, with key: IdentityKey, network: NetworkDigest) {
        self.init(
            content: content,
            signature: ExecutorSignature(content.signedMessage(network: network), by: key))
    }

    /// Whether the signature is the executor's. One of another scheme than Ed25519 is nobody's.
    public func isSigned(network: NetworkDigest) -> Bool {
        signature.scheme == .ed25519
            && content.isSigned(by: content.executor, signature.bytes.bytes, network: network)
    }

    static var signedLayout: SSZLayout { SSZLayout(Content.self, ExecutorSignature.self) }

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(content)
        fields.visit(signature)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        self.init(content: try fields.next(in: input), signature: try fields.next(in: input))
    }
}
