import Codec
import Operations

/// Kinds of operations, as `OPERATION_KINDS` of `config.yaml` lists them: each a name, and what differs from what
/// is usual for it.
///
///     OPERATION_KINDS:
///       - inference ttl-max=4096 fee-min=1000000000
///
/// A kind that has no usual values here is called `kind`, and must say its number, capability, policy and proofs.
struct GenesisKinds {
    /// Words that an entry may set, besides its name.
    static let words = [
        "number", "capability", "policy", "deterministic", "proofs", "input-max", "output-max",
        "parts-max", "ttl-min", "ttl-max", "fee-min",
    ]

    private var values: [String: String] = [:]

    /// What each kind is when nothing is said of it.
    private static let usual: [String: [String: String]] = [
        // Quantised networks, proven layer by layer with the native system.
        "inference": [
            "number": "1", "capability": "1", "policy": "proof", "deterministic": "true",
            "proofs": "64", "input-max": "67108864", "output-max": "65536",
        ],
        // Networks too large to be proven, executed again by a committee.
        "inference-committee": [
            "number": "2", "capability": "1", "policy": "committee", "deterministic": "true",
            "input-max": "67108864", "output-max": "65536", "parts-max": "1",
        ],
        "kind": [:],
    ]

    private static let policies: [String: ProofPolicy] = [
        "proof": .proof, "enclave": .enclave, "enclave-then-proof": .enclaveThenProof,
        "committee": .committee,
    ]

    /// Why an entry is none, in words.
    struct EntryError: Error {
        let reason: String
    }

    /// - Parameter text: one entry of the list.
    static func kind(_ text: String) throws(EntryError) -> KindRecord {
        var words = text.split(separator: " ", omittingEmptySubsequences: true)[...]
        guard let name = words.popFirst(), let usual = usual[String(name)] else {
            throw EntryError(
                reason: "a kind begins with \(Self.usual.keys.sorted().joined(separator: ", "))")
        }
        var kind = GenesisKinds(values: usual)
        var seen: Set<String> = []
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, Self.words.contains(String(parts[0])) else {
                throw EntryError(
                    reason:
                        "`\(word)` is none of \(Self.words.joined(separator: ", ")) with a value")
            }
            guard seen.insert(String(parts[0])).inserted else {
                throw EntryError(reason: "`\(parts[0])` is said twice")
            }
            kind.values[String(parts[0])] = String(parts[1])
        }
        return try kind.record()
    }

    private func text(_ word: String) throws(EntryError) -> String {
        guard let text = values[word] else { throw EntryError(reason: "`\(word)` is missing") }
        return text
    }

    private func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ word: String, or standard: Number? = nil
    ) throws(EntryError) -> Number {
        if values[word] == nil, let standard { return standard }
        let text = try text(word)
        // `init` would take a sign, too.
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Number(text)
        else { throw EntryError(reason: "`\(word)` is \(text), not a number that fits") }
        return number
    }

    private func record() throws(EntryError) -> KindRecord {
        guard let policy = Self.policies[try text("policy")] else {
            throw EntryError(
                reason: "`policy` is none of "
                    + Self.policies.keys.sorted().joined(separator: ", "))
        }
        let deterministic = try text("deterministic")
        guard let isDeterministic = Bool(deterministic) else {
            throw EntryError(reason: "`deterministic` is \(deterministic), not true or false")
        }
        var types: [UInt8] = []
        for word in (values["proofs"] ?? "").split(separator: ",") {
            guard let type = UInt8(word) else {
                throw EntryError(reason: "`proofs` has \(word), which is no type's number")
            }
            types.append(type)
        }
        let ttls = OperationsContract.ttls
        // Read before: the record's initializer throws its own.
        let (kindNumber, capability): (UInt16, UInt8) = (
            try number("number"), try number("capability")
        )
        let (input, output): (UInt64, UInt64) = (
            try number("input-max", or: 0), try number("output-max")
        )
        let (ttlMin, ttlMax): (UInt64, UInt64) = (
            try number("ttl-min", or: ttls.lowerBound), try number("ttl-max", or: ttls.upperBound)
        )
        let parts: UInt8 = try number("parts-max", or: 64)
        let fee: UInt128 = try number("fee-min", or: 1)
        do throws(SSZError) {
            return try KindRecord(
                number: kindNumber, capability: capability, policy: policy,
                isDeterministic: isDeterministic, proofTypes: types, inputSizeMax: input,
                outputSizeMax: output, partsMax: parts, ttlMin: ttlMin, ttlMax: ttlMax,
                feeMin: fee)
        } catch {
            throw EntryError(reason: "\(error)")
        }
    }
}
