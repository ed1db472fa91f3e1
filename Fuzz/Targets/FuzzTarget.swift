/// One thing that reads what strangers send, and what must hold whatever they send.
///
/// A target never fails softly: a broken property traps (``require(_:_:)``), as a bug in the code
/// under test would. Running the same bytes twice does the same twice.
public struct FuzzTarget: Sendable {
    /// Stable: corpus folders have this name.
    public let name: String
    /// What is read, and the property that is checked beyond "does not trap".
    public let summary: String
    /// Longest input worth trying, in bytes.
    public let sizeMax: Int
    /// Valid inputs to start from. Deterministic.
    public let seeds: @Sendable () -> [[UInt8]]
    /// Runs one input, and notes what came of it.
    public let run: @Sendable (_ input: [UInt8], _ findings: inout Findings) -> Void

    init(
        _ name: String,
        _ summary: String,
        sizeMax: Int = 4096,
        seeds: @escaping @Sendable () -> [[UInt8]] = { [] },
        run: @escaping @Sendable ([UInt8], inout Findings) -> Void
    ) {
        self.name = name
        self.summary = summary
        self.sizeMax = sizeMax
        self.seeds = seeds
        self.run = run
    }

    /// Every target, ordered as they are listed and run.
    public static let all: [FuzzTarget] =
        codecTargets + multiformatTargets + cryptoTargets + identityTargets + containerTargets
        + streamTargets + noiseTargets + connectionTargets + yamuxTargets + gossipTargets
        + kademliaTargets + swarmTargets + bodyTargets + requestTargets + nodeTargets
        + adminTargets + configurationTargets + curveTargets + executionTargets + witnessTargets
        + trieTargets + contractTargets + consensusTargets + engineTargets + chainTargets
        + rangeTargets + spartanTargets + attestationTargets + inferenceTargets + proofTargets
        + subproofTargets + operationTargets + partVerificationTargets
}

/// What one run came to, as a set of numbers: names of errors and results, and magnitudes of
/// counters.
///
/// An input that shows a number for the first time is kept and mutated further. It is a poor man's
/// coverage: it needs no instrumented build, and a typed error is where a decoder's branches end.
public struct Findings {
    public private(set) var features: [UInt64] = []
    /// Spent on names by reflection; bounded, so that a run with many outputs stays quick.
    private var noteCount = 0
    private static let noteCountMax = 64

    public init() {}

    /// Forgets the last run.
    public mutating func reset() {
        features.removeAll(keepingCapacity: true)
        noteCount = 0
    }

    /// The name of an enum's case, and those of enums inside it, without any other payload.
    mutating func note(_ scope: StaticString, _ value: some Any) {
        guard noteCount < Self.noteCountMax else { return }
        noteCount += 1
        var hash = FNV(scope)
        hash.add(caseNamesOf: value, depth: 3)
        features.append(hash.value)
    }

    /// How large a number is, to a factor of two.
    mutating func note(_ scope: StaticString, size: Int) {
        var hash = FNV(scope)
        hash.add(UInt8(truncatingIfNeeded: Int.bitWidth - max(0, size).leadingZeroBitCount))
        features.append(hash.value)
    }

    /// Each counter of a `Counters` struct, to a factor of two.
    mutating func note(_ scope: StaticString, counters: some Any) {
        for child in Mirror(reflecting: counters).children {
            guard let value = child.value as? UInt64, value > 0 else { continue }
            var hash = FNV(scope)
            hash.add(child.label ?? "")
            hash.add(UInt8(truncatingIfNeeded: UInt64.bitWidth - value.leadingZeroBitCount))
            features.append(hash.value)
        }
    }
}

/// FNV-1a: the same in every process, which `Hasher` is not.
public struct FNV {
    public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    public init() {}

    init(_ scope: StaticString) { add("\(scope)") }

    public mutating func add(_ byte: UInt8) {
        value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }

    public mutating func add(_ text: String) {
        for byte in text.utf8 { add(byte) }
        add(0)
    }

    public mutating func add(_ bytes: [UInt8]) {
        for byte in bytes { add(byte) }
    }

    mutating func add(caseNamesOf value: some Any, depth: Int) {
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .enum:
            guard let payload = mirror.children.first else { return add("\(value)") }
            add(payload.label ?? "")
            if depth > 0 { add(caseNamesOf: payload.value, depth: depth - 1) }
        case .tuple, .optional:
            guard depth > 0 else { return }
            for child in mirror.children { add(caseNamesOf: child.value, depth: depth - 1) }
        default: break
        }
    }
}

/// Traps with a message, in optimised builds too.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fatalError("property broken: \(message())") }
}
