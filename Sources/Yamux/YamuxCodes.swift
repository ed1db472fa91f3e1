/// Why a session is ending.
///
/// Specification: libp2p/specs `yamux/README.md`, "Session termination", and
/// `error-codes/README.md`, "Yamux", by which the number may also be a connection error code.
public enum GoAwayCode: Hashable, Sendable {
    case normal, protocolError, internalError
    /// A code that Yamux itself does not name, such as a libp2p connection error code. The session
    /// ends all the same.
    case other(UInt32)

    public init(wireValue: UInt32) {
        switch wireValue {
        case 0: self = .normal
        case 1: self = .protocolError
        case 2: self = .internalError
        case let other: self = .other(other)
        }
    }

    public var wireValue: UInt32 {
        switch self {
        case .normal: 0
        case .protocolError: 1
        case .internalError: 2
        case .other(let value): value
        }
    }
}

/// The reasons that Chorale gives, and knows by name, for resetting a stream.
///
/// They travel in the length field of a window update with the RST flag. Implementations that do
/// not know them ignore the number. Zero is "no reason given". A peer may send any other number.
///
/// Specification: libp2p/specs `error-codes/libp2p-error-codes.md`, "Stream Error Codes".
public enum StreamResetCode: UInt32, CaseIterable, Sendable {
    case noError = 0
    case protocolNegotiationFailed = 0x1001
    /// A limit of ours is reached. The peer may try again later.
    case resourceLimitExceeded = 0x1002
    case rateLimited = 0x1003
    case badRequest = 0x1004
    case protocolViolation = 0x1005
}
