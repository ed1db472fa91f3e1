import Chain
import ChoraleTypes
import Consensus
import TransactionPool

extension Node {
    /// What the chain has counted; zeros on a network without one.
    func chainCounters() -> [CounterInfo] {
        let counters = chain?.machine.counters ?? ChainCounters()
        var infos: [CounterInfo] = [
            .init("chain_blocks_committed", counters.blocksCommitted),
            .init("chain_blocks_imported", counters.blocksImported),
            .init("chain_blocks_built", counters.blocksBuilt),
            .init("chain_builds_failed", counters.buildsFailed),
            .init("chain_payloads_asked", counters.payloadsAsked),
            .init("chain_payloads_refused", counters.payloadsRefused),
            .init("chain_payloads_built", counters.payloadsBuilt),
            .init("chain_blocks_valid", counters.blocksValid),
            .init("chain_blocks_undecided", counters.blocksUndecided),
            .init("chain_blocks_early", counters.blocksEarly),
            .init("chain_blocks_shed", counters.blocksShed),
            .init("chain_commits_invalid", counters.committedInvalid),
            .init("chain_commits_failed", counters.commitsFailed),
            .init("chain_contents_asked", counters.contentsAsked),
            .init("chain_ranges_asked", counters.rangesAsked),
            .init("chain_download_requests", counters.downloadRequests),
            .init("chain_transactions_committed", counters.transactionsCommitted),
            .init("chain_gas_used", counters.gasUsed),
            .init("chain_evidence_committed", counters.evidenceCommitted),
            .init("chain_part_evidence_committed", counters.partEvidenceCommitted),
            .init("chain_transactions_shed", counters.transactionsShed),
            .init("chain_verifications_shed", counters.verificationsShed),
            .init("chain_signatures_refused", counters.signaturesRefused),
        ]
        for label in BlockFault.labels {
            infos.append(
                .init(
                    "chain_blocks_invalid", reason: label, counters.blocksInvalid[label] ?? 0))
        }
        for reason in PoolRejection.Reason.allCases {
            infos.append(
                .init(
                    "chain_transactions_refused", reason: reason.rawValue,
                    counters.transactionsRefused[reason.rawValue] ?? 0))
        }
        for reason in ConsensusDrop.allCases {
            infos.append(
                .init(
                    "chain_messages_dropped", reason: "\(reason)",
                    counters.consensusDrops[reason.rawValue]))
        }
        for fault in MessageFault.allCases {
            infos.append(
                .init(
                    "chain_faults", reason: fault.rawValue, counters.faults[fault] ?? 0))
        }
        return infos
    }
}
