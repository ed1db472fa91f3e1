/// What every driver, production or simulated, can run.
///
/// A machine is values in, values out: it holds no socket, clock, lock, task or callback.
public protocol StateMachine: ~Copyable {
    associatedtype Input: Sendable
    associatedtype Output: Sendable

    /// When the driver must next deliver the timeout input, or nil when no timer is needed.
    ///
    /// Read after every `handle`. There is no timer handle to cancel and so none to leak. Early, late
    /// and repeated timeouts are harmless.
    var nextDeadline: MonotonicInstant? { get }

    /// Takes one input and appends everything that follows from it.
    ///
    /// `now.instant` never goes backwards between calls. Runs to completion and calls nothing back.
    mutating func handle(_ input: Input, now: Now, into outputs: inout [Output])
}

/// A field that makes the compiler pass the value that has it by reference.
///
/// Of a large structure whose layout it knows, it makes a copy for each method that only reads: of the
/// node 9 KB, several times for each message. A value of unknown type has no such layout.
public struct PassedByReference: Sendable {
    private let anything: any Sendable = ()

    public init() {}
}
