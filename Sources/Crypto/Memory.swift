// How the wrappers reach memory.
//
// Every C call of this module goes through one of these. They exist because a span cannot be
// captured by a closure, so that two spans cannot be opened by nested `withUnsafeBufferPointer`.

import CSodium
import ChoraleBase

/// libsodium, initialised once before its first use.
enum Sodium {
    /// Reading this runs `sodium_init` exactly once in the process, from whichever thread is first.
    ///
    /// Without it libsodium silently falls back to its reference code and an unseeded generator.
    static let ready: Void = {
        precondition(sodium_init() >= 0, "libsodium could not be initialised")
    }()

    /// Overwrites a local that held a secret, in a way the optimizer does not remove.
    static func wipe<Value>(_ value: inout Value) {
        withUnsafeMutableBytes(of: &value) { sodium_memzero($0.baseAddress, $0.count) }
    }
}

extension Span<UInt8> {
    /// The memory the span views.
    ///
    /// The pointer is valid exactly as long as the span is: use it only inside the function that
    /// received the span as an argument, and never store it.
    var borrowed: UnsafeBufferPointer<UInt8> { withUnsafeBufferPointer { $0 } }
}

extension Bytes32 {
    /// Lends the bytes to a C function that reads 32 of them.
    func withPointer<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        withUnsafeBytes(of: storage) { body($0.baseAddress!.assumingMemoryBound(to: UInt8.self)) }
    }

    /// Lends the bytes to a C function that writes 32 of them.
    mutating func withMutablePointer<Result>(
        _ body: (UnsafeMutablePointer<UInt8>) -> Result
    ) -> Result {
        withUnsafeMutableBytes(of: &storage) {
            body($0.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
    }
}
