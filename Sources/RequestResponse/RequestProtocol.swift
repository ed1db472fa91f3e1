/// One request/response protocol: its name and how large its messages may be.
///
/// Each request is a stream of its own, of protocol `/chorale/req/<name>/1/ssz_snappy`:
///
///     requester                               responder
///     size, snappy frames of the request ──▶
///     end of writing                     ──▶
///                                        ◀──  code, size, snappy frames   (a chunk, any number)
///                                        ◀──  code, size, snappy frames   (an error, at most one)
///                                        ◀──  end of writing
///
/// Sizes are unsigned varints and count bytes before compression. A payload of size zero has no
/// frames. Where a request is always empty, nothing at all is sent for it.
///
/// Specification: after ethereum/consensus-specs `p2p-interface.md`, "The Req/Resp domain".
public struct RequestProtocol: Hashable, Sendable {
    public let name: String
    /// Largest request, in bytes of SSZ. Zero for requests that are always empty.
    public let requestSizeMax: Int
    /// Largest response chunk, in bytes of SSZ.
    public let chunkSizeMax: Int
    /// Most chunks of one response. Zero for requests that nobody answers: the responder only ends its side.
    public let chunkCountMax: Int

    public init(name: String, requestSizeMax: Int, chunkSizeMax: Int, chunkCountMax: Int) {
        precondition(
            requestSizeMax >= 0 && chunkSizeMax >= 0 && chunkCountMax >= 0, "negative limit")
        self.name = name
        self.requestSizeMax = requestSizeMax
        self.chunkSizeMax = chunkSizeMax
        self.chunkCountMax = chunkCountMax
    }

    /// The name that multistream-select negotiates.
    public var protocolID: String { "/chorale/req/\(name)/1/ssz_snappy" }

    /// Exchanged by every pair of peers, the dialer first. 1 KiB leaves room for fields to come.
    public static let status = RequestProtocol(
        name: "status", requestSizeMax: 1024, chunkSizeMax: 1024, chunkCountMax: 1)

    /// One integer each way: the sequence number of the sender's metadata.
    public static let ping = RequestProtocol(
        name: "ping", requestSizeMax: 8, chunkSizeMax: 8, chunkCountMax: 1)

    /// One integer: why the sender is about to close. The answer is the same integer, and optional.
    public static let goodbye = RequestProtocol(
        name: "goodbye", requestSizeMax: 8, chunkSizeMax: 8, chunkCountMax: 1)

    /// An empty request for what a peer offers.
    public static let metadata = RequestProtocol(
        name: "metadata", requestSizeMax: 0, chunkSizeMax: 1024, chunkCountMax: 1)

    /// Chunks of bodies by root and index, at most 1,024.
    ///
    /// The request is a root and 1,024 indices of four bytes, or 1,024 roots. A chunk is 256 KiB at
    /// most, with 4 KiB for what names and proves it.
    public static let chunksByRoot = RequestProtocol(
        name: "chunks_by_root", requestSizeMax: 40 * 1024, chunkSizeMax: 260 * 1024,
        chunkCountMax: 1_024)

    /// Announcements of bodies that the requester missed, at most 16 of 8 KiB. The request lists up to
    /// 1,024 roots that are not wanted.
    public static let announcements = RequestProtocol(
        name: "announcements", requestSizeMax: 33 * 1024, chunkSizeMax: 8 * 1024,
        chunkCountMax: 16)

    /// Messages of consensus for one peer, up to 256 of them. Nothing is answered.
    public static let consensus = RequestProtocol(
        name: "consensus", requestSizeMax: 1 << 20, chunkSizeMax: 0, chunkCountMax: 0)

    /// A block of the height that is agreed on, with payload and witness, by its name.
    public static let blocksByRoot = RequestProtocol(
        name: "blocks_by_root", requestSizeMax: 32, chunkSizeMax: 12 << 20, chunkCountMax: 1)

    /// Committed blocks of ascending heights, at most 1,024.
    public static let blocksByRange = RequestProtocol(
        name: "blocks_by_range", requestSizeMax: 16, chunkSizeMax: 8 << 20, chunkCountMax: 1024)

    /// A payload with its witness, for the proposer of a round that has no state. Whoever has state answers.
    public static let buildPayload = RequestProtocol(
        name: "build_payload", requestSizeMax: 1024, chunkSizeMax: 12 << 20, chunkCountMax: 1)

    /// Where a node can begin: a committed block with what belongs to it, by height and root. Headers of 256
    /// heights are 166 KB, a block 8 MiB at most, four sets and a registry of the largest size half a megabyte.
    public static let checkpoint = RequestProtocol(
        name: "checkpoint", requestSizeMax: 40, chunkSizeMax: 12 << 20, chunkCountMax: 1)

    /// A part of the state of a checkpoint, proven: half a megabyte of keys and values, a third more as
    /// they travel, and two ways down a trie. The request names up to 128 accounts or codes.
    public static let stateRange = RequestProtocol(
        name: "state_range", requestSizeMax: 5 * 1024, chunkSizeMax: 1 << 20, chunkCountMax: 1)

    /// A proof of a part of an operation, by its root as a body: 512 KiB at most by `PartVerification`'s limit, with
    /// room for systems whose proofs are larger.
    public static let proofsByRoot = RequestProtocol(
        name: "proofs_by_root", requestSizeMax: 32, chunkSizeMax: 4 << 20, chunkCountMax: 1)

    /// Certificates of an operation's parts. One of everyone, of 1,024 validators, has 66 KiB.
    public static let certificatesByOperation = RequestProtocol(
        name: "certificates_by_operation", requestSizeMax: 256, chunkSizeMax: 80 << 10,
        chunkCountMax: 64)

    /// Votes for one peer, on up to 64 parts and of 16 committees. Nothing is answered.
    public static let partVotes = RequestProtocol(
        name: "part_votes", requestSizeMax: 32 << 10, chunkSizeMax: 0, chunkCountMax: 0)

    /// What a node keeps of one operation: its own votes, certificates, committees' too, and evidence. Of 64 parts with
    /// everything there is of them; evidence with the word of all of 1,024 validators has 66 KiB.
    public static let statementsByOperation = RequestProtocol(
        name: "statements_by_operation", requestSizeMax: 32, chunkSizeMax: 80 << 10,
        chunkCountMax: 256)

    /// What nodes of a chain with operations answer besides ``ofChain``, in the order of their names.
    public static let ofOperations = [
        certificatesByOperation, partVotes, proofsByRoot, statementsByOperation,
    ]

    /// What nodes of a chain answer besides ``all``, in the order of their names. Those without state do not
    /// answer ``buildPayload``.
    public static let ofChain = [
        blocksByRange, blocksByRoot, buildPayload, checkpoint, consensus, stateRange,
    ]

    /// All of the above but those of a chain, in the order of their names.
    public static let all = [announcements, chunksByRoot, goodbye, metadata, ping, status]
}

/// The first byte of a response chunk.
public enum ResponseCode: Hashable, Sendable {
    case ok
    case invalidRequest
    case serverError
    /// The responder does not have what was asked for.
    case unavailable
    case rateLimited
    /// 5 and above: an error that this version does not know.
    case other(UInt8)

    public init(wireValue: UInt8) {
        switch wireValue {
        case 0: self = .ok
        case 1: self = .invalidRequest
        case 2: self = .serverError
        case 3: self = .unavailable
        case 4: self = .rateLimited
        case let value: self = .other(value)
        }
    }

    public var wireValue: UInt8 {
        switch self {
        case .ok: 0
        case .invalidRequest: 1
        case .serverError: 2
        case .unavailable: 3
        case .rateLimited: 4
        case .other(let value): value
        }
    }
}

/// What bounds one stream besides its protocol.
public struct RequestLimits: Hashable, Sendable {
    /// From the request to the first byte of the response (`TTFB_TIMEOUT`).
    public var firstByteTimeout: Duration = .seconds(10)
    /// For each chunk, from the end of the one before it (`RESP_TIMEOUT`), and for the whole of a
    /// request. Bytes that trickle do not extend it.
    public var payloadTimeout: Duration = .seconds(10)
    /// Longest error text read or written, in bytes. The specification's limit.
    public var errorTextSizeMax = 256

    public init() {}
}

/// What was wrong with the peer's side of a stream. Each case is a metric label.
public enum RequestFault: Error, Hashable, Sendable {
    /// The size in front of a payload is no minimal varint of at most nine bytes.
    case sizeMalformed
    case payloadTooLarge(size: UInt64, limit: Int)
    /// The frames of a payload are damaged, or hold another number of bytes than announced.
    case payloadDamaged
    /// Bytes follow the request.
    case trailingBytes
    /// The stream ended inside a payload, or before a request.
    case endedEarly
    /// The stream was reset by the peer or by the connection's end.
    case reset
    /// No byte of a response came in time.
    case firstByteTimeout
    /// A request or chunk was begun, or expected after another, and did not end in time.
    case payloadTimeout
}
