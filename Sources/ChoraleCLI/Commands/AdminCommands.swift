import Admin
import ArgumentParser
import Codec
import Glibc

struct AdminCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admin",
        abstract: "Ask a running node about itself, or tell it what to do.",
        discussion: """
            EXAMPLE
              chorale admin info --data-dir node
              chorale admin peers --data-dir node --watch
            """,
        subcommands: [
            Info.self, Peers.self, AddPeer.self, RemovePeer.self, Mesh.self, Scores.self,
            DHT.self, Limits.self, Counters.self, Events.self, Backup.self, PublishProver.self,
            FindProver.self, Chain.self, Validations.self, Proofs.self, Assignments.self,
            Operation.self,
        ])

    struct Info: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Who the node is and where it listens.",
            example: "chorale admin info --data-dir node --json")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("admin_nodeInfo") }

        func lines(_ result: JSONValue) -> [String] {
            let texts = { (name: String) in
                (result[name]?.array ?? []).compactMap(\.string).joined(separator: ", ")
            }
            var table = Table("id", result.text(of: "id"))
            table.add("agent", result.text(of: "name"))
            table.add("network", result.text(of: "networkDigest"))
            table.add("roles", texts("roles"))
            table.add("listening", texts("addresses"))
            table.add("announced", texts("announcedAddresses"))
            table.add("peers", result.text(of: "peerCount"))
            table.add("topics", texts("topics"))
            table.add("serves DHT", result.text(of: "servesDHT"))
            table.add(
                "up for", Human.duration(seconds: Int64((result["uptimeMs"]?.int ?? 0) / 1000)))
            return table.lines
        }
    }

    struct Peers: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Connected peers, a line each.",
            example: "chorale admin peers --data-dir node --watch")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_peers") }

        func lines(_ result: JSONValue) -> [String] {
            var table = Table(
                "PEER", "DIRECTION", "ADDRESS", "FOR", "RTT", "IN", "OUT", "SCORE", "AGENT")
            for peer in result.array ?? [] {
                table.add(
                    peer.text(of: "id"), peer.text(of: "direction"), peer.text(of: "remoteAddress"),
                    Human.duration(seconds: Int64((peer["connectedForMs"]?.int ?? 0) / 1000)),
                    peer["roundTripMs"]?.double.map(Human.milliseconds) ?? "-",
                    Human.bytes(peer["bytesReceived"]?.uint64 ?? 0),
                    Human.bytes(peer["bytesSent"]?.uint64 ?? 0),
                    Human.decimal(peer["score"]?.double ?? 0), peer.text(of: "agent"))
            }
            return table.lines
        }
    }

    struct AddPeer: AdminQuery {
        static let configuration = CommandConfiguration(
            "Connect to a peer and keep it connected.",
            example: "chorale admin add-peer --data-dir node /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…")
        @OptionGroup var options: AdminOptions
        @Argument(help: "A multiaddr that ends in /p2p/<peer id>.") var address: String

        func call() throws(Failure) -> AdminCall {
            AdminCall("admin_addPeer", ["address": .string(address)])
        }

        func lines(_ result: JSONValue) -> [String] { ["connected"] }
    }

    struct RemovePeer: AdminQuery {
        static let configuration = CommandConfiguration(
            "Disconnect a peer and do not keep it any longer.",
            example: "chorale admin remove-peer --data-dir node 12D3KooW…")
        @OptionGroup var options: AdminOptions
        @Argument(help: "A peer id.") var peer: String

        func call() throws(Failure) -> AdminCall {
            AdminCall("admin_removePeer", ["peer": .string(peer)])
        }

        func lines(_ result: JSONValue) -> [String] {
            [result == .bool(true) ? "removed" : "was not connected or kept"]
        }
    }

    struct Mesh: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Gossip topics with their mesh.",
            example: "chorale admin mesh --data-dir node")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_mesh") }

        func lines(_ result: JSONValue) -> [String] {
            var table = Table("TOPIC", "SUBSCRIBED", "MESH", "FANOUT", "SUBSCRIBERS")
            for topic in result.array ?? [] {
                table.add(
                    topic.text(of: "topic"), topic.text(of: "subscribed"),
                    "\(topic["mesh"]?.array?.count ?? 0)", "\(topic["fanout"]?.array?.count ?? 0)",
                    topic.text(of: "subscribers"))
            }
            return table.lines
        }
    }

    struct Scores: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Gossip scores; with a peer id, what moved that peer's score.",
            example: "chorale admin scores --data-dir node 12D3KooW…")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions
        @Argument(help: "A peer id.") var peer: String?

        func call() throws(Failure) -> AdminCall {
            guard let peer else { return AdminCall("chorale_scores") }
            return AdminCall("chorale_explainScore", ["peer": .string(peer)])
        }

        func lines(_ result: JSONValue) -> [String] {
            guard peer == nil else { return explanation(result) }
            var table = Table("PEER", "SCORE", "COMPONENTS")
            for score in result.array ?? [] {
                let parts = (score["components"]?.array ?? []).map { part in
                    "\(part.text(of: "name"))=\(Human.decimal(part["points"]?.double ?? 0))"
                }
                table.add(
                    score.text(of: "peer"), Human.decimal(score["score"]?.double ?? 0),
                    parts.joined(separator: " "))
            }
            return table.lines
        }

        private func explanation(_ score: JSONValue) -> [String] {
            var components = Table("COMPONENT", "POINTS", "TOPIC")
            for part in score["components"]?.array ?? [] {
                components.add(
                    part.text(of: "name"), Human.decimal(part["points"]?.double ?? 0),
                    part.text(of: "topic"))
            }
            var movements = Table("AGO", "CAUSE", "POINTS", "TOPIC")
            for movement in score["movements"]?.array ?? [] {
                movements.add(
                    Human.milliseconds(movement["agoMs"]?.double ?? 0), movement.text(of: "cause"),
                    Human.decimal(movement["amount"]?.double ?? 0), movement.text(of: "topic"))
            }
            return [
                "\(score.text(of: "peer"))  score \(Human.decimal(score["score"]?.double ?? 0))",
                "",
            ]
                + components.lines + [""] + movements.lines
        }
    }

    struct DHT: WatchedQuery {
        static let configuration = CommandConfiguration(
            "The routing table and what is stored.",
            example: "chorale admin dht --data-dir node")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_dht") }

        func lines(_ result: JSONValue) -> [String] {
            var lines = [
                "mode \(result.text(of: "mode")), \(result.text(of: "peerCount")) peers in the table, "
                    + "\(result.text(of: "recordCount")) records "
                    + "(\(Human.bytes(result["recordBytes"]?.uint64 ?? 0))), "
                    + "\(result.text(of: "providerCount")) providers, "
                    + "\(result.text(of: "runningQueries")) queries running",
                "",
            ]
            var table = Table("BUCKET", "PEERS")
            for bucket in result["buckets"]?.array ?? [] {
                let peers = (bucket["peers"]?.array ?? []).compactMap(\.string)
                table.add(bucket.text(of: "index"), peers.joined(separator: " "))
            }
            lines += table.lines
            return lines
        }
    }

    struct Chain: WatchedQuery {
        static let configuration = CommandConfiguration(
            "How far the chain is: height, round, tags, sync and pool.",
            example: "chorale admin chain --data-dir node --watch")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_chain") }

        func lines(_ result: JSONValue) -> [String] {
            var table = Table(
                "latest", "\(result.text(of: "latest"))  \(result.text(of: "blockId"))")
            table.add("safe", result.text(of: "safe"))
            table.add("finalized", result.text(of: "finalized"))
            table.add(
                "agreeing on",
                "height \(result.text(of: "height")), round \(result.text(of: "round")), "
                    + result.text(of: "step"))
            if let sync = result["sync"] {
                let left = sync["secondsLeft"]?.double.map {
                    Human.duration(seconds: Int64($0.rounded(.up)))
                }
                table.add(
                    "syncing",
                    "\(result.text(of: "latest")) of \(sync.text(of: "to")), "
                        + (left.map { "\($0) left" } ?? "waiting for the first blocks"))
            }
            if let download = result["download"] {
                table.add("downloading", Self.text(download))
            }
            if let checkpoint = result["checkpoint"]?.string {
                table.add("checkpoint", checkpoint)
            }
            table.add(
                "validator",
                result["validator"] == .null
                    ? "no"
                    : "\(result.text(of: "validator")) of \(result.text(of: "validators"))"
                        + (result["isSigning"] == .bool(true) ? "" : ", NOT SIGNING"))
            table.add(
                "last block",
                "\(result.text(of: "transactionCount")) transactions, "
                    + "\(result.text(of: "gasUsed")) gas, "
                    + "\(Human.bytes(result["blockBytes"]?.uint64 ?? 0)), witness "
                    + "\(Human.bytes(result["witnessBytes"]?.uint64 ?? 0)), by validator "
                    + "\(result.text(of: "proposer")), "
                    + (result["commitMilliseconds"]?.double.map(Human.milliseconds) ?? "-"))
            table.add(
                "pool",
                "\(result.text(of: "pool")) transactions, "
                    + "\(result.text(of: "poolPending")) could run")
            table.add("peers", result.text(of: "peers"))
            return table.lines
        }

        /// How far the download of a checkpoint's state is.
        private static func text(_ download: JSONValue) -> String {
            let height = download.text(of: "checkpoint").prefix { $0 != ":" }
            let what = "the state of height \(height)"
            let sources = "\(download.text(of: "sources")) peers"
            switch download.text(of: "phase") {
            case "opening": return "\(what): reading what is here"
            case "asking": return "\(what): asking \(sources)"
            case "finishing": return "\(what): all is here, building its tries"
            case "failed": return "\(what): nobody has it, take a newer checkpoint"
            default:
                let left = download["secondsLeft"]?.double.map {
                    Human.duration(seconds: Int64($0.rounded(.up)))
                }
                return "\(what): \(Int((download["share"]?.double ?? 0) * 100)) %, "
                    + "\(download.text(of: "accounts")) accounts and "
                    + "\(download.text(of: "slots")) slots, "
                    + "\(Human.bytes(download["bytes"]?.uint64 ?? 0)) of \(sources), "
                    + (left.map { "\($0) left" } ?? "waiting for the first parts")
            }
        }
    }

    struct Limits: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Limits, how much of each is used, and how often each refused.",
            example: "chorale admin limits --data-dir node")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_limits") }

        func lines(_ result: JSONValue) -> [String] {
            var table = Table("LIMIT", "USE", "OF", "REFUSED")
            for limit in result.array ?? [] {
                table.add(
                    limit.text(of: "name"), limit.text(of: "use"), limit.text(of: "limit"),
                    limit.text(of: "refused"))
            }
            return table.lines
        }
    }

    struct Counters: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Everything that is counted.",
            example: "chorale admin counters --data-dir node --json")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions
        @Flag(help: "Show counters that are zero too.") var all = false

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_counters") }

        func lines(_ result: JSONValue) -> [String] {
            var table = Table("COUNTER", "VALUE")
            for member in result.object?.members ?? [] where all || member.value != .integer(0) {
                table.add(member.name, member.value.text)
            }
            return table.lines
        }
    }

    struct Events: ParsableCommand {
        static let configuration = CommandConfiguration(
            "Follow what happens to the node.",
            example: "chorale admin events --data-dir node --json")
        @OptionGroup var options: AdminOptions

        func run() throws {
            let isJSON = options.json
            try options.client().stream("chorale_watchEvents") { event throws(Failure) in
                if isJSON {
                    Console.print(event)
                } else {
                    let fields = (event.object?.members ?? []).dropFirst().map { member in
                        "\(member.name)=\(member.value.string ?? member.value.text)"
                    }
                    Console.print(
                        Table.printable(
                            ([event.text(of: "event")] + fields).joined(separator: " ")))
                }
                return true
            }
        }
    }

    struct Backup: AdminQuery {
        static let configuration = CommandConfiguration(
            "Copy the database, consistently, while the node runs.",
            example: "chorale admin backup --data-dir node /var/backups/chorale-1")
        @OptionGroup var options: AdminOptions
        @Argument(help: "A directory that does not exist yet.") var directory: String

        func call() throws(Failure) -> AdminCall {
            AdminCall("chorale_backup", ["directory": .string(Files.absolute(directory))])
        }

        func lines(_ result: JSONValue) -> [String] {
            ["copied to \(result.text(of: "directory"))"]
        }
    }
}

extension JSONValue {
    /// A member as a person reads it; `-` when there is none.
    func text(of name: String) -> String {
        switch self[name] {
        case nil, .null?: "-"
        case .string(let text)?: text
        case let value?: value.text
        }
    }
}
