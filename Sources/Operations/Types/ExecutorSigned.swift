import ChoraleBase
public import ChoraleTypes
public import Codec
import PeerIdentity

/// What is signed of a container: a domain, the network, and the hash tree root.
enum OperationDomain {
    static func message(_ domain: String, _ network: NetworkDigest, _ root: Bytes32) -> [UInt8] {
        Array(domain.utf8) + network.bytes + root.bytes
    }

    /// Whether `signature` is that of the Ed25519 key.
    static func isSigned(
        _ message: [UInt8], by key: Bytes32, scheme: SignatureScheme, _ signature: [UInt8]
    ) -> Bool {
        guard scheme == .ed25519,
            let key = SigningKeyBytes(scheme: .ed25519, bytes: key.bytes)?.publicKey
        else { return false }
        return key.verify(signature: signature, message: message)
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
