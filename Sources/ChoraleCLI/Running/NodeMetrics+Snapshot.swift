import Admin
import ChoraleBase
import DriverUV
import Node
import Telemetry

/// What `/metrics` shows of a node. Names are listed in docs/metrics.md.
enum NodeMetricsPage {
    static func snapshot(
        _ node: NodeMetrics, lag: LoopLag, admin: AdminDispatcher.Counters
    ) -> MetricsSnapshot {
        var page = MetricsSnapshot()
        page.gauge("chorale_node_uptime_seconds", "Time since start", seconds(node.info.uptime))
        page.gauge("chorale_swarm_peers", "Connected peers", Double(node.info.peerCount))
        page.gauge("chorale_swarm_sockets", "Open sockets", Double(node.connectionCount))
        page.gauge(
            "chorale_gossip_topics", "Topics subscribed to", Double(node.info.topics.count))
        page.gauge(
            "chorale_gossip_mesh_peers", "Mesh peers of all topics together",
            Double(node.meshSizes.map(\.size).reduce(0, +)))
        page.gauge(
            "chorale_dht_table_peers", "Peers in the routing table", Double(node.dht.peerCount))
        page.gauge(
            "chorale_dht_records", "Value records held", Double(node.dht.recordCount))
        page.gauge(
            "chorale_dht_record_bytes", "Bytes of value records held", Double(node.dht.recordBytes))
        page.gauge(
            "chorale_dht_provider_records", "Provider records held",
            Double(node.dht.providerCount))
        page.gauge(
            "chorale_dht_serving_flag", "1 when this node answers DHT requests",
            node.info.isServingDHT ? 1 : 0)
        page.gauge(
            "chorale_loop_turn_p99_seconds", "99th percentile of the length of a turn of the loop",
            Double(lag.turns.percentile(99)) / 1e9)
        page.gauge(
            "chorale_loop_lateness_p99_seconds", "99th percentile of how late timers fire",
            Double(lag.timerLateness.percentile(99)) / 1e9)
        page.counter("chorale_admin_requests_total", "Requests on the admin socket", admin.requests)
        page.counter(
            "chorale_admin_requests_refused_total", "Admin requests answered with an error at once",
            admin.refused)
        for limit in node.limits {
            let name = "chorale_limit_" + snakeCase(limit.name)
            page.gauge(name, "Use of the limit \(limit.name)", Double(limit.use))
            page.gauge(name + "_max", "The limit \(limit.name)", Double(limit.limit))
            page.counter(
                name + "_refused_total", "Refusals because of \(limit.name)", limit.refused)
        }
        for counter in node.counters {
            page.counter(
                "chorale_" + snakeCase(counter.name) + "_total", "Count of \(counter.name)",
                counter.value)
        }
        return page
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.wholeNanoseconds) / 1e9
    }

    /// Counters of enum cases carry Swift's `camelCase`; metric names are `snake_case`.
    static func snakeCase(_ name: String) -> String {
        var result = ""
        for character in name {
            if character.isUppercase {
                result += "_" + character.lowercased()
            } else {
                result.append(character)
            }
        }
        return result
    }
}
