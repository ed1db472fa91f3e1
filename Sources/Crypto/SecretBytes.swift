import CSodium
public import ChoraleBase

/// Bytes that must not outlive their use: a private key, a shared secret, a chaining key.
///
/// They live outside Swift's arrays, so that no copy is made behind our back, and are overwritten
/// when the last reference goes away. They never change, so sharing them between threads is safe.
/// Printing, dumping or reflecting a value shows its size and nothing else.
///
/// Not `sodium_malloc`: its guard pages and `mlock` cost four pages and several system calls for
/// each of the handful of secrets a handshake makes. Keeping secrets out of swap and core files is
/// the driver's decision for the whole process.
public final class SecretBytes: @unchecked Sendable {
    // Sound as Sendable: nothing writes through the pointer after the initializer returns.
    private let start: UnsafeMutablePointer<UInt8>

    /// Number of bytes.
    public let count: Int

    /// Lets `fill` write all `count` bytes of a new secret.
    init<Failure: Error>(
        count: Int,
        fill: (UnsafeMutablePointer<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(count >= 0, "a secret of \(count) bytes")
        self.count = count
        // At least one byte, so that the address is always one that C functions accept.
        start = .allocate(capacity: max(count, 1))
        start.initialize(repeating: 0, count: max(count, 1))
        try fill(start)
    }

    /// Copies `bytes`. Wiping the original is the caller's affair.
    public convenience init(copying bytes: Span<UInt8>) {
        let source = bytes.borrowed
        self.init(count: source.count) { start in
            if let base = source.baseAddress { start.update(from: base, count: source.count) }
        }
    }

    /// Copies `bytes`. Wiping the original is the caller's affair.
    public convenience init(copying bytes: [UInt8]) { self.init(copying: bytes.span) }

    /// Copies `bytes`. Wiping the original is the caller's affair.
    public convenience init(copying bytes: Bytes32) { self.init(copying: bytes.storage.span) }

    /// `count` bytes from the operating system's generator.
    public static func random(count: Int) -> SecretBytes {
        _ = Sodium.ready
        return SecretBytes(count: count) { randombytes_buf($0, count) }
    }

    deinit {
        sodium_memzero(start, count)
        start.deallocate()
    }

    /// Lends the bytes for the duration of `body`.
    ///
    /// Whatever `body` copies out of the span is no longer protected.
    public func withSpan<Result: ~Copyable, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let buffer = UnsafeBufferPointer(start: start, count: count)
        return try body(buffer.span)
    }

    /// Lends the bytes to a C function. The pointer is never null.
    func withPointer<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafePointer<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafePointer(start))
    }

    /// Whether both hold the same bytes, in a time that depends on the sizes only.
    public func isEqual(to other: SecretBytes) -> Bool {
        count == other.count && sodium_memcmp(start, other.start, count) == 0
    }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "\(count) secret bytes" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Randomness of the operating system, for drivers.
///
/// Protocol machines use neither: their randomness is a `DeterministicRandom` and their secrets
/// arrive as ``SecretBytes``.
public enum SystemRandom {
    /// A seed for a `DeterministicRandom`.
    public static func seed() -> UInt64 {
        _ = Sodium.ready
        var seed: UInt64 = 0
        withUnsafeMutableBytes(of: &seed) { randombytes_buf($0.baseAddress!, $0.count) }
        return seed
    }
}

/// Whether two byte strings are equal, in a time that depends on their sizes only.
public func constantTimeEqual(_ first: Span<UInt8>, _ second: Span<UInt8>) -> Bool {
    let first = first.borrowed
    let second = second.borrowed
    guard first.count == second.count else { return false }
    guard let one = first.baseAddress, let two = second.baseAddress else { return true }
    return sodium_memcmp(one, two, first.count) == 0
}
