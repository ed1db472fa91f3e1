import ChoraleBase

/// Calendar text without Foundation, for the one field of the protocol that has it.
enum RFC3339 {
    /// UTC with seconds, such as `2026-11-21T09:12:00Z`. Years outside 1970–9999 are clamped.
    static func text(_ time: WallTime) -> String {
        let seconds = min(max(time.seconds, 0), 253_402_300_799)
        let (days, second) = (seconds / 86_400, seconds % 86_400)
        // Days to civil date, counting from 0000-03-01 in eras of 400 years (146,097 days), so that
        // the leap day is the last of a year.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
            + "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))Z"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
