public import ChoraleBase
public import Codec
import OrderedCollections
public import PeerIdentity

extension Kademlia {
    /// What an operator may want to see.
    public struct Snapshot: Sendable {
        public struct Bucket: Sendable {
            /// Leading bits that its peers share with this node.
            public let index: Int
            public let peers: [Peer]
            public let replacementCount: Int
        }

        public struct Peer: Sendable {
            public let id: PeerID
            public let addresses: [Multiaddr]
            public let isConnected: Bool
            /// How long ago it last answered.
            public let silentFor: Duration
            /// Requests since then that it did not answer.
            public let failureCount: Int
        }

        public struct RunningQuery: Sendable {
            public let id: QueryID?
            /// `find-peer`, `closest`, `get`, `put`, `provide`, `find-providers`, or the same with
            /// `republish` or `refresh` in front.
            public let name: String
            public let key: [UInt8]
            public let age: Duration
            public let requestCount: Int
            public let answerCount: Int
        }

        public let mode: Mode
        /// Buckets with peers, in order.
        public let buckets: [Bucket]
        public let recordCount: Int
        public let recordBytes: Int
        public let providerCount: Int
        public let providerKeyCount: Int
        public let ownValueCount: Int
        public let ownProvideCount: Int
        public let requestsInFlight: Int
        public let validationsInFlight: Int
        /// Those of them that a peer's put waits for.
        public let putsInValidation: Int
        public let queries: [RunningQuery]
        public let counters: Counters
    }

    public func snapshot(now: Now) -> Snapshot {
        var buckets: [Snapshot.Bucket] = []
        for (index, bucket) in table.buckets.enumerated() where !bucket.entries.isEmpty {
            let peers = bucket.entries.map {
                Snapshot.Peer(
                    id: $0.peer, addresses: $0.addresses, isConnected: connected[$0.peer] != nil,
                    silentFor: $0.answeredAt.duration(to: now.instant),
                    failureCount: $0.failureCount)
            }
            buckets.append(
                .init(index: index, peers: peers, replacementCount: bucket.replacements.count))
        }
        let puts = jobs.values.reduce(0) { count, job in
            if case .inboundPut = job.purpose { count + 1 } else { count }
        }
        let running = queries.map { query in
            var id: QueryID?
            if case .command(let command) = query.origin { id = command }
            return Snapshot.RunningQuery(
                id: id, name: name(of: query), key: query.key,
                age: query.startedAt.duration(to: now.instant), requestCount: query.requestCount,
                answerCount: query.lookup.respondedCount)
        }
        return Snapshot(
            mode: mode, buckets: buckets, recordCount: records.count, recordBytes: records.size,
            providerCount: providers.count, providerKeyCount: providers.keyCount,
            ownValueCount: ownValues.count, ownProvideCount: ownProvides.count,
            requestsInFlight: requests.count, validationsInFlight: jobs.count,
            putsInValidation: puts, queries: running,
            counters: counters)
    }

    private func name(of query: Query) -> String {
        let task =
            switch query.task {
            case .findPeer: "find-peer"
            case .closest: "closest"
            case .read: "get"
            case .write(let write): write.value == nil ? "provide" : "put"
            case .searchProviders: "find-providers"
            }
        return switch query.origin {
        case .command: task
        case .republication: "republish \(task)"
        case .refresh: "refresh \(task)"
        }
    }

    /// Peers in the routing table.
    public var tableSize: Int { table.count }

    public func isInTable(_ peer: PeerID) -> Bool { table.contains(peer) }

    /// A record that is held and may be given to others, for the admin socket and for tests.
    public func storedValue(_ key: [UInt8], now: Now) -> [UInt8]? {
        records.live(key, wall: now.wall)?.value
    }
}
