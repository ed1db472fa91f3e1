import Crypto
import DriverUV
import Foundation
import Node
import NodeHost
import PeerIdentity
import Store
import Swarm
import Testing

@testable import Admin
@testable import ChoraleCLI
@testable import Telemetry

/// docs/metrics.md and `/metrics` say the same.
@Suite struct MetricsPageTests {
    /// A row of the documentation: what an operator finds before writing an alert.
    struct Metric: Hashable, CustomStringConvertible {
        var name: String
        var kind: String
        var label: String
        var meaning: String

        var description: String { "| `\(name)` | \(kind) | \(label) | \(meaning) |" }
    }

    struct LabelValue: Hashable, CustomStringConvertible {
        var name: String
        var value: String

        var description: String { "\(name) \(value)" }
    }

    /// The page of a node that runs, as a collector reads it.
    static func page() throws -> String {
        let loop = try EventLoop()
        defer { loop.close() }
        var configuration = NodeConfiguration(
            identity: IdentityKey(Ed25519.PrivateKey.random()),
            noiseStaticKey: .random(count: 32), networkDigest: [1, 2, 3, 4],
            addressPolicy: .local, seed: 1)
        configuration.listenAddresses = []
        let host = try NodeHost(loop: loop, configuration: configuration, store: nil)
        host.start()
        let reading = MetricsReading(
            node: host.metrics(), lag: loop.lag, requests: .init(), admin: .init(),
            adminConnectionCount: 0, store: .init(), chain: nil)
        host.close()
        let board = TelemetryBoard()
        board.publish(NodeMetricsPage.snapshot(reading), health: .healthy)
        return TelemetryResponse(method: "GET", path: "/metrics", board: board, pages: [.metrics])
            .body
    }

    /// What the page says, from its `HELP`, `TYPE` and samples.
    static func exported() throws -> (metrics: Set<Metric>, values: Set<LabelValue>) {
        var metrics: [String: Metric] = [:]
        var values: Set<LabelValue> = []
        for line in try page().split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if words[0] == "#" {
                var metric =
                    metrics[words[2]] ?? Metric(name: words[2], kind: "", label: "", meaning: "")
                if words[1] == "HELP" { metric.meaning = words[3] } else { metric.kind = words[3] }
                metrics[words[2]] = metric
            } else if let match = line.firstMatch(of: /^(\w+)\{(\w+)="(\w+)"\}/) {
                metrics[String(match.1)]?.label = "`\(match.2)`"
                values.insert(LabelValue(name: String(match.1), value: String(match.3)))
            }
        }
        return (Set(metrics.values), values)
    }

    /// What docs/metrics.md says: rows of its first table, and values in its second.
    static func documented() throws -> (metrics: Set<Metric>, values: Set<LabelValue>) {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let text = try Files.text(root.appendingPathComponent("docs/metrics.md").path)
        var metrics: Set<Metric> = []
        var values: Set<LabelValue> = []
        for line in text.split(separator: "\n") where line.hasPrefix("| `chorale_") {
            let cells = line.dropFirst().dropLast().split(separator: "|")
                .map { $0.trimmingCharacters(in: .whitespaces) }
            let names = cells[0].matches(of: /`(\w+)`/).map { String($0.1) }
            if cells.count == 4 {
                metrics.insert(
                    Metric(name: names[0], kind: cells[1], label: cells[2], meaning: cells[3]))
            } else {
                for name in names {
                    for match in cells[1].matches(of: /`(\w+)`/) {
                        values.insert(LabelValue(name: name, value: String(match.1)))
                    }
                }
            }
        }
        return (metrics, values)
    }

    @Test func theDocumentationListsWhatIsExportedAndNothingElse() throws {
        let (exported, documented) = (try Self.exported(), try Self.documented())
        #expect(exported.metrics.count > 80)
        #expect(Self.lines(exported.metrics.subtracting(documented.metrics)).isEmpty)
        #expect(Self.lines(documented.metrics.subtracting(exported.metrics)).isEmpty)
        #expect(Self.lines(exported.values.subtracting(documented.values)).isEmpty)
        #expect(Self.lines(documented.values.subtracting(exported.values)).isEmpty)
    }

    private static func lines(_ values: Set<some CustomStringConvertible>) -> [String] {
        values.map(\.description).sorted()
    }

    /// Every family has a meaning, and every meaning a family.
    @Test func countersHaveMeanings() throws {
        let families = try Set(
            Self.exported().metrics.filter { $0.kind == "counter" }.map(\.name))
        let meanings = Set(CounterMeanings.texts.keys.map { "chorale_\($0)_total" })
        #expect(meanings.isSubset(of: families))
        let bare = try Self.exported().metrics.filter { !$0.meaning.contains(" ") }
        #expect(Self.lines(bare).isEmpty)
    }
}
