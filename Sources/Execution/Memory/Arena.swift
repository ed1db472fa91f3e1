/// A growable array of plain values that belongs to one owner.
///
/// What an `Array` adds for sharing, a reference count and a check of it at every write, costs more
/// than most instructions of the virtual machine do. This has neither: it cannot be copied.
///
/// Safe: every access is checked against `count`, elements below it are initialized, and elements
/// are plain values, so that nothing has to be destroyed.
@safe
struct Arena<Element: BitwiseCopyable>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int = 16) {
        self.capacity = max(capacity, 1)
        unsafe base = .allocate(capacity: self.capacity)
    }

    deinit { unsafe base.deallocate() }

    subscript(index: Int) -> Element {
        @inline(__always) _read {
            precondition(index >= 0 && index < count, "an index beyond the arena")
            yield unsafe base[index]
        }
        @inline(__always) _modify {
            precondition(index >= 0 && index < count, "an index beyond the arena")
            yield unsafe &base[index]
        }
    }

    @inline(__always)
    mutating func append(_ element: Element) {
        if count == capacity { grow(to: count + 1) }
        unsafe (base + count).initialize(to: element)
        count += 1
    }

    /// Forgets what lies beyond `count` elements.
    @inline(__always)
    mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "an arena is truncated to less")
        self.count = count
    }

    @inline(__always)
    mutating func removeLast() -> Element {
        precondition(count > 0, "an empty arena has no last element")
        count -= 1
        return unsafe base[count]
    }

    mutating func append(contentsOf span: Span<Element>) {
        if capacity - count < span.count { grow(to: count + span.count) }
        // Sound: room for the span was made, and a span never views an arena that is being changed.
        unsafe span.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress else { return }
            unsafe (base + count).initialize(from: start, count: source.count)
        }
        count += span.count
    }

    /// The elements in `range`, for reading.
    @inline(__always)
    func withSpan<Result: ~Copyable, Failure: Error>(
        _ range: Range<Int>, _ body: (Span<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "a range beyond the arena")
        return try body(
            unsafe Span(_unsafeStart: base + range.lowerBound, count: range.count))
    }

    @inline(never)
    private mutating func grow(to needed: Int) {
        let larger = max(needed, 2 * capacity)
        let moved = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        unsafe moved.moveInitialize(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = moved
        capacity = larger
    }
}
