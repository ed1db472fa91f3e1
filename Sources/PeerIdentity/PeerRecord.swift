import ChoraleBase
public import Codec

/// Where a peer says it can be reached, signed by itself.
///
/// Of two records of a peer the one with the larger sequence number counts; whoever keeps records
/// refuses one whose number is not above the last (``PeerRecord/supersedes(_:)``).
///
/// Specification: libp2p/specs RFC 0003, "Routing Records". Domain and type are those that
/// implementations use (`libp2p-peer-record`, 03 01); the ones in its text, which rust-libp2p
/// writes, are read too.
public struct PeerRecord: Hashable, Sendable {
    public let peerID: PeerID
    /// Grows with every change, also across restarts: usually nanoseconds since 1970.
    public let sequence: UInt64
    /// At most `Limits.addressCountMax`.
    public let addresses: [Multiaddr]
    /// Addresses in the record that were no multiaddrs, or beyond the limits.
    public let droppedAddressCount: Int

    public struct Limits: Equatable, Sendable {
        /// Addresses kept of one peer. A host with IPv4, IPv6 and five transports has fewer.
        public var addressCountMax = 64
        /// Bytes of all addresses together, when a record is made here: leaves 2 KiB of the 8 KiB
        /// envelope for keys, signature and headers.
        public var addressesSizeMax = 6144
        public var envelope = SignedEnvelope.Limits()

        public init() {}
    }

    /// Why a record was refused.
    public enum OpenError: Error, Equatable, Sendable {
        case envelope(SignedEnvelope.OpenError)
        case protobuf(ProtobufError)
        case peerID(PeerID.DecodeError)
        /// A good signature by another peer's key.
        case otherSigner(PeerID)
    }

    /// What is written, and read first.
    public static let kind = SignedEnvelope.Kind(
        domain: "libp2p-peer-record", payloadType: [0x03, 0x01])
    /// What RFC 0003 says and rust-libp2p writes.
    public static let textKind = SignedEnvelope.Kind(
        domain: "libp2p-routing-state", payloadType: Array("/libp2p/routing-state-record".utf8))

    /// A record of our own. Addresses beyond the limits are left out from the end, and counted.
    public init(
        peerID: PeerID,
        sequence: UInt64,
        addresses: [Multiaddr],
        limits: Limits = Limits()
    ) {
        var size = 0
        let kept = addresses.prefix(limits.addressCountMax).prefix { address in
            // Two headers of at most three bytes around each address.
            size += address.bytes.count + 6
            return size <= limits.addressesSizeMax
        }
        self.init(peerID, sequence, Array(kept), dropped: addresses.count - kept.count)
    }

    private init(
        _ peerID: PeerID,
        _ sequence: UInt64,
        _ addresses: [Multiaddr],
        dropped: Int
    ) {
        self.peerID = peerID
        self.sequence = sequence
        self.addresses = addresses
        self.droppedAddressCount = dropped
    }

    /// Signs the record.
    ///
    /// - Precondition: `key` is that of the peer in the record.
    public func seal(with key: IdentityKey) -> SignedEnvelope {
        precondition(key.peerID == peerID, "a record is signed by the peer it is about")
        return SignedEnvelope.seal(payload, kind: Self.kind, with: key)
    }

    /// Reads and verifies the envelope that fills `bytes`, and checks that its signer is the peer
    /// in the record.
    public static func open(
        _ bytes: Span<UInt8>,
        limits: Limits = Limits()
    ) throws(OpenError) -> PeerRecord {
        let envelope: SignedEnvelope
        do throws(SignedEnvelope.OpenError) {
            envelope = try SignedEnvelope.open(
                bytes, kinds: [kind, textKind], limits: limits.envelope)
        } catch {
            throw .envelope(error)
        }
        let record = try decode(envelope.payload.span, limits: limits)
        let signer = envelope.publicKey.peerID
        guard signer == record.peerID else { throw .otherSigner(signer) }
        return record
    }

    /// As the form with a span.
    public static func open(_ bytes: [UInt8]) throws(OpenError) -> PeerRecord {
        try open(bytes.span)
    }

    private static func decode(
        _ payload: Span<UInt8>,
        limits: Limits
    ) throws(OpenError) -> PeerRecord {
        var peerID: Range<Int>?
        var sequence: UInt64?
        var addresses: [Multiaddr] = []
        var dropped = 0
        do throws(ProtobufError) {
            var reader = ProtobufReader(payload)
            while let field = try reader.next(in: payload) {
                switch field.number {
                case 1: peerID = try field.once(peerID)
                case 2:
                    guard sequence == nil else { throw .repeatedField(2) }
                    sequence = try field.varint()
                case 3:
                    let range = try field.bytes()
                    guard addresses.count < limits.addressCountMax,
                        let address = try address(in: range, of: payload)
                    else {
                        dropped += 1
                        continue
                    }
                    addresses.append(address)
                default: break
                }
            }
            guard peerID != nil else { throw .missingField(1) }
        } catch {
            throw .protobuf(error)
        }
        let id: PeerID
        do throws(PeerID.DecodeError) {
            id = try PeerID(multihash: payload.extracting(peerID ?? 0..<0))
        } catch {
            throw .peerID(error)
        }
        // A sequence number of zero is left out by some protobuf writers.
        return PeerRecord(id, sequence ?? 0, addresses, dropped: dropped)
    }

    /// Reads one `AddressInfo`. Nil for what is no multiaddr: one transport that we do not know must
    /// not cost us the others.
    private static func address(
        in range: Range<Int>,
        of payload: Span<UInt8>
    ) throws(ProtobufError) -> Multiaddr? {
        var reader = ProtobufReader(range)
        var found: Range<Int>?
        while let field = try reader.next(in: payload) {
            if field.number == 1 { found = try field.once(found) }
        }
        guard let found else { return nil }
        return try? Multiaddr(bytes: payload.extracting(found))
    }

    private var payload: [UInt8] {
        var writer = ProtobufWriter()
        writer.bytes(1, peerID.multihash)
        writer.varint(2, sequence)
        for address in addresses {
            writer.messageHeader(3, size: ProtobufSize.bytes(1, size: address.bytes.count))
            writer.bytes(1, address.bytes)
        }
        return writer.bytes
    }

    /// Whether this replaces `earlier` of the same peer.
    ///
    /// False for an equal number: two records with one number are a peer contradicting itself.
    public func supersedes(_ earlier: PeerRecord) -> Bool {
        peerID == earlier.peerID && sequence > earlier.sequence
    }
}
