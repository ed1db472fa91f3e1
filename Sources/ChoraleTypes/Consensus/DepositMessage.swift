public import ChoraleBase
public import Codec
import PeerIdentity

/// What a validator signs of the deposit that registers it: so that nobody can register its key first,
/// with an address of his own to which what others stake for the key would be paid out.
///
/// Specification: consensus-specs `phase0/beacon-chain.md`, "DepositMessage", with a key of Ed25519 in the
/// first 32 of the 48 bytes and zeros behind it.
public struct DepositMessage: Hashable, Sendable {
    public let key: Bytes32
    /// An address in the last 20 bytes: it may take the stake out, and is paid.
    public let credentials: Bytes32
    /// In gwei.
    public let amount: UInt64

    public init(key: Bytes32, credentials: Bytes32, amount: UInt64) {
        self.key = key
        self.credentials = credentials
        self.amount = amount
    }

    /// Whether `signature` (64 bytes of Ed25519) is the validator's.
    public func isSigned(by signature: [UInt8], network: NetworkDigest) -> Bool {
        guard
            let key = SigningKeyBytes(scheme: .ed25519, bytes: key.bytes)?.publicKey
        else { return false }
        return key.verify(signature: signature, message: signedMessage(network: network))
    }
}

extension DepositMessage: SignedContent {
    public static let signingDomain = "chorale/deposit/1"
    public static let sszLayout = SSZLayout(
        SSZByteVector<48>.self, Bytes32.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let key = SSZByteVector<48>(key.bytes + [UInt8](repeating: 0, count: 16)) else {
            preconditionFailure("32 bytes and 16")
        }
        fields.visit(key)
        fields.visit(credentials)
        fields.visit(amount)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let bytes = try fields.next(SSZByteVector<48>.self, in: input).bytes
        credentials = try fields.next(in: input)
        amount = try fields.next(in: input)
        guard let key = Bytes32(bytes[..<32]), bytes[32...].allSatisfy({ $0 == 0 }) else {
            throw .invalidValue("a key with something behind it")
        }
        self.key = key
    }
}
