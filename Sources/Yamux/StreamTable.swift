import ChoraleBase

/// One stream, from open until both directions are over.
///
/// Its queued bytes lie in ``StreamTable/queues``, so that this part needs no reference counting
/// wherever a field is read.
struct Stream {
    struct Flags: OptionSet {
        let rawValue: UInt16

        /// The slot holds a stream.
        static let live = Flags(rawValue: 1 << 0)
        static let openedByUs = Flags(rawValue: 1 << 1)
        /// Our SYN has not been sent.
        static let synPending = Flags(rawValue: 1 << 2)
        /// Our ACK has not been sent.
        static let ackPending = Flags(rawValue: 1 << 3)
        /// The peer has answered our SYN.
        static let acknowledged = Flags(rawValue: 1 << 4)
        /// The application will write no more; FIN follows the queued bytes.
        static let writeClosed = Flags(rawValue: 1 << 5)
        static let finSent = Flags(rawValue: 1 << 6)
        static let finReceived = Flags(rawValue: 1 << 7)
        static let windowUpdatePending = Flags(rawValue: 1 << 8)
        /// The application waits for `writable`.
        static let wantsRoom = Flags(rawValue: 1 << 9)
        /// In the list of streams that wait for room in the session's queue.
        static let wantsSessionRoom = Flags(rawValue: 1 << 10)
    }

    var id: UInt32
    var flags: Flags
    var trafficClass: TrafficClass
    /// Membership of the lists in ``StreamTable``.
    var inReady = false
    var inControl = false
    var ready = Links()
    var control = Links()

    /// Bytes that the peer allows us to send. At most 2³² − 1, which is checked at each update.
    var sendCredit = YamuxLimits.windowSizeInitial
    /// Bytes in the stream's queue.
    var queuedCount = 0

    /// Bytes that the peer may still send. `receiveCredit + unconsumed <= windowSize`.
    var receiveCredit = YamuxLimits.windowSizeInitial
    /// Bytes reported and not yet taken by the application.
    var unconsumed = 0
    /// What we aim to have granted at any time.
    var windowSize = YamuxLimits.windowSizeInitial
    /// Bytes taken by the application, and since when: how fast half a window is used up.
    var takenCount = 0
    var takenSince: MonotonicInstant

    init(id: UInt32, flags: Flags, trafficClass: TrafficClass, now: MonotonicInstant) {
        self.id = id
        self.flags = flags.union(.live)
        self.trafficClass = trafficClass
        self.takenSince = now
    }

    /// Bytes that a window update would grant now.
    var windowDue: Int { windowSize - receiveCredit - unconsumed }

    /// Whether a frame without payload must go out for this stream.
    ///
    /// While bytes wait that can be sent, SYN, ACK and FIN ride on them instead.
    var needsControlFrame: Bool {
        if flags.contains(.windowUpdatePending) { return true }
        let flagsWait =
            !flags.isDisjoint(with: [.synPending, .ackPending])
            || (flags.contains(.writeClosed) && !flags.contains(.finSent))
        return flagsWait && queuedCount == 0
    }
}

/// Neighbours in a list of slots; -1 is none.
struct Links {
    var previous: Int32 = -1
    var next: Int32 = -1
}

/// Ends of a list of slots, first in, first out.
struct SlotList {
    var first: Int32 = -1
    var last: Int32 = -1

    var isEmpty: Bool { first < 0 }
}

/// The streams of a session by identifier, and who waits to be served.
///
/// A slab with reused slots, an index from identifier to slot that is never iterated, and lists
/// linked through the slots, so that every operation is O(1) and a stream that ends leaves nothing
/// behind in any list.
struct StreamTable: ~Copyable {
    var slots: [Stream] = []
    /// By slot. `queues[n].byteCount == slots[n].queuedCount`.
    private(set) var queues: [SendQueue] = []
    private var slotByID: [UInt32: Int32] = [:]
    private var firstFree: Int32 = -1
    private(set) var count = 0

    /// The last identifier looked up: frames come in runs.
    private var lastID: UInt32 = 0
    private var lastSlot = 0

    /// Streams with bytes that may be sent, by the raw value of their traffic class.
    private(set) var ready = [5 of SlotList](repeating: SlotList())
    private(set) var readyCount = 0
    /// Streams that need a frame without payload.
    private(set) var control = SlotList()

    @inline(__always)
    mutating func slot(of id: UInt32) -> Int? {
        if id == lastID { return lastSlot }
        guard let slot = slotByID[id] else { return nil }
        lastID = id
        lastSlot = Int(slot)
        return lastSlot
    }

    /// The same without remembering.
    func peekSlot(of id: UInt32) -> Int? {
        if id == lastID { return lastSlot }
        return slotByID[id].map(Int.init)
    }

    /// - Precondition: no stream has this identifier.
    mutating func insert(_ stream: consuming Stream) -> Int {
        let id = stream.id
        let slot: Int
        if firstFree >= 0 {
            slot = Int(firstFree)
            firstFree = slots[slot].ready.next
            slots[slot] = stream
        } else {
            slot = slots.count
            slots.append(stream)
            queues.append(SendQueue())
        }
        let earlier = slotByID.updateValue(Int32(slot), forKey: id)
        precondition(earlier == nil, "a stream identifier is in use once")
        count += 1
        lastID = id
        lastSlot = slot
        return slot
    }

    mutating func remove(_ slot: Int) {
        precondition(slots[slot].flags.contains(.live), "a stream is removed once")
        removeFromReady(slot)
        removeFromControl(slot)
        slotByID[slots[slot].id] = nil
        lastID = 0
        count -= 1
        if count == 0 {
            // An idle session goes back to nearly nothing; a busy one keeps its slots.
            slots.removeAll(keepingCapacity: slots.capacity <= 4)
            queues.removeAll(keepingCapacity: queues.capacity <= 4)
            firstFree = -1
            return
        }
        slots[slot].flags = []
        slots[slot].queuedCount = 0
        queues[slot] = SendQueue()
        slots[slot].ready.next = firstFree
        firstFree = Int32(slot)
    }

    mutating func removeAll() { self = StreamTable() }

    @inline(__always)
    mutating func enqueue(_ bytes: ArraySlice<UInt8>, on slot: Int) {
        queues[slot].append(bytes)
        slots[slot].queuedCount += bytes.count
    }

    /// Moves the first `count` queued bytes to the end of `output`.
    @inline(__always)
    mutating func dequeue(_ count: Int, from slot: Int, to output: inout [UInt8]) {
        queues[slot].move(count, to: &output)
        slots[slot].queuedCount -= count
    }
}

extension StreamTable {
    mutating func appendToReady(_ slot: Int) {
        guard !slots[slot].inReady else { return }
        slots[slot].inReady = true
        readyCount += 1
        let trafficClass = Int(slots[slot].trafficClass.rawValue)
        let last = ready[trafficClass].last
        slots[slot].ready = Links(previous: last, next: -1)
        if last >= 0 {
            slots[Int(last)].ready.next = Int32(slot)
        } else {
            ready[trafficClass].first = Int32(slot)
        }
        ready[trafficClass].last = Int32(slot)
    }

    mutating func removeFromReady(_ slot: Int) {
        guard slots[slot].inReady else { return }
        slots[slot].inReady = false
        readyCount -= 1
        let trafficClass = Int(slots[slot].trafficClass.rawValue)
        let links = slots[slot].ready
        if links.previous >= 0 {
            slots[Int(links.previous)].ready.next = links.next
        } else {
            ready[trafficClass].first = links.next
        }
        if links.next >= 0 {
            slots[Int(links.next)].ready.previous = links.previous
        } else {
            ready[trafficClass].last = links.previous
        }
    }

    /// Gives the others of the class their turn.
    mutating func moveToEndOfReady(_ slot: Int) {
        guard slots[slot].ready.next >= 0 else { return }
        removeFromReady(slot)
        appendToReady(slot)
    }

    mutating func appendToControl(_ slot: Int) {
        guard !slots[slot].inControl else { return }
        slots[slot].inControl = true
        let last = control.last
        slots[slot].control = Links(previous: last, next: -1)
        if last >= 0 {
            slots[Int(last)].control.next = Int32(slot)
        } else {
            control.first = Int32(slot)
        }
        control.last = Int32(slot)
    }

    mutating func removeFromControl(_ slot: Int) {
        guard slots[slot].inControl else { return }
        slots[slot].inControl = false
        let links = slots[slot].control
        if links.previous >= 0 {
            slots[Int(links.previous)].control.next = links.next
        } else {
            control.first = links.next
        }
        if links.next >= 0 {
            slots[Int(links.next)].control.previous = links.previous
        } else {
            control.last = links.previous
        }
    }
}
