import ChoraleBase
public import DriverUV
import JSONRPC
public import Node

/// Serves the admin interface on a Unix socket of mode 0600, one JSON object a line.
///
/// It knows no node: commands go to `submit` and `cancel`, and replies come back through
/// ``reply(_:_:isLast:)``. All of it on the loop's thread; files are read on a thread of its own,
/// started when first needed.
public final class AdminServer {
    public struct Options: Sendable {
        /// Connections at once. Each may hold a queue of answers.
        public var connectionsMax = 32
        /// Bytes that one connection may have waiting: a body of 16 MiB in base64, and its envelope.
        public var queueSizeMax = 24 << 20
        /// Bytes that all connections may have waiting; beyond it the longest queue is dropped.
        public var queueSizeTotalMax = 32 << 20
        /// Files being read or waiting to be.
        public var filesMax = 4
        public var dispatcher = AdminDispatcher.Limits()

        public init() {}
    }

    public struct Counters: Hashable, Sendable {
        public var accepted: UInt64 = 0
        /// Turned away because of `connectionsMax`.
        public var refused: UInt64 = 0
        /// Dropped because answers waited too long or were too many.
        public var droppedSlow: UInt64 = 0
        /// Dropped because of a line longer than allowed.
        public var droppedLineTooLong: UInt64 = 0

        public init() {}
    }

    /// Why the server ended a connection, or did not take it.
    public enum DropReason: String, Hashable, Sendable {
        /// `connectionsMax` were open.
        case limit
        /// Answers waited too long or were too many.
        case slowReader = "slow_reader"
        /// A line longer than allowed.
        case lineTooLong = "line_too_long"
    }

    /// A connection was dropped; its client only sees the end of the connection.
    public var onDrop: ((DropReason) -> Void)?

    public private(set) var counters = Counters()
    public var requestCounters: AdminDispatcher.Counters { dispatcher.counters }

    private let loop: EventLoop
    private let options: Options
    private let submit: (CommandID, Command) -> Void
    private let cancel: (CommandID) -> Void
    private var dispatcher: AdminDispatcher
    private var listener: UnixListener?
    private var connections: [UInt64: UnixConnection] = [:]
    private var lastTag: UInt64 = 0
    private var files: SerialWorker<FileRequest, FileAnswer>?
    private var actions: [AdminDispatcher.Action] = []
    private var isPerforming = false

    private struct FileRequest: Sendable {
        let id: CommandID
        let path: String
    }

    private struct FileAnswer: Sendable {
        let id: CommandID
        let result: Result<[UInt8], RPCError>
    }

    /// Listens from now on.
    ///
    /// - Parameters:
    ///   - submit: carries out a command and answers through ``reply(_:_:isLast:)``, in this call or
    ///     later. Command ids count from 1; whoever shares the node with this server uses others.
    ///   - cancel: nobody waits for the command any more.
    public init(
        on loop: EventLoop, path: String, options: Options = Options(),
        submit: @escaping (CommandID, Command) -> Void,
        cancel: @escaping (CommandID) -> Void
    ) throws(UnixListenError) {
        self.loop = loop
        self.options = options
        self.submit = submit
        self.cancel = cancel
        dispatcher = AdminDispatcher(limits: options.dispatcher)
        var unixOptions = UnixOptions()
        unixOptions.queueSizeMax = options.queueSizeMax
        listener = try UnixListener(on: loop, path: path, options: unixOptions, delegate: self)
    }

    public var path: String { listener?.path ?? "" }
    public var connectionCount: Int { connections.count }

    /// What the node answered. Replies to commands of others are ignored.
    public func reply(_ id: CommandID, _ reply: Reply, isLast: Bool) {
        dispatcher.replied(id, reply, isLast: isLast, into: &actions)
        perform()
    }

    /// Stops listening, removes the socket, and closes connections once their answers are written.
    public func close() {
        listener?.close()
        listener = nil
        for tag in connections.keys.sorted() { connections[tag]?.closeAfterWriting() }
        files?.shutDown()
        files = nil
    }

    private func perform() {
        // `submit` may answer within the call: what that causes is appended and done in turn.
        guard !isPerforming else { return }
        isPerforming = true
        while !actions.isEmpty {
            var batch: [AdminDispatcher.Action] = []
            swap(&batch, &actions)
            for action in batch {
                switch action {
                case .send(let client, let line): send(line, to: client)
                case .submit(let id, let command): submit(id, command)
                case .cancel(let id): cancel(id)
                case .readFile(let id, let path): readFile(id, path)
                }
            }
        }
        isPerforming = false
    }

    private func send(_ line: [UInt8], to client: UInt64) {
        guard let connection = connections[client] else { return }
        guard connection.send(line) == .accepted else { return }
        var total = 0
        var longest = connection
        for tag in connections.keys.sorted() {
            guard let other = connections[tag] else { continue }
            total += other.queuedSize
            if other.queuedSize > longest.queuedSize { longest = other }
        }
        guard total > options.queueSizeTotalMax else { return }
        drop(.slowReader)
        longest.close()
    }

    private func drop(_ reason: DropReason) {
        switch reason {
        case .limit: counters.refused &+= 1
        case .slowReader: counters.droppedSlow &+= 1
        case .lineTooLong: counters.droppedLineTooLong &+= 1
        }
        onDrop?(reason)
    }

    private func readFile(_ id: CommandID, _ path: String) {
        if files == nil {
            files = try? SerialWorker(
                loop: loop, name: "admin-files", inFlightMax: options.filesMax, batchCountMax: 1,
                perform: { requests in
                    requests.map { FileAnswer(id: $0.id, result: FileReader.read($0.path)) }
                },
                deliver: { [unowned self] answers in
                    for answer in answers {
                        dispatcher.fileRead(answer.id, answer.result, into: &actions)
                    }
                    perform()
                })
        }
        switch files?.submit(FileRequest(id: id, path: path)) {
        case .accepted: break
        case .full, .closed, nil:
            let error = RPCError.overloaded("too many files are being read; try again")
            dispatcher.fileRead(id, .failure(error), into: &actions)
        }
    }
}

extension AdminServer: UnixListenerDelegate {
    public func listener(
        _ listener: UnixListener, didAccept connection: UnixConnection
    ) -> (any UnixConnectionDelegate)? {
        guard connections.count < options.connectionsMax else {
            drop(.limit)
            return nil
        }
        counters.accepted &+= 1
        lastTag += 1
        connection.tag = lastTag
        connections[lastTag] = connection
        dispatcher.connected(lastTag)
        return self
    }
}

extension AdminServer: UnixConnectionDelegate {
    public func connectionDidOpen(_ connection: UnixConnection) {}

    public func connection(_ connection: UnixConnection, didReceive line: [UInt8]) {
        dispatcher.received(line, from: connection.tag, into: &actions)
        perform()
    }

    public func connectionDidDrain(_ connection: UnixConnection) {}

    public func connectionDidClose(_ connection: UnixConnection, reason: TransportCloseReason) {
        connections.removeValue(forKey: connection.tag)
        switch reason {
        case .receiverTooSlow, .writeStalled: drop(.slowReader)
        case .lineTooLong: drop(.lineTooLong)
        default: break
        }
        dispatcher.disconnected(connection.tag, into: &actions)
        perform()
    }
}
