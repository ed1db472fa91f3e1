import ChoraleBase
import Codec
import Crypto
import PeerIdentity
import Testing

@testable import Admin
@testable import Node

/// The interface without a socket: what each line causes.
@Suite struct DispatcherTests {
    static let peer = IdentityKey(
        ed25519Seed: SecretBytes(copying: [UInt8](repeating: 7, count: 32))
    )
    .peerID

    /// One dispatcher with clients 1 and 2.
    final class Harness {
        var dispatcher: AdminDispatcher
        var actions: [AdminDispatcher.Action] = []

        init(limits: AdminDispatcher.Limits = .init()) {
            dispatcher = AdminDispatcher(limits: limits)
            dispatcher.connected(1)
            dispatcher.connected(2)
        }

        /// The actions that a line causes.
        func line(_ text: String, from client: UInt64 = 1) -> [AdminDispatcher.Action] {
            actions = []
            dispatcher.received(Array(text.utf8), from: client, into: &actions)
            return actions
        }

        func call(
            _ method: String, _ params: String = "{}", id: String = "1", from client: UInt64 = 1
        ) -> [AdminDispatcher.Action] {
            line(
                #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":\#(params)}"#,
                from: client)
        }

        /// The commands that a call gives to the node.
        func command(_ method: String, _ params: String = "{}") -> (CommandID, Command)? {
            for action in call(method, params) {
                if case .submit(let id, let command) = action { return (id, command) }
            }
            return nil
        }

        /// The id of the command that a call gives to the node.
        func submit(_ method: String, _ params: String = "{}") throws -> CommandID {
            struct Refused: Error {}
            guard let (id, _) = command(method, params) else { throw Refused() }
            return id
        }

        func reply(
            _ id: CommandID, _ reply: Reply, isLast: Bool = true
        ) -> [String] {
            actions = []
            dispatcher.replied(id, reply, isLast: isLast, into: &actions)
            return Self.lines(actions)
        }

        static func lines(_ actions: [AdminDispatcher.Action]) -> [String] {
            actions.compactMap { action in
                guard case .send(_, let line) = action else { return nil }
                return String(decoding: line, as: UTF8.self)
            }
        }

        /// The error that a line is answered with.
        func error(_ text: String) throws -> JSONValue {
            let lines = Self.lines(line(text))
            #expect(lines.count == 1)
            let answer = try JSONValue(parsing: Array((lines.first ?? "").utf8))
            return try #require(answer["error"])
        }
    }

    // MARK: Requests that are none

    struct Refusal: Sendable, CustomStringConvertible {
        let line: String
        let code: Int
        let words: String
        var id = JSONValue.null

        init(_ line: String, _ code: Int, _ words: String, id: JSONValue = .null) {
            (self.line, self.code, self.words, self.id) = (line, code, words, id)
        }

        var description: String { line }
    }

    static let refusals = [
        Refusal("{", -32700, "ends too early"),
        Refusal("hello", -32700, "unexpected `h`"),
        Refusal(#"{"a":1,"a":2}"#, -32700, "occurs again"),
        Refusal("[]", -32600, "batches are not served"),
        Refusal("7", -32600, "expected an object, not a number"),
        Refusal("{}", -32600, #"`jsonrpc` must be "2.0""#),
        Refusal(#"{"jsonrpc":"1.0","id":4,"method":"x"}"#, -32600, "`jsonrpc`", id: .integer(4)),
        Refusal(#"{"jsonrpc":"2.0","id":[],"method":"x"}"#, -32600, "`id` must be"),
        Refusal(#"{"jsonrpc":"2.0","id":true,"method":"x"}"#, -32600, "`id` must be"),
        Refusal(#"{"jsonrpc":"2.0","id":"a","method":7}"#, -32600, "`method`", id: .string("a")),
        Refusal(
            #"{"jsonrpc":"2.0","id":"a","method":"x","params":7}"#, -32600, "`params`",
            id: .string("a")),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"admin_nodeinfo"}"#, -32601,
            "did you mean `admin_nodeInfo`?", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}"#, -32601, "rpc_methods",
            id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_peers","params":[1]}"#, -32602,
            "takes 0: none", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_publish","params":{"topc":"a"}}"#,
            -32602, "did you mean `topic`?", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"admin_addPeer","params":{"address":"/ip4/1"}}"#,
            -32602, "`address` must be a multiaddr", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"admin_addPeer","params":["/ip4/1.2.3.4/tcp/1"]}"#,
            -32602, "ends in /p2p/", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"admin_removePeer","params":{}}"#,
            -32602, "`peer` is missing", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_publish","params":{"topic":"a"}}"#,
            -32602, "`base64` is missing", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_publish","params":["a","zz"]}"#,
            -32602, "`hex` must be bytes in hex", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_publish","params":{"topic":"a","hex":"00","text":"b"}}"#,
            -32602, "not several", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_ping","params":["/ip4/1.2.3.4/tcp/1",0]}"#,
            -32602, "`count` must be an integer from 1 to 100, not 0", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_publishBody","params":{"kind":"x","text":"b"}}"#,
            -32602, "one of generic, witness, proof, block", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_publishBody","params":{"kind":"proof","file":"a"}}"#,
            -32602, "`file` must be an absolute path", id: .integer(1)),
        Refusal(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_readBody","params":["00"]}"#,
            -32602, "`root` must be 32 bytes", id: .integer(1)),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) throws {
        let harness = Harness()
        let lines = Harness.lines(harness.line(row.line))
        #expect(lines.count == 1)
        let answer = try JSONValue(parsing: Array((lines.first ?? "").utf8))
        #expect(answer["jsonrpc"] == .string("2.0"))
        #expect(answer["id"] == row.id)
        #expect(answer["error"]?["code"] == JSONValue(row.code))
        let message = answer["error"]?["message"]?.string ?? ""
        #expect(message.contains(row.words), "\(message)")
        #expect(harness.dispatcher.callCount == 0)
        #expect(harness.dispatcher.counters.refused == 1)
    }

    @Test func namesFieldValueAndExpectation() throws {
        let harness = Harness()
        let error = try harness.error(
            #"{"jsonrpc":"2.0","id":1,"method":"admin_removePeer","params":{"peer":"bob"}}"#)
        #expect(error["data"]?["field"] == .string("peer"))
        #expect(error["data"]?["value"] == .string(#""bob""#))
        #expect(error["data"]?["expected"]?.string?.contains("peer id") == true)
    }

    @Test func aHugeValueIsNotSentBack() throws {
        let harness = Harness()
        let value = String(repeating: "a", count: 4000)
        let error = try harness.error(
            #"{"jsonrpc":"2.0","id":1,"method":"admin_removePeer","params":{"peer":"\#(value)"}}"#)
        #expect(error.encoded.count < 1000)
    }

    // MARK: Commands

    @Test func everyMethodHasItsOwnNameAndSummary() {
        let names = AdminMethod.all.map(\.name)
        #expect(Set(names).count == names.count)
        for method in AdminMethod.all {
            #expect(method.name.split(separator: "_").count == 2, "\(method.name)")
            #expect(!method.summary.isEmpty)
        }
    }

    @Test func parametersByNameAndByPositionAreTheSame() {
        let harness = Harness()
        for params in [
            #"["demo","0x6869"]"#, #"{"hex":"6869","topic":"demo"}"#,
            #"{"topic":"demo","text":"hi","base64":null}"#, #"{"topic":"demo","base64":"aGk="}"#,
        ] {
            guard
                case .publish(let topic, let data)? = harness.command("chorale_publish", params)?.1
            else {
                Issue.record("\(params) was refused")
                continue
            }
            #expect(topic == "demo")
            #expect(data == Array("hi".utf8))
        }
    }

    @Test func keysAreTextOrHex() {
        let harness = Harness()
        for (params, expected) in [
            (#"["/pk/a"]"#, Array("/pk/a".utf8)), (#"["0x0102"]"#, [1, 2]),
        ] {
            guard case .dhtGet(let key)? = harness.command("chorale_dhtGet", params)?.1 else {
                Issue.record("\(params) was refused")
                continue
            }
            #expect(key == expected)
        }
    }

    @Test func aProverMayBeNamedByItsPeerID() {
        let harness = Harness()
        guard
            case .findProver(let key)? =
                harness.command("chorale_findProver", #"["\#(Self.peer)"]"#)?.1
        else {
            Issue.record("refused")
            return
        }
        #expect(key.count == 32)
    }

    @Test func answersGoToWhoeverAsked() throws {
        let harness = Harness()
        let first = try harness.submit("chorale_limits")
        #expect(harness.reply(first, .limits([])) == [#"{"jsonrpc":"2.0","id":1,"result":[]}"#])
        // A second answer finds nobody.
        #expect(harness.reply(first, .limits([])).isEmpty)
        #expect(harness.dispatcher.callCount == 0)
    }

    @Test func idsComeBackAsTheyCame() throws {
        for id in [#""x""#, "null", "18446744073709551615", "-1", "1.5"] {
            let harness = Harness()
            _ = harness.call("chorale_limits", id: id)
            let lines = harness.reply(CommandID(1), .limits([]))
            #expect(lines == [#"{"jsonrpc":"2.0","id":\#(id),"result":[]}"#])
        }
    }

    @Test func notificationsAreCarriedOutAndNotAnswered() {
        let harness = Harness()
        let actions = harness.line(
            #"{"jsonrpc":"2.0","method":"chorale_publish","params":{"topic":"a","text":"b"}}"#)
        #expect(actions.count == 1)
        guard case .submit(let id, .publish)? = actions.first else {
            Issue.record("not carried out")
            return
        }
        #expect(
            harness.reply(id, .published(.init(id: [1], topic: "a", queuedTo: 0, announcedTo: 0)))
                .isEmpty)
        #expect(harness.line(#"{"jsonrpc":"2.0","method":"nothing"}"#).isEmpty)
        #expect(harness.line(#"{"jsonrpc":"2.0","method":"chorale_watchEvents"}"#).isEmpty)
    }

    @Test(arguments: [
        (CommandFailure.Kind.invalidArgument, -32602), (.notFound, -32001), (.unreachable, -32002),
        (.refused, -32003), (.overloaded, -32004), (.unavailable, -32005), (.timedOut, -32006),
        (.shuttingDown, -32007),
    ])
    func failuresHaveACodeAndAKind(kind: CommandFailure.Kind, code: Int) throws {
        let harness = Harness()
        let id = try harness.submit("chorale_dht")
        let lines = harness.reply(id, .failed(.init(kind, "words")))
        let answer = try JSONValue(parsing: Array((lines.first ?? "").utf8))
        #expect(answer["error"]?["code"] == JSONValue(code))
        #expect(answer["error"]?["message"] == .string("words"))
        #expect(answer["error"]?["data"]?["kind"] == .string(kind.rawValue))
    }

    @Test func modulesAndMethodsAreListed() throws {
        let harness = Harness()
        let modules = Harness.lines(harness.call("rpc_modules")).first ?? ""
        #expect(modules.contains(#""admin":"1.0""#))
        let methods = Harness.lines(harness.call("rpc_methods")).first ?? ""
        let list = try JSONValue(parsing: Array(methods.utf8))["result"]?.array
        #expect(list?.count == AdminMethod.all.count)
    }

    @Test func pingsAreGathered() throws {
        let harness = Harness()
        let id = try harness.submit("chorale_ping", #"["/ip4/127.0.0.1/tcp/1",2]"#)
        let first = Reply.pinged(sequence: 0, Self.peer, roundTrip: .microseconds(1500))
        let second = Reply.pinged(sequence: 1, Self.peer, roundTrip: .milliseconds(2))
        #expect(harness.reply(id, first, isLast: false).isEmpty)
        let lines = harness.reply(id, second)
        let result = try JSONValue(parsing: Array((lines.first ?? "").utf8))["result"]
        #expect(result?["peer"] == .string("\(Self.peer)"))
        #expect(result?["roundTripsMs"] == .array([.number(1.5), .number(2)]))
    }

    @Test func chunksAreGathered() throws {
        let harness = Harness()
        let root = String(repeating: "ab", count: 32)
        let id = try harness.submit("chorale_readBody", #"["\#(root)"]"#)
        #expect(harness.reply(id, .bodyChunk(index: 0, of: 2, bytes: [1]), isLast: false).isEmpty)
        let lines = harness.reply(id, .bodyChunk(index: 1, of: 2, bytes: [2, 3]))
        let result = try JSONValue(parsing: Array((lines.first ?? "").utf8))["result"]
        #expect(result?["size"] == .integer(3))
        #expect(
            result?["chunks"]?.array?.map { $0["base64"] } == [.string("AQ=="), .string("AgM=")])
    }

    // MARK: Files

    @Test func aFileIsReadBeforeItsBodyIsPublished() throws {
        let harness = Harness()
        let actions = harness.call(
            "chorale_publishBody", #"{"kind":"witness","file":"/tmp/w"}"#)
        guard case .readFile(let id, let path)? = actions.first, actions.count == 1 else {
            Issue.record("not read")
            return
        }
        #expect(path == "/tmp/w")
        var next: [AdminDispatcher.Action] = []
        harness.dispatcher.fileRead(id, .success([1, 2]), into: &next)
        guard case .submit(let command, .publishBody(let kind, let bytes))? = next.first else {
            Issue.record("not published")
            return
        }
        #expect(command == id)
        #expect(kind == "witness")
        #expect(bytes == [1, 2])
    }

    @Test func aFileOfAClientThatLeftIsForgotten() {
        let harness = Harness()
        _ = harness.call("chorale_publishBody", #"{"kind":"witness","file":"/tmp/w"}"#)
        var actions: [AdminDispatcher.Action] = []
        harness.dispatcher.disconnected(1, into: &actions)
        actions = []
        harness.dispatcher.fileRead(CommandID(1), .success([1]), into: &actions)
        #expect(actions.isEmpty)
    }

    // MARK: Streams

    @Test func aStreamIsConfirmedThenFollows() throws {
        let harness = Harness()
        let id = try harness.submit("chorale_subscribe", #"["demo"]"#)
        #expect(
            harness.reply(id, .subscribed(topic: "demo"), isLast: false)
                == [#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#])
        let message = GossipMessageInfo(
            topic: "demo", id: [0xab], data: Array("hi".utf8), author: nil, from: Self.peer)
        let lines = harness.reply(id, .message(message), isLast: false)
        let note = try JSONValue(parsing: Array((lines.first ?? "").utf8))
        #expect(note["method"] == .string("chorale_subscription"))
        #expect(note["params"]?["subscription"] == .string("0x1"))
        #expect(note["params"]?["result"]?["base64"] == .string("aGk="))
        #expect(note["id"] == nil)
        let end = harness.reply(id, .failed(.init(.shuttingDown, "bye")))
        let last = try JSONValue(parsing: Array((end.first ?? "").utf8))
        #expect(last["params"]?["end"] == .bool(true))
        #expect(last["params"]?["error"]?["code"] == .integer(-32007))
        #expect(harness.dispatcher.callCount == 0)
    }

    @Test func aStreamThatCannotBeginIsAnError() throws {
        let harness = Harness()
        let id = try harness.submit("chorale_subscribe", #"["demo"]"#)
        let lines = harness.reply(id, .failed(.init(.refused, "no")))
        #expect(lines.count == 1)
        #expect(lines.first?.contains(#""error""#) == true)
    }

    @Test func watchingIsConfirmedAtOnce() {
        let harness = Harness()
        let actions = harness.call("chorale_watchEvents")
        #expect(Harness.lines(actions) == [#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#])
        #expect(actions.count == 2)
        let lines = harness.reply(CommandID(1), .event(.stopping), isLast: false)
        #expect(lines.first?.contains(#""result":{"event":"stopping"}"#) == true)
    }

    @Test func unsubscribingCancelsOnceAndOnlyOnesOwn() {
        let harness = Harness()
        _ = harness.call("chorale_watchEvents")
        let foreign = harness.call("chorale_unsubscribe", #"["0x1"]"#, from: 2)
        #expect(Harness.lines(foreign) == [#"{"jsonrpc":"2.0","id":1,"result":false}"#])
        #expect(foreign.count == 1)
        let own = harness.call("chorale_unsubscribe", #"["0x1"]"#)
        guard case .cancel(let id)? = own.first else {
            Issue.record("not cancelled")
            return
        }
        #expect(id == CommandID(1))
        #expect(Harness.lines(own) == [#"{"jsonrpc":"2.0","id":1,"result":true}"#])
        let again = harness.call("chorale_unsubscribe", #"["0x1"]"#)
        #expect(Harness.lines(again) == [#"{"jsonrpc":"2.0","id":1,"result":false}"#])
        #expect(harness.reply(CommandID(1), .event(.stopping), isLast: false).isEmpty)
    }

    @Test func whateverAClientLeftBehindIsCancelledInOrder() {
        let harness = Harness()
        for _ in 0..<5 { _ = harness.call("chorale_dht") }
        _ = harness.call("chorale_dht", from: 2)
        var actions: [AdminDispatcher.Action] = []
        harness.dispatcher.disconnected(1, into: &actions)
        let cancelled = actions.compactMap { action -> UInt64? in
            guard case .cancel(let id) = action else { return nil }
            return id.rawValue
        }
        #expect(cancelled == [1, 2, 3, 4, 5])
        #expect(harness.dispatcher.callCount == 1)
    }

    // MARK: Limits

    @Test func callsAreBoundedPerClientAndInAll() {
        var limits = AdminDispatcher.Limits()
        limits.callsPerClientMax = 2
        limits.callsMax = 3
        let harness = Harness(limits: limits)
        var outcomes: [Bool] = []
        for client: UInt64 in [1, 1, 1, 2, 2] {
            let isAccepted = harness.call("chorale_dht", from: client).contains { action in
                if case .submit = action { true } else { false }
            }
            outcomes.append(isAccepted)
        }
        #expect(outcomes == [true, true, false, true, false])
        let line = Harness.lines(harness.call("chorale_dht")).first ?? ""
        #expect(line.contains("-32004") && line.contains("overloaded"))
        // Whatever ends makes room.
        _ = harness.reply(CommandID(1), .limits([]))
        let next = harness.command("chorale_dht")
        #expect(next != nil)
    }

    @Test(arguments: UInt64(0)..<32) func hostileLinesAreAnsweredOnceOrNotAtAll(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let harness = Harness()
        let whole = Array(
            #"{"jsonrpc":"2.0","id":7,"method":"chorale_publish","params":{"topic":"a","text":"b"}}"#
                .utf8)
        for _ in 0..<200 {
            var bytes = whole
            for _ in 0...Int(random.next() % 3) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            var actions: [AdminDispatcher.Action] = []
            harness.dispatcher.received(bytes, from: 1, into: &actions)
            #expect(actions.count <= 1)
            for action in actions {
                switch action {
                case .send(_, let line):
                    let answer = try? JSONValue(parsing: line)
                    #expect(answer?["error"] != nil || answer?["result"] != nil)
                case .submit(let id, _): _ = harness.reply(id, .done)
                case .cancel, .readFile: break
                }
            }
        }
        #expect(harness.dispatcher.callCount == 0)
    }
}

@Suite struct NearestNameTests {
    @Test(arguments: [
        ("peer", "peers"), ("pers", "peers"), ("addpeer", "add-peer"),
        ("remove_peer", "remove-peer"),
        ("inof", "info"), ("INFO", "info"),
    ])
    func finds(word: String, expected: String) {
        let names = ["info", "peers", "add-peer", "remove-peer", "mesh"]
        #expect(NearestName.of(word, among: names) == expected)
    }

    @Test(arguments: ["", "x", "zzzzzz", "publish"]) func findsNothing(word: String) {
        #expect(NearestName.of(word, among: ["info", "peers", "add-peer"]) == nil)
    }

    @Test func hostileWordsCostLittle() {
        let word = String(repeating: "a", count: 1 << 20)
        #expect(NearestName.of(word, among: ["info"]) == nil)
    }
}
