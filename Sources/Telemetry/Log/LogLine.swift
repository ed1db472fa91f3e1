import ChoraleBase

/// One line before it is written.
struct LogLine {
    let time: WallTime
    let level: LogLevel
    let message: String
    let fields: [(LogKey, LogValue)]

    /// Messages are padded to this width, so that values stand below each other.
    private static let messageWidth = 36
    private static let levelWidth = 7

    func encode(_ format: LogFormat, limits: LogLimits) -> String {
        switch format {
        case .text: text(limits)
        case .json: json(limits)
        }
    }

    private func text(_ limits: LogLimits) -> String {
        var line = Self.timestamp(time) + " " + Self.padded(level.rawValue, to: Self.levelWidth)
        line += " " + (fields.isEmpty ? message : Self.padded(message, to: Self.messageWidth))
        for (key, value) in fields {
            line += " \(key)=" + Self.plain(value, limits)
        }
        return line + "\n"
    }

    private func json(_ limits: LogLimits) -> String {
        var line = "{\"time\":\"\(Self.timestamp(time))\",\"level\":\"\(level.rawValue)\""
        line += ",\"message\":" + JSONText.string(message)
        for (key, value) in fields {
            line += ",\(JSONText.string(key.description)):"
            switch value {
            case .text(let text): line += JSONText.string(Self.cut(text, limits))
            case .integer(let integer): line += "\(integer)"
            // JSON has no word for what is not a number.
            case .real(let real): line += real.isFinite ? "\(real)" : "\"\(real)\""
            case .boolean(let boolean): line += "\(boolean)"
            }
        }
        return line + "}\n"
    }

    private static func plain(_ value: LogValue, _ limits: LogLimits) -> String {
        switch value {
        case .text(let text): quotedIfNeeded(cut(text, limits))
        case .integer(let integer): "\(integer)"
        case .real(let real): "\(real)"
        case .boolean(let boolean): "\(boolean)"
        }
    }

    /// In quotation marks where a reader could not tell where the value ends.
    private static func quotedIfNeeded(_ text: String) -> String {
        let isPlain = text.unicodeScalars.allSatisfy { scalar in
            !scalar.isUnsafeToPrint && !scalar.properties.isWhitespace && scalar != "\""
                && scalar != "=" && scalar != "\\"
        }
        return isPlain && !text.isEmpty ? text : JSONText.string(text)
    }

    /// The first bytes of a long text, cut between characters.
    private static func cut(_ text: String, _ limits: LogLimits) -> String {
        guard text.utf8.count > limits.valueSizeMax else { return text }
        var cut = ""
        var size = 0
        for scalar in text.unicodeScalars {
            size += UTF8.width(scalar)
            if size > limits.valueSizeMax { break }
            cut.unicodeScalars.append(scalar)
        }
        return cut + "…"
    }

    private static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// `2026-11-21T10:04:05.678Z`.
    static func timestamp(_ time: WallTime) -> String {
        let days = (time.seconds - (time.seconds < 0 ? 86_399 : 0)) / 86_400
        let secondOfDay = time.seconds - days * 86_400
        let (year, month, day) = date(daysSinceEpoch: days)
        let millisecond = time.milliseconds - time.seconds * 1000
        return "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))"
            + "T\(digits(secondOfDay / 3600, 2)):\(digits(secondOfDay / 60 % 60, 2))"
            + ":\(digits(secondOfDay % 60, 2)).\(digits(millisecond, 3))Z"
    }

    private static func digits(_ value: Int64, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }

    /// The proleptic Gregorian date, counting in eras of 400 years that begin on the first of March,
    /// so that the leap day is the last of its year.
    private static func date(daysSinceEpoch: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = daysSinceEpoch + 719_468  // from 0000-03-01 to 1970-01-01
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // Months of 31, 30, 31, 30, 31 days repeat: 153 days each.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
