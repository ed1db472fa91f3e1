import Admin
import Chain
import ChoraleBase
import Consensus
import CrossValidation
import DriverUV
import Node
import Store
import Telemetry

/// Everything that is read once a second for `/metrics`.
struct MetricsReading {
    var node: NodeMetrics
    var lag: LoopLag
    var requests: AdminDispatcher.Counters
    var admin: AdminServer.Counters
    var adminConnectionCount: Int
    var store: StoreCounters
    /// nil on a network without a chain.
    var chain: ChainInfo?
    /// Zeros where nobody is asked about blocks.
    var opinions = CrossValidationCounters([])
}

/// What `/metrics` shows of a node. docs/metrics.md lists all of it, and a test compares the two.
enum NodeMetricsPage {
    static func snapshot(_ reading: MetricsReading) -> MetricsSnapshot {
        var page = MetricsSnapshot()
        addState(of: reading.node, to: &page)
        addChain(reading.chain, to: &page)
        addLimits(reading.node.limits, to: &page)
        addCounters(reading.node.counters, to: &page)
        addOpinions(reading.opinions, to: &page)
        addProofs(reading.node.proofs, to: &page)
        addProgram(reading, to: &page)
        return page
    }

    private static func addState(of node: NodeMetrics, to page: inout MetricsSnapshot) {
        page.gauge("chorale_node_uptime_seconds", "Time since start", seconds(node.info.uptime))
        page.gauge("chorale_swarm_peers", "Connected peers", Double(node.info.peerCount))
        page.gauge("chorale_swarm_sockets", "Open sockets", Double(node.connectionCount))
        page.gauge(
            "chorale_gossip_topics", "Topics subscribed to", Double(node.info.topics.count))
        page.gauge(
            "chorale_gossip_mesh_peers", "Mesh peers of all topics together",
            Double(node.meshSizes.map(\.size).reduce(0, +)))
        page.gauge(
            "chorale_kademlia_table_peers", "Peers in the routing table",
            Double(node.dht.peerCount))
        page.gauge(
            "chorale_kademlia_records", "Value records held", Double(node.dht.recordCount))
        page.gauge(
            "chorale_kademlia_record_bytes", "Size of the value records held",
            Double(node.dht.recordBytes))
        page.gauge(
            "chorale_kademlia_provider_records", "Provider records held",
            Double(node.dht.providerCount))
        page.gauge(
            "chorale_kademlia_serving_flag", "1 while this node answers DHT requests, else 0",
            node.info.isServingDHT ? 1 : 0)
    }

    /// Zeros on a network without a chain.
    private static func addChain(_ chain: ChainInfo?, to page: inout MetricsSnapshot) {
        page.gauge(
            "chorale_chain_height", "Height committed last", Double(chain?.head.height ?? 0))
        page.gauge(
            "chorale_chain_finalized", "Height that is final", Double(chain?.finalized ?? 0))
        page.gauge(
            "chorale_chain_round", "Round of the height that is agreed on",
            Double(chain?.consensus.round ?? 0))
        page.gauge(
            "chorale_chain_highest", "Highest height that a peer is known to have",
            Double(chain?.highest ?? 0))
        page.gauge(
            "chorale_chain_syncing_flag", "1 while blocks are fetched from peers, else 0",
            chain?.sync == nil ? 0 : 1)
        page.gauge(
            "chorale_chain_signing_flag", "1 while this validator may sign, else 0",
            chain?.isSigning ?? false ? 1 : 0)
        page.gauge(
            "chorale_chain_pool_transactions", "Transactions that wait",
            Double(chain?.poolCount ?? 0))
        page.gauge(
            "chorale_chain_commit_seconds", "From the last proposal to its commit, as seen here",
            seconds(chain?.last?.latency ?? .zero))
        page.gauge(
            "chorale_chain_block_bytes", "Size of the last payload",
            Double(chain?.last?.facts.payloadSize ?? 0))
        page.gauge(
            "chorale_chain_witness_bytes", "Size of the last witness",
            Double(chain?.last?.facts.witnessSize ?? 0))
    }

    private static func addLimits(_ limits: [LimitInfo], to page: inout MetricsSnapshot) {
        let samples = { (value: (LimitInfo) -> MetricValue) in
            limits.map { limit in
                MetricSample(
                    MetricLabel("limit", CaseName(rawValue: limit.name)), value: value(limit))
            }
        }
        page.gauge(
            "chorale_node_limit_use", "How much of a limit is used",
            samples { .integer(UInt64(clamping: $0.use)) })
        page.gauge(
            "chorale_node_limit_max", "The limit", samples { .integer(UInt64(clamping: $0.limit)) })
        page.counter(
            "chorale_node_limit_refused_total", "What a limit turned away or pushed out",
            samples { .integer($0.refused) })
    }

    /// Counters of one family are samples of one metric, apart by their reason.
    private static func addCounters(_ counters: [CounterInfo], to page: inout MetricsSnapshot) {
        var rest = counters[...]
        while let first = rest.first {
            let members = rest.prefix { $0.family == first.family }
            rest = rest.dropFirst(members.count)
            page.counter(
                "chorale_\(first.family)_total",
                CounterMeanings.texts[first.family] ?? first.family,
                members.map { counter in
                    guard let reason = counter.reason else {
                        return MetricSample(.integer(counter.value))
                    }
                    let name = CaseName(rawValue: snakeCase(reason))
                    return MetricSample(
                        MetricLabel("reason", name), value: .integer(counter.value))
                })
        }
    }

    /// Families are those that the operator has named, and this one.
    private static func addOpinions(
        _ counters: CrossValidationCounters, to page: inout MetricsSnapshot
    ) {
        let byFamily = { (value: (CrossValidationCounters.Family) -> UInt64) in
            counters.families.map { family in
                MetricSample(
                    MetricLabel("family", CaseName(rawValue: family.name)),
                    value: .integer(value(family)))
            }
        }
        page.counter(
            "chorale_validation_agreements_total", "Blocks that an implementation found valid",
            byFamily(\.agreements))
        page.counter(
            "chorale_validation_disagreements_total",
            "Blocks of which an implementation found something else than this node",
            byFamily(\.disagreements))
        page.counter(
            "chorale_validation_silences_total",
            "Blocks about which an implementation said nothing in time", byFamily(\.silences))
        page.counter(
            "chorale_validation_blocks_total",
            "Blocks about which others were asked, by what followed",
            counters.decisions.map { decision in
                MetricSample(
                    MetricLabel("decision", CaseName(rawValue: decision.name)),
                    value: .integer(decision.count))
            })
        page.counter(
            "chorale_validation_unasked_total",
            "Blocks about which nobody was asked, because too many were open",
            counters.unasked)
    }

    private static func addProgram(_ reading: MetricsReading, to page: inout MetricsSnapshot) {
        page.histogram(
            "chorale_loop_turn_seconds", "Lengths of turns of the loop",
            Histogram(reading.lag.turns))
        page.gauge(
            "chorale_loop_turn_p99_seconds", "99th percentile of the length of a turn of the loop",
            Double(reading.lag.turns.percentile(99)) / 1e9)
        page.gauge(
            "chorale_loop_turn_max_seconds", "Length of the longest turn of the loop",
            Double(reading.lag.turns.maxNanoseconds) / 1e9)
        page.gauge(
            "chorale_loop_lateness_p99_seconds", "99th percentile of how late timers fire",
            Double(reading.lag.timerLateness.percentile(99)) / 1e9)
        page.counter(
            "chorale_store_requests_total", "Requests to the database",
            samples([
                ("write", reading.store.writes), ("get", reading.store.gets),
                ("scan", reading.store.scans), ("checkpoint", reading.store.checkpoints),
            ]))
        page.counter(
            "chorale_store_failures_total", "Requests that the database did not carry out",
            samples([
                ("disk_full", reading.store.failuresDiskFull),
                ("corrupt", reading.store.failuresCorrupt),
                ("input_output", reading.store.failuresInputOutput),
            ]))
        page.counter(
            "chorale_store_written_bytes_total", "Keys and values that were written",
            reading.store.bytesWritten)
        page.counter(
            "chorale_store_read_bytes_total", "Keys and values that were read",
            reading.store.bytesRead)
        page.counter(
            "chorale_store_recoveries_total",
            "Times that the database was opened again after a write had failed",
            reading.store.recoveries)
        page.gauge(
            "chorale_admin_connections", "Open connections of the admin socket",
            Double(reading.adminConnectionCount))
        page.counter(
            "chorale_admin_connections_total", "Connections that the admin socket accepted",
            reading.admin.accepted)
        page.counter(
            "chorale_admin_dropped_total", "Connections that the admin socket ended or refused",
            samples([
                ("limit", reading.admin.refused), ("slow_reader", reading.admin.droppedSlow),
                ("line_too_long", reading.admin.droppedLineTooLong),
            ]))
        page.counter(
            "chorale_admin_requests_total", "Requests on the admin socket",
            reading.requests.requests)
        page.counter(
            "chorale_admin_requests_refused_total", "Admin requests answered with an error at once",
            reading.requests.refused)
    }

    private static func samples(_ counts: [(StaticString, UInt64)]) -> [MetricSample] {
        counts.map { reason, count in
            MetricSample(MetricLabel("reason", constant: reason), value: .integer(count))
        }
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.wholeNanoseconds) / 1e9
    }

    /// Some enum cases carry Swift's `camelCase`; label values are `snake_case`.
    static func snakeCase(_ name: String) -> String {
        var result = ""
        var previous: Character = "_"
        for character in name {
            // An abbreviation is one word: `invalidMessageID`.
            if character.isUppercase, previous.isLowercase { result += "_" }
            result += character.lowercased()
            previous = character
        }
        return result
    }
}

/// The name of a case or of a limit, from a list that the node fixes at build time: nothing that a
/// peer could choose becomes a label.
struct CaseName: RawRepresentable, Sendable {
    let rawValue: String
}
