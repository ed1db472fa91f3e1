/// Which identifiers the peer has opened.
///
/// Implementations number a stream and send its SYN in two steps, so that SYNs of streams opened at
/// the same time may arrive out of order. Remembering the last 128 exactly is enough to tell a late
/// SYN from a second one; anything further back is not believable as either.
struct OpenedByPeer {
    enum Standing { case new, opened, forgotten }

    private var highest: UInt32 = 0
    /// Bit `n` is set when the identifier `2n` below `highest` was opened.
    private var recent: UInt128 = 0

    /// What is known of an identifier of the peer's parity.
    func standing(of id: UInt32) -> Standing {
        guard highest != 0, id <= highest else { return .new }
        let distance = (highest - id) / 2
        guard distance < 128 else { return .forgotten }
        return recent >> UInt128(distance) & 1 == 1 ? .opened : .new
    }

    mutating func record(_ id: UInt32) {
        if id > highest {
            let distance = highest == 0 ? 128 : (id - highest) / 2
            recent = distance >= 128 ? 0 : recent << UInt128(distance)
            recent |= 1
            highest = id
        } else {
            let distance = (highest - id) / 2
            if distance < 128 { recent |= 1 << UInt128(distance) }
        }
    }
}
