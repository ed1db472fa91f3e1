import ChoraleBase
import DequeModule

/// Bytes that wait to be sent on one stream, as references to what the application wrote.
///
/// The usual case of one message at a time needs no allocation: the first piece lies inline.
///
/// Memory: pieces smaller than ``smallPieceSize`` are joined while the last piece is below
/// ``joinedPieceSize``, so that a queue of `n` bytes has at most about `n / 256` pieces however
/// small the writes are.
struct SendQueue {
    private var head: ArraySlice<UInt8> = []
    private var rest: Deque<ArraySlice<UInt8>> = []
    private(set) var byteCount = 0

    private static let smallPieceSize = 512
    private static let joinedPieceSize = 4096

    mutating func append(_ piece: ArraySlice<UInt8>) {
        guard !piece.isEmpty else { return }
        if byteCount == 0 {
            head = piece
        } else if piece.count > Self.smallPieceSize || !joinToLast(piece) {
            rest.append(piece)
        }
        byteCount += piece.count
    }

    /// Copies a small piece to the end of the last one.
    private mutating func joinToLast(_ piece: ArraySlice<UInt8>) -> Bool {
        let room = Self.joinedPieceSize - piece.count
        if rest.isEmpty {
            guard head.count <= room else { return false }
            head.append(contentsOf: piece)
        } else {
            guard rest[rest.count - 1].count <= room else { return false }
            rest[rest.count - 1].append(contentsOf: piece)
        }
        return true
    }

    /// Moves the first `count` bytes to the end of `output`.
    ///
    /// - Precondition: `0 < count <= byteCount`.
    @inline(__always)
    mutating func move(_ count: Int, to output: inout [UInt8]) {
        precondition(count > 0 && count <= byteCount, "more bytes than the queue holds")
        byteCount -= count
        var missing = count
        while head.count <= missing {
            missing -= head.count
            output.append(contentsOf: head.span)
            head = rest.popFirst() ?? []
            if missing == 0 { return }
        }
        output.append(contentsOf: head.span.extracting(first: missing))
        head = head.dropFirst(missing)
    }
}
