extension Bodies {
    /// Every limit of the machine. Sizes in bytes.
    public struct Limits: Hashable, Sendable {
        // MARK: What is held

        /// Largest body: 14 MiB is the witness limit of the 12 s profile (mechanisms §6.2a).
        public var bodySizeMax = 16 << 20
        /// Bodies known at once. A description has at most 8 KiB, so they take at most 8 MiB.
        public var bodiesMax = 1024
        /// All chunks together on disk: 64 of the largest bodies.
        public var totalSizeMax = 1 << 30
        /// Bodies of one producer together: a quarter, so that no producer can drive out the rest. As
        /// much as our own take before the oldest of them makes room for the newest.
        public var producerSizeMax = 256 << 20
        /// Announcements of one producer in a burst; one comes back each `producerInterval`.
        public var producerBurst: Int64 = 16
        /// One a second is four times the rate of blocks.
        public var producerInterval: Duration = .seconds(1)
        /// Producers whose rate is remembered; the one longest silent is forgotten first.
        public var producersMax = 1024
        /// Bodies older than this are deleted: past the proof window of 7 slots many times over.
        public var ageMax: Duration = .seconds(2 * 3600)
        /// How often ages are looked at.
        public var retentionInterval: Duration = .seconds(30)
        /// Bodies that one look deletes: all of them take eight minutes, in which an operator whose clock
        /// was wrong at the start can see it happen. Many times what comes in as long.
        public var expirationsMax: Int { max(1, bodiesMax / 16) }
        /// Roots of deleted bodies that are not fetched again.
        public var forgottenMax = 4096
        /// Announcements kept while the rows are still loading: 8 KiB each.
        public var waitingMax = 64

        /// Announced sizes of the bodies that are not whole, together. With our own that is three
        /// quarters at most, so that whoever begins finds something whole that may go.
        public var incompleteSizeMax: Int { max(bodySizeMax, totalSizeMax / 2) }
        /// The same of those that one peer told us of first, and of those of one producer: who
        /// announces what does not exist uses up no other's share.
        public var incompleteShareMax: Int { max(bodySizeMax, totalSizeMax / 8) }
        /// Bodies that are not whole. As many are kept free of others.
        public var incompleteMax: Int { max(1, bodiesMax / 4) }
        /// Those of one peer or one producer: small bodies are many.
        public var incompleteCountShareMax: Int { max(1, incompleteMax / 8) }

        // MARK: Fetching

        /// Bodies being fetched at once. Others wait their turn.
        public var downloadsMax = 8
        /// While others wait that could be fetched, a body that got less than a quarter of an equal
        /// share in this time makes place: a chunk of 256 KiB on a 16 Mbit/s path takes an eighth of it.
        public var turn: Duration = .seconds(1)
        /// How often bodies that wait are looked at: it costs a look at every link.
        public var turnPause: Duration = .milliseconds(50)
        /// Peers asked what they hold of a body that waits, besides those who ask us: half as many as a
        /// mesh of gossip has, since the others tell us by themselves what they get.
        public var probeLinksMax = 4
        /// Such questions under way: to all, and to one peer, so that a served body's requests need not
        /// queue behind those about bodies that nobody has.
        public var probesMax = 64
        public var probesPerPeerMax = 2
        /// Chunks requested of all peers together: 64 × 256 KiB are 16 MiB on their way to memory.
        public var requestsMax = 64
        /// Chunks requested of one peer: 1 MiB covers 80 ms of 100 Mbit/s.
        public var requestsPerPeerMax = 4
        /// Chunks received and not yet verified and stored: 16 MiB of memory.
        public var unstoredSizeMax = 16 << 20
        /// Peers of one body that we ask by ourselves. Others that ask us are answered and remembered
        /// up to `passiveLinksMax`.
        public var activeLinksMax = 16
        public var passiveLinksMax = 64
        /// A request is given up after this (the deadline of mechanisms §6.3).
        public var requestTimeout: Duration = .seconds(10)
        /// A second holder is asked for a chunk when the first takes four times the usual time, but
        /// not before this: below it the jitter of a busy node would double traffic.
        public var hedgeDelayMin: Duration = .milliseconds(400)
        public var hedgeDelayMax: Duration = .seconds(4)
        /// Chunks of one body that may be on their way twice: bounds what the end game wastes.
        public var hedgesMax = 2
        /// Bitmaps go to one peer at most this often while they change.
        public var exchangeInterval: Duration = .milliseconds(50)
        /// Requests under way for bitmaps alone, of all bodies, and chunks that came and whose end did not.
        /// Eight bodies with all their links.
        public var exchangesMax = 512
        /// All requests under way. Those of chunks that came may wait for the ends of their streams.
        public var requestCountMax: Int { 2 * requestsMax + exchangesMax }
        /// A peer that had nothing new is asked again after this, doubling up to `pollIntervalMax`.
        public var pollInterval: Duration = .milliseconds(250)
        public var pollIntervalMax: Duration = .seconds(8)
        /// A peer that failed is left alone for this, doubling up to `backoffMax`.
        public var backoff: Duration = .milliseconds(500)
        public var backoffMax: Duration = .seconds(60)
        /// A peer that answers too many others to answer us is left alone for this.
        public var busyPause: Duration = .milliseconds(250)
        /// A peer that sent a wrong chunk is asked nothing for this long.
        public var distrust: Duration = .seconds(600)
        /// A body that got no chunk for this is given up.
        public var stallTimeout: Duration = .seconds(300)

        // MARK: Announcements missed

        /// The least time between two requests for announcements, to whomever: what is heard, checked
        /// and taken in by them is at most `offersMax` a second.
        public var catchUpPause: Duration = .seconds(1)
        /// A peer that shows by its requests that it has something unknown here is asked again at
        /// most this often.
        public var catchUpPeerInterval: Duration = .seconds(2)
        /// How often one peer is asked when there is no reason to: what gossip lost is found after
        /// about this time, for 32 bytes a body held.
        public var catchUpInterval: Duration = .seconds(60)
        /// Announcements in one answer, of 8 KiB at most each. As many as a producer may make in a
        /// burst.
        public var offersMax = 16

        // MARK: Serving

        /// Answers under way to one peer: twice what an honest peer asks for at once.
        public var servesPerPeerMax = 8
        /// Answers under way to all: 64 × 256 KiB are 16 MiB queued in streams.
        public var servesMax = 64
        /// Chunks in one answer. Who wants more asks again.
        public var chunksPerServeMax = 1
        /// Longest that an answer's place is held without `serveEnded`: half as long again as the asker
        /// waits.
        public var serveTimeout: Duration = .seconds(15)
        /// A peer that let an answer wait for long without reading it gets no chunk for this, doubling up
        /// to `unreadPauseMax`: 32 such peers, who would hold every place for ten seconds again and again,
        /// hold one in thirty.
        public var unreadPause: Duration = .seconds(10)
        public var unreadPauseMax: Duration = .seconds(300)
        /// Chunks kept in memory for serving.
        public var cacheSizeMax = 16 << 20
        /// How many: bounds the bookkeeping when chunks are small.
        public var cacheCountMax = 1024
        /// Reads of the node's own user waiting for the store.
        public var readsMax = 64
        /// For so long after publishing, a producer shows each peer different chunks, so that its
        /// peers have something to trade and it uploads little more than the body once.
        public var seedingDuration: Duration = .seconds(20)
        /// A chunk is shown to a second peer this long after a copy of it left: by then whoever got it
        /// has told others, or does not intend to. Also how long a peer may leave a chunk that it was
        /// shown unasked for. The wait doubles with each peer, and is four times as long while two
        /// others hold the chunk.
        public var reshowDelay: Duration = .seconds(1)

        // MARK: The store

        /// After a failure of the store, how long until one chunk is asked for, doubling each time that
        /// the store does not take it.
        public var storeRetryInterval: Duration = .seconds(10)
        public var storeRetryIntervalMax: Duration = .seconds(60)
        /// Bodies of our own on their way to the store: each is in memory twice.
        public var publicationsMax = 2
        /// Deleted bodies whose rows the store did not delete; these are tried again, some each
        /// `storeRetryInterval`.
        public var undeletedMax = 1024
        public var deletionsMax = 16

        public init() {}
    }
}
