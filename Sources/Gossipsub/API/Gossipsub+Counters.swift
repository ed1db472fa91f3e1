extension Gossipsub {
    /// What has happened since the start. Every field only grows.
    ///
    /// `messagesReceived` is the sum of `accepted`, of the message reasons in `dropped`, and of what is
    /// pending now.
    public struct Counters: Hashable, Sendable {
        public var framesReceived: UInt64 = 0
        public var bytesReceived: UInt64 = 0
        public var framesSent: UInt64 = 0
        public var bytesSent: UInt64 = 0
        /// Message copies in received frames, duplicates too.
        public var messagesReceived: UInt64 = 0
        /// First copies that were found valid, of others' messages.
        public var messagesAccepted: UInt64 = 0
        public var messagesPublished: UInt64 = 0
        public var publishFailures: UInt64 = 0
        /// Copies put in queues. The sum of `copiesSent`, `copiesShed` and what is queued now.
        public var copiesQueued: UInt64 = 0
        public var copiesSent: UInt64 = 0
        public var copyBytesSent: UInt64 = 0
        /// Large messages announced where v1.1 would have pushed them.
        public var copiesAnnounced: UInt64 = 0
        public var subscriptionsReceived: UInt64 = 0
        public var subscriptionsSkipped: UInt64 = 0
        public var graftsReceived: UInt64 = 0
        public var graftsRefused: UInt64 = 0
        public var prunesReceived: UInt64 = 0
        public var ihaveReceived: UInt64 = 0
        public var ihaveIDsReceived: UInt64 = 0
        /// Identifiers in IHAVE, IWANT or IDONTWANT above a limit or of an unusable size.
        public var idsSkipped: UInt64 = 0
        public var iwantIDsReceived: UInt64 = 0
        public var iwantAnswered: UInt64 = 0
        public var iwantRefused: UInt64 = 0
        public var iwantIDsSent: UInt64 = 0
        public var iwantHedges: UInt64 = 0
        public var iwantBroken: UInt64 = 0
        public var iwantDeferred: UInt64 = 0
        public var dontWantIDsReceived: UInt64 = 0
        public var dontWantIDsSent: UInt64 = 0
        public var graftsSent: UInt64 = 0
        public var prunesSent: UInt64 = 0
        public var ihaveIDsSent: UInt64 = 0
        public var peerExchangeFollowed: UInt64 = 0
        public var peerExchangeIgnored: UInt64 = 0
        /// Entries of control kinds or RPC fields that this version does not know.
        public var unknownFields: UInt64 = 0
        public var heartbeats: UInt64 = 0

        private var droppedByReason = [UInt64](repeating: 0, count: DropReason.allCases.count)
        private var faultsByCause = [UInt64](repeating: 0, count: ScoreCause.allCases.count)
        private var shedByReason = [UInt64](repeating: 0, count: ShedReason.allCases.count)

        public init() {}

        public subscript(_ reason: DropReason) -> UInt64 {
            get { droppedByReason[Int(reason.rawValue)] }
            set { droppedByReason[Int(reason.rawValue)] = newValue }
        }

        public subscript(_ reason: ShedReason) -> UInt64 {
            get { shedByReason[Int(reason.rawValue)] }
            set { shedByReason[Int(reason.rawValue)] = newValue }
        }

        /// How often peers were charged, by cause; credits are not counted.
        public subscript(charged cause: ScoreCause) -> UInt64 {
            get { faultsByCause[Int(cause.rawValue)] }
            set { faultsByCause[Int(cause.rawValue)] = newValue }
        }

        public var copiesShed: UInt64 { shedByReason.reduce(0, +) }

        /// Messages received and not used, duplicates too.
        public var messagesDropped: UInt64 {
            DropReason.allCases.filter { !$0.isAboutFrame }.reduce(0) { $0 + self[$1] }
        }
    }
}

extension Gossipsub.DropReason {
    /// Whether it counts whole frames rather than messages.
    public var isAboutFrame: Bool {
        switch self {
        case .malformedFrame, .frameTooLarge, .unknownPeer, .graylisted: true
        default: false
        }
    }
}
