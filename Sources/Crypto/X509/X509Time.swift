import CLibcrypto

/// Times of certificates, in the two forms that RFC 5280 (section 4.1.2.5) allows and no other.
enum X509Time {
    /// Seconds since 1970, or nil for anything else.
    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        guard let time, let text = stringContent(time) else { return nil }
        switch ASN1_STRING_type(time) {
        case V_ASN1_UTCTIME: return seconds(utc: text)
        case V_ASN1_GENERALIZEDTIME: return seconds(generalized: text)
        default: return nil
        }
    }

    /// `YYMMDDHHMMSSZ`, of 1950 to 2049.
    static func seconds(utc text: [UInt8]) -> Int64? {
        guard text.count == 13, let year = number(text, 0, 2) else { return nil }
        return seconds(year: year < 50 ? 2000 + year : 1900 + year, rest: text, at: 2)
    }

    /// `YYYYMMDDHHMMSSZ`.
    static func seconds(generalized text: [UInt8]) -> Int64? {
        guard text.count == 15, let year = number(text, 0, 4) else { return nil }
        return seconds(year: year, rest: text, at: 4)
    }

    private static func seconds(year: Int64, rest text: [UInt8], at start: Int) -> Int64? {
        guard text[start + 10] == UInt8(ascii: "Z"),
            let month = number(text, start, 2), let day = number(text, start + 2, 2),
            let hour = number(text, start + 4, 2), let minute = number(text, start + 6, 2),
            let second = number(text, start + 8, 2)
        else { return nil }
        return CivilTime.seconds(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second)
    }

    private static func number(_ text: [UInt8], _ start: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for character in text[start..<start + count] {
            guard (0x30...0x39).contains(character) else { return nil }
            value = 10 * value + Int64(character - 0x30)
        }
        return value
    }
}

/// The Gregorian calendar, without leap seconds.
public enum CivilTime {
    /// Seconds since 1970-01-01T00:00:00Z, or nil when there is no such time.
    ///
    /// - Parameter year: 0 to 9999.
    public static func seconds(
        year: Int64, month: Int64, day: Int64, hour: Int64, minute: Int64, second: Int64
    ) -> Int64? {
        guard (0...9999).contains(year), (1...12).contains(month), (0...23).contains(hour),
            (0...59).contains(minute), (0...59).contains(second)
        else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...lengths[Int(month) - 1]).contains(day) else { return nil }
        // Days before the year in the proleptic calendar, of which 1970 has 719,528 before it.
        let past = year - 1
        let leapDays =
            year == 0 ? 0 : past / 4 - past / 100 + past / 400 + 1
        let dayOfYear = lengths[..<(Int(month) - 1)].reduce(0, +) + day - 1
        let days = 365 * year + leapDays + dayOfYear - 719_528
        return ((days * 24 + hour) * 60 + minute) * 60 + second
    }
}
