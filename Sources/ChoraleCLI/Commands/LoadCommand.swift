import Admin
import ArgumentParser
import Codec

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Send signed transactions to a node and measure what becomes of them.",
        discussion: """
            Sends transfers between the accounts of a file as `chorale genesis` writes it, follows them
            into blocks, and reports how many were included and after how long. Status 1 when none was.
            The file's keys sign: use it for networks of your own.

            EXAMPLE
              chorale load --rpc http://127.0.0.1:8545 --accounts mynet/accounts.yaml --rate 50
            """)

    @Option(help: ArgumentHelp("A node's JSON-RPC: http://HOST:PORT.", valueName: "url"))
    var rpc: String
    @Option(help: ArgumentHelp("Accounts with their private keys.", valueName: "file"))
    var accounts: String
    @Option(
        help: ArgumentHelp(
            "Transactions a second; 0 for as many as the node takes.", valueName: "number"))
    var rate = 10.0
    @Option(help: ArgumentHelp("How long to send.", valueName: "seconds"))
    var duration = 30.0
    @Option(
        help: ArgumentHelp(
            "How long to wait afterwards for what was sent.", valueName: "seconds"))
    var patience = 20.0
    @Flag(help: "Create contracts and call them as well, every fourth transaction.")
    var mix = false
    @Flag(help: "Print JSON instead of text.") var json = false

    func validate() throws {
        guard HTTPAddress(rpc) != nil else {
            throw ValidationError("--rpc must be http://HOST:PORT, not \(rpc)")
        }
        guard (0...100_000).contains(rate) else {
            throw ValidationError("--rate must be from 0 to 100000, not \(rate)")
        }
        guard duration > 0, duration <= 31_536_000 else {
            throw ValidationError("--duration must be above 0 seconds and at most a year")
        }
        guard (0...86_400).contains(patience) else {
            throw ValidationError("--patience must be from 0 to 86400 seconds, not \(patience)")
        }
    }

    func run() throws {
        guard let address = HTTPAddress(rpc) else { throw Failure("checked before") }
        let generator = try LoadGenerator(
            address, try LoadAccounts.load(accounts),
            LoadGenerator.Settings(
                rate: rate, duration: duration, isMixed: mix, patience: patience))
        let seconds = try generator.run { ledger, seconds in
            guard !json else { return }
            Console.error(
                "\(Human.decimal(seconds)) s: \(ledger.sent) sent, \(ledger.included) included, "
                    + "\(ledger.waiting) waiting, \(ledger.refused) refused")
        }
        let report = LoadReport(
            generator.ledger, accounts: generator.accountCount, seconds: seconds)
        if json {
            Console.print(report.json)
        } else {
            Console.print(report.lines.joined(separator: "\n"))
        }
        guard report.included > 0 else {
            throw Failure("none of \(report.sent) transactions was included")
        }
    }
}

/// What a load comes to.
struct LoadReport {
    let accounts: Int
    let seconds: Double
    let sent: Int
    let included: Int
    let lost: Int
    let waiting: Int
    let refusals: [(reason: String, count: Int)]
    let blocks: Int
    let gasUsed: UInt64
    /// In milliseconds; nil when none was included.
    let latencies: [(name: String, value: Double?)]

    init(_ ledger: LoadLedger, accounts: Int, seconds: Double) {
        self.accounts = accounts
        self.seconds = seconds
        sent = ledger.sent
        included = ledger.included
        lost = ledger.lost
        waiting = ledger.waiting
        blocks = ledger.blocks
        gasUsed = ledger.gasUsed
        refusals = ledger.refusals.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { ($0.key, $0.value) }
        latencies = [("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)].map {
            ($0, ledger.percentile($1))
        }
    }

    private var perSecond: Double { seconds > 0 ? Double(included) / seconds : 0 }

    var json: JSONValue {
        var latency = JSONObject()
        for (name, value) in latencies {
            latency[name] = value.map { .number(($0 * 10).rounded() / 10) } ?? .null
        }
        var reasons = JSONObject()
        for (reason, count) in refusals { reasons[reason] = JSONValue(count) }
        return .object([
            "accounts": JSONValue(accounts), "seconds": .number((seconds * 1000).rounded() / 1000),
            "sent": JSONValue(sent), "included": JSONValue(included), "lost": JSONValue(lost),
            "waiting": JSONValue(waiting), "refused": .object(reasons),
            "includedPerSecond": .number((perSecond * 100).rounded() / 100),
            "blocks": JSONValue(blocks), "gasUsed": JSONValue(gasUsed),
            "latencyMilliseconds": .object(latency),
        ])
    }

    var lines: [String] {
        var lines = [
            "sent      \(sent) in \(Human.decimal(seconds)) s from \(accounts) accounts",
            "included  \(included), \(Human.decimal(perSecond)) a second, in \(blocks) blocks with "
                + "\(gasUsed) gas",
        ]
        if lost + waiting > 0 { lines.append("missing   \(lost) lost, \(waiting) still waiting") }
        for (reason, count) in refusals { lines.append("refused   \(count): \(reason)") }
        let parts = latencies.compactMap { name, value in
            value.map { "\(name) \(Human.milliseconds($0))" }
        }
        if !parts.isEmpty { lines.append("latency   \(parts.joined(separator: ", "))") }
        return lines
    }
}
