import ChoraleBase
import ChoraleTypes
import OrderedCollections

/// What work may still be spent on whose word.
///
/// Memory: ``SubproofLimits/signersMax`` budgets and as many who are muted, of each kind.
struct SignerBook {
    private let limits: SubproofLimits
    private var proverBudgets: OrderedDictionary<Bytes32, TokenBucket> = [:]
    private var rejecterBudgets: OrderedDictionary<SigningKeyBytes, TokenBucket> = [:]
    /// Until when.
    private var mutedProvers: OrderedDictionary<Bytes32, MonotonicInstant> = [:]
    private var mutedValidators: OrderedDictionary<SigningKeyBytes, MonotonicInstant> = [:]

    init(limits: SubproofLimits) { self.limits = limits }

    // MARK: Muting

    func isMuted(prover: Bytes32, _ now: MonotonicInstant) -> Bool {
        mutedProvers[prover].map { $0 > now } ?? false
    }

    func isMuted(validator: SigningKeyBytes, _ now: MonotonicInstant) -> Bool {
        mutedValidators[validator].map { $0 > now } ?? false
    }

    /// Returns whether that is new.
    mutating func mute(
        _ signer: SubproofSigner, until end: MonotonicInstant, _ now: MonotonicInstant
    ) -> Bool {
        switch signer {
        case .prover(let key):
            let isNew = !isMuted(prover: key, now)
            Self.put(end, for: key, into: &mutedProvers, limits.signersMax)
            return isNew
        case .validator(let key):
            let isNew = !isMuted(validator: key, now)
            Self.put(end, for: key, into: &mutedValidators, limits.signersMax)
            return isNew
        }
    }

    // MARK: Budgets

    /// When one more proof of the prover may be verified; nil: at once, and the prover is charged for it.
    mutating func charge(prover: Bytes32, _ now: MonotonicInstant) -> MonotonicInstant? {
        Self.charge(
            prover, &proverBudgets, limits.proverBurst, limits.proverInterval, limits.signersMax,
            now)
    }

    /// The same for a part that only this validator's word gives us to verify.
    mutating func charge(rejecter: SigningKeyBytes, _ now: MonotonicInstant) -> MonotonicInstant? {
        Self.charge(
            rejecter, &rejecterBudgets, limits.rejecterBurst, limits.rejecterInterval,
            limits.signersMax, now)
    }

    /// It was right: its word costs it nothing.
    mutating func restore(rejecter: SigningKeyBytes) { rejecterBudgets[rejecter] = nil }

    private static func charge<Key: Hashable>(
        _ key: Key, _ budgets: inout OrderedDictionary<Key, TokenBucket>, _ burst: Int64,
        _ interval: Duration, _ countMax: Int, _ now: MonotonicInstant
    ) -> MonotonicInstant? {
        var budget =
            budgets[key] ?? TokenBucket(capacity: burst, interval: interval, now: now)
        let readyAt = budget.take(now: now) ? nil : budget.readyAt(now: now) ?? now
        put(budget, for: key, into: &budgets, countMax)
        return readyAt
    }

    private static func put<Key: Hashable, Value>(
        _ value: Value, for key: Key, into entries: inout OrderedDictionary<Key, Value>,
        _ countMax: Int
    ) {
        if entries[key] == nil, entries.count >= countMax {
            // Half at once: removing the first of many moves all the others.
            entries.removeFirst(max(1, entries.count / 2))
        }
        entries[key] = value
    }
}
