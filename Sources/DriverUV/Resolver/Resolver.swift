import CAres
import CLibuv
import ChoraleBase
public import Codec
import Glibc

/// Looks up names without blocking the loop: addresses and TXT records.
///
/// c-ares speaks DNS; its sockets are watched by the loop. `/etc/hosts` is consulted first for
/// addresses: c-ares reads that file on the loop, which costs microseconds and no network.
///
/// 1. Each query is completed exactly once, in a later turn than it was asked in, or cancelled and
///    never completed. Checked by `DNSQuery.completion`, which is taken when used.
/// 2. The number of queries inside c-ares is bounded, those cancelled or timed out included, because
///    c-ares cannot give up a single one. Others wait, and their time begins when they are asked.
///    Checked in `begin` and `askWaiting`.
///
/// Memory: `queryCountMax` queries, each with at most one reply of 64 KiB while it is parsed, and
/// `waitingCountMax` names.
public final class Resolver {
    public struct Limits: Sendable {
        /// Queries under way at once. A dial asks for one name; more than this many wait their turn.
        public var queryCountMax = 64
        /// Queries that wait, the first come first. More are refused.
        public var waitingCountMax = 256
        /// Answers kept of one reply, the first ones: a `/dnsaddr` name of a large network lists a
        /// few dozen, and each may be dialed.
        public var answerCountMax = 100
        /// Time for the answer to one attempt, before the next server or try.
        public var attemptTimeout: Duration = .seconds(2)
        /// Tries of each server.
        public var tryCount = 2

        public init() {}
    }

    /// Names a query for ``Resolver/cancel(_:)``.
    public struct QueryID: Hashable, Sendable {
        fileprivate let rawValue: UInt64
    }

    public typealias Completion<Answer> = (Result<[Answer], ResolverError>) -> Void

    private let loop: EventLoop
    private let limits: Limits
    private var channel: ares_channel?
    private var sockets: [SocketPoll] = []
    private var timer: LoopTimer?
    private var deadlineTimer: LoopTimer?
    /// Queries inside c-ares, oldest first.
    private var queries: [DNSQuery] = []
    private var waiting: [WaitingQuery] = []
    private var nextID: UInt64 = 0
    private var isDestroying = false

    /// - Parameter servers: whom to ask, in order; nil for those of `/etc/resolv.conf`.
    public init(
        loop: EventLoop, servers: [SocketAddress]? = nil, limits: Limits = Limits()
    ) throws(ResolverError) {
        self.loop = loop
        self.limits = limits
        try Self.check(Self.libraryStatus)
        try openChannel()
        if let servers { try setServers(servers) }
        timer = LoopTimer(loop: loop) { [unowned self] in timePassed() }
        deadlineTimer = LoopTimer(loop: loop) { [unowned self] in deadlinePassed() }
        loop.beforeClosing { [weak self] in self?.close() }
    }

    deinit {
        // Queries hold the resolver, so none is left.
        if let channel { ares_destroy(channel) }
        for socket in sockets { socket.stop() }
        timer?.close()
        deadlineTimer?.close()
    }

    // MARK: Asking

    /// Looks up the addresses of `name` in hosts files and DNS.
    ///
    /// - Parameters:
    ///   - family: which records to ask for.
    ///   - timeout: for the whole query; completed with `.timedOut` after it.
    ///   - completion: at least one address, without duplicates, in the order preferred by
    ///     RFC 6724; or why there is none.
    @discardableResult
    public func addresses(
        of name: String,
        family: Host.Family = .any,
        timeout: Duration = .seconds(5),
        completion: @escaping Completion<IPAddress>
    ) -> QueryID {
        begin(.addresses(completion), name: name, timeout: timeout) { channel, argument in
            var hints = ares_addrinfo_hints()
            hints.ai_family =
                switch family {
                case .any: AF_UNSPEC
                case .ip4: AF_INET
                case .ip6: AF_INET6
                }
            // Else every address would come once for each kind of socket.
            hints.ai_socktype = chorale_sock_stream
            ares_getaddrinfo(
                channel, name, nil, &hints,
                { argument, status, _, list in
                    DNSQuery.taken(from: argument)?.answered(status: status, addresses: list)
                }, argument)
        }
    }

    /// Looks up the TXT records of `name`, exactly as written: no search domain is appended.
    ///
    /// - Parameter completion: at least one text, in the server's order, the strings of one record
    ///   joined; texts that are not UTF-8 are left out.
    @discardableResult
    public func texts(
        of name: String,
        timeout: Duration = .seconds(5),
        completion: @escaping Completion<String>
    ) -> QueryID {
        begin(.texts(completion), name: name, timeout: timeout) { channel, argument in
            ares_query(
                channel, name, Self.classInternet, Self.typeText,
                { argument, status, _, bytes, size in
                    DNSQuery.taken(from: argument)?.answered(
                        status: status, reply: UnsafeBufferPointer(start: bytes, count: Int(size)))
                }, argument)
        }
    }

    /// Looks up where `/dnsaddr/name` leads: the multiaddr texts of its `dnsaddr=` records.
    ///
    /// Specification: libp2p/specs `addressing`, "dnsaddr Links".
    @discardableResult
    public func dnsaddrs(
        of name: String,
        timeout: Duration = .seconds(5),
        completion: @escaping Completion<String>
    ) -> QueryID {
        texts(of: "_dnsaddr.\(name)", timeout: timeout) { result in
            let prefix = "dnsaddr="
            completion(
                result.flatMap { texts in
                    let links = texts.filter { $0.hasPrefix(prefix) }
                    guard !links.isEmpty else { return .failure(.noRecords) }
                    return .success(links.map { String($0.dropFirst(prefix.count)) })
                })
        }
    }

    /// Forgets a query: it is never completed. Harmless once it has been.
    public func cancel(_ id: QueryID) {
        queries.first { $0.id == id.rawValue }?.completion = nil
        waiting.removeAll { $0.query.id == id.rawValue }
    }

    /// Queries inside c-ares, those cancelled or timed out included.
    public var queryCount: Int { queries.count }

    /// Completes what is under way with `.closed`, and closes the sockets.
    public func close() {
        guard let channel else { return }
        self.channel = nil
        for entry in waiting { entry.query.completion.take()?.fail(.closed) }
        waiting = []
        // Calls every query's callback.
        isDestroying = true
        ares_destroy(channel)
        isDestroying = false
        timer?.close()
        deadlineTimer?.close()
    }

    private func begin(
        _ completion: DNSQuery.Completion, name: String, timeout: Duration,
        ask: @escaping (ares_channel, UnsafeMutableRawPointer) -> Void
    ) -> QueryID {
        loop.preconditionOnLoop()
        let query = DNSQuery(id: nextID, resolver: self, completion: completion)
        nextID += 1
        // c-ares checks labels; a NUL would end the name early, and it may be a stranger's.
        let isPlausible = !name.isEmpty && name.utf8.count <= 255 && !name.utf8.contains(0)
        if channel != nil, isPlausible, waiting.count < limits.waitingCountMax {
            waiting.append(WaitingQuery(query: query, timeout: timeout, ask: ask))
            askWaiting()
        } else {
            let error: ResolverError =
                channel == nil ? .closed : isPlausible ? .tooManyQueries : .malformedName
            queries.append(query)
            finish(query, with: error)
        }
        return QueryID(rawValue: query.id)
    }

    /// Asks those that wait, while there is room.
    private func askWaiting() {
        guard let channel else { return }
        while queries.count < limits.queryCountMax, !waiting.isEmpty {
            let next = waiting.removeFirst()
            guard next.query.completion != nil else { continue }
            next.query.deadline = loop.now.advanced(by: next.timeout)
            queries.append(next.query)
            next.ask(channel, Unmanaged.passRetained(next.query).toOpaque())
        }
        scheduleDeadline()
        scheduleTimer()
    }

    // MARK: Answers

    fileprivate func finish(_ query: DNSQuery, with error: ResolverError) {
        complete(query) { $0.fail(error) }
    }

    fileprivate func finish(_ query: DNSQuery, addresses: [IPAddress]) {
        complete(query) { completion in
            if case .addresses(let complete) = completion { complete(.success(addresses)) }
        }
    }

    fileprivate func finish(_ query: DNSQuery, texts: [String]) {
        complete(query) { completion in
            if case .texts(let complete) = completion { complete(.success(texts)) }
        }
    }

    /// In a later turn, because c-ares may answer within the call that asks.
    private func complete(_ query: DNSQuery, with tell: @escaping (DNSQuery.Completion) -> Void) {
        query.isAnswered = true
        guard !isDestroying else {
            // The loop may be closing: there may be no later turn.
            queries.removeAll { $0 === query }
            if let completion = query.completion.take() { tell(completion) }
            return
        }
        loop.afterCallbacks { [self] in
            queries.removeAll { $0 === query }
            if let completion = query.completion.take() { tell(completion) }
            askWaiting()
        }
    }

    fileprivate var answerCountMax: Int { limits.answerCountMax }

    private func deadlinePassed() {
        let now = loop.now
        for query in queries where query.deadline <= now && !query.isAnswered {
            if let completion = query.completion.take() { completion.fail(.timedOut) }
        }
        scheduleDeadline()
    }

    private func scheduleDeadline() {
        let open = queries.filter { $0.completion != nil && !$0.isAnswered }
        deadlineTimer?.schedule(at: open.map(\.deadline).min())
    }
}

// MARK: - c-ares

extension Resolver {
    private static let classInternet: Int32 = 1
    private static let typeText: Int32 = 16

    /// Once a process, before the first channel.
    private static let libraryStatus = ares_library_init(ARES_LIB_INIT_ALL)

    private static func check(_ status: Int32) throws(ResolverError) {
        guard status != 0 else { return }
        throw ResolverError(status: status)
    }

    private func openChannel() throws(ResolverError) {
        var options = ares_options()
        options.timeout = Int32(clamping: max(1, limits.attemptTimeout.wholeMilliseconds))
        options.tries = Int32(clamping: max(1, limits.tryCount))
        options.sock_state_cb = { resolver, socket, readable, writable in
            guard let resolver else { return }
            // The channel, and so this callback, ends before the resolver does.
            Unmanaged<Resolver>.fromOpaque(resolver).takeUnretainedValue()
                .watch(socket, readable: readable != 0, writable: writable != 0)
        }
        options.sock_state_cb_data = Unmanaged.passUnretained(self).toOpaque()
        let mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB
        try Self.check(ares_init_options(&channel, &options, mask))
    }

    private func setServers(_ servers: [SocketAddress]) throws(ResolverError) {
        let text = servers.map(\.description).joined(separator: ",")
        try Self.check(ares_set_servers_ports_csv(channel, text))
    }

    /// c-ares opened, changed or is about to close a socket.
    private func watch(_ descriptor: Int32, readable: Bool, writable: Bool) {
        let index = sockets.firstIndex { $0.descriptor == descriptor }
        guard readable || writable else {
            if let index { sockets.remove(at: index).stop() }
            return
        }
        if let index { return sockets[index].start(readable: readable, writable: writable) }
        // Without a watch the query times out, which is what it would do if the network lost it.
        guard let poll = try? SocketPoll(loop: loop, descriptor: descriptor, resolver: self) else {
            return
        }
        sockets.append(poll)
        poll.start(readable: readable, writable: writable)
    }

    fileprivate func ready(_ descriptor: Int32, readable: Bool, writable: Bool) {
        guard let channel else { return }
        let none = Int32(-1)
        ares_process_fd(channel, readable ? descriptor : none, writable ? descriptor : none)
        scheduleTimer()
    }

    private func timePassed() {
        guard let channel else { return }
        ares_process_fd(channel, -1, -1)
        scheduleTimer()
    }

    private func scheduleTimer() {
        guard let channel else { return }
        var wait = timeval()
        guard ares_timeout(channel, nil, &wait) != nil else {
            timer?.schedule(at: nil)
            return
        }
        // c-ares compares whole milliseconds; a wake-up just before would find nothing to do.
        let delay = Duration.seconds(wait.tv_sec) + .microseconds(wait.tv_usec) + .milliseconds(1)
        timer?.schedule(at: loop.now.advanced(by: delay))
    }
}

/// One of c-ares's sockets, watched by the loop. c-ares closes it after `stop`.
private final class SocketPoll: LoopHandle {
    let descriptor: Int32
    private weak var resolver: Resolver?

    init(loop: EventLoop, descriptor: Int32, resolver: Resolver) throws(SystemError) {
        self.descriptor = descriptor
        self.resolver = resolver
        super.init(loop: loop, type: UV_POLL)
        try SystemError.check(uv_poll_init(loop.raw, raw(as: uv_poll_t.self), descriptor))
        adopt()
    }

    func start(readable: Bool, writable: Bool) {
        let events =
            (readable ? UV_READABLE.rawValue : 0) | (writable ? UV_WRITABLE.rawValue : 0)
        uv_poll_start(raw(as: uv_poll_t.self), Int32(events)) { handle, status, events in
            let poll = SocketPoll.from(handle?.pointee.data)
            // On an error c-ares finds out what is wrong by trying.
            let bits = UInt32(bitPattern: events)
            poll.resolver?.ready(
                poll.descriptor,
                readable: status != 0 || bits & UV_READABLE.rawValue != 0,
                writable: status != 0 || bits & UV_WRITABLE.rawValue != 0)
        }
    }

    func stop() {
        guard state == .open else { return }
        uv_poll_stop(raw(as: uv_poll_t.self))
        closeHandle()
    }
}

// MARK: - Queries

/// A query that c-ares has not been told of yet.
private struct WaitingQuery {
    let query: DNSQuery
    let timeout: Duration
    let ask: (ares_channel, UnsafeMutableRawPointer) -> Void
}

/// One query inside c-ares, which holds a reference until it calls back.
private final class DNSQuery {
    enum Completion {
        case addresses(Resolver.Completion<IPAddress>)
        case texts(Resolver.Completion<String>)

        func fail(_ error: ResolverError) {
            switch self {
            case .addresses(let complete): complete(.failure(error))
            case .texts(let complete): complete(.failure(error))
            }
        }
    }

    let id: UInt64
    /// Set when it is asked.
    var deadline = MonotonicInstant.zero
    /// Nil once completed or cancelled.
    var completion: Completion?
    /// c-ares is done with it.
    var isAnswered = false
    private let resolver: Resolver

    init(id: UInt64, resolver: Resolver, completion: Completion) {
        self.id = id
        self.resolver = resolver
        self.completion = completion
    }

    /// Takes back the reference that c-ares held.
    static func taken(from argument: UnsafeMutableRawPointer?) -> DNSQuery? {
        argument.map { Unmanaged<DNSQuery>.fromOpaque($0).takeRetainedValue() }
    }

    func answered(status: Int32, addresses list: UnsafeMutablePointer<ares_addrinfo>?) {
        defer { if let list { ares_freeaddrinfo(list) } }
        guard status == 0 else { return resolver.finish(self, with: ResolverError(status: status)) }
        var found: [IPAddress] = []
        var node = list?.pointee.nodes
        while let entry = node, found.count < resolver.answerCountMax {
            if let ip = SocketAddress(entry.pointee)?.ip, !found.contains(ip) { found.append(ip) }
            node = entry.pointee.ai_next
        }
        guard !found.isEmpty else { return resolver.finish(self, with: .noRecords) }
        resolver.finish(self, addresses: found)
    }

    func answered(status: Int32, reply: UnsafeBufferPointer<UInt8>) {
        guard status == 0 else { return resolver.finish(self, with: ResolverError(status: status)) }
        do throws(ResolverError) {
            let texts = try TextRecords.read(reply, countMax: resolver.answerCountMax)
            resolver.finish(self, texts: texts)
        } catch {
            resolver.finish(self, with: error)
        }
    }
}

extension SocketAddress {
    /// Nil for a family other than IPv4 and IPv6.
    fileprivate init?(_ node: ares_addrinfo_node) {
        guard let address = node.ai_addr else { return nil }
        let raw = UnsafeRawPointer(address)
        // The family says which structure c-ares allocated.
        switch (node.ai_family, Int(node.ai_addrlen)) {
        case (AF_INET, MemoryLayout<sockaddr_in>.size...):
            self.init(raw.loadUnaligned(as: sockaddr_in.self))
        case (AF_INET6, MemoryLayout<sockaddr_in6>.size...):
            self.init(raw.loadUnaligned(as: sockaddr_in6.self))
        default: return nil
        }
    }
}
