/// A network: an address and how many of its leading bits count.
public struct IPPrefix: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The first address of the network.
    public let address: IPAddress
    /// Leading bits that count, at most 32 or 128.
    public let length: UInt8

    /// The network of `length` bits that `address` lies in.
    ///
    /// - Precondition: `length` is at most the address's own number of bits.
    public init(_ address: IPAddress, length: UInt8) {
        switch address {
        case .ip4(let address):
            precondition(length <= 32, "an IPv4 address has no \(length) bits")
            // A shift by the full width gives zero, as it should for the prefix of no bits.
            let mask = UInt32.max << (32 - UInt32(length))
            self.address = .ip4(IPv4Address(rawValue: address.rawValue & mask))
        case .ip6(let address):
            precondition(length <= 128, "an IPv6 address has no \(length) bits")
            let highMask = UInt64.max << (64 - UInt64(min(length, 64)))
            let lowMask = UInt64.max << (64 - UInt64(max(length, 64) - 64))
            self.address = .ip6(
                IPv6Address(high: address.high & highMask, low: address.low & lowMask))
        }
        self.length = length
    }

    /// Whether `address` is of the same family and inside.
    public func contains(_ address: IPAddress) -> Bool {
        switch (self.address, address) {
        case (.ip4, .ip4), (.ip6, .ip6): IPPrefix(address, length: length) == self
        case (.ip4, .ip6), (.ip6, .ip4): false
        }
    }

    public var description: String { "\(address)/\(length)" }

    public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.address, lhs.length) < (rhs.address, rhs.length)
    }
}

/// The networks an address is counted in where one operator must not fill every place.
public struct IPGroup: Hashable, Sendable {
    /// What one customer usually gets: IPv4 /24, IPv6 /48.
    public let narrow: IPPrefix
    /// What one provider usually announces: IPv4 /16, IPv6 /32.
    public let wide: IPPrefix
}

extension IPAddress {
    /// The networks for diversity limits. IPv4-mapped addresses count as IPv4.
    public var group: IPGroup {
        let address = unmapped
        switch address {
        case .ip4:
            return IPGroup(
                narrow: IPPrefix(address, length: 24), wide: IPPrefix(address, length: 16))
        case .ip6:
            return IPGroup(
                narrow: IPPrefix(address, length: 48), wide: IPPrefix(address, length: 32))
        }
    }

    /// Who can reach an address.
    ///
    /// Each case is also a metric label, so names stay stable.
    public enum Scope: String, CaseIterable, Hashable, Sendable {
        /// Reachable from the whole Internet.
        case global
        /// `0.0.0.0` or `::`.
        case unspecified
        case loopback
        case linkLocal
        /// RFC 1918, unique local (RFC 4193), site local, and local-use NAT64.
        case `private`
        /// Between a provider's translator and its customers (RFC 6598).
        case shared
        case documentation
        case benchmarking
        case multicast
        case broadcast
        /// Set aside, unallocated, deprecated, or of a use that no peer has.
        case reserved
    }

    /// Who can reach this address.
    ///
    /// IPv4-mapped and NAT64 addresses have the scope of the IPv4 address inside.
    ///
    /// Specification: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890).
    public var scope: Scope {
        switch unmapped {
        case .ip4(let address):
            for (prefix, scope) in Self.ranges4 where prefix.contains(.ip4(address)) {
                return scope
            }
            return .global
        case .ip6(let address):
            for (prefix, scope) in Self.ranges6 where prefix.contains(.ip6(address)) {
                return scope
            }
            if address.high == 0x64_FF9B_0000_0000, address.low >> 32 == 0 {
                return IPAddress.ip4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: address.low)))
                    .scope
            }
            // Only 2000::/3 has been given out for unicast (RFC 4291 section 2.4).
            return address.high >> 61 == 1 ? .global : .reserved
        }
    }

    /// Whether the whole Internet can reach this address.
    public var isGlobal: Bool { scope == .global }

    /// Longer prefixes stand before the shorter ones that hold them.
    private static let ranges4: [(IPPrefix, Scope)] = [
        ("0.0.0.0", 32, .unspecified),
        ("0.0.0.0", 8, .reserved),
        ("10.0.0.0", 8, .private),
        ("100.64.0.0", 10, .shared),
        ("127.0.0.0", 8, .loopback),
        ("169.254.0.0", 16, .linkLocal),
        ("172.16.0.0", 12, .private),
        // Holds two anycast services, too, at which no peer listens.
        ("192.0.0.0", 24, .reserved),
        ("192.0.2.0", 24, .documentation),
        // The former 6to4 relay anycast, RFC 7526.
        ("192.88.99.0", 24, .reserved),
        ("192.168.0.0", 16, .private),
        ("198.18.0.0", 15, .benchmarking),
        ("198.51.100.0", 24, .documentation),
        ("203.0.113.0", 24, .documentation),
        ("224.0.0.0", 4, .multicast),
        ("255.255.255.255", 32, .broadcast),
        ("240.0.0.0", 4, .reserved),
    ].map(range)

    private static let ranges6: [(IPPrefix, Scope)] = [
        ("::", 128, .unspecified),
        ("::1", 128, .loopback),
        ("64:ff9b:1::", 48, .private),
        ("2001:2::", 48, .benchmarking),
        ("2001:3::", 32, .global),
        ("2001:4:112::", 48, .global),
        // Protocol assignments: Teredo, ORCHID and others, none of which a peer can be dialled at.
        ("2001::", 23, .reserved),
        ("2001:db8::", 32, .documentation),
        // 6to4 (RFC 7526): a way around rules about the IPv4 address inside.
        ("2002::", 16, .reserved),
        ("3fff::", 20, .documentation),
        ("fc00::", 7, .private),
        ("fe80::", 10, .linkLocal),
        ("fec0::", 10, .private),
        ("ff00::", 8, .multicast),
    ].map(range)

    private static func range(
        _ row: (text: String, length: UInt8, scope: Scope)
    ) -> (IPPrefix, Scope) {
        guard let address = IPAddress(row.text) else {
            preconditionFailure("\(row.text) is an address")
        }
        return (IPPrefix(address, length: row.length), row.scope)
    }
}
