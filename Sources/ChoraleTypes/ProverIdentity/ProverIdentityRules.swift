public import ChoraleBase
public import Codec
public import Crypto

/// Why a prover identity record was refused. Each case is also a metric label.
public enum ProverIdentityError: Error, Equatable, Sendable {
    case tooLarge(size: Int, limit: Int)
    case malformed(SSZError)
    case unknownSchema(UInt8)
    case otherNetwork
    case unknownKeyScheme(UInt8)
    case unknownSignatureScheme(UInt8)
    case keySize(Int)
    /// The record is filed under a key that is not its own.
    case keyMismatch
    case expiryBeforeIssue
    case lifeTooLong(seconds: UInt64, limit: UInt64)
    case issuedInFuture(seconds: UInt64)
    case expired
    /// A prover that nobody can reach.
    case noAddress
    case invalidAddress(index: Int)
    case privateAddress(index: Int)
    case orderingProof(VRF.VerifyError)
    case signature

    /// Whether the record can never have been valid, so that whoever sends it is at fault. A record
    /// out of its time may have been honest when it was sent.
    public var isPermanent: Bool {
        switch self {
        case .issuedInFuture, .expired: false
        case .tooLarge, .malformed, .unknownSchema, .otherNetwork, .unknownKeyScheme,
            .unknownSignatureScheme, .keySize, .keyMismatch, .expiryBeforeIssue, .lifeTooLong,
            .noAddress, .invalidAddress, .privateAddress, .orderingProof, .signature:
            true
        }
    }
}

/// What a network demands of prover identity records.
public struct ProverIdentityRules: Hashable, Sendable {
    public var network: ProverIdentityContent.NetworkDigest
    /// Longest time from issue to expiry: two epochs, or the end of the proof window.
    public var lifeMax: Duration
    /// How far ahead of ours a prover's clock may be.
    public var clockSkewMax: Duration
    /// Whether addresses of private networks and loopback are accepted. Only on local networks.
    public var allowsPrivateAddresses: Bool

    /// - Parameters:
    ///   - lifeMax: by default an hour.
    ///   - clockSkewMax: by default 30 s: far above what NTP leaves, far below any life.
    public init(
        network: ProverIdentityContent.NetworkDigest,
        lifeMax: Duration = .seconds(3600),
        clockSkewMax: Duration = .seconds(30),
        allowsPrivateAddresses: Bool = false
    ) {
        self.network = network
        self.lifeMax = lifeMax
        self.clockSkewMax = clockSkewMax
        self.allowsPrivateAddresses = allowsPrivateAddresses
    }

    /// Reads a record strictly, without judging it.
    public static func decode(
        _ value: [UInt8]
    ) throws(ProverIdentityError) -> ProverIdentityRecord {
        guard value.count <= ProverIdentityRecord.encodedSizeMax else {
            throw .tooLarge(size: value.count, limit: ProverIdentityRecord.encodedSizeMax)
        }
        do {
            return try ProverIdentityRecord(ssz: value.span)
        } catch {
            throw .malformed(error)
        }
    }

    /// Reads and judges a record.
    ///
    /// Cheap checks come first; the signature is checked before the ordering proof, which costs five
    /// times as much.
    ///
    /// - Parameters:
    ///   - value: the record's bytes.
    ///   - key: the DHT key it is filed under.
    /// - Complexity: about 60 µs, and 0.5 ms more with an ordering proof.
    public func validate(
        _ value: [UInt8], key: [UInt8], wall: WallTime
    ) throws(ProverIdentityError) -> ProverIdentityRecord {
        let record = try Self.decode(value)
        let content = record.content
        guard content.schema == ProverIdentityContent.schemaCurrent else {
            throw .unknownSchema(content.schema)
        }
        guard content.network == network else { throw .otherNetwork }
        guard content.keyScheme == ProverIdentityContent.Scheme.ed25519 else {
            throw .unknownKeyScheme(content.keyScheme)
        }
        guard record.signatureScheme == ProverIdentityContent.Scheme.ed25519 else {
            throw .unknownSignatureScheme(record.signatureScheme)
        }
        guard let proverKey = Bytes32(content.proverKey.bytes) else {
            throw .keySize(content.proverKey.bytes.count)
        }
        guard content.recordKey == key else { throw .keyMismatch }
        try checkTimes(of: content, wall: wall)
        try checkAddresses(of: content)
        guard
            Ed25519.verify(
                signature: record.signature.bytes,
                message: ProverIdentityRecord.signedMessage(content), publicKey: proverKey)
        else { throw .signature }
        if !content.orderingProof.bytes.isEmpty {
            do {
                _ = try VRF.verify(
                    proof: content.orderingProof.bytes, alpha: content.orderingAlpha,
                    publicKey: proverKey)
            } catch {
                throw .orderingProof(error)
            }
        }
        return record
    }

    private func checkTimes(
        of content: ProverIdentityContent, wall: WallTime
    ) throws(ProverIdentityError) {
        guard content.expiry > content.issued else { throw .expiryBeforeIssue }
        let life = content.expiry - content.issued
        let limit = UInt64(max(0, lifeMax.components.seconds))
        guard life <= limit else { throw .lifeTooLong(seconds: life, limit: limit) }
        let now = UInt64(max(0, wall.seconds))
        let skew = UInt64(max(0, clockSkewMax.components.seconds))
        if content.issued > now, content.issued - now > skew {
            throw .issuedInFuture(seconds: content.issued - now)
        }
        guard content.expiry > now else { throw .expired }
    }

    private func checkAddresses(of content: ProverIdentityContent) throws(ProverIdentityError) {
        guard !content.addresses.elements.isEmpty else { throw .noAddress }
        for (index, bytes) in content.addresses.elements.enumerated() {
            guard let address = try? Multiaddr(bytes: bytes.bytes) else {
                throw .invalidAddress(index: index)
            }
            guard let ip = address.ipAddress else { continue }
            guard ip.scope != .unspecified else { throw .invalidAddress(index: index) }
            guard ip.isGlobal || allowsPrivateAddresses else {
                throw .privateAddress(index: index)
            }
        }
    }

    /// Which of two valid records under one key is to be believed.
    public enum Selection: Hashable, Sendable {
        case first
        case second
        /// They say the same.
        case same
        /// One sequence number, two contents: neither, and the pair is evidence.
        case equivocation
    }

    public static func select(
        _ first: ProverIdentityRecord, _ second: ProverIdentityRecord
    ) -> Selection {
        if first.content.sequence != second.content.sequence {
            return first.content.sequence > second.content.sequence ? .first : .second
        }
        // Contents rather than bytes: a second signature of the same content is no contradiction.
        return first.content == second.content ? .same : .equivocation
    }
}
