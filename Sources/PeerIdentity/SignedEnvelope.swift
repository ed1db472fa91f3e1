import ChoraleBase
public import Codec

/// A payload with the key that signed it.
///
/// A value is always one whose signature was checked under a domain, or that was made here: there
/// is no other way to get one.
///
/// Signed bytes: domain, payload type and payload, each behind its length as a varint.
///
/// Specification: libp2p/specs RFC 0002, "Signed Envelopes".
public struct SignedEnvelope: Hashable, Sendable {
    public let publicKey: PublicKey
    /// Says how to read the payload: a multicodec, or a path.
    public let payloadType: [UInt8]
    public let payload: [UInt8]
    public let signature: [UInt8]

    public struct Limits: Equatable, Sendable {
        /// Largest envelope, in bytes.
        ///
        /// go-libp2p reads identify messages of at most 8 KiB, which hold a whole envelope.
        public var sizeMax = 8192
        /// Longest payload type, in bytes. The longest in use has 28.
        public var payloadTypeSizeMax = 64
        /// Longest signature, in bytes: RSA with 8192 bits.
        public var signatureSizeMax = 1024

        public init() {}
    }

    /// Why an envelope was refused.
    public enum OpenError: Error, Equatable, Sendable {
        case tooLarge(size: Int, limit: Int)
        case protobuf(ProtobufError)
        case key(KeyError)
        case payloadTypeTooLong(size: Int, limit: Int)
        case signatureTooLong(size: Int, limit: Int)
        /// A payload of another kind than was asked for.
        case unexpectedPayloadType([UInt8])
        case badSignature
    }

    /// A kind of payload: the domain it is signed under and the type that names it.
    public struct Kind: Hashable, Sendable {
        public let domain: String
        public let payloadType: [UInt8]

        public init(domain: String, payloadType: [UInt8]) {
            self.domain = domain
            self.payloadType = payloadType
        }
    }

    /// Signs `payload`.
    ///
    /// - Precondition: the envelope is not larger than peers accept (`Limits.sizeMax`).
    public static func seal(
        _ payload: [UInt8],
        kind: Kind,
        with key: IdentityKey
    ) -> SignedEnvelope {
        let envelope = SignedEnvelope(
            publicKey: key.publicKey, payloadType: kind.payloadType, payload: payload,
            signature: key.sign(signedBytes(kind, payload.span)))
        assert(envelope.encoded.count <= Limits().sizeMax, "an envelope no peer would read")
        return envelope
    }

    /// Reads and verifies the envelope that fills `bytes`.
    ///
    /// - Parameter kinds: what is accepted. The payload type in the envelope selects the domain
    ///   that the signature must be under.
    public static func open(
        _ bytes: Span<UInt8>,
        kinds: [Kind],
        limits: Limits = Limits()
    ) throws(OpenError) -> SignedEnvelope {
        guard bytes.count <= limits.sizeMax else {
            throw .tooLarge(size: bytes.count, limit: limits.sizeMax)
        }
        let fields: Fields
        do throws(ProtobufError) {
            fields = try Fields(bytes)
        } catch {
            throw .protobuf(error)
        }
        guard fields.payloadType.count <= limits.payloadTypeSizeMax else {
            throw .payloadTypeTooLong(
                size: fields.payloadType.count, limit: limits.payloadTypeSizeMax)
        }
        guard fields.signature.count <= limits.signatureSizeMax else {
            throw .signatureTooLong(size: fields.signature.count, limit: limits.signatureSizeMax)
        }
        // Before any arithmetic: what cannot be used is not worth verifying.
        let payloadType = bytes.extracting(fields.payloadType).copied()
        guard let kind = kinds.first(where: { $0.payloadType == payloadType }) else {
            throw .unexpectedPayloadType(payloadType)
        }
        let key: PublicKey
        do throws(KeyError) {
            key = try PublicKey(protobuf: bytes.extracting(fields.publicKey))
        } catch {
            throw .key(error)
        }
        let payload = bytes.extracting(fields.payload)
        let signature = bytes.extracting(fields.signature)
        guard key.verify(signature: signature, message: signedBytes(kind, payload).span) else {
            throw .badSignature
        }
        return SignedEnvelope(
            publicKey: key, payloadType: payloadType, payload: payload.copied(),
            signature: signature.copied())
    }

    private init(
        publicKey: PublicKey,
        payloadType: [UInt8],
        payload: [UInt8],
        signature: [UInt8]
    ) {
        self.publicKey = publicKey
        self.payloadType = payloadType
        self.payload = payload
        self.signature = signature
    }

    /// The protobuf.
    public var encoded: [UInt8] {
        var writer = ProtobufWriter(reservingCapacity: payload.count + signature.count + 96)
        writer.bytes(1, publicKey.encoded)
        writer.bytes(2, payloadType)
        writer.bytes(3, payload)
        writer.bytes(5, signature)
        return writer.bytes
    }

    static func signedBytes(_ kind: Kind, _ payload: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            kind.domain.utf8.count + kind.payloadType.count + payload.count + 12)
        Varint.append(UInt64(kind.domain.utf8.count), to: &bytes)
        bytes.append(contentsOf: kind.domain.utf8)
        Varint.append(UInt64(kind.payloadType.count), to: &bytes)
        bytes.append(contentsOf: kind.payloadType)
        Varint.append(UInt64(payload.count), to: &bytes)
        bytes.append(contentsOf: payload)
        return bytes
    }

    /// Where the fields lie. All four are required, each once; unknown ones are skipped.
    private struct Fields {
        let publicKey: Range<Int>
        let payloadType: Range<Int>
        let payload: Range<Int>
        let signature: Range<Int>

        init(_ bytes: Span<UInt8>) throws(ProtobufError) {
            var found: (Range<Int>?, Range<Int>?, Range<Int>?, Range<Int>?)
            var reader = ProtobufReader(bytes)
            while let field = try reader.next(in: bytes) {
                switch field.number {
                case 1: found.0 = try field.once(found.0)
                case 2: found.1 = try field.once(found.1)
                case 3: found.2 = try field.once(found.2)
                case 5: found.3 = try field.once(found.3)
                default: break
                }
            }
            guard let publicKey = found.0 else { throw .missingField(1) }
            guard let payloadType = found.1 else { throw .missingField(2) }
            guard let payload = found.2 else { throw .missingField(3) }
            guard let signature = found.3 else { throw .missingField(5) }
            self.publicKey = publicKey
            self.payloadType = payloadType
            self.payload = payload
            self.signature = signature
        }
    }
}

extension ProtobufField {
    /// The range of a bytes field that may appear once.
    func once(_ earlier: Range<Int>?) throws(ProtobufError) -> Range<Int> {
        guard earlier == nil else { throw .repeatedField(number) }
        return try bytes()
    }
}
