public import ChoraleBase
public import Codec
public import Crypto

/// Bytes that keep a signature, key or proof for one purpose from meaning something for another.
enum ProverIdentityDomain {
    static let signature = Array("chorale/prover/sign/1".utf8)
    static let recordKey = Array("chorale/prover".utf8)
    static let ordering = Array("chorale/prover/order/1".utf8)
}

extension ProverIdentityContent {
    /// The DHT key of the record: SHA-256 of `"chorale/prover" ‖ network ‖ prover key`, and behind
    /// these, for a record about a block, `block root ‖ position` (big-endian).
    ///
    /// The prover's key is part of both, so that nobody can take another's place under a key.
    public var recordKey: [UInt8] {
        Self.recordKey(
            network: network, proverKey: proverKey.bytes, subject: subject, position: position)
    }

    /// The key under which a prover's record for its epoch is found.
    public static func recordKey(network: NetworkDigest, proverKey: Bytes32) -> [UInt8] {
        recordKey(network: network, proverKey: proverKey.bytes, subject: .epoch(0), position: 0)
    }

    /// The key under which a prover's record for one block is found.
    public static func recordKey(
        network: NetworkDigest, proverKey: Bytes32, block: Bytes32, position: UInt64
    ) -> [UInt8] {
        recordKey(
            network: network, proverKey: proverKey.bytes, subject: .block(block),
            position: position)
    }

    private static func recordKey(
        network: NetworkDigest, proverKey: [UInt8], subject: Subject, position: UInt64
    ) -> [UInt8] {
        var bytes = ProverIdentityDomain.recordKey + network.bytes + proverKey
        switch subject {
        case .epoch: break
        case .block(let root):
            bytes += root.bytes
            bytes.appendBigEndian(position)
        }
        return SHA256.hash(bytes).bytes
    }

    /// What the ordering proof is a VRF proof for: `"chorale/prover/order/1" ‖ network ‖ kind of
    /// subject (1 byte) ‖ subject (32 bytes)`.
    ///
    /// The position is not in it: positions come from sorting the outputs of all provers, so a
    /// prover does not know its own when it proves.
    public var orderingAlpha: [UInt8] {
        ProverIdentityDomain.ordering + network.bytes + [subject.kind] + subject.root.bytes
    }

    /// The same content with a proof of the prover's place, made with its key.
    public func provingOrder(with key: Ed25519.PrivateKey) -> ProverIdentityContent {
        var content = self
        content.orderingProof = SSZByteList(VRF.prove(alpha: orderingAlpha, privateKey: key))!
        return content
    }

    /// Signs the content.
    ///
    /// - Precondition: `key` is the private half of ``proverKey``.
    public func signed(with key: Ed25519.PrivateKey) -> ProverIdentityRecord {
        precondition(proverKey.bytes == key.publicKey.bytes, "the record names another key")
        let signature = key.sign(ProverIdentityRecord.signedMessage(self))
        return ProverIdentityRecord(
            content: self, signatureScheme: Scheme.ed25519, signature: SSZByteList(signature)!)
    }
}

extension ProverIdentityRecord {
    /// What the signature covers: `"chorale/prover/sign/1" ‖ hash tree root of the content`.
    public static func signedMessage(_ content: ProverIdentityContent) -> [UInt8] {
        ProverIdentityDomain.signature + content.root.bytes
    }

    /// The same identity, signed anew with the next sequence number and a life that starts now.
    ///
    /// Republishing the same bytes would let the copies lapse at their expiry, since holders keep
    /// what they have when nothing is new.
    ///
    /// - Parameter sequenceMin: at least this number, for owners that keep count elsewhere too.
    /// - Precondition: `key` is the private half of the record's key.
    public func renewed(
        with key: Ed25519.PrivateKey, now: WallTime, life: Duration, sequenceMin: UInt64 = 0
    ) -> ProverIdentityRecord {
        var content = content
        // The number after the last is unreachable by counting; staying there is the honest end.
        let next = content.sequence == .max ? .max : content.sequence + 1
        content.sequence = max(next, sequenceMin)
        content.issued = UInt64(max(0, now.seconds))
        content.expiry = content.issued + UInt64(max(1, life.components.seconds))
        return content.signed(with: key)
    }
}
