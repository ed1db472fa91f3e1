public import ChoraleBase

/// A content identifier: what the content is, and its multihash.
///
/// Specification: multiformats/cid.
public struct CID: Hashable, Sendable {
    public enum Version: UInt64, Hashable, Sendable {
        /// A bare SHA-256 multihash; the codec is always `dag-pb`.
        case v0 = 0
        case v1 = 1
    }

    public let version: Version
    /// Code of the content's format in the multicodec table.
    public let codec: UInt64
    public let multihash: Multihash

    public static let dagProtobufCodec: UInt64 = 0x70
    public static let libp2pKeyCodec: UInt64 = 0x72

    public enum DecodeError: Error, Equatable, Sendable {
        case base(Multibase.DecodeError)
        case multihash(Multihash.DecodeError)
        case unsupportedVersion(UInt64)
        case malformedVarint(Varint.DecodeError)
        case truncated
        /// A version 0 identifier behind a multibase prefix, which the specification forbids.
        case version0InMultibase
    }

    /// A version 1 identifier.
    public init(codec: UInt64, multihash: Multihash) {
        self.version = .v1
        self.codec = codec
        self.multihash = multihash
    }

    private init(version0 multihash: Multihash) {
        self.version = .v0
        self.codec = Self.dagProtobufCodec
        self.multihash = multihash
    }

    /// Reads text: 46 characters from `Qm` are version 0, everything else is multibase.
    public init(_ text: String) throws(DecodeError) {
        let isVersion0 = text.utf8.count == 46 && text.hasPrefix("Qm")
        let bytes: [UInt8]
        do throws(Multibase.DecodeError) {
            bytes = isVersion0 ? try Base58.decode(text) : try Multibase.decode(text).bytes
        } catch {
            throw .base(error)
        }
        guard isVersion0 || bytes.first != 0x12 else { throw .version0InMultibase }
        try self.init(bytes: bytes.span)
    }

    /// Reads the binary form, which fills `bytes`.
    public init(bytes: Span<UInt8>) throws(DecodeError) {
        if bytes.count == 34, bytes[0] == 0x12, bytes[1] == 0x20 {
            self.init(version0: try Self.multihash(bytes))
            return
        }
        let (version, first) = try Self.varint(bytes, at: 0)
        guard version == Version.v1.rawValue else { throw .unsupportedVersion(version) }
        let (codec, second) = try Self.varint(bytes, at: first)
        let multihash = try Self.multihash(bytes.extracting(second..<bytes.count))
        self.init(codec: codec, multihash: multihash)
    }

    private static func multihash(_ bytes: Span<UInt8>) throws(DecodeError) -> Multihash {
        do throws(Multihash.DecodeError) {
            return try Multihash(bytes: bytes)
        } catch {
            throw .multihash(error)
        }
    }

    private static func varint(
        _ bytes: Span<UInt8>,
        at offset: Int
    ) throws(DecodeError) -> (value: UInt64, end: Int) {
        let decoded: Varint.Decoded?
        do throws(Varint.DecodeError) {
            decoded = try Varint.decode(bytes, at: offset)
        } catch {
            throw .malformedVarint(error)
        }
        guard let decoded else { throw .truncated }
        return (decoded.value, offset + decoded.size)
    }

    /// The binary form.
    public var bytes: [UInt8] {
        switch version {
        case .v0: return multihash.bytes
        case .v1:
            var bytes = Varint.encoded(version.rawValue)
            Varint.append(codec, to: &bytes)
            return bytes + multihash.bytes
        }
    }

    /// The text form. Version 0 is always base58btc, whatever `encoding` says.
    public func text(_ encoding: Multibase.Encoding = .base32) -> String {
        switch version {
        case .v0: Base58.encode(bytes)
        case .v1: Multibase.encode(bytes, as: encoding)
        }
    }
}
