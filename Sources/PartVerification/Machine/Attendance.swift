import ChoraleBase
public import ChoraleTypes
import Operations
import OrderedCollections

/// How often a validator that was asked first has spoken.
///
/// For operators, and nothing else follows from it: whoever is slow, or behind a bad line, is no liar, and a penalty of gossip would
/// cost its votes on blocks as well.
public struct ValidatorAttendance: Hashable, Sendable {
    public let validator: SigningKeyBytes
    /// From 0 to 1000: the share of parts, of late; each operation counts an eighth.
    public internal(set) var score: UInt16 = 1000
    /// Parts and operations that it was asked about first, since this node's start.
    public internal(set) var asked: UInt64 = 0
    /// Those of which it has not said a word.
    public internal(set) var silent: UInt64 = 0
}

/// The same of all validators.
///
/// Memory: ``countMax`` entries of some 100 bytes.
struct AttendanceBook {
    static let countMax = 2048

    /// The one that was asked last at the end.
    private(set) var entries: OrderedDictionary<SigningKeyBytes, ValidatorAttendance> = [:]

    /// An operation is over, or everyone was asked.
    ///
    /// - Parameter silent: at most `asked`.
    mutating func note(_ validator: SigningKeyBytes, asked: Int, silent: Int) {
        guard asked > 0 else { return }
        var entry =
            entries.removeValue(forKey: validator) ?? ValidatorAttendance(validator: validator)
        entry.asked += UInt64(asked)
        entry.silent += UInt64(silent)
        let share = 1000 * (asked - min(asked, silent)) / asked
        entry.score = UInt16((7 * Int(entry.score) + share + 4) / 8)
        entries[validator] = entry
        if entries.count > Self.countMax { entries.removeFirst(Self.countMax / 4) }
    }
}

extension PartVerification {
    /// Validators that have not always spoken when they were asked first, the most silent first.
    public var silentValidators: [ValidatorAttendance] {
        attendance.entries.values.filter { $0.silent > 0 }.sorted { one, other in
            (one.score, other.silent) < (other.score, one.silent)
        }
    }

    /// Takes note of who has spoken about an operation that the pool is done with.
    ///
    /// - Parameter members: of the first tranche of each part.
    mutating func noteAttendance(
        of operation: WatchedOperation, _ members: [[ValidatorIndex]]
    ) {
        guard let validators = head.validators(at: operation.committed.height) else { return }
        var asked: [ValidatorIndex: Int] = [:]
        for part in members { for member in part { asked[member, default: 0] += 1 } }
        for (member, count) in asked.sorted(by: { $0.key < $1.key }) {
            guard let key = validators[member]?.key else { continue }
            attendance.note(key, asked: count, silent: operation.silences[member] ?? 0)
        }
    }
}
