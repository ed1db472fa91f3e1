extension Kademlia {
    /// What happened since the start. Every pair of totals that belongs together adds up.
    public struct Counters: Hashable, Sendable {
        /// Requests that peers sent. Equals answered + acknowledged + refused + requests that were
        /// cancelled + requests in validation now.
        public var requestsReceived: UInt64 = 0
        public var requestsAnswered: UInt64 = 0
        public var requestsAcknowledged: UInt64 = 0
        public var requestsCancelled: UInt64 = 0
        public internal(set) var refusals = RefusalCounters()

        /// Requests to peers, those that wait for their turn included. Equals answers (or, where none
        /// is expected, requests that were handed over) + failures + withdrawn + in flight now.
        public var requestsSent: UInt64 = 0
        public var answersReceived: UInt64 = 0
        public var requestsFailed: UInt64 = 0
        /// Of those that failed, requests for which too many waited for their turn at the peer.
        public var requestsCrowdedOut: UInt64 = 0
        /// Requests that waited for their turn when their query ended.
        public var requestsWithdrawn: UInt64 = 0
        /// Reports about requests that were not awaited any more.
        public var lateReports: UInt64 = 0

        /// Queries, maintenance included. Equals succeeded + failed + running now.
        public var queriesStarted: UInt64 = 0
        public var queriesSucceeded: UInt64 = 0
        public var queriesFailed: UInt64 = 0

        /// Equals answered + given up + in flight now.
        public var validationsStarted: UInt64 = 0
        public var validationsAnswered: UInt64 = 0
        public var validationsGivenUp: UInt64 = 0
        public var lateValidations: UInt64 = 0

        public var recordsStored: UInt64 = 0
        public var recordsExpired: UInt64 = 0
        public var recordsEvicted: UInt64 = 0
        public var providersStored: UInt64 = 0
        public var providersExpired: UInt64 = 0
        public var providersEvicted: UInt64 = 0
        public var equivocations: UInt64 = 0
        public var repairsSent: UInt64 = 0
        public var republications: UInt64 = 0
        /// Names of peers in answers that were left out: unusable addresses, too many, or ourselves.
        public var closerPeersIgnored: UInt64 = 0
        public var valuesIgnored: UInt64 = 0

        public init() {}
    }

    /// Refused requests by reason.
    public struct RefusalCounters: Hashable, Sendable {
        private var counts: [RefusalReason: UInt64] = [:]

        public init() {}

        public subscript(reason: RefusalReason) -> UInt64 { counts[reason, default: 0] }

        public var total: UInt64 { RefusalReason.allCases.reduce(0) { $0 + self[$1] } }

        mutating func add(_ reason: RefusalReason) { counts[reason, default: 0] += 1 }
    }
}
