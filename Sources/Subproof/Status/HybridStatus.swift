public import ChoraleBase

/// How far a part, or an operation, is confirmed. Only upward.
///
/// Specification: mechanisms row 0.8.
public enum ConfirmationLevel: UInt8, Hashable, Comparable, Sendable, CaseIterable {
    case none = 0
    /// An enclave says so.
    case teeConfirmed = 1
    /// A certificate says that its proof is valid.
    case quorumVerified = 2
    /// The final proof says so, which everybody verifies.
    case proofFinal = 3

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Something that was found out about a part's output.
public enum StatusFact: Hashable, Sendable {
    /// A verified attestation. The enclave is its attested key.
    case attested(output: Bytes32, enclave: Bytes32)
    /// A certificate for the proof of a statement with this output; whether by everyone.
    case certified(output: Bytes32, byEveryone: Bool)
    /// The final proof has this output.
    case final(output: Bytes32)
}

/// What is known of a part: a set of facts, and what follows from it.
///
/// Facts are only added, and everything that is asked is asked of the set: so the order in which they
/// came cannot matter. The level ascends, and what is frozen or revoked stays so.
///
/// Proofs win over enclaves: when they name different outputs, the enclave's key is revoked, settlement
/// is frozen, and a certificate by everyone ends the dispute. Two *proofs* of different outputs are
/// never settled.
///
/// Memory: ``attestationsMax`` attestations and ``outputsMax`` outputs of each kind; of more the smallest
/// are kept, whatever their order. An operation has three executors with an enclave each.
public struct HybridStatus: Hashable, Sendable {
    public static let attestationsMax = 8
    public static let outputsMax = 4

    public struct Attestation: Hashable, Comparable, Sendable {
        public let enclave: Bytes32
        public let output: Bytes32

        public static func < (lhs: Self, rhs: Self) -> Bool {
            lhs.enclave == rhs.enclave ? lhs.output < rhs.output : lhs.enclave < rhs.enclave
        }
    }

    /// Ascending.
    public private(set) var attestations: [Attestation] = []
    private var certified: [Bytes32] = []
    private var byEveryone: [Bytes32] = []
    private var final: [Bytes32] = []

    public init() {}

    /// Returns whether the fact is new.
    @discardableResult
    public mutating func add(_ fact: StatusFact) -> Bool {
        let before = self
        switch fact {
        case .attested(let output, let enclave):
            Self.insert(
                Attestation(enclave: enclave, output: output), into: &attestations,
                limit: Self.attestationsMax)
        case .certified(let output, let everyone):
            Self.insert(output, into: &certified, limit: Self.outputsMax)
            if everyone { Self.insert(output, into: &byEveryone, limit: Self.outputsMax) }
        case .final(let output): Self.insert(output, into: &final, limit: Self.outputsMax)
        }
        return self != before
    }

    public var level: ConfirmationLevel {
        if !final.isEmpty { return .proofFinal }
        if !certified.isEmpty { return .quorumVerified }
        return attestations.isEmpty ? .none : .teeConfirmed
    }

    /// How far one output is confirmed: an enclave that vouches for another one confirms nothing of it.
    /// Ascends while there are at most ``attestationsMax`` attestations of the part; each of its three executors has one.
    public func level(of output: Bytes32) -> ConfirmationLevel {
        if final.contains(output) { return .proofFinal }
        if certified.contains(output) { return .quorumVerified }
        return attestations.contains { $0.output == output } ? .teeConfirmed : .none
    }

    /// Outputs that proofs name.
    private var proven: Set<Bytes32> { Set(certified).union(final) }

    /// Whether an enclave contradicts a proof or another enclave, or a proof another proof.
    public var isFrozen: Bool {
        proven.union(attestations.map(\.output)).count > 1
    }

    /// Whether two proofs contradict each other: no dispute can end this.
    public var isUnsound: Bool { proven.count > 1 }

    /// Enclaves that attested what a proof contradicts. Ascending.
    public var revokedEnclaves: [Bytes32] {
        let proven = proven
        guard !proven.isEmpty else { return [] }
        var revoked: [Bytes32] = []
        for attestation in attestations where !proven.contains(attestation.output) {
            if revoked.last != attestation.enclave { revoked.append(attestation.enclave) }
        }
        return revoked
    }

    /// Whether every validator must be asked.
    public var needsEveryone: Bool { isFrozen && !isUnsound && byEveryone.isEmpty }

    /// What may be settled: certified, and nothing in the way.
    public var settleableOutput: Bytes32? {
        guard level >= .quorumVerified, proven.count == 1, let output = proven.first else {
            return nil
        }
        return !isFrozen || !byEveryone.isEmpty ? output : nil
    }

    private static func insert<Element: Comparable>(
        _ element: Element, into elements: inout [Element], limit: Int
    ) {
        guard !elements.contains(element) else { return }
        elements.append(element)
        elements.sort()
        if elements.count > limit { elements.removeLast() }
    }
}

extension HybridStatus {
    /// Of an operation: the least of its parts. None when there are no parts.
    public static func level(of parts: [HybridStatus]) -> ConfirmationLevel {
        parts.map(\.level).min() ?? .none
    }

    /// Whether all parts may be settled.
    public static func isSettleable(_ parts: [HybridStatus]) -> Bool {
        !parts.isEmpty && parts.allSatisfy { $0.settleableOutput != nil }
    }
}
