public import ChoraleBase
public import ChoraleTypes
public import Codec
import OrderedCollections
public import PeerIdentity

/// Where an address was learned. Better sources displace worse ones when a peer has too many.
public enum AddressSource: UInt8, Comparable, Hashable, Sendable {
    case exchange = 0
    case routing = 1
    case identify = 2
    case signedRecord = 3
    case bootnode = 4
    case configured = 5

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// One way to reach a peer and how it went so far.
public struct KnownAddress: Hashable, Sendable {
    /// Without the trailing `/p2p` component.
    public let address: Multiaddr
    public var source: AddressSource
    /// When it was last learned or used.
    public var seenAt: WallTime
    /// When a dial to it last ended in an authenticated connection.
    public var connectedAt: WallTime?
    /// Failed dials since the last success.
    public var failureCount: UInt16
    /// Not dialed before this.
    public var retryAt: WallTime?
}

/// What is remembered of one peer.
public struct KnownPeer: Hashable, Sendable {
    public let id: PeerID
    public var addresses: [KnownAddress]
    public var protocols: [String]
    public var agentVersion: String
    public var seenAt: WallTime
    /// Sequence number of the newest signed record; older ones are ignored.
    public var recordSequence: UInt64
    /// The newest signed record, as received, to pass on in peer exchange.
    public var signedRecord: [UInt8]?
    public var bannedUntil: WallTime?

    init(id: PeerID, seenAt: WallTime) {
        self.id = id
        self.addresses = []
        self.protocols = []
        self.agentVersion = ""
        self.seenAt = seenAt
        self.recordSequence = 0
        self.signedRecord = nil
        self.bannedUntil = nil
    }
}

/// Everything known about peers, connected or not.
///
/// Bounded: ``Limits/peerCountMax`` peers; the one unseen for longest makes room. Changes are
/// collected and written in one batch now and then, so that a restart needs no bootnode.
///
/// Memory: at most `peerCountMax × (addressCountMax × 512 B + signedRecordSizeMax + protocols)`;
/// with the defaults and ordinary peers about 1 KiB a peer.
public struct PeerStore: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Peers remembered.
        public var peerCountMax = 4096
        /// Addresses kept per peer. A peer with more is lying or behind a broken NAT.
        public var addressCountMax = 16
        /// Protocol names kept per peer.
        public var protocolCountMax = 64
        /// Largest signed record kept, in bytes: sixteen addresses and a key fit in half of it.
        public var signedRecordSizeMax = 2048
        /// First back-off after a failed dial; doubled with each further failure. Short, because most
        /// first failures are of a peer that is just starting or restarting.
        public var backoffInitial: Duration = .seconds(1)
        /// Longest back-off. Not longer, or a restarted peer stays unreachable for everyone.
        public var backoffMax: Duration = .seconds(600)

        public init() {}
    }

    public let limits: Limits
    private var peers: OrderedDictionary<PeerID, KnownPeer> = [:]
    private var changed: Set<PeerID> = []
    private var removed: Set<PeerID> = []
    /// Peers forgotten to make room.
    public private(set) var evictedCount: UInt64 = 0

    public init(limits: Limits = Limits()) { self.limits = limits }

    public var count: Int { peers.count }

    public subscript(_ id: PeerID) -> KnownPeer? { peers[id] }

    /// Every peer, in the order first learned.
    public var all: some Collection<KnownPeer> { peers.values }

    /// Adds addresses, without their `/p2p` part; those already known keep their history.
    ///
    /// - Returns: how many were new.
    @discardableResult
    public mutating func learn(
        _ id: PeerID, addresses: [Multiaddr], source: AddressSource, now: WallTime
    ) -> Int {
        var peer = peers[id] ?? KnownPeer(id: id, seenAt: now)
        var added = 0
        for address in addresses.prefix(4 * limits.addressCountMax) {
            guard let bare = address.removingPeerID else { continue }
            if let index = peer.addresses.firstIndex(where: { $0.address == bare }) {
                peer.addresses[index].seenAt = now
                if source > peer.addresses[index].source { peer.addresses[index].source = source }
            } else {
                added += 1
                peer.addresses.append(
                    KnownAddress(
                        address: bare, source: source, seenAt: now, connectedAt: nil,
                        failureCount: 0, retryAt: nil))
            }
        }
        if peer.addresses.count > limits.addressCountMax {
            peer.addresses.sort(by: Self.isBetter)
            peer.addresses.removeLast(peer.addresses.count - limits.addressCountMax)
        }
        peer.seenAt = max(peer.seenAt, now)
        put(peer)
        return added
    }

    /// Best first: proven recently, few failures, trusted source; ties by bytes so that two runs
    /// agree.
    private static func isBetter(_ lhs: KnownAddress, _ rhs: KnownAddress) -> Bool {
        if lhs.failureCount != rhs.failureCount { return lhs.failureCount < rhs.failureCount }
        if lhs.connectedAt != rhs.connectedAt {
            guard let left = lhs.connectedAt else { return false }
            guard let right = rhs.connectedAt else { return true }
            return left > right
        }
        if lhs.source != rhs.source { return lhs.source > rhs.source }
        if lhs.seenAt != rhs.seenAt { return lhs.seenAt > rhs.seenAt }
        return lhs.address.bytes.lexicographicallyPrecedes(rhs.address.bytes)
    }

    /// The addresses of a peer, best first.
    public func rankedAddresses(of id: PeerID) -> [KnownAddress] {
        (peers[id]?.addresses ?? []).sorted(by: Self.isBetter)
    }

    public mutating func dialSucceeded(_ id: PeerID, address: Multiaddr, now: WallTime) {
        learn(id, addresses: [address], source: .routing, now: now)
        update(id) { peer in
            guard let index = peer.index(of: address) else { return }
            peer.addresses[index].failureCount = 0
            peer.addresses[index].retryAt = nil
            peer.addresses[index].connectedAt = now
        }
    }

    /// Records a failed dial and doubles the address's back-off.
    public mutating func dialFailed(
        _ id: PeerID, address: Multiaddr, now: WallTime, random: inout DeterministicRandom
    ) {
        let initial = limits.backoffInitial
        let longest = limits.backoffMax
        let jitter = random.duration(below: initial / 2)
        update(id) { peer in
            guard let index = peer.index(of: address) else { return }
            let failures = min(peer.addresses[index].failureCount, 30)
            peer.addresses[index].failureCount = failures + 1
            let doubled = initial * (1 << Int(min(failures, 12)))
            peer.addresses[index].retryAt = now.advanced(by: min(doubled, longest) + jitter)
        }
    }

    public mutating func identified(
        _ id: PeerID, protocols: [String], agentVersion: String, now: WallTime
    ) {
        let countMax = limits.protocolCountMax
        upsert(id, now: now) { peer in
            peer.protocols = Array(protocols.prefix(countMax))
            peer.agentVersion = agentVersion
            peer.seenAt = now
        }
    }

    /// Takes a signed record whose signature was checked.
    ///
    /// - Returns: false when a record with this sequence number or a newer one is known.
    public mutating func learnRecord(
        _ id: PeerID, sequence: UInt64, addresses: [Multiaddr], envelope: [UInt8], now: WallTime
    ) -> Bool {
        // A record too large to keep has left its number all the same.
        if let known = peers[id], known.signedRecord != nil || known.recordSequence > 0,
            known.recordSequence >= sequence
        {
            return false
        }
        learn(id, addresses: addresses, source: .signedRecord, now: now)
        let sizeMax = limits.signedRecordSizeMax
        update(id) { peer in
            peer.recordSequence = sequence
            peer.signedRecord = envelope.count <= sizeMax ? envelope : nil
        }
        return true
    }

    public mutating func ban(_ id: PeerID, until: WallTime, now: WallTime) {
        upsert(id, now: now) { $0.bannedUntil = until }
    }

    public mutating func touch(_ id: PeerID, now: WallTime) { update(id) { $0.seenAt = now } }

    public func isBanned(_ id: PeerID, now: WallTime) -> Bool {
        guard let until = peers[id]?.bannedUntil else { return false }
        return now < until
    }

    private mutating func update(_ id: PeerID, _ change: (inout KnownPeer) -> Void) {
        guard var peer = peers[id] else { return }
        change(&peer)
        put(peer)
    }

    private mutating func upsert(
        _ id: PeerID, now: WallTime, _ change: (inout KnownPeer) -> Void
    ) {
        var peer = peers[id] ?? KnownPeer(id: id, seenAt: now)
        change(&peer)
        put(peer)
    }

    private mutating func put(_ peer: KnownPeer) {
        if peers[peer.id] == nil, peers.count >= limits.peerCountMax { evictOne() }
        peers[peer.id] = peer
        changed.insert(peer.id)
        removed.remove(peer.id)
    }

    /// Forgets the peer unseen for longest; among equals the one that never worked.
    private mutating func evictOne() {
        guard
            let victim = peers.values.min(by: { lhs, rhs in
                let left = lhs.addresses.contains { $0.connectedAt != nil }
                let right = rhs.addresses.contains { $0.connectedAt != nil }
                if left != right { return !left }
                return (lhs.seenAt, lhs.id) < (rhs.seenAt, rhs.id)
            })
        else { return }
        evictedCount += 1
        peers.removeValue(forKey: victim.id)
        changed.remove(victim.id)
        removed.insert(victim.id)
    }
}

extension KnownPeer {
    fileprivate func index(of address: Multiaddr) -> Int? {
        let bare = address.removingPeerID ?? address
        return addresses.firstIndex { $0.address == bare }
    }
}

// MARK: Persistence

extension PeerStore {
    /// What has changed since the last call, as one batch, at most `countMax` peers of it.
    public mutating func takeChanges(countMax: Int = 256) -> [StoreWrite] {
        var writes: [StoreWrite] = []
        for id in removed.sorted().prefix(countMax) {
            writes.append(.delete(.peer, key: id.multihash))
            removed.remove(id)
        }
        for id in changed.sorted().prefix(countMax) {
            if let peer = peers[id] {
                writes.append(.put(.peer, key: id.multihash, value: peer.encoded()))
            }
            changed.remove(id)
        }
        return writes
    }

    public var hasChanges: Bool { !changed.isEmpty || !removed.isEmpty }

    /// Takes rows read at start. Rows that do not decode are counted and left out.
    ///
    /// - Returns: how many rows were unreadable.
    public mutating func load(_ rows: [StoreRow]) -> Int {
        var unreadable = 0
        for row in rows {
            guard peers.count < limits.peerCountMax,
                let id = try? PeerID(multihash: row.key),
                var peer = KnownPeer(id: id, encoded: row.value)
            else {
                unreadable += 1
                continue
            }
            // The limits may have been lowered, or the row be damaged.
            peer.addresses = Array(peer.addresses.prefix(limits.addressCountMax))
            peer.protocols = Array(peer.protocols.prefix(limits.protocolCountMax))
            // What was learned since start is newer than what the disk says.
            if peers[id] == nil { peers[id] = peer }
        }
        return unreadable
    }
}

extension KnownPeer {
    /// Protobuf, so that fields can be added: 1 seen, 2 agent, 3 protocol, 4 record sequence,
    /// 5 record, 6 banned until, 7 address {1 bytes, 2 source, 3 seen, 4 connected, 5 failures,
    /// 6 retry}. Times are milliseconds since the epoch.
    func encoded() -> [UInt8] {
        var writer = ProtobufWriter()
        writer.varint(1, UInt64(clamping: seenAt.milliseconds))
        writer.bytes(2, Array(agentVersion.utf8))
        for name in protocols { writer.bytes(3, Array(name.utf8)) }
        writer.varint(4, recordSequence)
        if let signedRecord { writer.bytes(5, signedRecord) }
        if let bannedUntil { writer.varint(6, UInt64(clamping: bannedUntil.milliseconds)) }
        for address in addresses {
            var nested = ProtobufWriter()
            nested.bytes(1, address.address.bytes)
            nested.varint(2, UInt64(address.source.rawValue))
            nested.varint(3, UInt64(clamping: address.seenAt.milliseconds))
            if let time = address.connectedAt {
                nested.varint(4, UInt64(clamping: time.milliseconds))
            }
            nested.varint(5, UInt64(address.failureCount))
            if let time = address.retryAt { nested.varint(6, UInt64(clamping: time.milliseconds)) }
            writer.bytes(7, nested.bytes)
        }
        return writer.bytes
    }

    init?(id: PeerID, encoded: [UInt8]) {
        self.init(id: id, seenAt: WallTime(milliseconds: 0))
        let span = encoded.span
        var reader = ProtobufReader(span)
        do {
            while let field = try reader.next(in: span) {
                switch (field.number, field.value) {
                case (1, .varint(let value)):
                    seenAt = WallTime(milliseconds: Int64(clamping: value))
                case (2, .bytes(let range)):
                    agentVersion = String(decoding: encoded[range], as: UTF8.self)
                case (3, .bytes(let range)):
                    protocols.append(String(decoding: encoded[range], as: UTF8.self))
                case (4, .varint(let value)): recordSequence = value
                case (5, .bytes(let range)): signedRecord = Array(encoded[range])
                case (6, .varint(let value)):
                    bannedUntil = WallTime(milliseconds: Int64(clamping: value))
                case (7, .bytes(let range)):
                    guard let address = KnownAddress(encoded: Array(encoded[range])) else {
                        return nil
                    }
                    addresses.append(address)
                default: break
                }
            }
        } catch {
            return nil
        }
    }
}

extension KnownAddress {
    fileprivate init?(encoded: [UInt8]) {
        let span = encoded.span
        var reader = ProtobufReader(span)
        var address: Multiaddr?
        var source = AddressSource.routing
        var seenAt = WallTime(milliseconds: 0)
        var connectedAt: WallTime?
        var failureCount: UInt16 = 0
        var retryAt: WallTime?
        do {
            while let field = try reader.next(in: span) {
                switch (field.number, field.value) {
                case (1, .bytes(let range)):
                    address = try? Multiaddr(bytes: span.extracting(range))
                case (2, .varint(let value)):
                    source = AddressSource(rawValue: UInt8(clamping: value)) ?? .routing
                case (3, .varint(let value)):
                    seenAt = WallTime(milliseconds: Int64(clamping: value))
                case (4, .varint(let value)):
                    connectedAt = WallTime(milliseconds: Int64(clamping: value))
                case (5, .varint(let value)): failureCount = UInt16(clamping: value)
                case (6, .varint(let value)):
                    retryAt = WallTime(milliseconds: Int64(clamping: value))
                default: break
                }
            }
        } catch {
            return nil
        }
        guard let address else { return nil }
        self.init(
            address: address, source: source, seenAt: seenAt, connectedAt: connectedAt,
            failureCount: failureCount, retryAt: retryAt)
    }
}
