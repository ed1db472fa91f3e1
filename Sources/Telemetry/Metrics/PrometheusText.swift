/// Writes metrics in the text format that Prometheus reads.
///
/// Specification: Prometheus exposition formats, "Text-based format", version 0.0.4.
public enum PrometheusText {
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    public static func encode(_ snapshot: MetricsSnapshot) -> String {
        var text = ""
        for family in snapshot.families { append(family, to: &text) }
        return text
    }

    private static func append(_ family: MetricFamily, to text: inout String) {
        text += "# HELP \(family.name) \(escapedHelp(family.help))\n"
        text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
        for sample in family.samples {
            let labels = sample.labels.map { ($0.name, $0.value) }
            switch sample.value {
            case .integer(let value): append(family.name, labels, "\(value)", to: &text)
            case .real(let value): append(family.name, labels, number(value), to: &text)
            case .histogram(let histogram):
                append(histogram, name: family.name, labels: labels, to: &text)
            }
        }
    }

    private static func append(
        _ histogram: Histogram,
        name: String,
        labels: [(String, String)],
        to text: inout String
    ) {
        var count: UInt64 = 0
        for (bound, inBucket) in zip(histogram.bounds + [.infinity], histogram.counts) {
            count &+= inBucket
            append("\(name)_bucket", labels + [("le", number(bound))], "\(count)", to: &text)
        }
        append("\(name)_sum", labels, number(histogram.sum), to: &text)
        append("\(name)_count", labels, "\(count)", to: &text)
    }

    private static func append(
        _ name: String,
        _ labels: [(String, String)],
        _ value: String,
        to text: inout String
    ) {
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { "\($0.0)=\"\(escapedLabel($0.1))\"" }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(value)\n"
    }

    /// The shortest digits that read back as the same number.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let digits = value.description
        return digits.hasSuffix(".0") ? String(digits.dropLast(2)) : digits
    }

    private static func escapedHelp(_ text: String) -> String {
        escaped(text, quoting: false)
    }

    private static func escapedLabel(_ text: String) -> String {
        escaped(text, quoting: true)
    }

    private static func escaped(_ text: String, quoting: Bool) -> String {
        var escaped = ""
        // By scalar: a line break in a `Character` may have a carriage return in front.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quoting: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
