import Bodies
import Gossipsub
import Kademlia
import RequestResponse
import Swarm

/// Everything that is counted, under the names that operators see.
///
/// A family whose members are the cases of an enum is listed with all of them, zeros included, so
/// that what will be counted is known before it happens.
extension Node {
    func counterInfos() -> [CounterInfo] {
        nodeCounters() + swarmCounters() + gossipCounters() + kademliaCounters() + bodyCounters()
            + requestCounters() + chainCounters()
    }

    private func nodeCounters() -> [CounterInfo] {
        [
            .init("node_bytes_received", counters.bytesReceived),
            .init("node_bytes_sent", counters.bytesSent),
            .init("node_streams_opened", counters.streamsOpened),
            .init("node_streams_not_opened", counters.streamsNotOpened),
            .init("node_streams_accepted", counters.streamsAccepted),
            .init("node_streams_refused", counters.streamsRefused),
            .init("node_streams_reset", counters.streamsReset),
            .init("node_publication_copies_sent", counters.gossipCopiesSent),
            .init("node_publication_copies_shed", counters.gossipCopiesShed),
            .init("node_identify_malformed", counters.malformedIdentify),
            .init("node_gossip_frames_malformed", counters.malformedGossipFrames),
            .init("node_kademlia_frames_malformed", counters.malformedKademliaFrames),
            .init("node_requests_malformed", counters.malformedRequests),
            .init("node_gossip_streams_overrun", counters.gossipStreamsOverrun),
            .init("node_peer_records_invalid", counters.invalidPeerRecords),
            .init("node_announcements_rejected", counters.announcementsRejected),
            .init("node_announcements_ignored", counters.announcementsIgnored),
            .init("node_store_failures", counters.storeFailures),
        ]
    }

    private func swarmCounters() -> [CounterInfo] {
        var infos: [CounterInfo] = [
            .init("swarm_dials_started", swarm.counters.dialsStarted),
            .init("swarm_dials_succeeded", swarm.counters.dialsSucceeded),
            .init("swarm_dials_failed", swarm.counters.dialsFailed),
            .init("swarm_attempts_started", swarm.counters.attemptsStarted),
            .init("swarm_accepted", swarm.counters.accepted),
        ]
        for (index, reason) in DisconnectReason.allCases.enumerated() {
            infos.append(
                .init("swarm_closed", reason: reason.rawValue, swarm.counters.closed[index]))
        }
        for (index, scope) in LimitRefusal.Scope.allCases.enumerated() {
            infos.append(
                .init("swarm_refused", reason: scope.rawValue, swarm.counters.refused[index]))
        }
        return infos
    }

    private func gossipCounters() -> [CounterInfo] {
        let counters = gossip.counters
        var infos: [CounterInfo] = [
            .init("gossip_frames_received", counters.framesReceived),
            .init("gossip_bytes_received", counters.bytesReceived),
            .init("gossip_frames_sent", counters.framesSent),
            .init("gossip_bytes_sent", counters.bytesSent),
            .init("gossip_messages_received", counters.messagesReceived),
            .init("gossip_messages_accepted", counters.messagesAccepted),
            .init("gossip_messages_published", counters.messagesPublished),
            .init("gossip_copies_sent", counters.copiesSent),
        ]
        for reason in Gossipsub.DropReason.allCases {
            infos.append(.init("gossip_dropped", reason: "\(reason)", counters[reason]))
        }
        for reason in Gossipsub.ShedReason.allCases {
            infos.append(.init("gossip_shed", reason: "\(reason)", counters[reason]))
        }
        return infos
    }

    private func kademliaCounters() -> [CounterInfo] {
        let counters = kademlia.counters
        var infos: [CounterInfo] = [
            .init("kademlia_requests_received", counters.requestsReceived),
            .init("kademlia_requests_sent", counters.requestsSent),
            .init("kademlia_requests_failed", counters.requestsFailed),
            .init("kademlia_queries_started", counters.queriesStarted),
            .init("kademlia_queries_failed", counters.queriesFailed),
            .init("kademlia_records_stored", counters.recordsStored),
            .init("kademlia_records_expired", counters.recordsExpired),
            .init("kademlia_records_evicted", counters.recordsEvicted),
            .init("kademlia_providers_stored", counters.providersStored),
            .init("kademlia_providers_expired", counters.providersExpired),
            .init("kademlia_providers_evicted", counters.providersEvicted),
            .init("kademlia_equivocations", counters.equivocations),
            .init("kademlia_repairs_sent", counters.repairsSent),
            .init("kademlia_republications", counters.republications),
        ]
        for reason in Kademlia.RefusalReason.allCases {
            infos.append(
                .init("kademlia_refused", reason: reason.rawValue, counters.refusals[reason]))
        }
        return infos
    }

    private func bodyCounters() -> [CounterInfo] {
        let counters = bodies.counters
        return [
            .init("bodies_announcements_received", counters.announcementsReceived),
            .init("bodies_announcements_known", counters.announcementsKnown),
            .init("bodies_announcements_refused", counters.announcementsRefused),
            .init("bodies_published", counters.bodiesPublished),
            .init("bodies_publications_refused", counters.publicationsRefused),
            .init("bodies_downloads_started", counters.downloadsStarted),
            .init("bodies_downloads_resumed", counters.downloadsResumed),
            .init("bodies_downloads_completed", counters.downloadsCompleted),
            .init("bodies_downloads_failed", counters.downloadsFailed),
            .init("bodies_turns_ended", counters.turnsEnded),
            .init("bodies_expired", counters.bodiesExpired),
            .init("bodies_evicted", counters.bodiesEvicted),
            .init("bodies_requests_sent", reason: "chunk", counters.chunkRequests),
            .init("bodies_requests_sent", reason: "bitmap", counters.exchangeRequests),
            .init("bodies_requests_sent", reason: "announcements", counters.catchUpRequests),
            .init("bodies_requests_hedged", counters.hedgeRequests),
            .init("bodies_requests_ended", reason: "answered", counters.requestsAnswered),
            .init("bodies_requests_ended", reason: "timed_out", counters.requestsTimedOut),
            .init("bodies_requests_ended", reason: "failed", counters.requestsFailed),
            .init("bodies_requests_ended", reason: "refused", counters.requestsRefused),
            .init("bodies_requests_ended", reason: "cancelled", counters.requestsCancelled),
            .init("bodies_chunks_received", counters.chunksReceived),
            .init("bodies_bytes_received", counters.chunkBytesReceived),
            .init("bodies_chunks_judged", reason: "verified", counters.chunksVerified),
            .init("bodies_chunks_judged", reason: "wrong", counters.chunksWrong),
            .init("bodies_chunks_judged", reason: "unrequested", counters.chunksUnrequested),
            .init("bodies_chunks_judged", reason: "duplicate", counters.chunksDuplicate),
            .init("bodies_chunks_judged", reason: "late", counters.chunksLate),
            .init("bodies_chunks_lost", counters.chunksLost),
            .init("bodies_offers_received", counters.offersReceived),
            .init("bodies_offers_judged", reason: "accepted", counters.offersAccepted),
            .init("bodies_offers_judged", reason: "known", counters.offersKnown),
            .init("bodies_offers_judged", reason: "ignored", counters.offersIgnored),
            .init("bodies_offers_judged", reason: "rejected", counters.offersRejected),
            .init("bodies_offers_judged", reason: "unwanted", counters.offersUnwanted),
            .init("bodies_offers_judged", reason: "late", counters.offersLate),
            .init("bodies_offer_requests_received", counters.offerRequestsReceived),
            .init("bodies_offers_sent", counters.offersSent),
            .init("bodies_serves_received", counters.servesReceived),
            .init("bodies_serves_answered", counters.servesAnswered),
            .init("bodies_serves_refused", counters.servesRefused),
            .init("bodies_chunks_served", counters.chunksServed),
            .init("bodies_bytes_served", counters.chunkBytesServed),
            .init("bodies_cache_hits", counters.cacheHits),
            .init("bodies_cache_misses", counters.cacheMisses),
            .init("bodies_store_failures", counters.storeFailures),
            .init("bodies_deletions_failed", counters.deletionsFailed),
            .init("bodies_rows_malformed", counters.rowsMalformed),
            .init("bodies_faults", counters.faults),
        ]
    }

    private func requestCounters() -> [CounterInfo] {
        let counters = requestScheduler.counters
        return [
            .init("requests_sent", counters.requested),
            .init("requests_sent_settled", reason: "opened", counters.opened),
            .init("requests_sent_settled", reason: "refused", counters.refused),
            .init("requests_sent_settled", reason: "abandoned", counters.outboundAbandoned),
            .init("requests_received", counters.arrived),
            .init("requests_received_settled", reason: "served", counters.served),
            .init("requests_received_settled", reason: "rate_limited", counters.rateLimited),
            .init("requests_received_settled", reason: "abandoned", counters.inboundAbandoned),
        ]
    }
}
