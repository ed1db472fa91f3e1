import ChoraleBase
import Consensus
import DequeModule
import OrderedCollections
import PeerIdentity

/// Where a chain that begins at a checkpoint has come to, before it has a height.
///
///     opening ──nothing there──▶ asking ──checkpoint, checked──▶ downloading ──nothing left──▶ finishing ──▶ the chain
///        └────────────── something there ─────────────────────────▲   │                           │
///                                                   nobody has it any more ──▶ failed ◀── the disk ┘
///
/// Invariants:
///   1. A part is with one peer at a time, and what is left of it goes back to be asked for. (`take`, `requeue`)
///   2. Nothing that a peer sends is believed before the processor has checked it against the trusted root.
///   3. Parts under way are at most ``ChainLimits/downloadFlightsMax``, each with one answer at most; accounts are
///      asked for only while the storages and codes that earlier ones need are fewer than ``ChainLimits/downloadBacklogMax``.
struct CheckpointSync {
    enum Phase: Hashable {
        case opening, asking, downloading, finishing, failed
    }

    enum Item {
        case checkpoint
        case part(DownloadPart)
    }

    struct Flight {
        let item: Item
        let peer: PeerID
        /// Its answer is being checked and written.
        var isTaken = false
    }

    /// What a peer was like.
    struct Source {
        var flightCount = 0
        var failureCount = 0
        /// How often running it said that it does not have what it was asked for.
        var lackCount = 0
        var restsUntil: MonotonicInstant = .zero
    }

    struct Segment {
        /// The lowest account that is missing; nil at the end.
        var next: Bytes32?
        /// A peer is asked.
        var isOut = false
    }

    let id: CheckpointID
    var phase = Phase.opening
    /// Of a validator: what its log says, for the start.
    var recovery: ConsensusRecovery?
    var sources: OrderedDictionary<PeerID, Source> = [:]
    var flights: OrderedDictionary<ChainRequestID, Flight> = [:]
    /// Of the checkpoint; nil while it is asked for.
    var stateRoot: Bytes32?
    var segments: [Segment] = []
    var storages: Deque<StorageUnit> = []
    var codes: Deque<Bytes32> = []
    /// Tasks that the disk refused.
    var retries: [DownloadTask] = []
    var retryAt: MonotonicInstant?
    var wakeAt: MonotonicInstant?
    /// When something of use came last, or the download began.
    var usefulAt: MonotonicInstant = .zero
    /// When it was last said how far it is, or why it is not.
    var toldAt: MonotonicInstant = .zero
    var began: (share: Double, at: MonotonicInstant)?
    var accountCount: UInt64 = 0
    var slotCount: UInt64 = 0
    var codeCount: UInt64 = 0
    var size: UInt64 = 0

    init(_ id: CheckpointID) { self.id = id }

    var isComplete: Bool {
        flights.isEmpty && storages.isEmpty && codes.isEmpty
            && segments.allSatisfy { $0.next == nil }
    }

    mutating func begin(_ state: DownloadState, now: Now) {
        phase = .downloading
        stateRoot = state.stateRoot
        segments = state.cursors.map { Segment(next: $0) }
        storages = Deque(state.storages)
        codes = Deque(state.codes)
        usefulAt = now.instant
        toldAt = now.instant
        began = (share, now.instant)
    }

    /// Of the accounts, in 0...1: keys are hashes, so that the key space says it.
    var share: Double {
        guard !segments.isEmpty else { return phase == .downloading || phase == .finishing ? 1 : 0 }
        var sum = 0.0
        for (index, segment) in segments.enumerated() {
            guard let next = segment.next else {
                sum += 1
                continue
            }
            let first = StateSegment.first(UInt8(index)).bytes.span
                .loadBigEndian(UInt64.self, at: 0)
            let place = next.bytes.span.loadBigEndian(UInt64.self, at: 0)
            sum += Double(place &- first) / 0x1p60
        }
        return sum / Double(segments.count)
    }

    // MARK: Parts

    /// The next part that nobody is asked for.
    mutating func take(backlogMax: Int) -> DownloadPart? {
        if let first = storages.popFirst() {
            var units = [first]
            // Only the first of a request may begin in its middle.
            while units.count < StateRangeRequest.keysMax, let unit = storages.first,
                unit.next == .zero
            {
                units.append(storages.removeFirst())
            }
            return .storages(units)
        }
        if !codes.isEmpty {
            let part = Array(codes.prefix(StateRangeRequest.keysMax))
            codes.removeFirst(part.count)
            return .codes(part)
        }
        guard storages.count + codes.count < backlogMax,
            let index = segments.firstIndex(where: { $0.next != nil && !$0.isOut }),
            let next = segments[index].next
        else { return nil }
        segments[index].isOut = true
        return .accounts(segment: UInt8(index), from: next)
    }

    mutating func requeue(_ part: DownloadPart) {
        switch part {
        case .accounts(let segment, _): segments[Int(segment)].isOut = false
        // Behind the others, so that several large storages are on their way at once.
        case .storages(let units): storages += units
        case .codes(let hashes): codes += hashes
        }
    }

    mutating func arrived(_ part: DownloadPart, _ step: DownloadStep, now: Now) {
        usefulAt = now.instant
        accountCount += UInt64(step.accountCount)
        slotCount += UInt64(step.slotCount)
        size += UInt64(step.size)
        if case .codes(let hashes) = part {
            codeCount += UInt64(hashes.count)
            if case .codes(let left)? = step.rest { codeCount -= UInt64(left.count) }
        }
        storages += step.storages
        codes += step.codes
        if let (segment, next) = step.cursor {
            segments[Int(segment)] = Segment(next: next)
        } else if let rest = step.rest {
            requeue(rest)
        }
    }
}
