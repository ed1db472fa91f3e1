import ChoraleBase
import Codec

/// What messages 2 and 3 carry.
///
///     identity_key = 1    the public key, as libp2p's protobuf message
///     identity_sig = 2    by that key, over `noise-libp2p-static-key:` and the static Noise key
///     extensions   = 4    { webtransport_certhashes = 1, stream_muxers = 2 repeated }
///
/// Unknown fields are skipped; field 3 once had a meaning.
///
/// Specification: libp2p/specs `noise/README.md`, "The libp2p Handshake Payload".
struct HandshakePayload: Equatable, Sendable {
    var identityKey: [UInt8]
    var signature: [UInt8]
    /// As sent: bytes, because nothing promises that they are text.
    var muxers: [[UInt8]]

    /// What the identity key signs.
    static func signedMessage(staticKey: Bytes32) -> [UInt8] {
        var message = Array("noise-libp2p-static-key:".utf8)
        message.append(contentsOf: staticKey.storage.span)
        return message
    }

    init(identityKey: [UInt8], signature: [UInt8], muxers: [[UInt8]]) {
        self.identityKey = identityKey
        self.signature = signature
        self.muxers = muxers
    }

    func encoded() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.bytes(1, identityKey)
        writer.bytes(2, signature)
        if !muxers.isEmpty {
            let extensions = writer.beginMessage(4)
            for muxer in muxers { writer.bytes(2, muxer) }
            writer.endMessage(extensions)
        }
        return writer.bytes
    }

    /// Decodes a payload.
    ///
    /// - Throws: `.malformedPayload`, `.missingIdentityKey` or `.missingSignature`.
    init(decoding input: Span<UInt8>) throws(NoiseError) {
        var key: Range<Int>?
        var signature: Range<Int>?
        var muxers: [[UInt8]] = []
        do throws(ProtobufError) {
            var reader = ProtobufReader(input)
            while let field = try reader.next(in: input) {
                switch field.number {
                case 1: key = try field.bytes()
                case 2: signature = try field.bytes()
                case 4:
                    var extensions = ProtobufReader(try field.bytes())
                    while let inner = try extensions.next(in: input) {
                        guard inner.number == 2 else { continue }
                        muxers.append(input.extracting(try inner.bytes()).copied())
                    }
                default: break
                }
            }
        } catch {
            throw .malformedPayload
        }
        guard let key, !key.isEmpty else { throw .missingIdentityKey }
        guard let signature, !signature.isEmpty else { throw .missingSignature }
        self.identityKey = input.extracting(key).copied()
        self.signature = input.extracting(signature).copied()
        self.muxers = muxers
    }
}
