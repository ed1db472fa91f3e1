import ChoraleBase

/// A message that was announced to us and has not arrived.
///
/// One peer is asked at a time. The others that announced it wait as alternates: the next is asked when
/// the hedge delay has passed without the message.
struct Want {
    struct Ask {
        let token: PeerToken
        let at: MonotonicInstant
        /// Whether the peer is charged when the message does not come in time.
        var isPromise: Bool
    }

    /// Alternates beyond these would hardly ever be reached.
    static let alternatesMax = 8

    let id: Gossipsub.MessageID
    /// Who announced it first, and so whose share it takes.
    let owner: PeerToken
    let createdAt: MonotonicInstant
    var asks: [Ask] = []
    var alternates: [Ask] = []
    /// Whether nobody was asked yet, because a large frame is arriving.
    var isDeferred = false
    /// When to look again. A timer with another deadline is void.
    var deadline: MonotonicInstant
}

struct WantTimer: Comparable {
    let deadline: MonotonicInstant
    /// Makes the order total, and so the same in every run.
    let number: UInt64
    let key: MessageKey

    static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.deadline, lhs.number) < (rhs.deadline, rhs.number)
    }

    static func == (lhs: Self, rhs: Self) -> Bool { lhs.number == rhs.number }
}
