/// The ping protocol: 32 random bytes there, the same bytes back, as often as one likes.
///
/// Specification: libp2p/specs `ping/ping.md`.
public enum PingProtocol {
    /// What multistream-select negotiates.
    public static let id = "/ipfs/ping/1.0.0"

    /// Size of one ping and of its echo, in bytes.
    public static let payloadSize = 32
}

/// What a ping stream may use.
public struct PingLimits: Hashable, Sendable {
    /// Time in which an echo, or the rest of a payload that has begun, must arrive. go: 10 s.
    public var timeout: Duration = .seconds(10)

    /// Bytes of echoes that may wait to be sent.
    ///
    /// The specification has one ping under way at a time; 64 of them leave room for tools that do
    /// not wait. More than this waits only for a peer that does not read.
    public var unsentSizeMax = 64 * PingProtocol.payloadSize

    public init() {}
}
