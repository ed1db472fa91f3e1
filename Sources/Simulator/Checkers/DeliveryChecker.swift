import ChoraleBase
import Node

/// Publishes on a topic and keeps the books: who should get what, who got it, and when.
final class DeliveryChecker {
    struct Summary {
        var published = 0
        var expected = 0
        var delivered = 0
        var duplicates = 0
        /// Deliveries to somebody who could not be reached.
        var unexpected = 0
        var refused = 0
        var missing: [String] = []
        var times = Times()

        var isComplete: Bool {
            published > 0 && delivered == expected && duplicates == 0 && refused == 0
        }

        var text: String {
            var text =
                "\(delivered) of \(expected) deliveries of \(published) messages, "
                + "\(duplicates) twice, half after \(times.percentile(50).seconds), "
                + "last after \(times.percentile(100).seconds)"
            if refused > 0 { text += ", \(refused) not published" }
            if !missing.isEmpty {
                text += "; missing: " + missing.prefix(5).joined(separator: ", ")
            }
            return text
        }
    }

    private struct Publication {
        let batch: Int
        let at: MonotonicInstant
        let expected: Set<HostIndex>
        var received: [HostIndex: Int] = [:]
        var times: [Duration] = []
    }

    private let run: ScenarioRun
    private let topic: String
    private let payloadSize: Int
    private var publications: [Publication] = []
    private var numbers: [[UInt8]: Int] = [:]
    private var commands: [CommandID: Int] = [:]
    private var refused: [Int: Int] = [:]

    init(_ run: ScenarioRun, topic: String, payloadSize: Int = 256) {
        self.run = run
        self.topic = topic
        self.payloadSize = payloadSize
    }

    /// Must see every reply of the simulation.
    func observe(_ host: HostIndex, _ id: CommandID, _ reply: Reply) {
        switch reply {
        case .message(let message):
            guard message.topic == topic, let number = numbers[message.data] else { return }
            publications[number].received[host, default: 0] += 1
            publications[number].times.append(
                publications[number].at.duration(to: run.simulation.now))
        case .failed:
            if let batch = commands[id] { refused[batch, default: 0] += 1 }
        default:
            break
        }
    }

    /// Publishes one message.
    ///
    /// - Parameter expected: who should get it; the publisher does not count.
    func publish(from host: HostIndex, to expected: [HostIndex], batch: Int) {
        let data = run.random.bytes(count: payloadSize)
        numbers[data] = publications.count
        var others = Set(expected)
        others.remove(host)
        publications.append(
            Publication(batch: batch, at: run.simulation.now, expected: others))
        let id = run.simulation.command(
            host, .publish(topic: topic, data: data), keepsReplies: false)
        commands[id] = batch
    }

    /// Publishes `count` messages from members drawn from `hosts`, one each `interval`, expected by
    /// `others`, or all of `hosts`.
    func publish(
        count: Int, every interval: Duration, among hosts: [HostIndex],
        expectedBy others: [HostIndex]? = nil, batch: Int
    ) {
        for number in 0..<count {
            run.simulation.after(interval * number) { [self] in
                let host = run.random.element(of: hosts) ?? hosts[0]
                publish(from: host, to: others ?? hosts, batch: batch)
            }
        }
    }

    func summary(of batch: Int) -> Summary {
        var summary = Summary()
        summary.refused = refused[batch] ?? 0
        for (number, publication) in publications.enumerated() where publication.batch == batch {
            summary.published += 1
            summary.expected += publication.expected.count
            for (host, count) in publication.received {
                if publication.expected.contains(host) {
                    summary.delivered += 1
                } else {
                    summary.unexpected += 1
                }
                summary.duplicates += count - 1
            }
            let missing = publication.expected.filter { publication.received[$0] == nil }.sorted()
            summary.missing += missing.map { "m\(number) at n\($0.rawValue)" }
            for time in publication.times { summary.times.add(time) }
        }
        return summary
    }
}
