public import ChoraleTypes
public import Codec
public import PeerIdentity

extension Kademlia {
    /// A peer and where it can be reached.
    public struct PeerAddresses: Hashable, Sendable {
        public let peer: PeerID
        public let addresses: [Multiaddr]

        public init(peer: PeerID, addresses: [Multiaddr]) {
            self.peer = peer
            self.addresses = addresses
        }
    }

    /// What a user of the machine may ask for. Each ends with one ``Output/queryFinished(_:_:)``.
    public enum Command: Hashable, Sendable {
        /// Where is this peer?
        case findPeer(PeerID)
        /// Reads a value. `quorum`: answers that must agree before the search may end early, nil for
        /// the configured number, 0 to search to the end.
        case getValue(key: [UInt8], quorum: Int?)
        /// Writes a value to the `k` closest peers. With `republish` the machine asks for a renewed
        /// value (``Output/renew(key:previous:)``) at a third of its life, until told to stop.
        case putValue(key: [UInt8], value: [UInt8], republish: Bool)
        /// Announces this node as a provider and goes on doing so until told to stop.
        case provide(key: [UInt8])
        /// Searches for providers until `count` are known; 0 searches to the end.
        case findProviders(key: [UInt8], count: Int)
        /// The `k` peers closest to a key that answered.
        case getClosestPeers(key: [UInt8])
        /// Looks up the node's own place, then a key in each bucket.
        case bootstrap
    }

    public enum Input: Sendable {
        /// A connection to the peer is up and it was identified; again when identify told news.
        ///
        /// - Parameters:
        ///   - addresses: where it says that it listens.
        ///   - supportsServer: whether it announces this DHT's protocol.
        ///   - remote: where its connection comes from, or nil when that is not an IP address.
        case peerIdentified(
            PeerID, addresses: [Multiaddr], supportsServer: Bool, remote: IPAddress?)
        /// The last connection to the peer is gone.
        case peerDisconnected(PeerID)

        /// One whole request, without its length prefix. Several may be on one stream; answers must
        /// go back in the order of the requests, which is the caller's task.
        case requestReceived(InboundRequestID, from: PeerID, [UInt8])
        /// The requester is gone; nothing need be answered any more.
        case requestCancelled(InboundRequestID)
        /// One whole answer, without its length prefix.
        case responseReceived(RPCID, [UInt8])
        /// A request that expects no answer was handed to the peer's stream.
        case requestSent(RPCID)
        case rpcFailed(RPCID, RPCFailure)

        case command(QueryID, Command)
        case cancel(QueryID)
        /// Republishing of this value ends; holders forget it when it expires.
        case stopPublishing(key: [UInt8])
        /// Republishing of this node as a provider ends.
        case stopProviding(key: [UInt8])

        case validated(JobID, ValidationVerdict)
        /// The owner's answer to ``Output/renew(key:previous:)``: the value with a fresh sequence
        /// number, or nil to stop publishing it.
        case renewed(key: [UInt8], value: [UInt8]?)
        /// Rows of the column family `dht`, once, in any number of portions, at the start.
        case loaded([StoreRow])
        case setMode(Mode)
        /// Where others can reach this node: what ADD_PROVIDER and answers about itself say.
        case listenAddressesChanged([Multiaddr])
        /// The driver's timer fired. Early and repeated firings are harmless.
        case timeout
    }

    /// Why a request to a peer came to nothing.
    public enum RPCFailure: String, Hashable, CaseIterable, Sendable {
        case timedOut
        /// No connection could be made.
        case dialFailed
        /// The peer or the network ended the stream.
        case streamReset
        /// The peer is there and does not serve this DHT.
        case protocolUnsupported
        /// The node itself had no room. Says nothing about the peer.
        case localLimit
        /// The answer could not be decoded or answers something else. Only the machine says this.
        case malformedAnswer
    }

    public enum Output: Sendable {
        /// Send one request, dialling if need be, and report what became of it. The addresses are
        /// hints to add to what the node knows itself; none may be empty of them. When
        /// `expectsAnswer` is false the report is ``Input/requestSent(_:)``.
        case sendRequest(
            RPCID, to: PeerID, addresses: [Multiaddr], message: [UInt8], expectsAnswer: Bool,
            deadline: Duration)
        /// The answer is not wanted any more; the stream may be reset.
        case cancelRequest(RPCID)
        case respond(InboundRequestID, [UInt8])
        /// The request was carried out and has no answer (ADD_PROVIDER).
        case acknowledge(InboundRequestID)
        /// Reset the stream.
        case refuse(InboundRequestID, RefusalReason)

        /// Run the job elsewhere and answer with ``Input/validated(_:_:)``.
        case validate(JobID, ValidationJob)
        case queryProgress(QueryID, QueryProgress)
        /// The last word on a command.
        case queryFinished(QueryID, QueryResult)
        /// A published value has used a third of its life. Sign it anew with a higher sequence number
        /// than that of `previous`, and answer with ``Input/renewed(key:value:)``.
        case renew(key: [UInt8], previous: [UInt8])
        /// To be written in this order; need not be synced.
        case store([StoreWrite])
        case peerFault(PeerID, PeerFault)
        /// Two values of one owner with one sequence number. Both were dropped here.
        case equivocation(key: [UInt8], first: [UInt8], second: [UInt8])
        case event(Event)
    }

    /// Why a peer's request was refused. Each case is also a metric label.
    public enum RefusalReason: String, Hashable, CaseIterable, Sendable {
        case clientMode
        case malformed
        case unknownType
        case keyTooLong
        case keyMismatch
        case noNamespace
        case valueTooLarge
        case invalidRecord
        /// A better record is stored.
        case staleRecord
        case equivocation
        /// ADD_PROVIDER without an entry for the sender itself.
        case notTheProvider
        /// More requests than a peer may make. Says nothing worse of it than haste.
        case rateLimited
        /// Many times more.
        case flooding
        case tooManyValidations
        case validationTimedOut
        case perPeerLimit
        case perOwnerLimit
        case perKeyLimit
        /// The store is full of records that are closer to this node.
        case storeFull

        /// Whether the request was wrong in itself, so that its sender should be held to account.
        /// The others befall honest peers: they are in haste, or do not know what we hold.
        public var isRequesterFault: Bool {
            switch self {
            case .malformed, .unknownType, .keyTooLong, .keyMismatch, .valueTooLarge,
                .invalidRecord, .notTheProvider, .flooding:
                true
            case .clientMode, .noNamespace, .staleRecord, .equivocation, .rateLimited,
                .tooManyValidations, .validationTimedOut, .perPeerLimit, .perOwnerLimit,
                .perKeyLimit, .storeFull:
                false
            }
        }
    }

    /// What a peer did wrong. The caller decides the penalty.
    public enum PeerFault: String, Hashable, CaseIterable, Sendable {
        case malformedRequest
        case malformedAnswer
        /// A value that can never have been valid, sent to be stored.
        case invalidRecordStored
        /// The same, as the answer to a read.
        case invalidRecordServed
        /// A flood: refused a thousand times for excess, and no end.
        case rateExceeded
    }

    public enum QueryProgress: Hashable, Sendable {
        /// A better value than before, valid, but not yet confirmed by the search.
        case value([UInt8])
        case provider(PeerAddresses)
        /// A peer stored the value or the announcement.
        case stored(acknowledged: Int, of: Int)
    }

    public enum QueryResult: Equatable, Sendable {
        /// `confirmed`: the peer was reached, rather than only named by others.
        case peer(PeerAddresses, confirmed: Bool)
        case value(FoundValue)
        /// Holders that acknowledged, at least half of `of`.
        case stored(acknowledged: Int, of: Int)
        /// Peers that the announcement was sent to.
        case provided(sent: Int, of: Int)
        case providers([PeerAddresses])
        /// `complete` is false when the deadline ended the search.
        case closestPeers([PeerAddresses], complete: Bool)
        case bootstrapped(tableSize: Int)
        case failed(QueryFailure)
    }

    public struct FoundValue: Hashable, Sendable {
        public let key: [UInt8]
        public let value: [UInt8]
        /// Holders that gave exactly this value, the node itself included.
        public let agreeing: Int
        /// Who answered: peers, and the node itself when it holds a record. Never less than `agreeing`.
        public let answered: Int
        /// Closest peers that the value is being written back to.
        public let repaired: Int
    }

    /// Why a command failed. Each case is also a metric label.
    public enum QueryFailure: Equatable, Sendable {
        /// Not one peer to ask.
        case noPeers
        case notFound
        /// The deadline came before an answer.
        case timedOut
        /// Too few holders acknowledged.
        case tooFewAcknowledged(Int, of: Int)
        case invalidRecord(RecordRejection)
        /// The node itself holds a better record.
        case superseded
        /// The owner signed two values with one sequence number, so neither is believed.
        case equivocation
        case noNamespace
        case keyTooLong(size: Int, limit: Int)
        case valueTooLarge(size: Int, limit: Int)
        case tooManyQueries(limit: Int)
        case tooManyOwnKeys(limit: Int)
        /// There is nothing that others could reach this node at.
        case noAddresses
        case cancelled
    }

    /// Facts for logs and metrics.
    public enum Event: Hashable, Sendable {
        case peerAdded(PeerID, bucket: Int)
        case peerRemoved(PeerID, bucket: Int, RemovalReason)
        /// A working peer found no place.
        case peerLeftOut(PeerID, LeftOutReason)
        case recordStored(key: [UInt8], from: PeerID?)
        case recordEvicted(key: [UInt8], EvictionReason)
        /// More than four fifths of a store's places or bytes are used.
        case storeNearlyFull(used: Int, limit: Int)
        case modeChanged(Mode)
        /// A renewal was not answered in time and will be asked for again.
        case renewalOverdue(key: [UInt8])
        /// A republication ended.
        case republished(key: [UInt8], acknowledged: Int, of: Int)
        /// A row of the database could not be read and was deleted.
        case rowDamaged(key: [UInt8])
    }

    public enum RemovalReason: String, Hashable, CaseIterable, Sendable {
        case unreachable, protocolUnsupported, malformedAnswer
    }

    public enum LeftOutReason: String, Hashable, CaseIterable, Sendable {
        case bucketFull, bucketGroupLimit, tableGroupLimit, noUsableAddress
    }

    public enum EvictionReason: String, Hashable, CaseIterable, Sendable {
        case expired, farthest, perOwnerLimit, equivocation
    }
}
