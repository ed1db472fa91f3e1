import CLibuv
import ChoraleBase

/// A connected socket, TCP or Unix: what both have in common.
///
///      connecting ──▶ open ──closeAfterWriting──▶ draining ──▶ lingering ──▶ closed
///          └────────────┴───────── close, error ──────┴────────────┴───────────┘
///
/// - open: reads are presented, the owner is asked for bytes.
/// - draining: the owner is asked for bytes until it has none; what arrives is thrown away.
/// - lingering: our half is closed; waits for the remote end of file. Closing at once instead would
///   make the kernel reset the connection if unread bytes are left, and take back what we wrote.
///
/// Reading is pushed. Bytes land in one buffer per loop, behind those that the owner left last time,
/// and the owner says how many it consumed. Only the rest is copied, so an idle connection holds
/// no buffer.
///
/// Writing is pulled. At the end of a turn each connection that asked is given one buffer of the
/// loop to fill, and what the kernel does not take is kept here. While anything is kept, the owner
/// is not asked: its bytes stay where they can be overtaken.
///
/// 1. After `closed` no callback but ``StreamConnection/didClose(_:)`` runs, once. Checked by `phase`.
/// 2. At most one write is pending in libuv. Checked in `startWrite`.
/// 3. `carry` is longer than `carrySizeMax` only while reading is paused. Checked in `present`.
///
/// Memory: `carrySizeMax` + `fillSizeMax` at most, and `readSizeMax` more while paused.
public class StreamConnection: LoopHandle {
    enum Phase { case connecting, open, draining, lingering, closed }

    /// Times after which a connection is given up.
    struct Timeouts: Sendable {
        var write: Duration
        var linger: Duration
    }

    private(set) final var phase: Phase
    /// Why the connection ended. Nil until it has.
    public private(set) final var closeReason: TransportCloseReason?
    /// The operating system's word on it, if it gave one.
    public private(set) final var systemError: SystemError?

    /// Bytes read from the kernel.
    public private(set) final var receivedSize: UInt64 = 0
    /// Bytes given to the kernel or waiting for it.
    public private(set) final var sentSize: UInt64 = 0

    /// Position in the loop's `DeadlineList`, which alone sets it.
    final var deadlineIndex: Int?

    private final let timeouts: Timeouts
    private final var carry: [UInt8] = []
    private final var isPaused = false
    private final var isReading = false
    private final var isQueuedToResume = false
    private final var isQueuedToWrite = false
    private final var readTurn: UInt64 = 0
    private final var readInTurn = 0
    private final var pending: PendingWrite?

    init(loop: EventLoop, type: uv_handle_type, phase: Phase, timeouts: Timeouts) {
        self.phase = phase
        self.timeouts = timeouts
        super.init(loop: loop, type: type)
    }

    // MARK: For subclasses

    /// A dial succeeded.
    func didConnect() {}

    /// Bytes arrived. Returns how many, from the front, are consumed.
    func didReceive(_ bytes: inout MutableSpan<UInt8>) -> Int { bytes.count }

    /// The kernel can take bytes: append up to about `sizeMax` of them. Appending none ends the asking.
    func fill(_ buffer: inout [UInt8], sizeMax: Int) {}

    /// The connection is over.
    func didClose(_ reason: TransportCloseReason) {}

    // MARK: For owners

    public final var isOpen: Bool { phase == .open }

    /// Says that the owner has bytes for this connection: it is asked at the end of the turn.
    ///
    /// Harmless when repeated, before the dial has succeeded (then asked after it), while a write is
    /// pending (then asked after it), and after the end (then never asked).
    public final func requestWrite() {
        guard phase == .open || phase == .draining, !isQueuedToWrite, pending == nil else { return }
        isQueuedToWrite = true
        loop.writeAtTurnEnd(self)
    }

    /// Presents no more bytes until ``resumeReading()``.
    ///
    /// The kernel's buffers then fill and the remote side is told to wait. A connection that the
    /// remote side ends meanwhile is noticed after resuming.
    public final func pauseReading() {
        guard !isPaused else { return }
        isPaused = true
        stopReading()
    }

    /// Ends ``pauseReading()`` with the end of this turn.
    ///
    /// Bytes that were left when reading paused are presented again even if none follow.
    public final func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        queueToResume()
    }

    /// Ends the connection now. Bytes not yet taken by the kernel are lost.
    ///
    /// The owner hears of it through the delegate's last callback, in a later turn.
    public final func close() { end(.local, error: nil) }

    /// Ends the connection once the owner has no more bytes and the remote side has seen the end,
    /// or the linger timeout has passed. Presents no more bytes.
    public final func closeAfterWriting() {
        switch phase {
        case .connecting: end(.local, error: nil)
        case .open:
            phase = .draining
            carry = []
            isPaused = false
            loop.deadlines?.set(self, at: loop.now.advanced(by: timeouts.linger))
            queueToResume()
            requestWrite()
        case .draining, .lingering, .closed: break
        }
    }

    // MARK: The beginning

    /// The socket is connected: read from it, and ask its owner for bytes.
    final func start() {
        phase = .open
        if !isPaused { startReading() }
        requestWrite()
    }

    final func connected(_ status: Int32) {
        guard phase == .connecting else { return }
        loop.deadlines?.clear(self)
        guard status == 0 else {
            let error = SystemError(code: status)
            let reason = TransportCloseReason(error)
            return end(reason == .timedOut ? .connectTimedOut : reason, error: error)
        }
        didConnect()
        // The owner may have closed it at once.
        guard phase == .connecting else { return }
        start()
    }

    // MARK: The end

    final func end(_ reason: TransportCloseReason, error: SystemError?) {
        loop.preconditionOnLoop()
        guard phase != .closed else { return }
        // An end that we began stays ours, whatever the remote side does meanwhile.
        let isOurs = phase == .draining || phase == .lingering
        phase = .closed
        closeReason = isOurs && reason != .loopClosed ? .local : reason
        systemError = error
        carry = []
        loop.deadlines?.clear(self)
        closeHandle()
    }

    final func end(_ status: Int32) {
        let error = SystemError(code: status)
        end(TransportCloseReason(error), error: error)
    }

    override final func handleDidClose() { didClose(closeReason ?? .loopClosed) }

    override final func loopIsClosing() { end(.loopClosed, error: nil) }

    final func deadlinePassed() {
        loop.deadlines?.clear(self)
        switch phase {
        case .connecting: end(.connectTimedOut, error: nil)
        case .open:
            // Slow is not stalled: any progress since the deadline was set earns another.
            let waiting = uv_stream_get_write_queue_size(stream)
            guard let pending, waiting >= pending.sizeAtDeadline else {
                if waiting > 0 { expectProgress() }
                return
            }
            end(.writeStalled, error: nil)
        case .draining, .lingering: end(.local, error: nil)
        case .closed: break
        }
    }
}

// MARK: - Reading

extension StreamConnection {
    private func queueToResume() {
        guard !isQueuedToResume, phase != .closed else { return }
        isQueuedToResume = true
        loop.resumeAtTurnEnd(self)
    }

    /// Presents what was left, then reads on.
    func resumeNow() {
        isQueuedToResume = false
        guard !isPaused else { return }
        switch phase {
        case .connecting, .closed: return
        case .open:
            if !carry.isEmpty { present(size: copyCarry()) }
            if phase == .open || phase == .draining, !isPaused { startReading() }
        case .draining, .lingering: startReading()
        }
    }

    private func startReading() {
        guard !isReading else { return }
        let status = uv_read_start(
            stream,
            { handle, _, buffer in
                let connection = StreamConnection.from(handle?.pointee.data)
                let space = connection.spaceForRead()
                buffer?.pointee = uv_buf_init(
                    space.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(space.count))
            },
            { stream, count, _ in
                StreamConnection.from(stream?.pointee.data).readCompleted(count)
            })
        guard status == 0 else { return end(status) }
        isReading = true
    }

    private func stopReading() {
        guard isReading else { return }
        isReading = false
        uv_read_stop(stream)
    }

    /// Copies the carry to the front of the loop's buffer.
    ///
    /// - Returns: its size.
    private func copyCarry() -> Int {
        carry.withUnsafeBytes { loop.readBuffer.copyMemory(from: $0) }
        return carry.count
    }

    /// Where libuv may put the next read. Called right before the read, so that no other
    /// connection's bytes can come between.
    private func spaceForRead() -> UnsafeMutableRawBufferPointer {
        let start = copyCarry()
        return UnsafeMutableRawBufferPointer(
            rebasing: loop.readBuffer[start..<(start + loop.limits.readSizeMax)])
    }

    private func readCompleted(_ count: Int) {
        switch count {
        case 0: return  // The kernel had nothing after all.
        case ..<0:
            isReading = false  // libuv stops by itself.
            end(Int32(clamping: count))
        default:
            receivedSize &+= UInt64(count)
            if phase == .open { present(size: carry.count + count) }
            giveWay(after: count)
        }
    }

    /// Shows the owner the first `size` bytes of the loop's buffer and keeps what it leaves.
    private func present(size: Int) {
        // Nothing else writes to the buffer while the owner holds the span: libuv does not read
        // within a callback, and carries are copied only before a read and in `resumeNow`, neither
        // of which can run inside this call.
        let bytes = UnsafeMutableRawBufferPointer(rebasing: loop.readBuffer[..<size])
        var span = bytes.assumingMemoryBound(to: UInt8.self).mutableSpan
        let consumed = didReceive(&span)
        precondition((0...size).contains(consumed), "an owner consumes bytes that it was shown")
        guard phase == .open else { return }
        guard consumed < size else {
            // Frees the memory: most connections are idle most of the time.
            if !carry.isEmpty { carry = [] }
            return
        }
        carry.removeAll(keepingCapacity: true)
        carry.append(contentsOf: bytes[consumed...])
        if !isPaused, carry.count > loop.limits.carrySizeMax { end(.unreadOverflow, error: nil) }
    }

    /// Lets the other connections of this turn have theirs.
    private func giveWay(after count: Int) {
        if readTurn != loop.turnCount {
            readTurn = loop.turnCount
            readInTurn = 0
        }
        readInTurn += count
        guard readInTurn >= loop.limits.readPerTurnMax, isReading, !isPaused else { return }
        stopReading()
        queueToResume()
    }
}

// MARK: - Writing

/// Bytes that the kernel has not taken, in memory that does not move until it has.
private final class PendingWrite {
    let request: UnsafeMutablePointer<uv_write_t>
    private let bytes: UnsafeMutableRawBufferPointer
    /// Bytes that waited when the deadline was last set.
    var sizeAtDeadline: Int

    init(_ source: UnsafeRawBufferPointer) {
        request = .allocate(capacity: 1)
        bytes = .allocate(byteCount: source.count, alignment: 16)
        bytes.copyMemory(from: source)
        sizeAtDeadline = source.count
    }

    var buffer: uv_buf_t {
        uv_buf_init(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(bytes.count))
    }

    deinit {
        request.deallocate()
        bytes.deallocate()
    }
}

extension StreamConnection {
    /// Asks the owner and writes until the owner has nothing, the kernel takes no more, or this
    /// turn's share is used up.
    ///
    /// - Returns: how many bytes the owner gave.
    func writeNow(using buffer: inout [UInt8]) -> Int {
        isQueuedToWrite = false
        var written = 0
        while (phase == .open || phase == .draining) && pending == nil {
            buffer.removeAll(keepingCapacity: true)
            fill(&buffer, sizeMax: loop.limits.fillSizeMax)
            guard phase == .open || phase == .draining else { return written }
            guard !buffer.isEmpty else {
                if phase == .draining { shutDown() }
                return written
            }
            sentSize &+= UInt64(buffer.count)
            written += buffer.count
            switch tryWrite(buffer) {
            case .failed(let status): end(status)
            case .took(let count) where count < buffer.count: startWrite(buffer, from: count)
            case .took:
                guard written >= loop.limits.writePerTurnMax else { continue }
                requestWrite()
            }
            return written
        }
        return written
    }

    private enum TryWrite {
        case took(Int)
        case failed(Int32)
    }

    private func tryWrite(_ buffer: [UInt8]) -> TryWrite {
        let status = buffer.withUnsafeBytes { bytes in
            // libuv's buffers are mutable for reading's sake; writing does not change them.
            var piece = uv_buf_init(
                UnsafeMutableRawPointer(mutating: bytes.baseAddress)?
                    .assumingMemoryBound(to: CChar.self),
                UInt32(bytes.count))
            return uv_try_write(stream, &piece, 1)
        }
        if status >= 0 { return .took(Int(status)) }
        return status == UV_EAGAIN.rawValue ? .took(0) : .failed(status)
    }

    private func startWrite(_ buffer: [UInt8], from start: Int) {
        precondition(pending == nil, "one write is pending at a time")
        let write = buffer.withUnsafeBytes {
            PendingWrite(UnsafeRawBufferPointer(rebasing: $0[start...]))
        }
        pending = write
        var piece = write.buffer
        let status = uv_write(write.request, stream, &piece, 1) { request, status in
            StreamConnection.from(request?.pointee.handle.pointee.data).writeCompleted(status)
        }
        guard status == 0 else {
            pending = nil
            return end(status)
        }
        if phase == .open { expectProgress() }
    }

    private func expectProgress() {
        pending?.sizeAtDeadline = uv_stream_get_write_queue_size(stream)
        loop.deadlines?.set(self, at: loop.now.advanced(by: timeouts.write))
    }

    private func writeCompleted(_ status: Int32) {
        pending = nil
        switch phase {
        case .connecting, .lingering, .closed: return
        case .open: loop.deadlines?.clear(self)
        case .draining: break
        }
        guard status == 0 else { return end(status) }
        requestWrite()
    }

    private func shutDown() {
        phase = .lingering
        let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
        let status = uv_shutdown(request, stream) { request, status in
            guard let request else { return }
            let connection = StreamConnection.from(request.pointee.handle.pointee.data)
            request.deallocate()
            if status != 0, connection.phase == .lingering { connection.end(status) }
        }
        if status != 0 {
            request.deallocate()
            end(status)
        }
    }
}
