import Bodies
import ChoraleBase
import Gossipsub
import Kademlia
import OrderedCollections
import Swarm

/// Every limit, with its use and how often it turned somebody away or pushed something out; never, where
/// it only ends growth.
extension Node {
    func limitInfos(now: Now) -> [LimitInfo] {
        swarmLimits(now: now) + gossipLimits() + dhtLimits(now: now) + bodyLimits(now: now) + [
            .init(
                name: "receive_window_bytes", use: extraWindowInUse,
                limit: configuration.limits.extraWindowMax, refused: 0),
            .init(
                name: "commands", use: commands.count, limit: configuration.limits.commandsMax,
                refused: counters.commandsRefused),
        ]
    }

    private func swarmLimits(now: Now) -> [LimitInfo] {
        let limits = configuration.swarm
        func refused(_ scope: LimitRefusal.Scope) -> UInt64 {
            LimitRefusal.Scope.allCases.firstIndex(of: scope).map { swarm.counters.refused[$0] }
                ?? 0
        }
        return [
            .init(
                name: "swarm_sockets", use: swarm.socketCount, limit: limits.socketCountMax,
                refused: refused(.total)),
            .init(
                name: "swarm_handshakes", use: swarm.handshakeCount,
                limit: limits.handshakeCountMax, refused: refused(.handshakes)),
            .init(
                name: "swarm_sockets_of_address_group", use: swarm.largestAddressGroup,
                limit: limits.socketsPerGroupMax, refused: refused(.addressGroup)),
            .init(
                name: "swarm_inbound_burst_of_address_group",
                use: swarm.largestInboundBurst(now: now.instant), limit: Int(limits.inboundBurst),
                refused: refused(.inboundRate)),
            .init(
                name: "swarm_dials_waiting", use: swarm.waitingDialCount,
                limit: limits.dialQueueMax, refused: refused(.dials)),
            .init(
                name: "swarm_peers", use: peers.count, limit: limits.peerCountHigh,
                refused: swarm.closedCount(for: .trimmed)),
            .init(
                name: "peer_store_peers", use: swarm.store.count,
                limit: limits.peerStore.peerCountMax, refused: swarm.store.evictedCount),
        ]
    }

    private func gossipLimits() -> [LimitInfo] {
        let holdings = gossip.holdings
        let limits = configuration.gossip.limits
        return [
            .init(
                name: "gossip_message_bytes", use: holdings.messageSize,
                limit: limits.messageSizeTotalMax, refused: gossip.counters[.memoryFull]),
            .init(
                name: "gossip_validations", use: holdings.pending, limit: limits.pendingCountMax,
                refused: gossip.counters[.validationQueueFull]),
            .init(
                name: "gossip_wanted_ids", use: holdings.wanted, limit: limits.wantedCountMax,
                refused: gossip.counters.idsSkipped),
            .init(
                name: "gossip_seen_ids", use: holdings.seen, limit: limits.seenCountMax,
                refused: 0),
        ]
    }

    private func dhtLimits(now: Now) -> [LimitInfo] {
        let snapshot = kademlia.snapshot(now: now)
        let limits = kademlia.limits
        return [
            .init(
                name: "dht_record_bytes", use: snapshot.recordBytes, limit: limits.recordBytesMax,
                refused: kademlia.counters.recordsEvicted
                    + kademlia.counters.refusals[.storeFull]),
            .init(
                name: "dht_providers", use: snapshot.providerCount, limit: limits.providersMax,
                refused: kademlia.counters.providersEvicted),
        ]
    }

    private func bodyLimits(now: Now) -> [LimitInfo] {
        let snapshot = bodies.snapshot(now: now)
        let limits = configuration.limits.bodies
        return [
            .init(
                name: "body_bytes", use: snapshot.totalSize, limit: limits.totalSizeMax,
                refused: bodies.counters.bodiesEvicted),
            .init(
                name: "bodies", use: snapshot.bodies.count, limit: limits.bodiesMax,
                refused: bodies.counters.announcementsRefused),
            .init(
                name: "body_serves", use: snapshot.serves, limit: limits.servesMax,
                refused: bodies.counters.servesRefused),
        ]
    }
}
