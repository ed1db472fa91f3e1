import ChoraleBase

/// Four bytes.
public struct IPv4Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The address as a big-endian integer.
    public let rawValue: UInt32

    public static let loopback = IPv4Address(rawValue: 0x7F00_0001)
    public static let any = IPv4Address(rawValue: 0)

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
        let high = UInt32(first) << 24 | UInt32(second) << 16
        rawValue = high | UInt32(third) << 8 | UInt32(fourth)
    }

    /// Copies exactly four bytes, or gives nil for any other count.
    public init?(bytes: Span<UInt8>) {
        guard bytes.count == 4 else { return nil }
        rawValue = bytes.loadBigEndian(UInt32.self, at: 0)
    }

    /// Reads dotted decimal of four parts.
    ///
    /// A part with a leading zero is refused: some readers take it for octal, and one text must not
    /// name two addresses.
    public init?(_ text: String) { self.init(ascii: Array(text.utf8)[...]) }

    init?(ascii text: ArraySlice<UInt8>) {
        guard text.count <= 15 else { return nil }
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let octet = decimal(part, max: 255) else { return nil }
            value = value << 8 | UInt32(octet)
        }
        rawValue = value
    }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(rawValue)
        return bytes
    }

    public var description: String { bytes.map(String.init).joined(separator: ".") }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Sixteen bytes, without a zone.
public struct IPv6Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The network half, as a big-endian integer.
    public let high: UInt64
    /// The interface half, as a big-endian integer.
    public let low: UInt64

    public static let loopback = IPv6Address(high: 0, low: 1)
    public static let any = IPv6Address(high: 0, low: 0)

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The IPv4-mapped form `::ffff:a.b.c.d`.
    public init(mapping address: IPv4Address) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(address.rawValue))
    }

    /// Copies exactly sixteen bytes, or gives nil for any other count.
    public init?(bytes: Span<UInt8>) {
        guard bytes.count == 16 else { return nil }
        high = bytes.loadBigEndian(UInt64.self, at: 0)
        low = bytes.loadBigEndian(UInt64.self, at: 8)
    }

    /// Reads every form of RFC 4291 section 2.2. A zone (`%eth0`) is refused.
    public init?(_ text: String) {
        let characters = Array(text.utf8)
        guard (2...45).contains(characters.count) else { return nil }
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        // Where `::` stands, in groups.
        var gap: Int?
        var position = 0
        if characters[0] == colon {
            guard characters[1] == colon else { return nil }
            gap = 0
            position = 2
        }
        while position < characters.count {
            let end = characters[position...].firstIndex(of: colon) ?? characters.count
            let part = characters[position..<end]
            if part.contains(UInt8(ascii: ".")) {
                guard end == characters.count, let tail = IPv4Address(ascii: part) else {
                    return nil
                }
                groups.append(UInt16(truncatingIfNeeded: tail.rawValue >> 16))
                groups.append(UInt16(truncatingIfNeeded: tail.rawValue))
                break
            }
            guard let group = Self.group(part) else { return nil }
            groups.append(group)
            guard end < characters.count else { break }
            position = end + 1
            guard position < characters.count else { return nil }
            if characters[position] == colon {
                guard gap == nil else { return nil }
                gap = groups.count
                position += 1
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            let zeros = [UInt16](repeating: 0, count: 8 - groups.count)
            groups.insert(contentsOf: zeros, at: gap)
        }
        guard groups.count == 8 else { return nil }
        self.init(groups: groups)
    }

    private init(groups: [UInt16]) {
        let halves = [groups[..<4], groups[4...]].map { half in
            half.reduce(0) { $0 << 16 | UInt64($1) }
        }
        self.init(high: halves[0], low: halves[1])
    }

    private static func group(_ digits: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(digits.count) else { return nil }
        var value: UInt16 = 0
        for digit in digits {
            guard let nibble = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            value = value << 4 | UInt16(nibble)
        }
        return value
    }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(high)
        bytes.appendBigEndian(low)
        return bytes
    }

    /// The IPv4 address in `::ffff:a.b.c.d`, or nil for every other address.
    public var mappedIPv4: IPv4Address? {
        guard high == 0, low >> 32 == 0xFFFF else { return nil }
        return IPv4Address(rawValue: UInt32(truncatingIfNeeded: low))
    }

    private var groups: [UInt16] {
        stride(from: 48, through: 0, by: -16).map { UInt16(truncatingIfNeeded: high >> $0) }
            + stride(from: 48, through: 0, by: -16).map { UInt16(truncatingIfNeeded: low >> $0) }
    }

    /// The canonical text of RFC 5952.
    public var description: String {
        if let mapped = mappedIPv4 { return "::ffff:\(mapped)" }
        let groups = groups
        // Section 4.2: the longest run of at least two zero groups, the first of equals.
        var gap = 0..<0
        var start = 0
        while start < 8 {
            let end = groups[start...].firstIndex(where: { $0 != 0 }) ?? 8
            if end - start >= 2, end - start > gap.count { gap = start..<end }
            start = max(end, start) + 1
        }
        func joined(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !gap.isEmpty else { return joined(groups[...]) }
        return joined(groups[..<gap.lowerBound]) + "::" + joined(groups[gap.upperBound...])
    }

    public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.high, lhs.low) < (rhs.high, rhs.low)
    }
}

/// An address of either family.
public enum IPAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    case ip4(IPv4Address)
    case ip6(IPv6Address)

    /// Reads either family's text.
    public init?(_ text: String) {
        if let address = IPv4Address(text) {
            self = .ip4(address)
        } else if let address = IPv6Address(text) {
            self = .ip6(address)
        } else {
            return nil
        }
    }

    /// Four or sixteen bytes.
    public init?(bytes: Span<UInt8>) {
        if let address = IPv4Address(bytes: bytes) {
            self = .ip4(address)
        } else if let address = IPv6Address(bytes: bytes) {
            self = .ip6(address)
        } else {
            return nil
        }
    }

    public var bytes: [UInt8] {
        switch self {
        case .ip4(let address): address.bytes
        case .ip6(let address): address.bytes
        }
    }

    public var description: String {
        switch self {
        case .ip4(let address): address.description
        case .ip6(let address): address.description
        }
    }

    /// The same host, as IPv4 when it was written as an IPv4-mapped IPv6 address.
    ///
    /// A dual-stack socket reports IPv4 peers in the mapped form; limits must count them with the
    /// rest of their network.
    public var unmapped: IPAddress {
        guard case .ip6(let address) = self, let mapped = address.mappedIPv4 else { return self }
        return .ip4(mapped)
    }
}

/// A decimal number without sign or leading zeros, at most `max`.
func decimal(_ digits: ArraySlice<UInt8>, max: UInt64) -> UInt64? {
    guard let first = digits.first, digits.count <= 20 else { return nil }
    guard first != UInt8(ascii: "0") || digits.count == 1 else { return nil }
    var value: UInt64 = 0
    for digit in digits {
        guard (0x30...0x39).contains(digit) else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = product.addingReportingOverflow(UInt64(digit - 0x30))
        guard !overflow, !carry else { return nil }
        value = sum
    }
    return value <= max ? value : nil
}
