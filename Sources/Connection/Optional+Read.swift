extension Optional where Wrapped: ~Copyable {
    /// Reads through an optional that cannot be copied; `?.` would consume it.
    @inline(__always)
    borrowing func read<Result>(_ body: (borrowing Wrapped) -> Result) -> Result? {
        switch self {
        case .some(let wrapped): body(wrapped)
        case .none: nil
        }
    }
}
