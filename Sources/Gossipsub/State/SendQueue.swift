import ChoraleBase
import DequeModule

/// The messages that wait for one peer.
///
/// One queue per class, in order of deadline. Classes share the stream by weight: each has a virtual
/// time that advances by what it sends over its weight, and the one furthest behind is next. A class
/// that was idle starts at the present time, so it neither waits nor has saved anything up: a vote is
/// next, whatever waits, and proofs still get a sixteenth of a stream that votes would fill.
///
/// A copy that is no longer wanted stays as a dead entry until it is met or until dead entries are
/// more than half; ``StoredMessage/copies`` says which are alive.
struct SendQueue {
    struct Copy {
        let message: Int
        let key: MessageKey
        let size: Int
        let deadline: MonotonicInstant
    }

    struct Class {
        var copies = Deque<Copy>()
        var size = 0
        var virtualTime: UInt64 = 0
    }

    private(set) var classes = [Class](repeating: Class(), count: TrafficClass.allCases.count)
    private(set) var size = 0
    private(set) var count = 0
    private var deadCount = 0
    /// Virtual time of what was sent last.
    private var present: UInt64 = 0

    var isEmpty: Bool { count == 0 }

    private static func weight(_ trafficClass: Int) -> UInt64 { 16 >> UInt64(trafficClass) }

    mutating func push(_ copy: Copy, _ trafficClass: TrafficClass) {
        let index = Int(trafficClass.rawValue)
        if classes[index].size == 0 {
            classes[index].virtualTime = max(classes[index].virtualTime, present)
        }
        // Nearly always at the end, since deadlines are arrival plus a constant.
        var position = classes[index].copies.count
        while position > 0, classes[index].copies[position - 1].deadline > copy.deadline {
            position -= 1
        }
        if position == classes[index].copies.count {
            classes[index].copies.append(copy)
        } else {
            classes[index].copies.insert(copy, at: position)
        }
        classes[index].size += copy.size
        size += copy.size
        count += 1
    }

    /// A copy became unwanted. Its entry stays behind.
    mutating func cancel(size copySize: Int, _ trafficClass: TrafficClass) {
        classes[Int(trafficClass.rawValue)].size -= copySize
        size -= copySize
        count -= 1
        deadCount += 1
        assert(count >= 0 && size >= 0, "a copy was cancelled twice")
    }

    /// Whether dead entries should be swept out now.
    var needsSweep: Bool { deadCount > count + 64 }

    mutating func sweep(isAlive: (Copy) -> Bool) {
        for index in classes.indices {
            classes[index].copies = Deque(classes[index].copies.filter(isAlive))
        }
        deadCount = 0
    }

    /// The class whose turn it is, among those with something alive.
    var nextClass: Int? {
        var best: Int?
        for index in classes.indices where classes[index].size > 0 {
            if let chosen = best, classes[chosen].virtualTime <= classes[index].virtualTime {
                continue
            }
            best = index
        }
        return best
    }

    func front(_ trafficClass: Int) -> Copy? { classes[trafficClass].copies.first }

    mutating func dropDeadFront(_ trafficClass: Int) {
        classes[trafficClass].copies.removeFirst()
        deadCount -= 1
    }

    /// Takes the first entry of the class, which the caller found alive.
    mutating func popFront(_ trafficClass: Int, isSent: Bool) {
        let copy = classes[trafficClass].copies.removeFirst()
        classes[trafficClass].size -= copy.size
        size -= copy.size
        count -= 1
        guard isSent else { return }
        present = max(present, classes[trafficClass].virtualTime)
        classes[trafficClass].virtualTime &+=
            UInt64(copy.size) * 16 / Self.weight(trafficClass)
    }

    /// The class from which to shed: that of the earliest deadline among the classes that hold more
    /// than their guaranteed eighth of `limit`, or nil when the queue is empty.
    ///
    /// The guarantee keeps a flood of one class from pushing out another's few messages.
    func classToShed(limit: Int) -> Int? {
        var best: Int?
        for index in classes.indices where classes[index].size > limit / 8 {
            guard let copy = classes[index].copies.first else { continue }
            if let chosen = best, let other = classes[chosen].copies.first,
                other.deadline <= copy.deadline
            {
                continue
            }
            best = index
        }
        return best
            ?? classes.indices.last { classes[$0].size > 0 }
    }
}
