/// How often whom said what, and what followed.
public struct CrossValidationCounters: Sendable {
    public struct Family: Hashable, Sendable {
        public let name: String
        /// Blocks of which the family said so with its one voice.
        public var agreements: UInt64 = 0
        public var disagreements: UInt64 = 0
        public var silences: UInt64 = 0
    }

    /// The host's first, then in the order in which they were configured.
    public private(set) var families: [Family]
    /// Blocks by ``CrossValidationDecision/name``, each that there is.
    public private(set) var decisions: [(name: String, count: UInt64)] =
        CrossValidationDecision.allCases.map { ($0.name, 0) }
    /// Blocks about which nobody was asked, because too many were being asked about.
    public private(set) var unasked: UInt64 = 0

    public init(_ verifiers: [Verifier]) {
        var names = [Verifier.host]
        for verifier in verifiers where !names.contains(verifier.family) {
            names.append(verifier.family)
        }
        families = names.map { Family(name: $0) }
    }

    /// - Parameter report: nil when nobody was asked.
    public mutating func count(_ report: CrossValidationReport?) {
        guard let report else {
            unasked += 1
            return
        }
        for (index, place) in decisions.enumerated() where place.name == report.decision.name {
            decisions[index].count += 1
        }
        for voice in Tally.voices(report.answers) {
            guard let index = families.firstIndex(where: { $0.name == voice.family }) else {
                continue
            }
            switch voice.voice {
            case .agrees: families[index].agreements += 1
            case .disagrees: families[index].disagreements += 1
            case .silent: families[index].silences += 1
            }
        }
    }
}
