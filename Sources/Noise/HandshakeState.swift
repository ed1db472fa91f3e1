// Noise XX with any prologue and any payloads.
//
//     1  initiator ── e ──────────────────▶ responder
//     2  initiator ◀── e, ee, s, es ─────── responder
//     3  initiator ── s, se ──────────────▶ responder
//
// 1. Messages alternate; `write` and `read` out of turn are our fault and stop the program.
// 2. After a thrown error nothing more may be asked of the machine; its owner drops it.
// 3. A shared secret that is all zero is refused (`X25519.sharedSecret`).
//
// Specification: The Noise Protocol Framework, revision 34, sections 5.3 and 7.5.

package import ChoraleBase
package import Crypto

/// The libp2p-independent part of a handshake.
package struct HandshakeState: ~Copyable {
    package enum Role: Sendable { case initiator, responder }

    private let role: Role
    private var symmetric: SymmetricState
    private let staticKey: SecretBytes
    private let staticPublicKey: Bytes32
    private let ephemeral: SecretBytes
    private var remoteEphemeral: Bytes32?
    /// The peer's static key, once its message has arrived. Not yet known to belong to anybody.
    package private(set) var remoteStatic: Bytes32?
    /// Messages written and read so far, at most three.
    private var messageCount = 0

    package init(
        role: Role,
        prologue: Span<UInt8>,
        staticKey: SecretBytes,
        staticPublicKey: Bytes32,
        ephemeral: SecretBytes
    ) {
        self.role = role
        self.symmetric = SymmetricState(prologue: prologue)
        self.staticKey = staticKey
        self.staticPublicKey = staticPublicKey
        self.ephemeral = ephemeral
    }

    package var isComplete: Bool { messageCount == 3 }

    package var isMyTurn: Bool {
        !isComplete && messageCount.isMultiple(of: 2) == (role == .initiator)
    }

    /// Identifies this handshake among all others, for binding something to it.
    package var hash: Bytes32 { symmetric.hash }

    /// Bytes by which the next message is longer than its payload.
    package var overhead: Int {
        switch messageCount {
        case 0: X25519.keySize
        case 1: 2 * X25519.keySize + 2 * ChaCha20Poly1305.tagSize
        default: X25519.keySize + 2 * ChaCha20Poly1305.tagSize
        }
    }

    /// Appends the next message.
    ///
    /// - Throws: `.smallOrderPoint` when the peer's keys have no shared secret with ours.
    package mutating func write(
        payload: Span<UInt8>,
        into output: inout [UInt8]
    ) throws(NoiseError) {
        precondition(isMyTurn, "a handshake message out of turn")
        switch messageCount {
        case 0:
            writeEphemeral(into: &output)
        case 1:
            writeEphemeral(into: &output)
            try mix(ephemeral, remoteEphemeral)
            symmetric.encryptAndHash(staticPublicKey.storage.span, into: &output)
            try mix(staticKey, remoteEphemeral)
        default:
            symmetric.encryptAndHash(staticPublicKey.storage.span, into: &output)
            try mix(staticKey, remoteEphemeral)
        }
        symmetric.encryptAndHash(payload, into: &output)
        messageCount += 1
    }

    /// Takes the peer's next message and gives its payload.
    package mutating func read(_ message: Span<UInt8>) throws(NoiseError) -> [UInt8] {
        precondition(!isComplete && !isMyTurn, "a handshake message out of turn")
        guard message.count >= overhead else {
            throw .handshakeMessageTooShort(size: message.count, minimum: overhead)
        }
        var offset = 0
        switch messageCount {
        case 0:
            readEphemeral(message, at: &offset)
        case 1:
            readEphemeral(message, at: &offset)
            try mix(ephemeral, remoteEphemeral)
            try readStatic(message, at: &offset)
            try mix(ephemeral, remoteStatic)
        default:
            try readStatic(message, at: &offset)
            try mix(ephemeral, remoteStatic)
        }
        let payload = try symmetric.decryptAndHash(message.extracting(offset..<message.count))
        messageCount += 1
        return payload
    }

    /// The two transport keys, the initiator's sending key first.
    package consuming func split() -> (SecretBytes, SecretBytes) {
        precondition(isComplete, "keys of an unfinished handshake")
        return symmetric.split()
    }

    private mutating func writeEphemeral(into output: inout [UInt8]) {
        let publicKey = X25519.publicKey(of: ephemeral)
        output.append(contentsOf: publicKey.storage.span)
        symmetric.mixHash(publicKey.storage.span)
    }

    private mutating func readEphemeral(_ message: Span<UInt8>, at offset: inout Int) {
        let bytes = message.extracting(offset..<(offset + X25519.keySize))
        remoteEphemeral = Bytes32(bytes)
        symmetric.mixHash(bytes)
        offset += X25519.keySize
    }

    private mutating func readStatic(
        _ message: Span<UInt8>,
        at offset: inout Int
    ) throws(NoiseError) {
        let size = X25519.keySize + ChaCha20Poly1305.tagSize
        let key = try symmetric.decryptAndHash(message.extracting(offset..<(offset + size)))
        remoteStatic = Bytes32(key)
        offset += size
    }

    /// Mixes in the secret shared by one key of ours and one of the peer's.
    private mutating func mix(_ mine: SecretBytes, _ theirs: Bytes32?) throws(NoiseError) {
        guard let theirs else { preconditionFailure("a key was used before it was read") }
        let secret: SecretBytes
        do throws(X25519.AgreementError) {
            secret = try X25519.sharedSecret(mine, with: theirs)
        } catch {
            throw .smallOrderPoint
        }
        symmetric.mixKey(secret)
    }
}
