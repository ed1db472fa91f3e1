import ChoraleBase
public import Codec

/// What one peer tells another about itself.
///
/// A decoded value is bounded and its texts are printable: hostile agent strings do not reach a
/// terminal or a log. Every field is optional on the wire, and in a push an absent field means
/// "unchanged", so each is optional here.
///
/// Specification: libp2p/specs `identify/README.md`. Fields: 1 publicKey, 2 listenAddrs,
/// 3 protocols, 4 observedAddr, 5 protocolVersion, 6 agentVersion, 8 signedPeerRecord.
public struct IdentifyMessage: Hashable, Sendable {
    /// Encoded `PublicKey` protobuf.
    public var publicKey: [UInt8]?
    public var listenAddresses: [Multiaddr]?
    public var protocols: [String]?
    /// The address the sender sees us at.
    public var observedAddress: Multiaddr?
    public var protocolVersion: String?
    public var agentVersion: String?
    /// Encoded signed envelope, not yet checked.
    public var signedPeerRecord: [UInt8]?

    public static let protocolID = "/ipfs/id/1.0.0"
    public static let pushProtocolID = "/ipfs/id/push/1.0.0"

    public init() {}

    /// What a peer may tell us.
    public struct Limits: Hashable, Sendable {
        /// One message in bytes: what go-libp2p reads.
        public var messageSizeMax = 8 * 1024
        /// Messages on one stream; go-libp2p splits in two when a record makes one too large.
        public var messageCountMax = 10
        /// Addresses kept. The largest honest nodes announce a dozen.
        public var addressCountMax = 64
        /// Protocol names kept, and bytes of each.
        public var protocolCountMax = 256
        public var protocolSizeMax = 256
        /// Scalars kept of an agent or protocol version.
        public var textLengthMax = 128
        /// Bytes we emit in one message: rust-libp2p reads 4 KiB at most, and go-libp2p splits
        /// above 2 KiB.
        public var emittedSizeMax = 2048

        public init() {}
    }

    public enum DecodeError: Error, Hashable, Sendable {
        case malformed(ProtobufError)
        case messageTooLarge(size: Int, limit: Int)
        case tooManyMessages(limit: Int)
    }

    /// Decodes one message. Unknown fields, unreadable addresses and unprintable protocol names are
    /// left out: a peer with one new address type is still a peer.
    public static func decode(
        _ input: Span<UInt8>, limits: Limits = Limits()
    ) throws(DecodeError) -> IdentifyMessage {
        guard input.count <= limits.messageSizeMax else {
            throw .messageTooLarge(size: input.count, limit: limits.messageSizeMax)
        }
        var message = IdentifyMessage()
        var reader = ProtobufReader(input)
        do {
            while let field = try reader.next(in: input) {
                guard case .bytes(let range) = field.value else { continue }
                let bytes = input.extracting(range)
                switch field.number {
                case 1: message.publicKey = bytes.copied()
                case 2:
                    if message.listenAddresses == nil { message.listenAddresses = [] }
                    guard let count = message.listenAddresses?.count,
                        count < limits.addressCountMax,
                        let address = try? Multiaddr(bytes: bytes)
                    else { continue }
                    message.listenAddresses?.append(address)
                case 3:
                    if message.protocols == nil { message.protocols = [] }
                    guard let count = message.protocols?.count, count < limits.protocolCountMax,
                        bytes.count <= limits.protocolSizeMax,
                        let name = PrintableText.strict(bytes)
                    else { continue }
                    message.protocols?.append(name)
                case 4: message.observedAddress = try? Multiaddr(bytes: bytes)
                case 5:
                    message.protocolVersion = PrintableText.cleaned(
                        bytes, lengthMax: limits.textLengthMax)
                case 6:
                    message.agentVersion = PrintableText.cleaned(
                        bytes, lengthMax: limits.textLengthMax)
                case 8: message.signedPeerRecord = bytes.copied()
                default: continue
                }
            }
        } catch {
            throw .malformed(error)
        }
        return message
    }

    /// Takes over every field that `other` carries: the rule for several messages on one stream and
    /// for pushes.
    public mutating func merge(_ other: IdentifyMessage) {
        if let value = other.publicKey { publicKey = value }
        if let value = other.listenAddresses { listenAddresses = value }
        if let value = other.protocols { protocols = value }
        if let value = other.observedAddress { observedAddress = value }
        if let value = other.protocolVersion { protocolVersion = value }
        if let value = other.agentVersion { agentVersion = value }
        if let value = other.signedPeerRecord { signedPeerRecord = value }
    }

    /// Encodes the message without a length prefix.
    ///
    /// Addresses are left out from the end, and then the signed record, until the message fits
    /// ``Limits/emittedSizeMax``, because some peers read only one message of that size.
    public func encoded(limits: Limits = Limits()) -> [UInt8] {
        var addresses = listenAddresses ?? []
        var record = signedPeerRecord
        while true {
            let bytes = encoded(addresses: addresses, record: record)
            if bytes.count <= limits.emittedSizeMax { return bytes }
            if addresses.count > 4 {
                addresses.removeLast()
            } else if record != nil {
                record = nil
            } else {
                return bytes
            }
        }
    }

    private func encoded(addresses: [Multiaddr], record: [UInt8]?) -> [UInt8] {
        var writer = ProtobufWriter()
        if let publicKey { writer.bytes(1, publicKey) }
        for address in addresses { writer.bytes(2, address.bytes) }
        for name in protocols ?? [] { writer.bytes(3, Array(name.utf8)) }
        if let observedAddress { writer.bytes(4, observedAddress.bytes) }
        if let protocolVersion { writer.bytes(5, Array(protocolVersion.utf8)) }
        if let agentVersion { writer.bytes(6, Array(agentVersion.utf8)) }
        if let record { writer.bytes(8, record) }
        return writer.bytes
    }
}

/// Texts that came from a peer and will be shown to a person.
enum PrintableText {
    /// The text, or nil when it is not UTF-8 or holds a control character.
    static func strict(_ bytes: Span<UInt8>) -> String? {
        guard let text = String(validating: bytes.copied(), as: UTF8.self) else { return nil }
        return text.unicodeScalars.allSatisfy(isPrintable) ? text : nil
    }

    /// At most `lengthMax` printable scalars; the others become U+FFFD.
    static func cleaned(_ bytes: Span<UInt8>, lengthMax: Int) -> String {
        let text = String(decoding: bytes.copied(), as: UTF8.self)
        var cleaned = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(lengthMax) {
            cleaned.append(isPrintable(scalar) ? scalar : "\u{FFFD}")
        }
        return String(cleaned)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        // Nearly every text there is; asking for its category is a search in a table.
        if scalar.isASCII { return (0x20...0x7E).contains(scalar.value) }
        return switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
            .unassigned:
            false
        default: true
        }
    }
}

/// Collects the messages of one identify or push stream until the other side closes it.
///
/// Memory: one merged message and one partial frame, at most `2 × messageSizeMax`.
public struct IdentifyReader: Sendable {
    private let limits: IdentifyMessage.Limits
    private var messageCount = 0

    /// Everything read so far; nil before the first message.
    public private(set) var merged: IdentifyMessage?

    public init(limits: IdentifyMessage.Limits = .init()) { self.limits = limits }

    /// Takes one whole frame.
    public mutating func add(_ frame: Span<UInt8>) throws(IdentifyMessage.DecodeError) {
        guard messageCount < limits.messageCountMax else {
            throw .tooManyMessages(limit: limits.messageCountMax)
        }
        messageCount += 1
        let message = try IdentifyMessage.decode(frame, limits: limits)
        if merged == nil { merged = message } else { merged?.merge(message) }
    }
}
