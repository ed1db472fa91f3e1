public import Bodies
public import Chain
public import ChoraleBase
public import ChoraleTypes
public import Codec
public import Crypto
public import ExecutorAgent
public import Gossipsub
public import Kademlia
public import Operations
public import PartVerification
public import PeerIdentity
public import Swarm

/// Names one listening socket.
public struct ListenerID: Hashable, Comparable, Sendable {
    public let rawValue: UInt32

    public init(_ rawValue: UInt32) { self.rawValue = rawValue }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Names one command of an operator until its last reply.
public struct CommandID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Everything that can happen to a node, besides bytes on its connections, which come through
/// ``Node/receive(_:_:now:into:)``.
public enum NodeInput: Sendable {
    /// The driver is ready. Comes first, once.
    case start
    case listening(ListenerID, Multiaddr)
    case listenFailed(ListenerID, Multiaddr, reason: String)
    /// A listener accepted a socket. `ephemeral` are 32 fresh secret bytes for its handshake.
    case accepted(ConnectionID, local: Multiaddr, remote: Multiaddr, ephemeral: SecretBytes)
    /// A dial opened a socket.
    case connected(ConnectionID, local: Multiaddr, ephemeral: SecretBytes)
    /// The socket is gone, or never opened. Exactly once per socket.
    case disconnected(ConnectionID, DisconnectReason, detail: String)
    case resolved(ResolutionID, ResolutionAnswer)
    case finished(JobResult)
    case stored(StoreRequestID, StoreReply)
    case command(CommandID, Command)
    /// Answers `process`.
    case processed(ChainAnswer)
    /// Answers `crossValidate`: why the block is not to be voted for, or nil.
    case crossValidated(Bytes32, refusal: String?)
    /// Answers `signParts`: what was signed of it.
    case partsSigned([SignedPart])
    /// What others said of a block, to be kept.
    case validationReported(ValidationReport)
    /// Answers `journal`.
    case journaled(JournalAnswer)
    /// Whoever gave the command is gone.
    case commandCancelled(CommandID)
    /// Drain and stop. `stopped` follows.
    case stop
    /// The driver's timer fired. Early and repeated firings are harmless.
    case timeout
}

/// Everything a node wants, besides bytes for its connections, which the driver pulls through
/// ``Node/transmit(_:into:sizeMax:now:outputs:)``.
public enum NodeOutput: Sendable {
    case listen(ListenerID, Multiaddr)
    case dial(ConnectionID, Multiaddr, timeout: Duration)
    case cancelDial(ConnectionID)
    /// The connection has bytes to send. Said again after they ran out.
    case wantsToTransmit(ConnectionID)
    /// Send what `transmit` still gives, then close. `disconnected` answers.
    case close(ConnectionID)
    /// Close at once. `disconnected` answers.
    case abort(ConnectionID)
    case pauseReading(ConnectionID)
    case resumeReading(ConnectionID)
    case resolve(ResolutionID, ResolutionQuery)
    case run(Job)
    case store(StoreRequestID, StoreRequest)
    /// For whoever owns the chain's blocks and state, in this order.
    case process(ChainTask)
    /// For whoever owns the validator's files, in this order.
    case journal(JournalOrder)
    /// Votes on parts, for whoever owns the validator's key.
    case signParts([PartSignRequest])
    /// For who has an account that pays for transactions: tell the operations contract.
    case settle(Settlement, output: [UInt8])
    /// For other implementations, if there are any.
    case crossValidate(BlockContents, requests: [[UInt8]])
    case reply(CommandID, Reply, isLast: Bool)
    case event(NodeEvent)
    /// Nothing follows.
    case stopped
}

/// Slow or bulky computation that a worker does.
///
/// A job is a value with everything it needs; running it touches nothing else, so that a driver's
/// worker and the simulator get the same result.
public enum Job: Sendable {
    case gossipSignature(Gossipsub.JobID, Gossipsub.SignatureCheck)
    case recordValidation(Kademlia.JobID, ValidationJob)
    case announcement(Gossipsub.MessageHandle, AnnouncementCheck)
    case chunk(Bodies.JobID, ChunkCheck)
    case offeredAnnouncement(Bodies.JobID, AnnouncementCheck)
    case buildBody(CommandID, BodyBuilder)
    case signedRecord(PeerID, [UInt8], isExchange: Bool)
    case chain(ChainVerification)
    case part(PartJob)
    case executor(ExecutorJob)

    /// Whether it may take so long that nothing that somebody waits for should be behind it.
    public var isLong: Bool {
        switch self {
        case .executor: true
        case .part(let job): job.isLong
        case .gossipSignature, .recordValidation, .announcement, .chunk, .offeredAnnouncement,
            .buildBody, .signedRecord, .chain:
            false
        }
    }

    /// Does the work.
    ///
    /// - Parameter clock: for how long it took, which is told and decides nothing.
    public func run(
        wall: WallTime, clock: @Sendable () -> MonotonicInstant = { .zero }
    ) -> JobResult {
        switch self {
        case .gossipSignature(let id, let check): .gossipSignature(id, check.run())
        case .recordValidation(let id, let job): .recordValidation(id, job.run(wall: wall))
        case .announcement(let handle, let check):
            .announcement(handle, check.run(wall: wall))
        case .chunk(let id, let check): .chunk(id, check.run())
        case .chain(let verification): .chain(verification.run())
        case .part(let job): .part(job.run(clock: clock))
        case .executor(let job): .executor(job.run(clock: clock))
        case .offeredAnnouncement(let id, let check):
            .offeredAnnouncement(id, check.run(wall: wall))
        case .buildBody(let id, let builder): .buildBody(id, builder.run())
        case .signedRecord(let peer, let envelope, let isExchange):
            .signedRecord(
                peer, try? PeerRecord.open(envelope), envelope: envelope, isExchange: isExchange)
        }
    }
}

/// What a worker found out.
public enum JobResult: Sendable {
    case gossipSignature(Gossipsub.JobID, Bool)
    case recordValidation(Kademlia.JobID, ValidationVerdict)
    case announcement(Gossipsub.MessageHandle, AnnouncementVerdict)
    case chunk(Bodies.JobID, Bool)
    case offeredAnnouncement(Bodies.JobID, AnnouncementVerdict)
    case buildBody(CommandID, BodyBuilder.Built)
    case signedRecord(PeerID, PeerRecord?, envelope: [UInt8], isExchange: Bool)
    case chain(ChainVerification.Outcome)
    case part(PartJobResult)
    case executor(ExecutorJobResult)
}
