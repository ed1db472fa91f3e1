extension Bodies {
    /// What has happened since the start. Every field only grows.
    ///
    /// - `announcementsReceived` is the sum of `downloadsStarted`, `announcementsKnown`,
    ///   `announcementsRefused` and the announcements that wait.
    /// - `downloadsStarted` and `downloadsResumed` together are the sum of `downloadsCompleted`,
    ///   `downloadsFailed` and the downloads under way.
    /// - `chunkRequests`, `exchangeRequests` and `catchUpRequests` together are the sum of
    ///   `requestsAnswered`, `requestsTimedOut`, `requestsFailed`, `requestsRefused`,
    ///   `requestsCancelled` and those under way.
    /// - `chunksReceived` is the sum of `chunksVerified`, `chunksWrong`, `chunksUnrequested`,
    ///   `chunksDuplicate`, `chunksLate` and those being verified.
    /// - `offersReceived` is the sum of `offersAccepted`, `offersKnown`, `offersIgnored`,
    ///   `offersRejected`, `offersUnwanted`, `offersLate` and those being checked. The accepted ones
    ///   are among `announcementsReceived`.
    /// - `servesReceived` is the sum of `servesAnswered`, `servesRefused` and those under way.
    public struct Counters: Hashable, Sendable {
        public var announcementsReceived: UInt64 = 0
        public var announcementsKnown: UInt64 = 0
        public var announcementsRefused: UInt64 = 0
        public var bodiesPublished: UInt64 = 0
        public var publicationsRefused: UInt64 = 0
        public var downloadsStarted: UInt64 = 0
        /// Bodies of the last run that were not whole.
        public var downloadsResumed: UInt64 = 0
        public var downloadsCompleted: UInt64 = 0
        /// Given up, displaced or expired before they were whole.
        public var downloadsFailed: UInt64 = 0
        /// Places given up to other bodies.
        public var turnsEnded: UInt64 = 0
        /// Bodies deleted by age, and to make room.
        public var bodiesExpired: UInt64 = 0
        public var bodiesEvicted: UInt64 = 0
        /// Requests for a chunk, for bitmaps only, and those of the former that ask a second peer.
        public var chunkRequests: UInt64 = 0
        public var exchangeRequests: UInt64 = 0
        public var hedgeRequests: UInt64 = 0
        public var requestsAnswered: UInt64 = 0
        public var requestsTimedOut: UInt64 = 0
        public var requestsFailed: UInt64 = 0
        public var requestsRefused: UInt64 = 0
        public var requestsCancelled: UInt64 = 0
        public var chunksReceived: UInt64 = 0
        public var chunkBytesReceived: UInt64 = 0
        public var chunksVerified: UInt64 = 0
        public var chunksWrong: UInt64 = 0
        public var chunksUnrequested: UInt64 = 0
        /// Another copy was verified first.
        public var chunksDuplicate: UInt64 = 0
        /// The body was given up, or is known not to have been as announced.
        public var chunksLate: UInt64 = 0
        /// Stored chunks that could not be read.
        public var chunksLost: UInt64 = 0
        /// Requests for announcements that we may have missed, and what came in answer.
        public var catchUpRequests: UInt64 = 0
        public var offersReceived: UInt64 = 0
        public var offersAccepted: UInt64 = 0
        /// Gossip was quicker.
        public var offersKnown: UInt64 = 0
        /// Nobody's fault: too old, of an unknown kind, too large.
        public var offersIgnored: UInt64 = 0
        /// The peer's fault: false, or not asked for.
        public var offersRejected: UInt64 = 0
        public var offersUnwanted: UInt64 = 0
        /// The request was given up.
        public var offersLate: UInt64 = 0
        /// Requests of peers, and announcements in our answers.
        public var offerRequestsReceived: UInt64 = 0
        public var offersSent: UInt64 = 0
        public var servesReceived: UInt64 = 0
        public var servesAnswered: UInt64 = 0
        public var servesRefused: UInt64 = 0
        public var chunksServed: UInt64 = 0
        public var chunkBytesServed: UInt64 = 0
        public var cacheHits: UInt64 = 0
        public var cacheMisses: UInt64 = 0
        public var storeFailures: UInt64 = 0
        /// Of those, deletions of a body's rows.
        public var deletionsFailed: UInt64 = 0
        /// Rows of the database that could not be understood, and were deleted.
        public var rowsMalformed: UInt64 = 0
        public var faults: UInt64 = 0

        public init() {}
    }
}
