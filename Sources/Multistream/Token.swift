// multistream-select 1.0: how two peers agree on one protocol for a byte stream.
//
// A token is an unsigned varint length, that many bytes of text, the last of which is a newline:
//
//     +--------+----------------------------+----+
//     | length | text                       | \n |      length = bytes of text + 1
//     +--------+----------------------------+----+
//
//     dialer    /multistream/1.0.0   /a            /b
//     listener  /multistream/1.0.0         na            /b      agreed: /b
//
// Specification: multiformats/multistream-select, and libp2p/specs `connections/README.md`,
// "Protocol Negotiation".

import ChoraleBase

/// The constants of multistream-select 1.0.
public enum Multistream {
    /// The first token of each side.
    public static let header = "/multistream/1.0.0"

    /// A listener's answer to a proposal it does not support.
    public static let refusal = "na"

    /// Why a name cannot be proposed or supported.
    public enum NameError: Error, Equatable, Sendable {
        /// rust-libp2p closes on a name without a leading slash.
        case noLeadingSlash
        /// The token would exceed what peers accept.
        case tooLong(size: Int, limit: Int)
        /// A newline ends a token.
        case containsNewline
    }

    /// Checks a protocol name of our own before it is put on the wire.
    public static func check(_ name: String) throws(NameError) {
        let size = name.utf8.count + 1
        guard size <= NegotiationLimits.tokenSizeWritten else {
            throw .tooLong(size: size, limit: NegotiationLimits.tokenSizeWritten)
        }
        guard name.utf8.first == UInt8(ascii: "/") else { throw .noLeadingSlash }
        guard !name.utf8.contains(newline) else { throw .containsNewline }
    }

    static let newline = UInt8(ascii: "\n")
    static let headerText = Array(header.utf8)
    static let refusalText = Array(refusal.utf8)

    /// Appends one token.
    ///
    /// - Precondition: the token fits a two-byte length, which `check` guarantees.
    static func append(_ text: [UInt8], to output: inout [UInt8]) {
        precondition(text.count < NegotiationLimits.tokenSizeWritten, "unchecked protocol name")
        Varint.append(UInt64(text.count + 1), to: &output)
        output.append(contentsOf: text)
        output.append(newline)
    }
}

/// What a peer may ask of one negotiation.
public struct NegotiationLimits: Equatable, Sendable {
    /// Largest token we write, in bytes with its newline.
    ///
    /// go, js and nim accept no more than this.
    public static let tokenSizeWritten = 1024

    /// Largest token accepted, in bytes with its newline.
    ///
    /// The cap of go, js and nim: no protocol id in use comes near it, and the bytes of an
    /// unfinished token are all that one negotiation can make us hold. At most 16,383, the largest
    /// number that two bytes of length can name.
    public var tokenSizeMax: Int

    /// Proposals a listener answers before it gives up.
    ///
    /// A dialer has a handful of names for one purpose; without an end, `na` answers are free work.
    public var proposalCountMax: Int

    public init(tokenSizeMax: Int = 1024, proposalCountMax: Int = 32) {
        precondition((1...16_383).contains(tokenSizeMax), "a token length has at most two bytes")
        precondition(proposalCountMax >= 1, "a negotiation has at least one proposal")
        self.tokenSizeMax = tokenSizeMax
        self.proposalCountMax = proposalCountMax
    }
}

/// Why a negotiation ended without agreement.
///
/// Every case is final: the stream cannot be used for anything else.
public enum NegotiationError: Error, Equatable, Sendable {
    /// A token longer than the limit was announced.
    case tokenTooLong(size: Int, limit: Int)
    /// The length was not minimal or took more than two bytes.
    case malformedLength
    /// A token without even a newline.
    case emptyToken
    /// The last byte of a token was not a newline.
    case missingNewline
    /// The first token was not `/multistream/1.0.0`.
    case unknownVersion
    /// A dialer was answered with neither its proposal nor a refusal.
    case unexpectedAnswer
    /// A dialer's every proposal was refused.
    case refused
    /// A listener was proposed more names than the limit.
    case tooManyProposals(limit: Int)

    /// A stable name for metrics and logs.
    public var label: String {
        switch self {
        case .tokenTooLong: "token_too_long"
        case .malformedLength: "malformed_length"
        case .emptyToken: "empty_token"
        case .missingNewline: "missing_newline"
        case .unknownVersion: "unknown_version"
        case .unexpectedAnswer: "unexpected_answer"
        case .refused: "refused"
        case .tooManyProposals: "too_many_proposals"
        }
    }
}

/// What one call to `receive` came to.
public struct NegotiationProgress: Equatable, Sendable {
    /// Bytes of the input that belonged to the negotiation.
    ///
    /// All of it while nothing is agreed; the bytes behind it are the application's.
    public let consumed: Int
    /// The agreed protocol, once.
    public let agreed: String?

    public init(consumed: Int, agreed: String?) {
        self.consumed = consumed
        self.agreed = agreed
    }
}

/// Collects tokens from input that may be split anywhere.
///
/// Holds at most one token: two bytes of length and `tokenSizeMax` bytes.
struct TokenReader: Equatable, Sendable {
    /// The unfinished token from its first length byte on.
    private var partial: [UInt8] = []

    /// Takes bytes from `input` at `offset` until one token is complete.
    ///
    /// - Returns: the text without its newline, or nil when the input was used up before.
    mutating func next(
        in input: Span<UInt8>,
        at offset: inout Int,
        limits: NegotiationLimits
    ) throws(NegotiationError) -> [UInt8]? {
        while offset < input.count {
            guard let length = try length(limits: limits) else {
                partial.append(input[offset])
                offset += 1
                // A length that is complete may already be refused.
                _ = try self.length(limits: limits)
                continue
            }
            let end = length.prefix + length.size
            let taken = min(end - partial.count, input.count - offset)
            partial.append(contentsOf: input.extracting(offset..<(offset + taken)))
            offset += taken
            guard partial.count == end else { return nil }
            guard partial[end - 1] == Multistream.newline else { throw .missingNewline }
            let text = Array(partial[length.prefix..<(end - 1)])
            partial = []
            return text
        }
        return nil
    }

    /// The length that starts `partial`, or nil when its bytes are not all there.
    private func length(
        limits: NegotiationLimits
    ) throws(NegotiationError) -> (prefix: Int, size: Int)? {
        guard let first = partial.first else { return nil }
        guard first & 0x80 != 0 else {
            guard first > 0 else { throw .emptyToken }
            return try checked(prefix: 1, size: Int(first), limits: limits)
        }
        guard partial.count >= 2 else { return nil }
        let second = partial[1]
        guard second > 0, second & 0x80 == 0 else { throw .malformedLength }
        return try checked(
            prefix: 2, size: Int(first & 0x7F) | Int(second) << 7, limits: limits)
    }

    private func checked(
        prefix: Int,
        size: Int,
        limits: NegotiationLimits
    ) throws(NegotiationError) -> (prefix: Int, size: Int) {
        guard size <= limits.tokenSizeMax else {
            throw .tokenTooLong(size: size, limit: limits.tokenSizeMax)
        }
        return (prefix, size)
    }
}
