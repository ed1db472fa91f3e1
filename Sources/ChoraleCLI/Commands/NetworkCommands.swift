import Admin
import ArgumentParser
import Codec
import Glibc

/// Where content comes from: a file, or `-` for standard input.
private func content(_ path: String, sizeMax: Int) throws(Failure) -> [UInt8] {
    path == "-"
        ? try Files.readStandardInput(sizeMax: sizeMax) : try Files.read(path, sizeMax: sizeMax)
}

/// Writes bytes to a new file, or to standard output as they are.
private func deliver(_ bytes: [UInt8], to output: String?) throws(Failure) {
    if let output {
        try Files.create(output, bytes)
    } else {
        Console.write(bytes, to: STDOUT_FILENO)
    }
}

struct GossipCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gossip",
        abstract: "Publish and follow gossip through a running node.",
        discussion: """
            EXAMPLE
              chorale gossip subscribe --data-dir node --topic demo --count 1
              echo hello | chorale gossip publish --data-dir node --topic demo -
            """,
        subcommands: [Publish.self, Subscribe.self])

    struct Publish: AdminQuery {
        static let configuration = CommandConfiguration(
            "Publish a file as one message.",
            example: "chorale gossip publish --data-dir node --topic demo message.bin")
        @OptionGroup var options: AdminOptions
        @Option(help: "The topic's full name.") var topic: String
        @Argument(help: "A file of at most 1 MiB, or - for standard input.") var file: String

        func call() throws(Failure) -> AdminCall {
            let bytes = try content(file, sizeMax: 1 << 20)
            return AdminCall(
                "chorale_publish",
                ["topic": .string(topic), "base64": .string(Base64.encode(bytes))]
            )
        }

        func lines(_ result: JSONValue) -> [String] {
            [
                "\(result.text(of: "id")) queued to \(result.text(of: "queuedTo")) peers, "
                    + "announced to \(result.text(of: "announcedTo"))"
            ]
        }
    }

    struct Subscribe: ParsableCommand {
        static let configuration = CommandConfiguration(
            "Follow a topic.",
            example: "chorale gossip subscribe --data-dir node --topic demo --count 3")
        @OptionGroup var options: AdminOptions
        @Option(help: "The topic's full name.") var topic: String
        @Option(help: "End after so many messages.") var count: Int?
        @Flag(help: "Print only the messages' bytes, one after the other.") var raw = false

        func validate() throws {
            guard count ?? 1 > 0 else { throw ValidationError("--count must be at least 1") }
            guard !raw || !options.json else {
                throw ValidationError("give --raw or --json, not both")
            }
        }

        func run() throws {
            var rest = count
            let (isJSON, isRaw) = (options.json, raw)
            try options.client().stream("chorale_subscribe", ["topic": .string(topic)]) {
                message throws(Failure) in
                if isJSON {
                    Console.print(message)
                } else if isRaw {
                    let bytes = message["base64"]?.string.flatMap(Base64.decode) ?? []
                    Console.write(bytes, to: STDOUT_FILENO)
                } else {
                    Console.print(Self.line(message))
                }
                rest = rest.map { $0 - 1 }
                return rest != 0
            }
        }

        /// Id, size, who brought it, and the beginning if it is text.
        private static func line(_ message: JSONValue) -> String {
            let bytes = message["base64"]?.string.flatMap(Base64.decode) ?? []
            let text = String(validating: bytes.prefix(4096), as: UTF8.self)
            let shown = text.map { Table.printable(String($0.prefix(80))) }
            let from = message.text(of: "from")
            let size = Human.bytes(UInt64(bytes.count))
            return "\(message.text(of: "id"))  \(size)  from \(from)"
                + (shown.map { "  \($0)" } ?? "")
        }
    }
}

struct DHTCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dht",
        abstract: "Store and find things in the DHT through a running node.",
        discussion: """
            EXAMPLE
              chorale dht provide --data-dir node bafkrei…
              chorale dht find-peer --data-dir node 12D3KooW…
            """,
        subcommands: [Put.self, Get.self, Provide.self, Providers.self, FindPeer.self])

    struct Put: AdminQuery {
        static let configuration = CommandConfiguration(
            "Store a record at the peers closest to its key.",
            example: "chorale dht put --data-dir node /pk/… key.bin")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The key as text, or 0x and hex.") var key: String
        @Argument(help: "A file with the record, or - for standard input.") var file: String

        func call() throws(Failure) -> AdminCall {
            let bytes = try content(file, sizeMax: 16 << 10)
            return AdminCall(
                "chorale_dhtPut", ["key": .string(key), "base64": .string(Base64.encode(bytes))]
            )
        }

        func lines(_ result: JSONValue) -> [String] {
            ["stored by \(result.text(of: "acknowledged")) of \(result.text(of: "of")) peers"]
        }
    }

    struct Get: ParsableCommand {
        static let configuration = CommandConfiguration(
            "Find the best record of a key; its bytes go to standard output or a file.",
            example: "chorale dht get --data-dir node /pk/… --output key.bin")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The key as text, or 0x and hex.") var key: String
        @Option(help: "Write the record to a new file.") var output: String?

        func run() throws {
            let result = try options.client().call("chorale_dhtGet", ["key": .string(key)])
            if let output {
                try deliver(result["base64"]?.string.flatMap(Base64.decode) ?? [], to: output)
            }
            if options.json {
                Console.print(result)
            } else if output == nil {
                try deliver(result["base64"]?.string.flatMap(Base64.decode) ?? [], to: nil)
            }
        }
    }

    struct Provide: AdminQuery {
        static let configuration = CommandConfiguration(
            "Announce the node as a provider of some content.",
            example: "chorale dht provide --data-dir node bafkrei…")
        @OptionGroup var options: AdminOptions
        @Argument(help: "A CID.") var cid: String

        func call() throws(Failure) -> AdminCall {
            AdminCall("chorale_dhtProvide", ["cid": .string(cid)])
        }

        func lines(_ result: JSONValue) -> [String] {
            ["announced to \(result.text(of: "sent")) of \(result.text(of: "of")) peers"]
        }
    }

    struct Providers: AdminQuery {
        static let configuration = CommandConfiguration(
            "Find who provides some content.",
            example: "chorale dht providers --data-dir node bafkrei…")
        @OptionGroup var options: AdminOptions
        @Argument(help: "A CID.") var cid: String

        func call() throws(Failure) -> AdminCall {
            AdminCall("chorale_dhtProviders", ["cid": .string(cid)])
        }

        func lines(_ result: JSONValue) -> [String] {
            (result.array ?? []).map(DHTCommand.peerLine)
        }
    }

    struct FindPeer: AdminQuery {
        static let configuration = CommandConfiguration(
            "Find the addresses of a peer.",
            example: "chorale dht find-peer --data-dir node 12D3KooW…")
        @OptionGroup var options: AdminOptions
        @Argument(help: "A peer id.") var peer: String

        func call() throws(Failure) -> AdminCall {
            AdminCall("chorale_dhtFindPeer", ["peer": .string(peer)])
        }

        func lines(_ result: JSONValue) -> [String] {
            [DHTCommand.peerLine(result)]
                + (result["confirmed"] == .bool(false)
                    ? ["(not confirmed by the peer itself)"] : [])
        }
    }

    private static func peerLine(_ peer: JSONValue) -> String {
        let addresses = (peer["addresses"]?.array ?? []).compactMap(\.string)
        return ([peer.text(of: "id")] + addresses).joined(separator: "  ")
    }
}

struct BodyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "body",
        abstract: "Publish and read bodies: witnesses, proofs, and other large content.",
        discussion: """
            EXAMPLE
              chorale body publish --data-dir node --kind witness witness.bin
              chorale body list --data-dir node
              chorale body get --data-dir node 3f1c… --output witness.bin
            """,
        subcommands: [Publish.self, List.self, Get.self, Watch.self])

    struct Publish: AdminQuery {
        static let configuration = CommandConfiguration(
            "Announce a file as a body and serve it.",
            example: "chorale body publish --data-dir node --kind witness witness.bin")
        @OptionGroup var options: AdminOptions
        @Option(help: "What it is: generic, witness, proof or block.") var kind = "generic"
        @Argument(help: "A file of at most 16 MiB that the node's user can read.") var file: String

        func call() throws(Failure) -> AdminCall {
            AdminCall(
                "chorale_publishBody",
                ["kind": .string(kind), "file": .string(Files.absolute(file))])
        }

        func lines(_ result: JSONValue) -> [String] { BodyCommand.table([result]).lines }
    }

    struct List: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Bodies that the node holds or is fetching.",
            example: "chorale body list --data-dir node --watch")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_bodies") }

        func lines(_ result: JSONValue) -> [String] { BodyCommand.table(result.array ?? []).lines }
    }

    struct Get: ParsableCommand {
        static let configuration = CommandConfiguration(
            "Read a held body; its bytes go to standard output or a file.",
            example: "chorale body get --data-dir node 3f1c… --output witness.bin")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The body's root, 32 bytes in hex.") var root: String
        @Option(help: "Write the body to a new file.") var output: String?

        func run() throws {
            var bytes: [UInt8] = []
            try options.client().stream("chorale_streamBody", ["root": .string(root)]) {
                chunk throws(Failure) in
                guard let part = chunk["base64"]?.string.flatMap(Base64.decode) else {
                    throw Failure("the node sent a chunk without content")
                }
                bytes += part
                return true
            }
            guard !options.json else {
                if let output { try deliver(bytes, to: output) }
                var result: JSONObject = ["root": .string(root), "size": JSONValue(bytes.count)]
                result["output"] = output.map { .string($0) }
                if output == nil { result["base64"] = .string(Base64.encode(bytes)) }
                Console.print(.object(result))
                return
            }
            try deliver(bytes, to: output)
        }
    }

    struct Watch: ParsableCommand {
        static let configuration = CommandConfiguration(
            "Follow bodies as they become complete.",
            example: "chorale body watch --data-dir node --count 1 --json")
        @OptionGroup var options: AdminOptions
        @Option(help: "End after so many bodies.") var count: Int?

        func validate() throws {
            guard count ?? 1 > 0 else { throw ValidationError("--count must be at least 1") }
        }

        func run() throws {
            var rest = count
            let isJSON = options.json
            try options.client().stream("chorale_watchBodies") { body throws(Failure) in
                Console.print(isJSON ? body.text : BodyCommand.table([body]).lines[1])
                rest = rest.map { $0 - 1 }
                return rest != 0
            }
        }
    }

    private static func table(_ bodies: [JSONValue]) -> Table {
        var table = Table("ROOT", "KIND", "SIZE", "CHUNKS", "FROM", "TOOK", "SERVED")
        for body in bodies {
            table.add(
                body.text(of: "root"), body.text(of: "kind"),
                Human.bytes(body["size"]?.uint64 ?? 0),
                "\(body.text(of: "chunksHeld"))/\(body.text(of: "chunkCount"))",
                "\(body["sources"]?.array?.count ?? 0) peers",
                Human.milliseconds(body["elapsedMs"]?.double ?? 0),
                Human.bytes(body["bytesServed"]?.uint64 ?? 0))
        }
        return table
    }
}
