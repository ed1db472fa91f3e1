public import ChoraleBase
import Crypto

/// What an enclave says by having it signed: that it executed a part of an operation with this output,
/// for whoever holds this key.
///
/// Whoever copies an attestation of another's gains nothing: it names the other's key.
public struct AttestationStatement: Hashable, Sendable {
    /// The operation's identifier, which no other operation of any network has.
    public let operation: Bytes32
    /// Index of the part, from 0.
    public let part: UInt32
    /// Commitment to the part's output.
    public let output: Bytes32
    /// Ed25519 public key of the executor or prover.
    public let key: Bytes32

    /// Size of ``reportData``, in bytes.
    public static let reportDataSize = 64

    /// With its zero byte, no other domain's beginning.
    private static let domain = Array("chorale/attestation/1".utf8) + [0]

    public init(operation: Bytes32, part: UInt32, output: Bytes32, key: Bytes32) {
        self.operation = operation
        self.part = part
        self.output = output
        self.key = key
    }

    /// What the enclave must have asked to be signed as its report data, and a Nitro enclave as its user
    /// data: SHA-512 of `"chorale/attestation/1"`, a zero byte, operation, part (little-endian), output and
    /// key. Every field has one size, so that no two statements have one serialisation.
    public var reportData: [UInt8] {
        var bytes = Self.domain
        bytes += operation.bytes
        bytes.appendLittleEndian(part)
        bytes += output.bytes
        bytes += key.bytes
        return SHA512.hash(bytes)
    }
}
