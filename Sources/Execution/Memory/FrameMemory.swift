/// The byte memories of all frames in one buffer: a frame's begins where its caller's ends.
///
/// A caller does not run while its callee does, so what lies beyond its end is free for the callee.
///
/// Safe: positions are absolute, and every access is checked against the end of the frame on top, or
/// takes a range that was grown for it (``grow(to:)``).
@safe
struct FrameMemory: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    /// Where the memory of the frame on top begins.
    private(set) var start = 0
    /// Bytes of it, a multiple of 32.
    private(set) var size = 0

    /// Bytes of one frame's memory beyond which the gas of any block is spent.
    ///
    /// Its price is over 2⁴⁴ gas.
    static let sizeMax = 1 << 32

    init(capacity: Int = 1 << 16) {
        self.capacity = capacity
        unsafe base = .allocate(byteCount: capacity, alignment: 32)
    }

    deinit { unsafe base.deallocate() }

    // MARK: Frames

    /// Begins a memory of no bytes after the one on top. Returns what ``restore(_:)`` needs.
    @inline(__always)
    mutating func begin() -> (start: Int, size: Int) {
        let saved = (start, size)
        start += size
        size = 0
        return saved
    }

    @inline(__always)
    mutating func restore(_ saved: (start: Int, size: Int)) { (start, size) = saved }

    /// Makes the memory on top `newSize` bytes large; the new bytes are zero.
    @inline(__always)
    mutating func grow(to newSize: Int) {
        precondition(newSize >= size && newSize <= Self.sizeMax, "memory only grows")
        if start + newSize > capacity { reallocate(start + newSize) }
        unsafe (base + start + size).initializeMemory(
            as: UInt8.self, repeating: 0, count: newSize - size)
        size = newSize
    }

    @inline(never)
    private mutating func reallocate(_ needed: Int) {
        let larger = max(needed, 2 * capacity)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 32)
        unsafe moved.copyMemory(from: base, byteCount: start + size)
        unsafe base.deallocate()
        unsafe base = moved
        capacity = larger
    }

    // MARK: Words and bytes of the frame on top

    /// Whether `count` bytes at `offset` are there.
    @inline(__always)
    func holds(_ offset: UInt256, _ count: Int) -> Bool {
        offset.l1 | offset.l2 | offset.l3 == 0 && size >= count
            && offset.l0 <= UInt64(size - count)
    }

    @inline(__always)
    func word(at offset: Int) -> UInt256 {
        precondition(offset >= 0 && offset <= size - 32, "a word beyond the memory")
        return unsafe UInt256(loadingFrom: UnsafeRawPointer(base + start + offset))
    }

    @inline(__always)
    mutating func store(_ word: UInt256, at offset: Int) {
        precondition(offset >= 0 && offset <= size - 32, "a word beyond the memory")
        unsafe word.store(to: base + start + offset)
    }

    @inline(__always)
    mutating func store(_ byte: UInt8, at offset: Int) {
        precondition(offset >= 0 && offset < size, "a byte beyond the memory")
        unsafe base.storeBytes(of: byte, toByteOffset: start + offset, as: UInt8.self)
    }

    /// Copies inside the frame's memory; the ranges may overlap.
    @inline(__always)
    mutating func move(to target: Int, from source: Int, count: Int) {
        check(target, count)
        check(source, count)
        // Like C's memmove: the ranges may overlap.
        unsafe (base + start + target).copyMemory(from: base + start + source, byteCount: count)
    }

    /// Copies what `source` has from `offset` on to `target`, and zeros where it has no more.
    @inline(__always)
    mutating func copy(_ source: Span<UInt8>, from offset: UInt256, to target: Int, count: Int) {
        check(target, count)
        let available: Int
        let first: Int
        if let offset = offset.int, offset < source.count {
            first = offset
            available = min(count, source.count - offset)
        } else {
            first = 0
            available = 0
        }
        let place = unsafe base + start + target
        if available > 0 {
            // Sound: `available` bytes are there from `first` on, and at the checked target.
            unsafe source.withUnsafeBufferPointer {
                unsafe place.copyMemory(
                    from: UnsafeRawPointer($0.baseAddress!) + first, byteCount: available)
            }
        }
        if count > available {
            unsafe (place + available).initializeMemory(
                as: UInt8.self, repeating: 0, count: count - available)
        }
    }

    /// Bytes of the frame on top.
    @inline(__always)
    func withSpan<Result: ~Copyable, Failure: Error>(
        at offset: Int, count: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        check(offset, count)
        return try body(
            unsafe Span(
                _unsafeStart: UnsafeRawPointer(base + start + offset)
                    .assumingMemoryBound(to: UInt8.self), count: count))
    }

    @inline(__always)
    private func check(_ offset: Int, _ count: Int) {
        precondition(
            count >= 0 && offset >= 0 && count <= size && offset <= size - count,
            "a range beyond the memory")
    }

    /// Bytes of any frame.
    @inline(__always)
    func withFrames<Result: ~Copyable, Failure: Error>(
        _ range: Range<Int>, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= start + size, "bytes beyond all frames")
        return try body(
            unsafe Span(
                _unsafeStart: UnsafeRawPointer(base + range.lowerBound)
                    .assumingMemoryBound(to: UInt8.self), count: range.count))
    }

    // MARK: Input, which lies in a caller's memory

    /// Bytes at an absolute position below the frame on top.
    @inline(__always)
    func withInput<Result: ~Copyable, Failure: Error>(
        _ input: Range<Int>, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(input.lowerBound >= 0 && input.upperBound <= start, "input beyond a caller")
        return try body(
            unsafe Span(
                _unsafeStart: UnsafeRawPointer(base + input.lowerBound)
                    .assumingMemoryBound(to: UInt8.self), count: input.count))
    }

    /// The word at `offset` of the input, with zeros where it has no more bytes.
    @inline(__always)
    func inputWord(_ input: Range<Int>, at offset: UInt256) -> UInt256 {
        guard offset.l1 | offset.l2 | offset.l3 == 0, offset.l0 < UInt64(input.count) else {
            return .zero
        }
        let offset = Int(offset.l0)
        if offset + 32 <= input.count {
            precondition(
                input.lowerBound >= 0 && input.upperBound <= start, "input beyond a caller")
            return unsafe UInt256(loadingFrom: UnsafeRawPointer(base + input.lowerBound + offset))
        }
        return withInput(input) { UInt256(leftAligned: $0.extracting(offset..<$0.count)) }
    }

    /// Copies from the input as ``copy(_:from:to:count:)`` does.
    @inline(__always)
    mutating func copyInput(
        _ input: Range<Int>, from offset: UInt256, to target: Int, count: Int
    ) {
        precondition(input.lowerBound >= 0 && input.upperBound <= start, "input beyond a caller")
        // Sound: the input lies below the frame on top and the target inside it.
        let span = unsafe Span<UInt8>(
            _unsafeStart: UnsafeRawPointer(base + input.lowerBound)
                .assumingMemoryBound(to: UInt8.self), count: input.count)
        copy(span, from: offset, to: target, count: count)
    }
}

extension UInt256 {
    /// Reads 32 bytes, big-endian.
    ///
    /// - Precondition: 32 bytes are there.
    @unsafe @inline(__always)
    init(loadingFrom place: UnsafeRawPointer) {
        self.init(
            UInt64(bigEndian: unsafe place.loadUnaligned(as: UInt64.self)),
            UInt64(bigEndian: unsafe place.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            UInt64(bigEndian: unsafe place.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
            UInt64(bigEndian: unsafe place.loadUnaligned(fromByteOffset: 24, as: UInt64.self)))
    }

    /// Writes 32 bytes, big-endian.
    ///
    /// - Precondition: 32 bytes are there.
    @unsafe @inline(__always)
    func store(to place: UnsafeMutableRawPointer) {
        unsafe place.storeBytes(of: l3.bigEndian, as: UInt64.self)
        unsafe place.storeBytes(of: l2.bigEndian, toByteOffset: 8, as: UInt64.self)
        unsafe place.storeBytes(of: l1.bigEndian, toByteOffset: 16, as: UInt64.self)
        unsafe place.storeBytes(of: l0.bigEndian, toByteOffset: 24, as: UInt64.self)
    }

    /// Up to 32 bytes as the highest of a word whose other bytes are zero.
    init(leftAligned bytes: Span<UInt8>) {
        let count = min(bytes.count, 32)
        guard let value = UInt256(bigEndian: bytes.extracting(0..<count)) else {
            preconditionFailure("at most 32 bytes were taken")
        }
        self = value << (8 * (32 - count))
    }
}

extension FrameMemory {
    /// Copies code as ``copy(_:from:to:count:)`` copies bytes.
    ///
    /// - Parameter size: of the code under the cursor.
    @inline(__always)
    mutating func copy(
        _ code: CodeCursor, size: Int, from offset: UInt256, to target: Int, count: Int
    ) {
        code.withSpan(size: size) { copy($0, from: offset, to: target, count: count) }
    }
}
