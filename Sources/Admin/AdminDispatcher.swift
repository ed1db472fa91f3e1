import ChoraleBase
public import Codec
public import JSONRPC
public import Node

/// The admin interface without its socket: lines in, lines and commands out.
///
///      line ──▶ request ──▶ method ──▶ command ──▶ Node ──▶ replies ──▶ line(s)
///                  └──────────┴── refused: one line with a typed error
///
/// A call of a client is in one of three states: running (its answer is owed), streaming (its answer
/// was the name of a subscription, items follow), or over (forgotten).
///
/// 1. Every request with an id is answered exactly once, whatever becomes of it. Checked in `finish`.
/// 2. A command is cancelled when its client leaves or unsubscribes, and late replies are dropped:
///    a reply finds its call by command id or not at all. Checked in `replied`.
/// 3. Calls are bounded per client and in total, so a client cannot use up the node's commands.
///    Checked in `start`.
///
/// Memory: a call holds its request id (256 bytes at most) and, when it gathers, at most 100 replies;
/// a file that is read away from the loop is held by the caller.
public struct AdminDispatcher {
    /// Names one connection.
    public typealias ClientID = UInt64

    public struct Limits: Sendable {
        /// Calls and subscriptions of one client: a dashboard has a handful.
        public var callsPerClientMax = 32
        /// Of all clients: half of what the node accepts (`NodeLimits.commandsMax`).
        public var callsMax = 128
        public var json = JSONValue.Limits()

        public init() {}
    }

    public struct Counters: Hashable, Sendable {
        public var requests: UInt64 = 0
        /// Requests that were answered with an error before they reached the node.
        public var refused: UInt64 = 0
        /// Commands given to the node.
        public var commands: UInt64 = 0
        /// Items of streams.
        public var notifications: UInt64 = 0

        public init() {}
    }

    /// What the owner is to do, in order.
    public enum Action: Sendable {
        case send(ClientID, [UInt8])
        case submit(CommandID, Command)
        case cancel(CommandID)
        /// Read the file away from the loop and answer with ``fileRead(_:_:into:)``.
        case readFile(CommandID, path: String)
    }

    private struct Call {
        enum State {
            case running
            case streaming
            /// A file is being read; then this body is published.
            case reading(kind: String)
        }

        let client: ClientID
        /// Nil when no answer is wanted.
        let requestID: JSONValue?
        let method: AdminMethod
        var state: State
        var gathered: [Reply] = []
    }

    public let limits: Limits
    public private(set) var counters = Counters()
    private var calls: [CommandID: Call] = [:]
    /// In the order in which they were made.
    private var callsOfClient: [ClientID: [CommandID]] = [:]
    private var lastID: UInt64 = 0

    public init(limits: Limits = Limits()) { self.limits = limits }

    /// Calls under way.
    public var callCount: Int { calls.count }

    // MARK: Inputs

    public mutating func connected(_ client: ClientID) { callsOfClient[client] = [] }

    /// One line of a client, without its end.
    public mutating func received(
        _ line: [UInt8], from client: ClientID, into actions: inout [Action]
    ) {
        counters.requests &+= 1
        do throws(RPCRequest.Refusal) {
            let request = try RPCRequest(line: line, limits: limits.json)
            do throws(RPCError) {
                try start(request, of: client, into: &actions)
            } catch {
                counters.refused &+= 1
                guard let id = request.id else { return }
                actions.append(.send(client, RPCResponse.failure(error, id: id)))
            }
        } catch {
            counters.refused &+= 1
            actions.append(.send(client, RPCResponse.failure(error.error, id: error.id)))
        }
    }

    /// A reply of the node. Those to forgotten calls are ignored.
    public mutating func replied(
        _ command: CommandID, _ reply: Reply, isLast: Bool, into actions: inout [Action]
    ) {
        guard let call = calls[command] else { return }
        switch call.method.answer {
        case .one:
            // The first reply is the answer, even if more were to follow.
            finish(command, call, answer(call, reply), into: &actions)
        case .gathered:
            calls[command]?.gathered.append(reply)
            guard isLast else { return }
            let replies = call.gathered + [reply]
            finish(
                command, call,
                Result { () throws(RPCError) in try ReplyJSON.value(gathering: replies) },
                into: &actions)
        case .stream:
            stream(command, call, reply, isLast: isLast, into: &actions)
        }
    }

    /// What became of a ``Action/readFile(_:path:)``.
    public mutating func fileRead(
        _ id: CommandID, _ result: Result<[UInt8], RPCError>, into actions: inout [Action]
    ) {
        guard let call = calls[id], case .reading(let kind) = call.state else { return }
        switch result {
        case .success(let bytes):
            calls[id]?.state = .running
            counters.commands &+= 1
            actions.append(.submit(id, .publishBody(kind: kind, bytes: bytes)))
        case .failure(let error):
            finish(id, call, .failure(error), into: &actions)
        }
    }

    public mutating func disconnected(_ client: ClientID, into actions: inout [Action]) {
        for command in callsOfClient.removeValue(forKey: client) ?? [] {
            calls.removeValue(forKey: command)
            actions.append(.cancel(command))
        }
    }

    // MARK: Starting

    private mutating func start(
        _ request: RPCRequest, of client: ClientID, into actions: inout [Action]
    ) throws(RPCError) {
        guard let method = AdminMethod.named(request.method) else {
            let nearest = NearestName.of(request.method, among: AdminMethod.all.map(\.name))
            throw .unknownMethod(request.method, nearest: nearest)
        }
        let parameters = try RPCParameters(request.params, names: method.parameterNames)
        switch try method.call(parameters) {
        case .modules:
            respond(request, client, .object(AdminMethod.modules), into: &actions)
        case .methods:
            let list = AdminMethod.all.map { method in
                JSONValue.object([
                    "name": .string(method.name), "params": JSONValue(method.parameters),
                    "summary": .string(method.summary),
                ])
            }
            respond(request, client, .array(list), into: &actions)
        case .unsubscribe(let name):
            let existed = unsubscribe(name, of: client, into: &actions)
            respond(request, client, .bool(existed), into: &actions)
        case .publishFile(let kind, let path):
            let id = try add(request, method, client, .reading(kind: kind))
            actions.append(.readFile(id, path: path))
        case .command(let command):
            let id = try add(request, method, client, .running)
            counters.commands &+= 1
            if case .stream(confirmed: false) = method.answer { confirm(id, into: &actions) }
            actions.append(.submit(id, command))
        }
    }

    private mutating func add(
        _ request: RPCRequest, _ method: AdminMethod, _ client: ClientID, _ state: Call.State
    ) throws(RPCError) -> CommandID {
        let own = callsOfClient[client]?.count ?? 0
        guard own < limits.callsPerClientMax else {
            throw .overloaded(
                "\(own) calls of this connection are under way, which is the limit")
        }
        guard calls.count < limits.callsMax else {
            throw .overloaded("\(calls.count) calls are under way, which is the limit")
        }
        if case .stream = method.answer, request.id == nil {
            throw .invalidRequest("a stream needs an `id`")
        }
        lastID += 1
        let id = CommandID(lastID)
        calls[id] = Call(client: client, requestID: request.id, method: method, state: state)
        callsOfClient[client, default: []].append(id)
        return id
    }

    private func respond(
        _ request: RPCRequest, _ client: ClientID, _ result: JSONValue,
        into actions: inout [Action]
    ) {
        guard let id = request.id else { return }
        actions.append(.send(client, RPCResponse.result(result, id: id)))
    }

    // MARK: Answers

    private func answer(_ call: Call, _ reply: Reply) -> Result<JSONValue, RPCError> {
        let isGeth = call.method.name.hasPrefix("admin_")
        return Result { () throws(RPCError) in try ReplyJSON.value(of: reply, geth: isGeth) }
    }

    private mutating func forget(_ command: CommandID, of client: ClientID) {
        calls.removeValue(forKey: command)
        callsOfClient[client]?.removeAll { $0 == command }
    }

    private mutating func finish(
        _ command: CommandID, _ call: Call, _ result: Result<JSONValue, RPCError>,
        into actions: inout [Action]
    ) {
        forget(command, of: call.client)
        guard let id = call.requestID else { return }
        switch result {
        case .success(let value):
            actions.append(.send(call.client, RPCResponse.result(value, id: id)))
        case .failure(let error):
            actions.append(.send(call.client, RPCResponse.failure(error, id: id)))
        }
    }

    // MARK: Streams

    /// As in geth: a number in hexadecimal.
    private func name(of command: CommandID) -> String {
        "0x" + String(command.rawValue, radix: 16)
    }

    private mutating func confirm(_ command: CommandID, into actions: inout [Action]) {
        guard let call = calls[command] else { return }
        calls[command]?.state = .streaming
        guard let id = call.requestID else { return }
        actions.append(
            .send(call.client, RPCResponse.result(.string(name(of: command)), id: id)))
    }

    private mutating func stream(
        _ command: CommandID, _ call: Call, _ reply: Reply, isLast: Bool,
        into actions: inout [Action]
    ) {
        let item = answer(call, reply)
        if case .running = call.state {
            if case .failure = item { return finish(command, call, item, into: &actions) }
            confirm(command, into: &actions)
        }
        var params: JSONObject = ["subscription": .string(name(of: command))]
        switch (item, reply) {
        case (.failure(let error), _): params["error"] = .object(error.json)
        case (.success, .subscribed), (.success, .done): break
        case (.success(let value), _): params["result"] = value
        }
        if isLast { params["end"] = .bool(true) }
        if params.members.count > 1 {
            counters.notifications &+= 1
            let line = RPCResponse.notification("chorale_subscription", params)
            actions.append(.send(call.client, line))
        }
        if isLast { forget(command, of: call.client) }
    }

    private mutating func unsubscribe(
        _ name: String, of client: ClientID, into actions: inout [Action]
    ) -> Bool {
        let own = callsOfClient[client] ?? []
        guard
            let command = own.first(where: { command in
                guard case .streaming? = calls[command]?.state else { return false }
                return self.name(of: command) == name
            })
        else { return false }
        forget(command, of: client)
        actions.append(.cancel(command))
        return true
    }
}
