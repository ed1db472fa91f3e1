import Attestation
import ChoraleBase
import Codec
import Operations

/// What may vouch for parts of operations, as `ENCLAVES` of `config.yaml` lists it: a kind of enclave, its measurement,
/// and for which operations and how long.
///
///     ENCLAVES:
///       - sgx measurement=0x5e… kind=1 last-epoch=1000
///       - sev-snp measurement=0x07… kind=1 product=milan firmware=0x04000000000018db
///
/// Platforms of AMD have no status that somebody publishes, so that an entry says the lowest firmware.
struct GenesisEnclaves {
    /// Words that an entry may set, besides the kind of enclave.
    static let words = [
        "measurement", "kind", "first-epoch", "last-epoch", "product", "firmware",
    ]

    private static let kinds: [String: AttestationKind] = [
        "sgx": .sgx, "tdx": .tdx, "sev-snp": .sevSNP, "nitro": .nitro,
    ]
    private static let products: [String: AMDProduct] = [
        "milan": .milan, "genoa": .genoa, "turin": .turin,
    ]

    private(set) var allowed: [AllowedEnclave] = []
    private(set) var firmware: [AMDProduct: AMDTCB] = [:]

    /// Why an entry is none, in words.
    struct EntryError: Error {
        let reason: String
    }

    /// - Parameter text: one entry of the list.
    mutating func add(_ text: String) throws(EntryError) {
        var words = text.split(separator: " ", omittingEmptySubsequences: true)[...]
        guard let name = words.popFirst(), let kind = Self.kinds[String(name)] else {
            throw EntryError(
                reason:
                    "an entry begins with one of \(Self.kinds.keys.sorted().joined(separator: ", "))"
            )
        }
        let values = try Self.values(words)
        guard let hex = values["measurement"], let bytes = try? Hex.decode(hex),
            let digest = Bytes32(bytes)
        else { throw EntryError(reason: "`measurement` is not 32 bytes in hexadecimal") }
        guard let number = UInt16(exactly: try Self.number(values, "kind")), number > 0 else {
            throw EntryError(reason: "`kind` is not the number of a kind of operations")
        }
        let first = try Self.number(values, "first-epoch", or: 0)
        let last = try Self.number(values, "last-epoch", or: .max)
        guard first <= last else {
            throw EntryError(reason: "the last epoch, \(last), is before the first, \(first)")
        }
        try addFirmware(kind, values)
        let entry = AllowedEnclave(
            kind: number,
            AllowedMeasurement(
                measurement: EnclaveMeasurement(kind: kind, digest: digest), epochs: first...last))
        guard !allowed.contains(entry) else { throw EntryError(reason: "it is there twice") }
        allowed.append(entry)
        guard allowed.count <= EnclaveRegistry.allowedMax else {
            throw EntryError(reason: "there are more than \(EnclaveRegistry.allowedMax)")
        }
    }

    private static func values(
        _ words: ArraySlice<Substring>
    ) throws(EntryError) -> [String: String] {
        var values: [String: String] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, Self.words.contains(String(parts[0])) else {
                throw EntryError(
                    reason:
                        "`\(word)` is none of \(Self.words.joined(separator: ", ")) with a value")
            }
            guard values.updateValue(String(parts[1]), forKey: String(parts[0])) == nil else {
                throw EntryError(reason: "`\(parts[0])` is said twice")
            }
        }
        return values
    }

    private static func number(
        _ values: [String: String], _ word: String, or standard: UInt64? = nil
    ) throws(EntryError) -> UInt64 {
        guard let text = values[word] else {
            guard let standard else { throw EntryError(reason: "`\(word)` is missing") }
            return standard
        }
        guard let number = UInt64(decimal: text) else {
            throw EntryError(reason: "`\(word)` is \(text), not a number that fits")
        }
        return number
    }

    private mutating func addFirmware(
        _ kind: AttestationKind, _ values: [String: String]
    ) throws(EntryError) {
        guard kind == .sevSNP else {
            guard values["product"] == nil, values["firmware"] == nil else {
                throw EntryError(reason: "`product` and `firmware` are for sev-snp")
            }
            return
        }
        guard let product = values["product"].flatMap({ Self.products[$0] }) else {
            throw EntryError(
                reason:
                    "`product` is none of \(Self.products.keys.sorted().joined(separator: ", "))")
        }
        // Eight bytes of ones are how rules say that a product is not accepted.
        guard let bytes = values["firmware"].flatMap({ try? Hex.decode($0) }),
            let lowest = AMDTCB(bytes: bytes), bytes.contains(where: { $0 != 0xFF })
        else { throw EntryError(reason: "`firmware` is not 8 bytes in hexadecimal") }
        guard firmware[product] ?? lowest == lowest else {
            throw EntryError(reason: "another entry says another `firmware` of this product")
        }
        firmware[product] = lowest
    }

    /// How evidence is judged: at times from the chain's beginning on, and strictly.
    ///
    /// - Parameters:
    ///   - time: of the genesis, in seconds since 1970.
    ///   - epochLength: at least 1.
    /// - Returns: nil when nothing may vouch.
    func parameters(from time: UInt64, epochLength: UInt64) -> EnclaveParameters? {
        guard !allowed.isEmpty else { return nil }
        var policy = AttestationPolicy(allowed: [])
        policy.minimumTCB = firmware
        guard let rules = AttestationRules(times: time * 1000...UInt64(Int64.max), policy: policy)
        else { preconditionFailure("a policy of whole seconds and no platforms") }
        return EnclaveParameters(rules: rules, allowed: allowed, epochLength: epochLength)
    }
}
