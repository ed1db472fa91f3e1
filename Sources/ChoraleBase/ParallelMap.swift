/// Computes values that do not depend on each other, perhaps on several threads at once.
///
/// Workers take values and return values: `body` sees nothing that anybody changes meanwhile. What comes
/// out is the same however many threads there are.
public protocol ParallelMap: Sendable {
    /// How many values are computed at once, at most; at least 1.
    var width: Int { get }

    /// `body` of 0 to `count` − 1, in this order. Returns when all are there.
    func map<Value: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (Int) -> Value
    ) -> [Value]
}

/// One after the other, on the caller's thread.
public struct SequentialMap: ParallelMap {
    public init() {}

    public var width: Int { 1 }

    public func map<Value: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (Int) -> Value
    ) -> [Value] {
        (0..<count).map(body)
    }
}

extension ParallelMap {
    /// The values of `count` indices in as many pieces as are computed at once: for work that is little for
    /// each index.
    ///
    /// - Parameters:
    ///   - pieceMin: indices in a piece, at least, so that handing it over is worth its while.
    ///   - body: of a range of indices, whose values it returns in order.
    public func pieces<Value: Sendable>(
        of count: Int, pieceMin: Int, _ body: @escaping @Sendable (Range<Int>) -> [Value]
    ) -> [Value] {
        let pieceCount = max(min(width, count / max(pieceMin, 1)), 1)
        guard pieceCount > 1 else { return body(0..<count) }
        let pieces = map(pieceCount) { piece in
            body(count * piece / pieceCount..<count * (piece + 1) / pieceCount)
        }
        return pieces.flatMap(\.self)
    }
}
