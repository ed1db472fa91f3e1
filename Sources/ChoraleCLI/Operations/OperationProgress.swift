import Codec

/// How far an operation has come, as the one who asked for it sees it.
///
///     submitted ─▶ included ─▶ elected ─▶ executed ─▶ proven n/m ─▶ committed ─▶ verified n/m ─▶ certified ─▶ settled
///                                 ╰───── without proofs ────────────▶ committed ─▶ justified ────▶ certified ─▶ settled
///
/// A commitment that is found to be wrong leads back to `elected`.
struct OperationProgress: Equatable, Sendable {
    enum Phase: Int, CaseIterable, Comparable, Sendable {
        case submitted
        case included
        case elected
        case executed
        case proven
        case committed
        case verified
        /// A committee has found the executor's output: safe, and final when nobody disputes it.
        case justified
        case certified
        case settled

        /// Also the name in JSON, which is stable.
        var name: String { "\(self)" }

        /// Whether it is made of the operation's parts.
        var isCounted: Bool { self == .proven || self == .verified }

        static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    var phase: Phase
    /// Parts, in the phases that count them.
    var done = 0
    /// How many parts there are, 0 where nothing is proven; nil while nobody has said so.
    var partCount: Int?

    init(_ phase: Phase, done: Int = 0, of partCount: Int? = nil) {
        self.phase = phase
        self.done = done
        self.partCount = partCount
    }

    /// - Parameters:
    ///   - operation: as `chorale_operation` answers.
    ///   - partCount: of the model, when it is known.
    init(_ operation: JSONValue, partCount: Int?) {
        let commitment = operation["commitment"]
        let count = commitment?["partCount"]?.int ?? partCount
        switch operation.text(of: "status") {
        case "settled": self.init(.settled, of: count)
        case "certified": self.init(.certified, of: count)
        case "justified": self.init(.justified, of: count)
        case "committed", "frozen":
            let certified = commitment?["partsCertified"]?.int ?? 0
            self.init(certified > 0 ? .verified : .committed, done: certified, of: count)
        default:
            let progress = operation["progress"]?.int ?? 0
            if progress >= Self.executedProgress {
                let proven = count.map { Self.proven(progress: progress, of: $0) } ?? 0
                self.init(proven > 0 ? .proven : .executed, done: proven, of: count)
            } else {
                let isElected = !(operation["executors"]?.array ?? []).isEmpty
                self.init(isElected ? .elected : .included, of: count)
            }
        }
    }

    /// What an executor's renewal says when it has executed; the rest to 1000 is divided among the parts.
    static let executedProgress = 100

    /// Parts that are proven when a renewal says so many thousandths: n of m is said as
    /// ⌊100 + 900 · n / m⌋.
    static func proven(progress: Int, of count: Int) -> Int {
        min(count, max(0, (progress - executedProgress) * count + 899) / 900)
    }

    /// From 0 to 1, for a bar: each part counts as much as another phase.
    var share: Double {
        let parts = partCount ?? 4
        var total = 0
        var reached = 0
        for phase in Phase.allCases where takes(phase) {
            let weight = phase.isCounted ? parts : 1
            total += weight
            if phase < self.phase || (phase == self.phase && !phase.isCounted) {
                reached += weight
            } else if phase == self.phase {
                reached += min(done, weight)
            }
        }
        return Double(reached) / Double(total)
    }

    /// Whether the operation goes through a phase: parts are proven and verified, or a committee is asked.
    func takes(_ phase: Phase) -> Bool {
        switch phase {
        case .executed, .proven, .verified: partCount != 0
        case .justified: partCount == 0
        case .submitted, .included, .elected, .committed, .certified, .settled: true
        }
    }

    /// `proven 3/5`.
    var text: String {
        guard phase.isCounted, let partCount else { return phase.name }
        return "\(phase.name) \(done)/\(partCount)"
    }
}

/// When each phase was reached, in seconds since the beginning.
struct OperationTimeline: Equatable {
    private(set) var reached: [(phase: OperationProgress.Phase, seconds: Double)] = []
    private(set) var current: OperationProgress?

    static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.current == rhs.current
            && lhs.reached.elementsEqual(rhs.reached) {
                $0.phase == $1.phase && $0.seconds == $1.seconds
            }
    }

    /// What is new about it: nothing, or the phases between, each as it was when it ended, and the present one.
    mutating func note(_ progress: OperationProgress, at seconds: Double) -> [OperationProgress] {
        guard progress != current else { return [] }
        let before = current?.phase
        current = progress
        guard let last = before, progress.phase > last else {
            // The first, the same phase with more parts, or back to an earlier one.
            if before != progress.phase {
                reached.removeAll { $0.phase >= progress.phase }
                reached.append((progress.phase, seconds))
            }
            return [progress]
        }
        var changes: [OperationProgress] = []
        for phase in OperationProgress.Phase.allCases
        where phase > last && phase <= progress.phase && progress.takes(phase) {
            reached.append((phase, seconds))
            guard phase != progress.phase else { continue }
            let all = phase.isCounted ? progress.partCount ?? 0 : 0
            changes.append(OperationProgress(phase, done: all, of: progress.partCount))
        }
        return changes + [progress]
    }

    /// A line for each phase: when it was reached, and how long after the one before.
    var table: Table {
        var table = Table("PHASE", "AFTER", "TOOK")
        var before = 0.0
        for (phase, seconds) in reached {
            table.add(phase.name, Self.text(seconds), Self.text(seconds - before))
            before = seconds
        }
        return table
    }

    static func text(_ seconds: Double) -> String {
        seconds < 100
            ? "\(Human.decimal(seconds)) s" : Human.duration(seconds: Int64(seconds.rounded()))
    }
}
