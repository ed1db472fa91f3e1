import CLibuv

/// One libuv handle and the object that owns it.
///
/// Subclasses are final and live in this module. The life of a handle:
///
///      init ──adopt()──▶ open ──closeHandle()──▶ closing ──callback──▶ closed
///        └─ initialising failed: never opened, the memory goes with the object
///
/// 1. While libuv knows the handle (open, closing), libuv's reference keeps the object alive, so a
///    callback always finds it. Checked in `adopt` and `didClose`.
/// 2. A handle is closed exactly once. Checked by `state`.
/// 3. The handle's memory lives as long as the object, so no callback can outlive it.
public class LoopHandle {
    enum State { case unopened, open, closing, closed }

    /// The loop that owns this object. Only its thread may touch either.
    public final let loop: EventLoop
    private(set) final var state = State.unopened
    private final let memory: UnsafeMutableRawPointer

    init(loop: EventLoop, type: uv_handle_type) {
        loop.preconditionOnLoop()
        self.loop = loop
        memory = .allocate(byteCount: uv_handle_size(type), alignment: 16)
    }

    deinit {
        // Holding libuv's reference makes any other state impossible.
        assert(state == .unopened || state == .closed)
        memory.deallocate()
    }

    /// The handle as one of libuv's "subclasses", all of which begin with the fields of
    /// `uv_handle_t`. The caller names the type that it gave to `init`.
    final func raw<Handle>(as type: Handle.Type) -> UnsafeMutablePointer<Handle> {
        memory.assumingMemoryBound(to: type)
    }

    final var stream: UnsafeMutablePointer<uv_stream_t> { raw(as: uv_stream_t.self) }

    /// Called once libuv has initialised the handle: from here on it must be closed.
    final func adopt() {
        precondition(state == .unopened, "a handle is opened once")
        state = .open
        loop.liveHandleCount += 1
        raw(as: uv_handle_t.self).pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    /// Closes the handle; `handleDidClose` follows in a later turn. Harmless when repeated.
    final func closeHandle() {
        loop.preconditionOnLoop()
        guard state == .open else { return }
        state = .closing
        uv_close(raw(as: uv_handle_t.self)) { handle in
            guard let data = handle?.pointee.data else { return }
            // Takes over the reference given to libuv by `adopt`.
            Unmanaged<LoopHandle>.fromOpaque(data).takeRetainedValue().didClose()
        }
    }

    private final func didClose() {
        loop.callbackBegins()
        state = .closed
        loop.liveHandleCount -= 1
        handleDidClose()
    }

    /// The object behind a handle, at the beginning of a callback.
    @inline(__always)
    static func from(_ data: UnsafeMutableRawPointer?) -> Self {
        // libuv calls back only between `adopt` and `didClose`, while it holds a reference.
        let handle = Unmanaged<Self>.fromOpaque(data!).takeUnretainedValue()
        handle.loop.callbackBegins()
        return handle
    }

    /// The last callback of a handle.
    func handleDidClose() {}

    /// The loop is being closed: close the handle, saying why to whoever cares.
    func loopIsClosing() { closeHandle() }
}
