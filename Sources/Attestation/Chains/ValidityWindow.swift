public import ChoraleBase

/// The seconds in which all that was used counts.
public struct ValidityWindow: Hashable, Sendable {
    /// First second, since 1970: the latest beginning of all pieces.
    public private(set) var from = Int64.min
    /// Last second: the earliest end of all pieces.
    public private(set) var until = Int64.max

    init() {}

    public func contains(_ now: WallTime) -> Bool { from <= now.seconds && now.seconds <= until }

    mutating func narrow(to other: ValidityWindow) {
        from = max(from, other.from)
        until = min(until, other.until)
    }

    /// Narrows the window by a piece's own, or throws when that is over or has not begun.
    mutating func narrow(
        to range: ClosedRange<Int64>, of piece: AttestationPiece, now: WallTime
    ) throws(AttestationFault) {
        guard range.lowerBound <= now.seconds else {
            throw .notYetValid(piece, from: range.lowerBound, now: now.seconds)
        }
        guard now.seconds <= range.upperBound else {
            throw .expired(piece, until: range.upperBound, now: now.seconds)
        }
        from = max(from, range.lowerBound)
        until = min(until, range.upperBound)
    }
}
