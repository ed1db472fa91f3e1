import Admin
import ChoraleBase
import Codec
import DriverUV
import JSONRPC
import Node
import PeerIdentity

extension FuzzTarget {
    static let adminTargets: [FuzzTarget] = [
        FuzzTarget(
            "json", "a JSON document; limits kept, and what is written is one line and read again",
            seeds: {
                [
                    #"{"jsonrpc":"2.0","id":1,"method":"admin_peers","params":[]}"#,
                    #" [ null , true, -0, 18446744073709551615, 1.5e-7, "\u00e9\ud83d\ude00\n\"" ] "#,
                    #"{"a":{"b":[{"c":[]}]},"d":-9223372036854775808,"":"é"}"#,
                    "[[[[[[[[[]]]]]]]]]", "\"\u{7F}\\u0000\"",
                ].map { Array($0.utf8) }
            }, run: json),
        FuzzTarget(
            "base64", "base64 of the admin socket; one text for each value", sizeMax: 1024,
            seeds: { ["", "AA==", "AAA=", "AAAA", "+/+/"].map { Array($0.utf8) } }, run: base64),
        FuzzTarget(
            "lines", "a stream of lines; the same however cut, memory bounded", sizeMax: 1024,
            seeds: {
                ["a\nbc\r\n\n\r\nd", "x\ry\n\r", String(repeating: "z", count: 70) + "\n"].map {
                    Array($0.utf8)
                }
            }, run: lines),
        FuzzTarget(
            "admin-line",
            "one line of an admin client, for each method; answered once or given to the node",
            seeds: { AdminLines.ofEveryMethod }, run: adminLine),
        FuzzTarget(
            "admin-sequence",
            "clients that call, stream, unsubscribe and leave, and a node that answers as it likes; "
                + "each call is answered once, to who made it", sizeMax: 768,
            seeds: {
                [
                    [0, 0, 1, 0, 2, 5, 3, 0, 1, 1, 1, 7, 2, 0, 8, 1, 2, 0, 5, 0, 4, 0, 3, 5, 0],
                    [0, 1, 1, 1, 40, 2, 0, 3, 0, 2, 0, 9, 0, 1, 1, 41, 3, 0, 6, 1, 3, 1, 5, 1],
                    [0, 0, 0, 1, 0, 2, 1, 30, 200, 4, 0, 1, 0, 44, 2, 0, 0, 1],
                ]
            }, run: adminSequence),
    ]

    private static func json(_ input: [UInt8], _ findings: inout Findings) {
        var limits = JSONValue.Limits()
        limits.depthMax = 8
        limits.valueCountMax = 64
        do throws(JSONError) {
            let value = try JSONValue(parsing: input, limits: limits)
            require(depth(value) <= limits.depthMax, "nested deeper than allowed")
            require(count(value) <= limits.valueCountMax, "more values than allowed")
            let encoded = value.encoded
            require(encoded.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a control character")
            require(try JSONValue(parsing: encoded, limits: limits) == value, "another value")
            require(value.text == String(validating: encoded, as: UTF8.self), "not UTF-8")
            findings.note("json", value)
            findings.note("json", size: count(value))
        } catch {
            require(!error.description.isEmpty, "an error without words")
            findings.note("json", error)
        }
    }

    private static func depth(_ value: JSONValue) -> Int {
        switch value {
        case .array(let values): 1 + (values.map(depth).max() ?? 0)
        case .object(let object): 1 + (object.members.map { depth($0.value) }.max() ?? 0)
        default: 0
        }
    }

    private static func count(_ value: JSONValue) -> Int {
        switch value {
        case .array(let values): values.reduce(1) { $0 + count($1) }
        case .object(let object): object.members.reduce(1) { $0 + count($1.value) }
        default: 1
        }
    }

    private static func base64(_ input: [UInt8], _ findings: inout Findings) {
        let encoded = Base64.encode(input)
        require(Base64.decode(encoded) == input, "other bytes")
        guard let bytes = Base64.decode(text(input)) else { return findings.note("base64", "no") }
        require(Base64.encode(bytes) == text(input), "two texts of one value")
        findings.note("base64", size: bytes.count % 3)
    }

    private struct Lines: Equatable {
        var lines: [[UInt8]] = []
        var error: LineAssembler.LineTooLong?
    }

    private static func lines(_ input: [UInt8], _ findings: inout Findings) {
        let sizeMax = 64
        let result = sameHoweverCut(input, "the line assembler") { pieces in
            var assembler = LineAssembler(lineSizeMax: sizeMax)
            var result = Lines()
            for piece in pieces {
                do throws(LineAssembler.LineTooLong) {
                    try assembler.append(piece.span, to: &result.lines)
                } catch {
                    result.error = error
                    break
                }
                require(assembler.bufferedSize <= sizeMax + 1, "more is held than a line")
            }
            return result
        }
        for line in result.lines {
            require((1...sizeMax).contains(line.count), "a line of \(line.count) bytes")
            require(!line.contains(UInt8(ascii: "\n")), "two lines in one")
        }
        let ended = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .dropLast().map { Array($0.last == 0x0D ? $0.dropLast() : $0) }
            .filter { !$0.isEmpty }
        require(ended.starts(with: result.lines), "other lines than were sent")
        if result.error == nil { require(ended == result.lines, "a line is missing") }
        findings.note("lines", size: result.lines.count)
        findings.note("lines", result.error == nil ? "fits" : "too long")
    }
}

/// Lines of clients, made from what the dispatcher says of its own methods.
enum AdminLines {
    /// The name and the parameters of each method; optional ones end with `?`.
    static let methods: [(name: String, parameters: [String])] = {
        var dispatcher = AdminDispatcher()
        dispatcher.connected(1)
        var actions: [AdminDispatcher.Action] = []
        dispatcher.received(call("rpc_methods", [], id: 1), from: 1, into: &actions)
        guard case .send(_, let line)? = actions.first, let answer = answer(line),
            let list = answer["result"]?.array
        else { fatalError("rpc_methods is not answered") }
        return list.map { method in
            (method["name"]?.string ?? "", (method["params"]?.array ?? []).compactMap(\.string))
        }
    }()

    /// One proper call of each method, by name and by position, and one for each optional parameter.
    static let ofEveryMethod: [[UInt8]] = methods.flatMap { method -> [[UInt8]] in
        let required = method.parameters.filter { !$0.hasSuffix("?") }
        let optional = method.parameters.filter { $0.hasSuffix("?") }
        var lines = [call(method.name, required, id: 1)]
        for parameter in optional { lines.append(call(method.name, required + [parameter], id: 2)) }
        let values = required.map { JSONValue.string(sample(of: $0)) }
        lines.append(
            line(["id": .string("a"), "method": .string(method.name), "params": .array(values)]))
        return lines
    }

    static func call(_ method: String, _ parameters: [String], id: Int) -> [UInt8] {
        var object = JSONObject()
        for parameter in parameters {
            let name = parameter.hasSuffix("?") ? String(parameter.dropLast()) : parameter
            let text = sample(of: name)
            object[name] = Int(text).map { JSONValue($0) } ?? .string(text)
        }
        return line(["id": JSONValue(id), "method": .string(method), "params": .object(object)])
    }

    static func line(_ members: JSONObject) -> [UInt8] {
        var object = members
        object["jsonrpc"] = .string("2.0")
        return JSONValue.object(object).encoded
    }

    private static func sample(of parameter: String) -> String {
        switch parameter {
        case "address": Actors.addresses[0].text + "/p2p/\(Actors.peers[1])"
        case "peer": Actors.peers[1].description
        case "cid": Actors.peers[1].cid
        case "root", "publicKey": "0x" + String(repeating: "5a", count: 32)
        case "key": "/pk/abc"
        case "kind": "witness"
        case "hex": "0x010203"
        case "base64": "AQID"
        case "directory", "file": "/nowhere/at/all"
        case "subscription": "0x1"
        case "count": "3"
        case "upload", "download": "1000"
        default: "text"
        }
    }

    /// A line that was sent, checked for what every such line has.
    static func answer(_ line: [UInt8]) -> JSONValue? {
        guard !line.contains(UInt8(ascii: "\n")), let value = try? JSONValue(parsing: line),
            value["jsonrpc"] == .string("2.0")
        else { return nil }
        return value
    }
}

extension FuzzTarget {
    private static func adminLine(_ input: [UInt8], _ findings: inout Findings) {
        var dispatcher = AdminDispatcher()
        dispatcher.connected(1)
        var actions: [AdminDispatcher.Action] = []
        dispatcher.received(input, from: 1, into: &actions)
        let request = try? JSONValue(parsing: input)
        // A request without an id, and only that, may go unanswered.
        let isNotification = request?.object != nil && request?["id"] == nil
        require(actions.count <= 2, "\(actions.count) actions of one line")
        var answers = 0
        var submitted: CommandID?
        for action in actions {
            switch action {
            case .send(let client, let line):
                require(client == 1, "an answer to somebody else")
                guard let answer = AdminLines.answer(line) else {
                    fatalError("property broken: an answer that is no response")
                }
                answers += 1
                if let code = answer["error"]?["code"]?.int { findings.note("code", size: -code) }
                require(
                    (answer["error"] == nil) != (answer["result"] == nil), "neither or both")
                let id = answer["id"]
                require(id == .null || id == request?["id"], "another id")
            case .submit(let id, let command):
                findings.note("admin", command)
                submitted = id
            case .readFile(let id, let path):
                require(path.hasPrefix("/"), "a path that is not absolute")
                submitted = id
            case .cancel: fatalError("property broken: a command that nobody gave is cancelled")
            }
        }
        require(answers <= 1, "\(answers) answers")
        if submitted == nil {
            require(answers == 1 || isNotification, "no answer")
            require(dispatcher.callCount == 0, "a call that was refused is kept")
        }
        guard let submitted else { return }
        actions = []
        dispatcher.fileRead(submitted, .success([1, 2, 3]), into: &actions)
        dispatcher.replied(
            submitted, .failed(CommandFailure(.notFound, text(input))), isLast: true,
            into: &actions)
        require(dispatcher.callCount == 0, "a call outlives its last reply")
        for case .send(_, let line) in actions {
            require(AdminLines.answer(line) != nil, "an answer that is no response")
        }
    }

    private struct AdminBench {
        var dispatcher: AdminDispatcher
        let limits: AdminDispatcher.Limits
        var connected: Set<UInt64> = []
        /// Requests with an id that were not answered, with who made them.
        var owed: [Int: UInt64] = [:]
        /// Commands given to the node which it may still answer.
        var running: [CommandID] = []
        var files: [CommandID] = []
        var streams: [String] = []
        var lastCommand: UInt64 = 0

        init() {
            var limits = AdminDispatcher.Limits()
            limits.callsPerClientMax = 3
            limits.callsMax = 6
            self.limits = limits
            dispatcher = AdminDispatcher(limits: limits)
        }

        mutating func perform(
            _ actions: inout [AdminDispatcher.Action], _ findings: inout Findings
        ) {
            for action in actions {
                switch action {
                case .send(let client, let line):
                    require(connected.contains(client), "a line to a client that left")
                    guard let answer = AdminLines.answer(line) else {
                        fatalError("property broken: an answer that is no response")
                    }
                    if let params = answer["params"] {
                        require(answer["id"] == nil, "a notification with an id")
                        findings.note("item", params["end"] == nil ? "item" : "end")
                        continue
                    }
                    guard let id = answer["id"]?.int else { continue }
                    require(owed.removeValue(forKey: id) == client, "an answer that is not owed")
                    findings.note("answer", size: -(answer["error"]?["code"]?.int ?? 0))
                    if let name = answer["result"]?.string, name.hasPrefix("0x") {
                        streams.append(name)
                    }
                case .submit(let id, _):
                    // A file's command has the id under which it was read.
                    if !files.contains(id) {
                        require(id.rawValue > lastCommand, "a command id is used again")
                        lastCommand = id.rawValue
                        running.append(id)
                    }
                    files.removeAll { $0 == id }
                case .readFile(let id, _):
                    require(id.rawValue > lastCommand, "a command id is used again")
                    lastCommand = id.rawValue
                    running.append(id)
                    files.append(id)
                case .cancel(let id):
                    require(running.contains(id), "cancelled, and not under way")
                    running.removeAll { $0 == id }
                    files.removeAll { $0 == id }
                }
            }
            actions = []
            require(dispatcher.callCount <= limits.callsMax, "\(dispatcher.callCount) calls")
            // Who is owed an answer has a call under way; refusals are answered at once.
            for client in connected {
                let own = owed.values.filter { $0 == client }.count
                require(own <= limits.callsPerClientMax, "\(own) calls of one client")
            }
            require(owed.count <= dispatcher.callCount, "an answer that never comes")
        }
    }

    private static func adminSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var bench = AdminBench()
        var actions: [AdminDispatcher.Action] = []
        var nextID = 1
        var steps = 0
        while !program.isAtEnd, steps < 200 {
            steps += 1
            let instruction = program.byte() & 0x07
            let client = UInt64(program.below(3))
            switch instruction {
            case 0:
                guard bench.connected.insert(client).inserted else { continue }
                bench.dispatcher.connected(client)
            case 1, 2:
                guard bench.connected.contains(client) else { continue }
                let method = AdminLines.methods[program.below(AdminLines.methods.count)]
                var members: JSONObject = ["method": .string(method.name)]
                members["params"] = parameters(method.parameters, bench.streams, &program)
                if program.byte() != 0xFF {
                    members["id"] = JSONValue(nextID)
                    bench.owed[nextID] = client
                    nextID += 1
                }
                bench.dispatcher.received(
                    AdminLines.line(members), from: client, into: &actions)
            case 3, 4:
                guard !bench.running.isEmpty else { continue }
                let index = program.below(bench.running.count)
                let id = bench.running[index]
                // The node has not heard of it while the file is being read.
                guard !bench.files.contains(id) else { continue }
                let isLast = program.byte() & 1 == 0
                if isLast { bench.running.remove(at: index) }
                bench.dispatcher.replied(id, reply(&program), isLast: isLast, into: &actions)
            case 5:
                guard bench.connected.remove(client) != nil else { continue }
                bench.owed = bench.owed.filter { $0.value != client }
                bench.dispatcher.disconnected(client, into: &actions)
            case 6:
                guard !bench.files.isEmpty else { continue }
                let id = bench.files[program.below(bench.files.count)]
                let fails = program.byte() == 0
                if fails {
                    bench.files.removeAll { $0 == id }
                    bench.running.removeAll { $0 == id }
                }
                bench.dispatcher.fileRead(
                    id, fails ? .failure(RPCError(code: 1, message: "no")) : .success([1]),
                    into: &actions)
            default:
                guard bench.connected.contains(client) else { continue }
                // Not a request, which might have the id of another.
                let line = program.chunk()
                guard (try? JSONValue(parsing: line))?.object == nil else { continue }
                bench.dispatcher.received(line, from: client, into: &actions)
            }
            bench.perform(&actions, &findings)
        }
        let counters = bench.dispatcher.counters
        findings.note("admin", counters: counters)
        for client in bench.connected.sorted() {
            bench.connected.remove(client)
            bench.dispatcher.disconnected(client, into: &actions)
        }
        require(bench.dispatcher.callCount == 0, "calls of nobody")
        require(!actions.contains { if case .send = $0 { true } else { false } }, "a late line")
    }

    /// Parameters as a client would give them, some missing and some of a wrong kind.
    private static func parameters(
        _ names: [String], _ streams: [String], _ program: inout Program
    ) -> JSONValue {
        let choice = program.byte()
        if choice == 0xFE { return .array([.bool(true), .null]) }
        var object = JSONObject()
        for parameter in names {
            let isOptional = parameter.hasSuffix("?")
            let name = isOptional ? String(parameter.dropLast()) : parameter
            if isOptional, program.chance(2, in: 3) { continue }
            if program.byte() == 0xFF { continue }
            let sample = AdminLines.answer(AdminLines.call("x", [name], id: 1))?["params"]?[name]
            object[name] =
                name == "subscription" && !streams.isEmpty
                ? .string(streams[program.below(streams.count)]) : sample
        }
        return .object(object)
    }

    private static func reply(_ program: inout Program) -> Reply {
        switch program.below(10) {
        case 0: .done
        case 1: .failed(CommandFailure(.overloaded, text(program.chunk())))
        case 2: .removed(true)
        case 3: .dhtValue(value: program.chunk(), agreeing: 1, answered: program.word())
        case 4: .pinged(sequence: 1, Actors.peers[1], roundTrip: program.duration())
        case 5: .bodyChunk(index: program.below(9), of: .max, bytes: program.chunk())
        case 6: .subscribed(topic: text(program.chunk()))
        case 7: .event(.peerFault(Actors.peers[2], text(program.chunk())))
        case 8: .event(.equivocation(key: program.chunk()))
        default: .backedUp(directory: text(program.chunk()))
        }
    }
}
