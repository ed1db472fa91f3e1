extension Kademlia {
    /// Whether the machine serves others.
    public enum Mode: String, Hashable, Sendable {
        /// Asks, does not answer, and does not announce the protocol.
        case client
        /// Answers too. Only for a node that others can reach.
        case server
    }

    /// Whose addresses are believed and passed on.
    public enum AddressPolicy: String, Hashable, Sendable {
        /// Only addresses that the whole Internet can reach.
        case `public`
        /// Also loopback and private ranges, except when a peer on the public Internet names them.
        case local
    }

    /// What an operator or a network chooses. What defends the node is in ``Limits``.
    public struct Configuration: Sendable {
        /// Mode at the start.
        public var mode: Mode = .client

        /// Peers per bucket, closest peers of a lookup, and holders of a record (`k`).
        public var bucketSize = 20

        /// Requests that one path of a lookup keeps in flight (`α`).
        ///
        /// The specification suggests 10 for one path. Two paths of 3 reach the same peers in
        /// about the same time and ask fewer that are not needed.
        public var concurrency = 3

        /// Paths of a lookup that share no peer (`d` of S/Kademlia).
        ///
        /// A lookup fails only when every path met a liar: with 20 % of liars and paths of four
        /// hops one path is clean with 41 %, so two are a compromise with the traffic they cost;
        /// the diversity of IP groups does the rest.
        public var disjointPathCount = 2

        /// Answers that must agree before a read may end early; 0 searches to the end.
        public var quorum = 0

        /// After this, a request's answer is no longer awaited.
        public var requestDeadline: Duration = .seconds(10)

        /// After this, a lookup goes on as if the peer were dead, though a late answer still counts.
        ///
        /// Dead peers therefore cost a lookup this much, not ``requestDeadline``.
        public var requestPatience: Duration = .milliseconds(1500)

        /// After this, a lookup makes do with the peers it has found.
        public var lookupDeadline: Duration = .seconds(30)

        /// After this, a command ends whatever it has reached. At least ``lookupDeadline``.
        public var queryDeadline: Duration = .seconds(60)

        /// After this, a validation that was not answered counts as refused.
        public var validationDeadline: Duration = .seconds(10)

        /// Time between rounds of bucket refresh.
        public var refreshInterval: Duration = .seconds(600)

        /// Deepest bucket that a round looks up a key in. Deeper ones hold our closest neighbours, whom
        /// the lookup for our own place finds; and a key for bucket n costs 2^(n+1) hashes to find.
        public var refreshBucketMax = 9

        /// A peer in a bucket that was not heard of for this long is asked whether it lives.
        public var entryStaleAfter: Duration = .seconds(900)

        /// Longest life of a record, unless its namespace says less.
        public var recordTimeToLive: Duration = .seconds(48 * 3600)

        /// Life of a provider record (kad-dht: 48 h).
        public var providerTimeToLive: Duration = .seconds(48 * 3600)

        public var addressPolicy: AddressPolicy = .public

        /// Which keys may hold values, tried in order. A key that fits none is refused.
        public var namespaces: [RecordNamespace] = [.publicKeys]

        public init() {}
    }

    /// What others can make the machine hold or do, each with its reason.
    public struct Limits: Sendable {
        /// Longest key, in bytes. Keys are multihashes or `/namespace/…` paths: 80 bytes suffice for
        /// providers (go), 256 leaves room for text keys.
        public var keySizeMax = 256
        /// Longest key of a provider record, in bytes (go: 80).
        public var providerKeySizeMax = 80
        /// Largest message sent, in bytes. rust drops what is above 16 KiB; the margin is for the
        /// frame's length prefix.
        public var messageSizeMax = 16 * 1024 - 8
        /// Largest message accepted, in bytes. go sends all the addresses it knows of twenty peers,
        /// which can pass rust's limit; four times that is beyond any honest answer.
        public var receivedSizeMax = 64 * 1024
        /// Addresses of one peer, kept or sent. Identify lists more, nobody dials more.
        public var addressesPerPeerMax = 8
        /// Longest address, in bytes. The longest honest ones (relay, certificate hashes) are below.
        public var addressSizeMax = 512
        /// Bytes of all addresses kept for one peer.
        public var addressBytesPerPeerMax = 1024
        /// Peers taken from one answer. Honest ones send `k`; go accepts 2,000, which only feeds
        /// lookups with inventions.
        public var closerPeersAcceptedMax = 20

        /// Peers of one IP group (/16, /32) in one bucket: a tenth of it.
        public var bucketGroupMax = 2
        /// Peers of one IP group in the whole table. Deep buckets are cheap to fill by grinding ids.
        public var tableGroupMax = 16
        /// Peers of one IP group among the `k` closest of a lookup. Three in twenty leave honest
        /// holders a majority however many ids the group has.
        public var lookupGroupMax = 3
        /// Replacements kept for one full bucket.
        public var replacementsPerBucketMax = 5

        /// Peers remembered as connected: above the connection manager's limit.
        public var connectedPeersMax = 4096
        /// Probes of new peers in flight; more wait.
        public var probesInFlightMax = 8
        /// Peers waiting for a probe, about 300 B each.
        public var probeQueueMax = 512

        /// Queries running at once, own maintenance included. About 0.4 MB each at worst.
        public var queriesMax = 64
        /// Maintenance queries (refresh, republish) at once, so that commands find room.
        public var maintenanceQueriesMax = 8
        /// Requests in flight in total; lookups beyond it wait.
        public var requestsInFlightMax = 512
        /// Requests one query may make. A lookup among 10^6 honest peers needs about 60.
        public var requestsPerQueryMax = 250
        /// Peers one lookup may know of.
        public var contactsPerLookupMax = 512
        /// Distinct values one read looks at; beyond it they are ignored.
        public var valuesPerReadMax = 16
        /// Providers one search collects.
        public var providersPerSearchMax = 256

        /// Validations in flight in total: 256 × 60 µs is 15 ms of one core.
        public var validationsMax = 256
        /// Validations in flight for one peer's puts.
        public var validationsPerPeerMax = 8

        /// Puts and announcements a peer may make per second, and at once. Those beyond are refused.
        public var putsPerSecond = 4
        public var putBurst: Int64 = 32
        /// Requests of any kind a peer may make per second, and at once. A lookup asks each peer once,
        /// but in a network of ten everybody is asked by every lookup.
        public var requestsPerSecond = 50
        public var requestBurst: Int64 = 200
        /// Refusals for excess per second, and at once, that are put down to haste; beyond them it is
        /// a flood and a fault. A client without pacing that announces a thousand keys in a network of
        /// ten, where everybody is asked each time, is in haste.
        public var excessPerSecond = 10
        public var excessBurst: Int64 = 1000

        /// Puts and announcements sent to one peer per second, and at once: below what it allows,
        /// so that delays on the way cannot make an excess of them.
        public var putsSentPerSecond = 3
        public var putsSentBurst: Int64 = 8
        /// Other requests sent to one peer per second, and at once.
        public var requestsSentPerSecond = 40
        public var requestsSentBurst: Int64 = 80
        /// Requests of either kind that wait for their turn at one peer: a put at most 21 s, a third
        /// of a query's time. More fail with ``RPCFailure/localLimit``.
        public var pacedRequestsPerPeerMax = 64
        /// Peers whose rates are remembered; above it the one idle for longest is forgotten.
        public var ratedPeersMax = 8192

        /// Value records kept.
        public var recordsMax = 65_536
        /// Bytes of keys and values of all records kept.
        public var recordBytesMax = 64 << 20
        /// Value records one peer may have stored.
        public var recordsPerPeerMax = 1024
        /// Value records of one owner, where the record names one (mechanisms: 16).
        public var recordsPerOwnerMax = 16
        /// Provider records kept. About 300 B each.
        public var providersMax = 65_536
        /// Providers of one key.
        public var providersPerKeyMax = 64
        /// Providers of one key in one IP group (/16, /32), under the public policy.
        public var providersPerGroupMax = 3
        /// Provider records of one peer.
        public var providersPerPeerMax = 4096
        /// Keys this node itself publishes or provides.
        public var ownKeysMax = 4096

        public init() {}
    }
}
