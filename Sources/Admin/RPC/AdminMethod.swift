import ChoraleBase
import ChoraleTypes
import Codec
import JSONRPC
import Node
import PeerIdentity

/// One method of the admin socket: its name, what it takes, and what it does.
struct AdminMethod: Sendable {
    /// How a method answers.
    enum Answer: Sendable {
        /// One reply is the result.
        case one
        /// The replies are gathered into one result.
        case gathered
        /// The result is the name of a subscription; items follow as notifications.
        ///
        /// `confirmed`: the node's first reply says whether there is a stream at all.
        case stream(confirmed: Bool)
    }

    enum Call: Sendable {
        case command(Command)
        /// Publishes the content of a file, which is read away from the loop.
        case publishFile(kind: String, path: String)
        case unsubscribe(String)
        case modules
        case methods
    }

    let name: String
    /// In the order of positions. Optional ones end with `?`.
    let parameters: [String]
    let summary: String
    var answer = Answer.one
    let call: @Sendable (RPCParameters) throws(RPCError) -> Call

    /// Without the marks of optional ones.
    var parameterNames: [String] {
        parameters.map { $0.hasSuffix("?") ? String($0.dropLast()) : $0 }
    }

    static func named(_ name: String) -> AdminMethod? { all.first { $0.name == name } }

    /// Largest content of one request: what a gossip message may be, and base64 of it fits a line.
    static let contentSizeMax = 1 << 20

    static let modules: JSONObject = [
        "admin": .string("1.0"), "chorale": .string("1.0"), "rpc": .string("1.0"),
    ]

    /// In the order of the documentation.
    static let all: [AdminMethod] =
        geth + state + operations + gossip + dht + measuring + bodies + streams + meta

    private static func plain(
        _ name: String, _ summary: String, _ command: Command
    ) -> AdminMethod {
        AdminMethod(name: name, parameters: [], summary: summary) { _ throws(RPCError) in
            .command(command)
        }
    }

    private static let geth: [AdminMethod] = [
        plain("admin_nodeInfo", "who this node is and where it listens", .nodeInfo),
        plain("admin_peers", "connected peers, in geth's form", .peers),
        AdminMethod(
            name: "admin_addPeer", parameters: ["address"],
            summary: "connects to a peer and keeps it connected"
        ) { parameters throws(RPCError) in
            let address = try parameters.address("address")
            guard address.peerID != nil else {
                throw .parameter(
                    "address", .string(address.text), expected: "an address that ends in /p2p/<id>")
            }
            return .command(.addPeer(address))
        },
        AdminMethod(
            name: "admin_removePeer", parameters: ["peer"],
            summary: "disconnects a peer and forgets that it was to be kept"
        ) { parameters throws(RPCError) in
            .command(.removePeer(try parameters.peer("peer")))
        },
    ]

    private static let state: [AdminMethod] = [
        plain("chorale_peers", "connected peers with traffic, round trip and score", .peers),
        plain("chorale_mesh", "gossip topics with their mesh", .mesh),
        plain("chorale_scores", "gossip scores of peers", .scores),
        AdminMethod(
            name: "chorale_explainScore", parameters: ["peer"],
            summary: "which events moved one peer's score by how much"
        ) { parameters throws(RPCError) in
            .command(.explainScore(try parameters.peer("peer")))
        },
        plain("chorale_dht", "routing table and records", .dht),
        plain(
            "chorale_chain", "how far the chain is: height, round, tags, sync, pool", .chainInfo),
        AdminMethod(
            name: "chorale_validations", parameters: ["height?"],
            summary: "what other implementations said of blocks, the highest first"
        ) { parameters throws(RPCError) in
            guard parameters["height"] != nil else { return .command(.validations(height: nil)) }
            let height = try parameters.integer("height", in: 0...Int.max, default: 0)
            return .command(.validations(height: UInt64(height)))
        },
        plain("chorale_limits", "limits with their use and refusals", .limits),
        plain("chorale_counters", "everything that is counted", .counters),
        AdminMethod(
            name: "chorale_backup", parameters: ["directory"],
            summary: "a consistent copy of the database in a new directory of the node's machine"
        ) { parameters throws(RPCError) in
            .command(.backup(directory: try parameters.path("directory")))
        },
    ]

    private static let operations: [AdminMethod] = [
        plain(
            "chorale_operations", "open operations and those that ended last, the newest first",
            .operations),
        AdminMethod(
            name: "chorale_operation", parameters: ["id"],
            summary: "one operation with what is known of each of its parts"
        ) { parameters throws(RPCError) in
            .command(.operation(try parameters.root("id")))
        },
        AdminMethod(
            name: "chorale_assignments", parameters: ["height"],
            summary: "who is asked about the parts that the block of a height committed to"
        ) { parameters throws(RPCError) in
            guard parameters["height"] != nil else {
                throw .parameter("height", nil, expected: "a height of the chain")
            }
            let height = try parameters.integer("height", in: 0...Int.max, default: 0)
            return .command(.assignments(height: UInt64(height)))
        },
        plain(
            "chorale_proofs", "what was executed, proven and verified here since the start",
            .proofs),
    ]

    private static let gossip: [AdminMethod] = [
        AdminMethod(
            name: "chorale_publish", parameters: ["topic", "hex?", "base64?", "text?"],
            summary: "publishes one gossip message; answers with its id and receipt"
        ) { parameters throws(RPCError) in
            let topic = try parameters.string("topic", sizeMax: topicSizeMax)
            guard let data = try parameters.content(sizeMax: contentSizeMax) else {
                throw .parameter("base64", nil, expected: "the message; or give `hex` or `text`")
            }
            return .command(.publish(topic: topic, data: data))
        },
        AdminMethod(
            name: "chorale_subscribe", parameters: ["topic"],
            summary: "streams the messages of a topic", answer: .stream(confirmed: true)
        ) { parameters throws(RPCError) in
            .command(.subscribe(topic: try parameters.string("topic", sizeMax: topicSizeMax)))
        },
    ]

    private static let dht: [AdminMethod] = [
        AdminMethod(
            name: "chorale_dhtPut", parameters: ["key", "hex?", "base64?", "text?"],
            summary: "stores a value at the peers closest to its key"
        ) { parameters throws(RPCError) in
            let key = try parameters.key("key")
            guard let value = try parameters.content(sizeMax: 16 << 10) else {
                throw .parameter("base64", nil, expected: "the value; or give `hex` or `text`")
            }
            return .command(.dhtPut(key: key, value: value))
        },
        AdminMethod(
            name: "chorale_dhtGet", parameters: ["key"], summary: "finds the best value of a key"
        ) { parameters throws(RPCError) in
            .command(.dhtGet(key: try parameters.key("key")))
        },
        AdminMethod(
            name: "chorale_dhtProvide", parameters: ["cid"],
            summary: "announces this node as a provider"
        ) { parameters throws(RPCError) in
            .command(.dhtProvide(key: try parameters.contentKey("cid")))
        },
        AdminMethod(
            name: "chorale_dhtProviders", parameters: ["cid"], summary: "finds providers"
        ) { parameters throws(RPCError) in
            .command(.dhtFindProviders(key: try parameters.contentKey("cid")))
        },
        AdminMethod(
            name: "chorale_dhtFindPeer", parameters: ["peer"], summary: "finds a peer's addresses"
        ) { parameters throws(RPCError) in
            .command(.dhtFindPeer(try parameters.peer("peer")))
        },
        plain(
            "chorale_publishProver", "signs this node's prover identity and keeps it published",
            .publishProverIdentity),
        AdminMethod(
            name: "chorale_findProver", parameters: ["publicKey"],
            summary: "finds a prover by its Ed25519 public key or its peer id"
        ) { parameters throws(RPCError) in
            .command(.findProver(publicKey: try parameters.ed25519Key("publicKey")))
        },
    ]

    private static let measuring: [AdminMethod] = [
        AdminMethod(
            name: "chorale_ping", parameters: ["address", "count?"],
            summary: "measures round trips to a peer", answer: .gathered
        ) { parameters throws(RPCError) in
            let address = try parameters.address("address")
            let count = try parameters.integer("count", in: 1...100, default: 3)
            return .command(.ping(address, count: count))
        },
        AdminMethod(
            name: "chorale_perf", parameters: ["address", "upload?", "download?"],
            summary: "measures throughput to a peer over /libp2p/perf/1.0.0"
        ) { parameters throws(RPCError) in
            let address = try parameters.address("address")
            let upload = try parameters.transferSize("upload")
            let download = try parameters.transferSize("download")
            return .command(.perf(address, upload: upload, download: download))
        },
        AdminMethod(
            name: "chorale_bulk", parameters: ["address", "upload?", "download?"],
            summary: "moves bytes over /chorale/bulk/1.0.0 and checks that they arrive intact"
        ) { parameters throws(RPCError) in
            let address = try parameters.address("address")
            let upload = try parameters.transferSize("upload")
            let download = try parameters.transferSize("download")
            return .command(.bulk(address, upload: upload, download: download))
        },
    ]

    private static let bodies: [AdminMethod] = [
        AdminMethod(
            name: "chorale_publishBody", parameters: ["kind", "hex?", "base64?", "text?", "file?"],
            summary: "announces a body and serves it; `file` is a path on the node's machine"
        ) { parameters throws(RPCError) in
            let kind = try parameters.string("kind", sizeMax: 64)
            guard BodyKind(name: kind) != nil else {
                let names = BodyKind.named.map(\.name).joined(separator: ", ")
                throw .parameter("kind", .string(kind), expected: "one of \(names)")
            }
            let bytes = try parameters.content(sizeMax: contentSizeMax)
            switch (bytes, parameters["file"]) {
            case (let bytes?, nil): return .command(.publishBody(kind: kind, bytes: bytes))
            case (nil, .some):
                return .publishFile(kind: kind, path: try parameters.path("file"))
            case (.some, .some):
                throw .parameters("give the content or a `file`, not both")
            case (nil, nil):
                throw .parameter(
                    "file", nil, expected: "a path; or give `hex`, `base64` or `text`")
            }
        },
        plain("chorale_bodies", "bodies that are held or under way", .bodies),
        AdminMethod(
            name: "chorale_readBody", parameters: ["root"],
            summary: "the chunks of a held body, in one answer", answer: .gathered
        ) { parameters throws(RPCError) in
            .command(.readBody(root: try parameters.root("root")))
        },
        AdminMethod(
            name: "chorale_streamBody", parameters: ["root"],
            summary: "the chunks of a held body as they are read", answer: .stream(confirmed: true)
        ) { parameters throws(RPCError) in
            .command(.readBody(root: try parameters.root("root")))
        },
    ]

    private static let streams: [AdminMethod] = [
        AdminMethod(
            name: "chorale_watchBodies", parameters: [],
            summary: "streams bodies as they become complete", answer: .stream(confirmed: false)
        ) { _ throws(RPCError) in .command(.watchBodies) },
        AdminMethod(
            name: "chorale_watchEvents", parameters: [],
            summary: "streams what happens to the node", answer: .stream(confirmed: false)
        ) { _ throws(RPCError) in .command(.watchEvents) },
        AdminMethod(
            name: "chorale_unsubscribe", parameters: ["subscription"],
            summary: "ends a stream; answers whether it existed"
        ) { parameters throws(RPCError) in
            .unsubscribe(try parameters.string("subscription", sizeMax: 64))
        },
    ]

    private static let meta: [AdminMethod] = [
        AdminMethod(
            name: "rpc_modules", parameters: [], summary: "groups of methods with their versions"
        ) { _ throws(RPCError) in .modules },
        AdminMethod(
            name: "rpc_methods", parameters: [], summary: "this list"
        ) { _ throws(RPCError) in .methods },
    ]

    /// Longest topic name that any gossip implementation accepts here.
    private static let topicSizeMax = 256
}

extension RPCParameters {
    /// An absolute path: the node's working directory is nobody's business.
    fileprivate func path(_ name: String) throws(RPCError) -> String {
        let text = try string(name)
        guard text.hasPrefix("/"), !text.utf8.contains(0) else {
            throw .parameter(name, .string(text), expected: "an absolute path")
        }
        return text
    }

    /// Bytes to move. A terabyte keeps a link of 10 Gbit/s busy for a quarter of an hour.
    fileprivate func transferSize(_ name: String) throws(RPCError) -> UInt64 {
        UInt64(try integer(name, in: 0...(1 << 40), default: 0))
    }

    fileprivate func ed25519Key(_ name: String) throws(RPCError) -> [UInt8] {
        let text = try string(name)
        if let bytes = Self.hex(text), bytes.count == Bytes32.size { return bytes }
        if let peer = PeerID(text), case .ed25519(let key)? = try? peer.inlinedKey() {
            return key.bytes
        }
        throw .parameter(
            name, .string(text),
            expected: "an Ed25519 public key of 32 bytes in hex, or the peer id of such a key")
    }
}
