import ChoraleBase
import ExecutorAgent
import Node
import PartVerification
import Subproof
import Telemetry

/// What `/metrics` shows of operations: zeros on a network without them.
extension NodeMetricsPage {
    static func addProofs(_ proofs: ProofsInfo?, to page: inout MetricsSnapshot) {
        let counters = proofs?.counters ?? PartCounters()
        addParts(counters, to: &page)
        addExecutor(proofs?.executor, verification: counters.verificationTime, to: &page)
    }

    private static func addParts(_ counters: PartCounters, to page: inout MetricsSnapshot) {
        let pool = counters.pool
        page.counter(
            "chorale_subproof_votes_total",
            "Parts that this validator was asked about, by what it said",
            samples(
                "verdict",
                [
                    ("valid", pool.verdictsValid), ("reject", pool.verdictsReject),
                    ("abstain", pool.abstentions),
                ]))
        page.counter(
            "chorale_subproof_votes_moved_total", "Votes on parts, by which way they went",
            samples(
                "direction",
                [("published", counters.votesPublished), ("received", counters.votesReceived)]))
        page.counter(
            "chorale_subproof_votes_dropped_total", "Votes on parts that were of no use",
            SubproofDrop.allCases.map { reason in
                MetricSample(
                    MetricLabel("reason", CaseName(rawValue: snakeCase("\(reason)"))),
                    value: .integer(pool.dropped[reason.rawValue]))
            })
        page.counter(
            "chorale_subproof_certificates_total",
            "Certificates of parts, by where they came from or went to",
            samples(
                "direction",
                [
                    ("made", pool.certificatesMade), ("published", counters.certificatesPublished),
                    ("received", counters.certificatesReceived),
                ]))
        page.counter(
            "chorale_subproof_attestations_total",
            "Statements of enclaves on parts, by what became of them",
            samples(
                "stage",
                [
                    ("received", counters.attestationsReceived),
                    ("verified", counters.attestationsVerified),
                ]))
        page.counter(
            "chorale_subproof_parts_total", "Parts of commitments that this node has seen",
            counters.partsSeen)
        page.counter(
            "chorale_subproof_operations_total",
            "Operations of which all parts, or one that is bad, were certified",
            samples(
                "verdict",
                [
                    ("valid", counters.operationsCertified),
                    ("reject", counters.operationsRejected),
                ]))
        page.counter(
            "chorale_subproof_evidence_total", "Faults of validators that were found in votes",
            pool.evidenceFound)
        page.counter(
            "chorale_subproof_signers_muted_total",
            "Executors and validators whose proofs or votes are not looked at for a while",
            pool.signersMuted)
        page.counter(
            "chorale_proof_fetches_total", "Proofs of parts that peers gave",
            counters.proofsFetched)
        page.counter(
            "chorale_proof_fetched_bytes_total", "Size of the proofs that peers gave",
            counters.proofBytesFetched)
        page.counter(
            "chorale_proof_serves_total", "Proofs of parts that were sent to peers",
            counters.proofsServed)
        page.gauge(
            "chorale_proof_shelf_proofs", "Proofs of parts that are kept for peers",
            Double(counters.proofsShelved))
        page.gauge(
            "chorale_proof_shelf_bytes", "Size of the proofs that are kept for peers",
            Double(counters.shelfSize))
    }

    private static func addExecutor(
        _ executor: ExecutorInfo?, verification: Duration, to page: inout MetricsSnapshot
    ) {
        page.counter(
            "chorale_proof_phase_seconds_total", "Time of workers for operations, by phase",
            [
                MetricSample(
                    MetricLabel("phase", constant: "execution"),
                    value: .real(seconds(executor?.executionTime ?? .zero))),
                MetricSample(
                    MetricLabel("phase", constant: "proving"),
                    value: .real(seconds(executor?.provingTime ?? .zero))),
                MetricSample(
                    MetricLabel("phase", constant: "verification"),
                    value: .real(seconds(verification))),
            ])
        page.gauge(
            "chorale_executor_registered_flag", "1 while this node's executor has a bond, else 0",
            executor?.bond == nil ? 0 : 1)
        page.gauge(
            "chorale_executor_jobs",
            "Operations that this executor is elected for, and not done with",
            Double(executor?.jobs.count ?? 0))
        page.counter(
            "chorale_executor_operations_total",
            "Operations of this executor, by how far they came",
            samples(
                "phase",
                [
                    ("executed", executor?.executed ?? 0), ("committed", executor?.committed ?? 0),
                    ("settled", executor?.settled ?? 0), ("failed", executor?.failed ?? 0),
                ]))
        page.counter(
            "chorale_executor_parts_proven_total", "Parts that this executor has proven",
            executor?.proven ?? 0)
    }

    private static func samples(
        _ label: StaticString, _ counts: [(StaticString, UInt64)]
    ) -> [MetricSample] {
        counts.map { value, count in
            MetricSample(MetricLabel(label, constant: value), value: .integer(count))
        }
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.wholeNanoseconds) / 1e9
    }
}
