// The pointers of the dispatch loop.
//
// Each is a small type that can do only what the loop proves to be in bounds; nothing else in the
// module touches raw memory on behalf of the virtual machine.

/// The top of a frame's operand stack.
///
/// Safe: the stack has room for 1024 words a frame, and the loop checks the height that an
/// instruction needs, and that it leaves, against ``InstructionTable`` before it runs it. An
/// instruction uses no position that its row of the table does not allow.
@safe
struct StackCursor: BitwiseCopyable {
    /// One past the top.
    private var end: UnsafeMutablePointer<UInt256>

    @inline(__always)
    init(_ end: UnsafeMutablePointer<UInt256>) { unsafe self.end = end }

    /// The word `depth` below the top; 0 is the top.
    @inline(__always)
    subscript(depth: Int) -> UInt256 {
        get { unsafe end[-1 - depth] }
        nonmutating set { unsafe end[-1 - depth] = newValue }
    }

    @inline(__always)
    mutating func push(_ word: UInt256) {
        unsafe end.pointee = word
        unsafe end += 1
    }

    /// Replaces the two words on top by one.
    @inline(__always)
    mutating func replace2(_ word: UInt256) {
        unsafe end -= 1
        unsafe end[-1] = word
    }

    /// Replaces the two words on top by one or zero.
    @inline(__always)
    mutating func replace2(_ flag: Bool) { replace2(UInt256(flag ? 1 : 0)) }

    /// Replaces the three words on top by one.
    @inline(__always)
    mutating func replace3(_ word: UInt256) {
        unsafe end -= 2
        unsafe end[-1] = word
    }

    @inline(__always)
    mutating func drop(_ count: Int = 1) { unsafe end -= count }

    /// Bytes from `other` up to this cursor.
    @inline(__always)
    func distance(from other: StackCursor) -> Int {
        unsafe UnsafeRawPointer(end) - UnsafeRawPointer(other.end)
    }

    @inline(__always)
    func advanced(by count: Int) -> StackCursor { unsafe StackCursor(end + count) }
}

/// The bytes of code that runs, for reading one instruction after the other.
///
/// Safe: code is followed by ``Code/paddingSize`` zero bytes. A zero is STOP, so the position moves at
/// most 33 bytes beyond the code, and what an instruction reads after it at most 32 more.
@safe
struct CodeCursor: BitwiseCopyable {
    private let base: UnsafePointer<UInt8>

    @inline(__always)
    init(_ base: UnsafePointer<UInt8>) { unsafe self.base = base }

    @inline(__always)
    subscript(position: Int) -> UInt8 { unsafe base[position] }

    /// Eight bytes, big-endian.
    @inline(__always)
    func limb(at position: Int) -> UInt64 {
        unsafe UInt64(
            bigEndian: UnsafeRawPointer(base).loadUnaligned(
                fromByteOffset: position, as: UInt64.self))
    }

    /// The whole code.
    ///
    /// - Precondition: `size` is that of the code.
    @inline(__always)
    func withSpan(size: Int, _ body: (Span<UInt8>) -> Void) {
        body(unsafe Span(_unsafeStart: base, count: size))
    }

    /// 32 bytes, big-endian.
    @inline(__always)
    func word(at position: Int) -> UInt256 {
        UInt256(
            limb(at: position), limb(at: position + 8), limb(at: position + 16),
            limb(at: position + 24))
    }
}

/// The stacks of all frames, one after the other: a frame's begins where its caller's ends.
///
/// The memory is reserved at once and becomes resident only as it is used, so that cursors stay
/// valid as long as the machine lives.
@safe
struct StackArena: ~Copyable {
    static let heightMax = 1024

    private let base: UnsafeMutablePointer<UInt256>
    private let capacity: Int

    init(frameCountMax: Int) {
        capacity = frameCountMax * Self.heightMax
        unsafe base = .allocate(capacity: capacity)
    }

    deinit { unsafe base.deallocate() }

    var bottom: StackCursor { unsafe StackCursor(base) }

    /// Whether a frame that starts at `cursor` has all its room.
    @inline(__always)
    func hasRoom(at cursor: StackCursor) -> Bool {
        cursor.distance(from: bottom) / MemoryLayout<UInt256>.stride + Self.heightMax <= capacity
    }
}
