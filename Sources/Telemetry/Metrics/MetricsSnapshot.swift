/// All metrics of the node at one moment.
///
/// The loop builds one every second or so from its counters and publishes it; nothing is shared
/// with it while it counts.
public struct MetricsSnapshot: Hashable, Sendable {
    /// In the order in which they were added.
    public private(set) var families: [MetricFamily] = []

    public init() {}

    /// - Precondition: no family has this name yet.
    public mutating func add(_ family: MetricFamily) {
        precondition(
            !families.contains { $0.name == family.name }, "\(family.name) is added once")
        families.append(family)
    }

    /// A counter without labels.
    public mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
        counter(name, help, [MetricSample(.integer(value))])
    }

    /// A counter with one sample for each combination of labels.
    public mutating func counter(_ name: String, _ help: String, _ samples: [MetricSample]) {
        add(MetricFamily(name: name, help: help, kind: .counter, samples: samples))
    }

    /// A gauge without labels.
    public mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        gauge(name, help, [MetricSample(.real(value))])
    }

    /// A gauge with one sample for each combination of labels.
    public mutating func gauge(_ name: String, _ help: String, _ samples: [MetricSample]) {
        add(MetricFamily(name: name, help: help, kind: .gauge, samples: samples))
    }

    /// A histogram without labels.
    public mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        let samples = [MetricSample(.histogram(histogram))]
        add(MetricFamily(name: name, help: help, kind: .histogram, samples: samples))
    }
}

/// One metric: its name, what it means, and its value for each combination of labels.
public struct MetricFamily: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable { case counter, gauge, histogram }

    public let name: String
    public let help: String
    public let kind: Kind
    public let samples: [MetricSample]

    /// - Precondition: `name` is `chorale_<module>_<noun>…` in lower case and ends in `_total` if
    ///   and only if it is a counter; the samples are of this kind and differ in their labels.
    public init(name: String, help: String, kind: Kind, samples: [MetricSample]) {
        precondition(Self.isValid(name, kind: kind), "\(name) does not follow the rule for names")
        precondition(
            samples.allSatisfy { $0.value.fits(kind) }, "the samples of \(name) are of its kind")
        precondition(
            Set(samples.map(\.labels)).count == samples.count,
            "two samples of \(name) have the same labels")
        self.name = name
        self.help = help
        self.kind = kind
        self.samples = samples
    }

    static func isValid(_ name: String, kind: Kind) -> Bool {
        let words = name.split(separator: "_", omittingEmptySubsequences: false)
        let hasWords = words.allSatisfy { word in
            !word.isEmpty && word.utf8.allSatisfy { 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 }
        }
        return hasWords && words.count >= 3 && words[0] == "chorale"
            && (words.last == "total") == (kind == .counter)
    }
}

/// One value of a metric.
public struct MetricSample: Hashable, Sendable {
    public let labels: [MetricLabel]
    public let value: MetricValue

    public init(_ labels: MetricLabel..., value: MetricValue) {
        self.labels = labels
        self.value = value
    }

    public init(_ value: MetricValue) { self.init(value: value) }
}

public enum MetricValue: Hashable, Sendable {
    /// Exact over the whole range.
    case integer(UInt64)
    case real(Double)
    case histogram(Histogram)

    fileprivate func fits(_ kind: MetricFamily.Kind) -> Bool {
        switch (self, kind) {
        case (.integer, .counter), (.real, .counter), (.integer, .gauge), (.real, .gauge): true
        case (.histogram, .histogram): true
        case (.histogram, .counter), (.histogram, .gauge): false
        case (.integer, .histogram), (.real, .histogram): false
        }
    }
}

/// A dimension of a metric.
///
/// Its value can only be a case of an enum or a constant, never something a peer chose: every
/// value is a time series that whoever stores the metrics keeps for ever.
public struct MetricLabel: Hashable, Sendable {
    public let name: String
    public let value: String

    public init<Case: RawRepresentable<String> & Sendable>(_ name: StaticString, _ value: Case) {
        self.init(name: name, text: value.rawValue)
    }

    /// The name of an enum's case.
    public init<Case: CaseIterable & Sendable>(_ name: StaticString, caseOf value: Case) {
        self.init(name: name, text: String(describing: value))
    }

    public init(_ name: StaticString, constant: StaticString) {
        self.init(name: name, text: constant.description)
    }

    private init(name: StaticString, text: String) {
        // `le` is what histograms call their bounds.
        precondition(name.description != "le", "le is the label of a histogram's buckets")
        self.name = name.description
        value = text
    }
}
