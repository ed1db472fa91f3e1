public import ChoraleBase
public import ChoraleTypes
import Codec
import PeerIdentity

/// Why a value was refused. Each case is also a metric label.
public enum RecordRejection: Equatable, Sendable {
    /// `/pk/`: the value is no public key in the one encoding that peer ids are made from.
    case publicKeyMalformed
    /// `/pk/`: the key's peer id is not the one that the record's key names.
    case publicKeyMismatch
    case proverIdentity(ProverIdentityError)
    case valueTooLarge(size: Int, limit: Int)

    /// Whether the value can never have been valid, so that whoever sends it is at fault.
    public var isPermanent: Bool {
        switch self {
        case .publicKeyMalformed, .publicKeyMismatch, .valueTooLarge: true
        case .proverIdentity(let error): error.isPermanent
        }
    }
}

/// What a validation found.
public enum ValidationVerdict: Equatable, Sendable {
    case rejected(RecordRejection)
    case accepted(Acceptance)

    public struct Acceptance: Equatable, Sendable {
        public var preference: Preference
        /// When the value itself says that it ends, if it does.
        public var expiry: WallTime?
        /// The key of whoever signed the value, if it names one: records are capped per owner.
        public var owner: Bytes32?

        public init(preference: Preference, expiry: WallTime? = nil, owner: Bytes32? = nil) {
            self.preference = preference
            self.expiry = expiry
            self.owner = owner
        }
    }

    /// How the value stands to the one that is held.
    public enum Preference: Equatable, Sendable {
        /// It is better, or nothing is held.
        case candidate
        /// What is held is better.
        case incumbent
        /// They say the same.
        case same
        /// Its author contradicts itself: neither is to be believed.
        case equivocation
        /// The namespace knows no order.
        case unordered
    }
}

/// One value to be judged, away from the loop.
///
/// A value type that carries all it needs: run it anywhere, at any time, and answer with the id it
/// came with.
public struct ValidationJob: Sendable {
    public let key: [UInt8]
    public let candidate: [UInt8]
    /// The value held now, which was judged before.
    public let incumbent: [UInt8]?

    let rule: RecordNamespace.Rule
    let valueSizeMax: Int

    init(
        key: [UInt8], candidate: [UInt8], incumbent: [UInt8]?, namespace: RecordNamespace
    ) {
        self.key = key
        self.candidate = candidate
        self.incumbent = incumbent
        rule = namespace.rule
        valueSizeMax = namespace.valueSizeMax
    }

    /// Judges the value at a given time.
    ///
    /// - Complexity: up to 0.6 ms for a prover identity with an ordering proof.
    public func run(wall: WallTime) -> ValidationVerdict {
        guard candidate.count <= valueSizeMax else {
            return .rejected(.valueTooLarge(size: candidate.count, limit: valueSizeMax))
        }
        switch rule {
        case .any:
            let preference: ValidationVerdict.Preference =
                switch incumbent {
                case nil: .candidate
                case candidate: .same
                default: .unordered
                }
            return .accepted(.init(preference: preference))
        case .publicKey:
            return judgePublicKey()
        case .proverIdentity(let rules):
            return judgeProverIdentity(rules, wall: wall)
        }
    }

    private func judgePublicKey() -> ValidationVerdict {
        guard let publicKey = try? PublicKey(protobuf: candidate) else {
            return .rejected(.publicKeyMalformed)
        }
        guard publicKey.peerID.multihash == Array(key.dropFirst(4)) else {
            return .rejected(.publicKeyMismatch)
        }
        // The encoding is deterministic and the key names its hash: no second value can be valid.
        return .accepted(.init(preference: incumbent == nil ? .candidate : .same))
    }

    private func judgeProverIdentity(
        _ rules: ProverIdentityRules, wall: WallTime
    ) -> ValidationVerdict {
        let record: ProverIdentityRecord
        do {
            record = try rules.validate(candidate, key: key, wall: wall)
        } catch {
            return .rejected(.proverIdentity(error))
        }
        let seconds = Int64(clamping: record.content.expiry)
        let expiry = WallTime(
            milliseconds: seconds > .max / 1000 ? .max : seconds * 1000)
        let owner = Bytes32(record.content.proverKey.bytes)
        var preference = ValidationVerdict.Preference.candidate
        // What is held was valid when it came. That it may have expired since does not matter: a
        // higher number still is news, and an equal one still a contradiction.
        if let incumbent, let held = try? ProverIdentityRules.decode(incumbent) {
            switch ProverIdentityRules.select(record, held) {
            case .first: preference = .candidate
            case .second: preference = .incumbent
            case .same: preference = .same
            case .equivocation: preference = .equivocation
            }
        }
        return .accepted(.init(preference: preference, expiry: expiry, owner: owner))
    }
}
