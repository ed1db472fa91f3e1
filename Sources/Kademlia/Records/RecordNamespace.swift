public import ChoraleTypes

/// A part of the key space and the rule for the values under it.
public struct RecordNamespace: Sendable {
    /// Which keys belong to the namespace.
    public enum Match: Hashable, Sendable {
        /// Keys that begin with these bytes, such as `/pk/`.
        case prefix([UInt8])
        /// Keys of exactly this many bytes. For keys that are bare digests.
        case size(Int)
    }

    /// How a value is judged.
    public enum Rule: Sendable {
        /// The value is the public key whose peer id the key names: `/pk/<multihash>`, as go has it.
        case publicKey
        /// A prover's signed, expiring, numbered record.
        case proverIdentity(ProverIdentityRules)
        /// Any value within the size limit. There is no order among values: a put replaces, a read
        /// gives the value that most holders agree on, and stale holders are not repaired.
        case any
    }

    public var match: Match
    public var rule: Rule
    /// Largest value, in bytes.
    public var valueSizeMax: Int
    /// Longest life of a record, or nil for the configured one.
    public var timeToLive: Duration?

    public init(match: Match, rule: Rule, valueSizeMax: Int, timeToLive: Duration? = nil) {
        self.match = match
        self.rule = rule
        self.valueSizeMax = valueSizeMax
        self.timeToLive = timeToLive
    }

    /// `/pk/<multihash>`: the one namespace that go and nim share without configuration.
    public static let publicKeys = RecordNamespace(
        match: .prefix(Array("/pk/".utf8)), rule: .publicKey, valueSizeMax: 4096)

    /// Prover identity records, under bare digests.
    public static func proverIdentities(_ rules: ProverIdentityRules) -> RecordNamespace {
        RecordNamespace(
            match: .size(32), rule: .proverIdentity(rules),
            valueSizeMax: ProverIdentityRecord.encodedSizeMax, timeToLive: rules.lifeMax)
    }

    func contains(_ key: [UInt8]) -> Bool {
        switch match {
        case .prefix(let prefix): key.count > prefix.count && key.starts(with: prefix)
        case .size(let size): key.count == size
        }
    }
}
