import ChoraleBase

/// A self-describing network address: `/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…`.
///
/// A value holds its canonical bytes and nothing else, so that a peer store may keep many. Those
/// bytes have been decoded once: ``components`` and ``text`` cannot fail.
///
/// Equality and order are those of the bytes.
///
/// Specification: multiformats/multiaddr, with go-multiaddr's reading where the text is silent:
/// `/ipfs/` is read as `/p2p/`, `p2p` holds the bare multihash, `unix` takes the rest of the address,
/// and trailing slashes are dropped.
public struct Multiaddr: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The wire form, 2 to ``sizeMax`` bytes.
    public let bytes: [UInt8]

    /// Longest address, in bytes.
    ///
    /// A relayed address with a DNS name of full length takes about 370 bytes, the longest legal
    /// component (`garlic64`) about 390. The limit lets 64 addresses of a peer stay below 32 KiB.
    public static let sizeMax = 512

    /// Longest text read, in bytes of UTF-8.
    ///
    /// Percent-encoding takes three characters for a byte and base32 less than two; the rest is
    /// names of protocols.
    public static let textSizeMax = 2048

    /// Why an address was refused.
    public enum ParseError: Error, Equatable, Sendable {
        case empty
        case tooLarge(size: Int, limit: Int)
        case noLeadingSlash
        case unknownProtocolName(String)
        case unknownProtocolCode(UInt64)
        /// A code or length at `position` that is cut or not a minimal varint.
        case malformedVarint(position: Int)
        /// The text or the bytes end where the protocol's value belongs.
        case missingValue(MultiaddrProtocol)
        case invalidValue(MultiaddrProtocol, Fault)
        /// A component behind a path, which takes the rest of an address: no text says this.
        case componentBehindPath(MultiaddrProtocol)
    }

    /// What was wrong with a protocol's value.
    public enum Fault: Equatable, Sendable {
        case notAnIPAddress
        /// Not a decimal number in the protocol's range.
        case numberOutOfRange
        /// Not a whole number of digits of the protocol's base.
        case encoding
        case wrongLength(Int)
        /// Not UTF-8, or holding a slash, a space or a control character.
        case name
        case notAbsolutePath
        case multihash(Multihash.DecodeError)
        case peerID(Multihash.PeerIDError)
    }

    /// Decodes the wire form, which fills `bytes`.
    ///
    /// - Complexity: O(n).
    public init(bytes: Span<UInt8>) throws(ParseError) {
        guard bytes.count > 0 else { throw .empty }
        guard bytes.count <= Self.sizeMax else {
            throw .tooLarge(size: bytes.count, limit: Self.sizeMax)
        }
        var position = 0
        var last: MultiaddrProtocol?
        while position < bytes.count {
            let component = try Component.decode(bytes, at: &position)
            // As go-multiaddr. In text whatever is behind a path belongs to it, so that these bytes
            // would read back from their own text as another address.
            guard last != .unix else { throw .componentBehindPath(component.protocol) }
            last = component.protocol
        }
        self.bytes = bytes.copied()
    }

    /// Decodes the wire form, which fills `bytes`.
    public init(bytes: [UInt8]) throws(ParseError) { try self.init(bytes: bytes.span) }

    /// Joins components.
    ///
    /// - Throws: ``ParseError`` when a component holds a value that its protocol does not allow.
    public init(_ components: [Component]) throws(ParseError) {
        guard !components.isEmpty else { throw .empty }
        var bytes: [UInt8] = []
        for component in components {
            component.encode(into: &bytes)
            guard bytes.count <= Self.sizeMax else {
                throw .tooLarge(size: bytes.count, limit: Self.sizeMax)
            }
        }
        // A component may have been built by hand: reading it back checks every rule in one place.
        try self.init(bytes: bytes.span)
    }

    /// Reads text.
    public init(_ text: String) throws(ParseError) {
        let characters = Array(text.utf8)
        guard characters.count <= Self.textSizeMax else {
            throw .tooLarge(size: characters.count, limit: Self.textSizeMax)
        }
        try self.init(try Component.parse(characters))
    }

    init(trusted bytes: [UInt8]) {
        assert((try? Multiaddr(bytes: bytes)) != nil, "bytes that were not checked")
        self.bytes = bytes
    }

    /// The parts from left to right, at least one.
    ///
    /// - Complexity: O(n); decodes the bytes anew.
    public var components: [Component] {
        var components: [Component] = []
        var position = 0
        let span = bytes.span
        while position < span.count {
            guard let component = try? Component.decode(span, at: &position) else {
                preconditionFailure("the bytes were checked when the value was made")
            }
            components.append(component)
        }
        return components
    }

    /// The canonical text, which reads back as the same address.
    public var text: String { components.map(\.text).joined() }

    public var description: String { text }

    public static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.bytes.lexicographicallyPrecedes(rhs.bytes)
    }
}

extension Multiaddr.ParseError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .empty: "an empty address"
        case .tooLarge(let size, let limit): "\(size) bytes are more than \(limit)"
        case .noLeadingSlash: "an address starts with a slash"
        case .unknownProtocolName(let name): "unknown protocol `\(name)`"
        case .unknownProtocolCode(let code): "unknown protocol code \(code)"
        case .malformedVarint(let position): "malformed varint at byte \(position)"
        case .missingValue(let proto): "/\(proto.name) without its value"
        case .invalidValue(let proto, let fault): "/\(proto.name): \(fault)"
        case .componentBehindPath(let proto): "/\(proto.name) behind a path"
        }
    }
}

extension Multiaddr.Fault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notAnIPAddress: "not an IP address"
        case .numberOutOfRange: "not a number in range"
        case .encoding: "wrongly encoded"
        case .wrongLength(let length): "a value of \(length) bytes"
        case .name: "not a usable name"
        case .notAbsolutePath: "not an absolute path"
        case .multihash(let error): "not a multihash (\(error))"
        case .peerID(let error): "not a peer id (\(error))"
        }
    }
}
