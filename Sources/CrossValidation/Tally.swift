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

    /// What a family says.
    public enum Voice: Hashable, Sendable {
        case agrees
        case disagrees
        case silent
    }

    /// What families say, the host's among them, of a block that the host has found valid itself.
    ///
    /// Each family has one voice: it disagrees if any of its endpoints does, the host's own family too, and
    /// is silent only if all are.
    ///
    /// - Returns: in the order of names.
    public static func voices(_ answers: [VerifierAnswer]) -> [(family: String, voice: Voice)] {
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
        return families.sorted { $0.key < $1.key }.map { name, said in
            (name, said.disagrees ? .disagrees : said.agrees ? .agrees : .silent)
        }
    }

    /// Counts answers about a block that the host has found valid itself, as ``voices(_:)`` has them.
    public init(_ answers: [VerifierAnswer]) {
        self.init(agree: 0, disagree: 0, silent: 0)
        for voice in Self.voices(answers) {
            switch voice.voice {
            case .agrees: agree += 1
            case .disagrees: disagree += 1
            case .silent: silent += 1
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

public enum CrossValidationDecision: Hashable, Sendable, CaseIterable {
    public enum Cause: String, Hashable, Sendable, CaseIterable {
        case disagreement
        case unreachable
    }

    case accept
    /// An operator should know.
    case acceptWithAlarm(Cause)
    case refuse(Cause)

    public static var allCases: [CrossValidationDecision] {
        [.accept] + Cause.allCases.map { .acceptWithAlarm($0) } + Cause.allCases.map { .refuse($0) }
    }

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
