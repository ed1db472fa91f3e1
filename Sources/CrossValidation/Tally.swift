/// How many implementation families, this program's included, found what.
public struct Tally: Hashable, Sendable {
    /// The host's own execution is one.
    public var agree: Int
    public var disagree: Int
    /// Out of time, out of reach, or without an opinion.
    public var silent: Int

    public init(agree: Int, disagree: Int, silent: Int) {
        self.agree = agree
        self.disagree = disagree
        self.silent = silent
    }

    /// Counts answers about a block that the host has found valid itself.
    ///
    /// Each family has one voice: it disagrees if any of its endpoints does, the host's own family too, and
    /// is silent only if all are.
    public init(_ answers: [VerifierAnswer]) {
        var families: [String: (agrees: Bool, disagrees: Bool)] = [
            Verifier.host: (agrees: true, disagrees: false)
        ]
        for answer in answers {
            var family = families[answer.verifier.family] ?? (agrees: false, disagrees: false)
            switch answer.outcome {
            case .agree: family.agrees = true
            case .disagree: family.disagrees = true
            case .silent: break
            }
            families[answer.verifier.family] = family
        }
        self.init(agree: 0, disagree: 0, silent: 0)
        for family in families.values {
            if family.disagrees {
                disagree += 1
            } else if family.agrees {
                agree += 1
            } else {
                silent += 1
            }
        }
    }

    /// What follows for the block.
    public func decision(whenUnreachable policy: UnreachablePolicy) -> CrossValidationDecision {
        // Whatever the others say, two that disagree are no accident of one implementation.
        if disagree >= 2 || disagree >= agree { return .refuse(.disagreement) }
        if disagree == 1 { return .acceptWithAlarm(.disagreement) }
        if agree == 1, silent > 0 {
            return policy == .accept ? .acceptWithAlarm(.unreachable) : .refuse(.unreachable)
        }
        return .accept
    }
}

/// What is done when nobody but the host has an opinion, though others were asked.
public enum UnreachablePolicy: String, CaseIterable, Hashable, Sendable {
    case accept
    case refuse
}

public enum CrossValidationDecision: Hashable, Sendable {
    public enum Cause: String, Hashable, Sendable {
        case disagreement
        case unreachable
    }

    case accept
    /// An operator should know.
    case acceptWithAlarm(Cause)
    case refuse(Cause)

    public var isAccepted: Bool {
        if case .refuse = self { false } else { true }
    }

    /// For reports and labels of metrics.
    public var name: String {
        switch self {
        case .accept: "accept"
        case .acceptWithAlarm(let cause): "accept_alarm_\(cause.rawValue)"
        case .refuse(let cause): "refuse_\(cause.rawValue)"
        }
    }
}
