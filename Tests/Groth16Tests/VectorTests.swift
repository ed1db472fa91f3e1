import ChoraleBase
import Crypto
import Curves
import Foundation
import Groth16
import TestSupport
import Testing

/// Real proofs of SP1, RISC Zero, snarkjs and gnark, and broken variants of them: each entry of each file
/// is read, and each says what must become of it.
@Suite(.enabled(if: Vectors.root != nil, Comment(rawValue: Vectors.absence)))
struct ProofVectors {
    static let folder = "zk"

    /// Whether `check` passes, and what it threw.
    func outcome(_ check: () throws -> Void) -> (accepted: Bool, fault: String) {
        do {
            try check()
            return (true, "")
        } catch {
            return (false, "\(error)")
        }
    }

    private func bytes32(_ value: JSON) throws -> Bytes32 {
        guard let bytes = Bytes32(try value.hex) else {
            throw NotADigest()
        }
        return bytes
    }

    private struct NotADigest: Error {}

    // MARK: SP1

    private func sp1Key(_ entry: JSON) throws -> SP1Key {
        let file = try Vectors.data("\(Self.folder)/sp1/\(try entry["vk_file"].string)")
        return try SP1Key(file: file.span)
    }

    private func verify(sp1 entry: JSON, _ key: SP1Key) throws {
        let proof = try entry["proof"].hex
        let values = try entry["public_values"].hex
        try key.verify(
            proof.span, publicValues: values.span, program: try bytes32(entry["program_vkey"]))
    }

    @Test func sp1() throws {
        let file = try Vectors.json("\(Self.folder)/sp1/proofs.json")
        let vectors = try file["vectors"].array
        #expect(vectors.count == 29)
        var keys: [String: SP1Key] = [:]
        for entry in vectors {
            let name = try entry["name"].string
            let key = try sp1Key(entry)
            keys[try entry["vk_file"].string] = key
            let selector = UInt32(try entry["selector"].string, radix: 16)
            #expect(key.selector == selector)
            let result = outcome { try verify(sp1: entry, key) }
            #expect(result.accepted, "\(name): \(result.fault)")
            // Under another release's key.
            for other in keys.values where other.selector != key.selector {
                let result = outcome { try verify(sp1: entry, other) }
                #expect(!result.accepted, "\(name) under \(other.release.name)")
            }
        }
        #expect(keys.count == 11)
        let invalid = try file["invalid"].array
        #expect(invalid.count == 68)
        var faults: Set<String> = []
        for entry in invalid {
            let key = try sp1Key(entry)
            let result = outcome { try verify(sp1: entry, key) }
            let name = try entry["name"].string
            #expect(!result.accepted, "\(name)")
            faults.insert(String(result.fault.prefix { $0 != ":" }))
            for (word, reason) in Self.sp1Reasons where name.hasSuffix(word) {
                #expect(result.fault.contains(reason), "\(name): \(result.fault)")
            }
        }
        #expect(faults.count >= 8)
    }

    /// Printed, not judged: machines differ. One proof with a prepared key, from bytes.
    @Test func speed() throws {
        let file = try Vectors.json("\(Self.folder)/sp1/proofs.json")
        for entry in try file["vectors"].array
        where try entry["circuit_version"].string == "v6.1.0" {
            let key = try sp1Key(entry)
            var best = Duration.seconds(1)
            for _ in 0..<10 {
                best = min(best, try ContinuousClock().measure { try verify(sp1: entry, key) })
            }
            print("SP1 \(key.release.name) \(key.release.system): \(best)")
        }
    }

    /// A bit in each word, and in the words between, of one proof of each system.
    @Test func sp1BitFlips() throws {
        let file = try Vectors.json("\(Self.folder)/sp1/proofs.json")
        let names: Set = ["sp1-v6.1.0-groth16-4388a21c-1", "sp1-v6.1.0-plonk-5a093a2f-1"]
        let entries = try file["vectors"].array.filter { names.contains(try $0["name"].string) }
        #expect(entries.count == 2)
        for entry in entries {
            let key = try sp1Key(entry)
            let proof = try entry["proof"].hex
            let values = try entry["public_values"].hex
            let program = try bytes32(entry["program_vkey"])
            for index in stride(from: 0, to: proof.count, by: 13) {
                var changed = proof
                changed[index] ^= 1 << UInt8(index % 8)
                #expect(throws: SP1Fault.self, "\(key.release.system), byte \(index)") {
                    try key.verify(changed.span, publicValues: values.span, program: program)
                }
            }
        }
    }

    /// What must be said of the variants whose fault is in one place.
    private static let sp1Reasons = [
        ("bad-public-values-byte", "equation"), ("bad-public-values-longer", "equation"),
        ("bad-program", "equation"), ("bad-program-plus-order", "programNotBelowOrder"),
        ("bad-selector", "selector"), ("bad-cut", "size"), ("bad-longer", "size"),
        ("bad-empty", "size"), ("bad-exit-code", "exitCode"), ("bad-vk-root", "recursionRoot"),
        ("bad-nonce", "equation"), ("bad-a-negated", "equation"), ("bad-c-negated", "equation"),
        ("bad-a-x-plus-q", "coordinateNotBelowPrime"), ("bad-a-off-curve", "notOnCurve"),
        ("bad-a-infinity", "infinity(Groth16.Groth16Fault.Point.a)"),
        ("bad-b-infinity", "infinity(Groth16.Groth16Fault.Point.b)"),
        ("bad-b-outside-subgroup", "notInSubgroup"),
        ("bad-l-value-plus-order", "valueNotBelowOrder"), ("bad-l-value", "equation"),
        ("bad-opening-negated", "equation"), ("bad-z-off-curve", "notOnCurve"),
    ]

    // MARK: RISC Zero

    private func riscZeroPoints() throws -> Groth16KeyPoints<BN254> {
        try SnarkJSON.points(
            ofKey: try Vectors.data("\(Self.folder)/risc0/vk-21c5fdd9.json"), on: BN254.self)
    }

    private func riscZeroKey(_ entry: JSON) throws -> RISCZeroKey {
        try RISCZeroKey(
            controlRoot: try bytes32(entry["control_root"]),
            controlID: try bytes32(entry["bn254_control_id"]), key: try riscZeroPoints())
    }

    private func verify(riscZero entry: JSON) throws {
        let key = try riscZeroKey(entry)
        let journal = try entry["journal"].hex
        let seal = try entry["seal"].hex
        let claim = RISCZeroClaim(imageID: try bytes32(entry["image_id"]), journal: journal.span)
        try key.verify(seal.span, claim: claim)
    }

    @Test func riscZero() throws {
        let file = try Vectors.json("\(Self.folder)/risc0/receipts.json")
        let vectors = try file["vectors"].array
        #expect(vectors.count == 15)
        for entry in vectors {
            let name = try entry["name"].string
            let key = try riscZeroKey(entry)
            let keyDigest = try bytes32(entry["vk_digest"])
            #expect(key.keyDigest == keyDigest, "\(name)")
            let selector = UInt32(try entry["selector"].string, radix: 16)
            #expect(key.selector == selector, "\(name)")
            let journal = try entry["journal"].hex
            let claim = RISCZeroClaim(
                imageID: try bytes32(entry["image_id"]), journal: journal.span)
            let claimDigest = try bytes32(try entry["derived"]["claim_digest"])
            #expect(claim.digest == claimDigest, "\(name)")
            let result = outcome { try verify(riscZero: entry) }
            #expect(result.accepted, "\(name): \(result.fault)")
            // The artefact is the same key.
            let artefact = RISCZeroKey.artefact(
                controlRoot: key.controlRoot, controlID: key.controlID,
                key: try riscZeroPoints())
            #expect(artefact.count == RISCZeroKey.artefactSize)
            let again = try RISCZeroKey(artefact: artefact.span)
            #expect(again.parameters == key.parameters)
        }
        let invalid = try file["invalid"].array
        #expect(invalid.count == 30)
        for entry in invalid {
            let result = outcome { try verify(riscZero: entry) }
            let name = try entry["name"].string
            #expect(!result.accepted, "\(name)")
            for (word, reason) in Self.riscZeroReasons where name.hasSuffix(word) {
                #expect(result.fault.contains(reason), "\(name): \(result.fault)")
            }
        }
    }

    /// The host's own serialisation of a receipt.
    @Test func riscZeroFile() throws {
        let entries = try Vectors.json("\(Self.folder)/risc0/receipts.json")["vectors"].array
            .filter { $0.optional("receipt_bincode_file") != nil }
        #expect(entries.count == 1)
        for entry in entries {
            let name = try entry["receipt_bincode_file"].string
            let bytes = try Vectors.data("\(Self.folder)/risc0/\(name)")
            let receipt = try RISCZeroReceipt(bincode: bytes.span)
            let (image, journal) = (try bytes32(entry["image_id"]), try entry["journal"].hex)
            #expect(receipt.imageID == image)
            #expect(receipt.journal == journal)
            let seal = try entry["seal"].hex
            #expect(receipt.seal == seal)
            let claim = RISCZeroClaim(imageID: receipt.imageID, journal: receipt.journal.span)
            try riscZeroKey(entry).verify(receipt.seal.span, claim: claim)

            for count in 0..<bytes.count {
                let short = Array(bytes.prefix(count))
                #expect(throws: RISCZeroReceipt.Fault.self) {
                    try RISCZeroReceipt(bincode: short.span)
                }
            }
            let long = bytes + [0]
            #expect(throws: RISCZeroReceipt.Fault.trailingBytes(offset: bytes.count)) {
                try RISCZeroReceipt(bincode: long.span)
            }
            // A bit that still makes a receipt makes it one of another program, or of another seal.
            for index in bytes.indices {
                var changed = bytes
                changed[index] ^= 1
                guard let other = try? RISCZeroReceipt(bincode: changed.span) else { continue }
                #expect(other != receipt, "byte \(index)")
                #expect(other.journal == receipt.journal, "byte \(index)")
            }
        }
    }

    private static let riscZeroReasons = [
        ("bad-journal", "equation"), ("bad-image", "equation"), ("bad-selector", "selector"),
        ("bad-control-root", "selector"), ("bad-c-negated", "equation"),
        ("bad-a-noncanonical", "coordinateNotBelowPrime"),
        ("bad-b-outside-subgroup", "notInSubgroup"), ("bad-cut", "size"),
        ("bad-control-id-plus-r", "inconsistent"),
    ]

    @Test func setInclusion() throws {
        let file = try Vectors.json("\(Self.folder)/risc0/set-inclusion.json")
        let vectors = try file["vectors"].array
        #expect(vectors.count == 1)
        for entry in vectors {
            let derived = try entry["derived"]
            let key = try RISCZeroKey(
                controlRoot: try bytes32(derived["control_root"]),
                controlID: try bytes32(derived["bn254_control_id"]), key: try riscZeroPoints())
            let builder = try bytes32(entry["set_builder_image_id"])
            let inclusion = RISCZeroSetInclusion(setBuilder: builder, key: key)
            #expect(String(inclusion.selector, radix: 16) == "f63ffd5")
            let journal = try entry["journal"].hex
            let claim = RISCZeroClaim(
                imageID: try bytes32(entry["image_id"]), journal: journal.span)
            let seal = try entry["seal"].hex
            try inclusion.verify(seal.span, claim: claim)

            let otherClaim = RISCZeroClaim(imageID: builder, journal: journal.span)
            #expect(throws: RISCZeroFault.groth16(.equation)) {
                try inclusion.verify(seal.span, claim: otherClaim)
            }
            let other = RISCZeroSetInclusion(setBuilder: claim.imageID, key: key)
            #expect(throws: RISCZeroFault.self) { try other.verify(seal.span, claim: claim) }
            for count in 0..<seal.count {
                let short = Array(seal.prefix(count))
                #expect(throws: RISCZeroFault.self) {
                    try inclusion.verify(short.span, claim: claim)
                }
            }
            // Every byte of the structure counts.
            for index in 4..<164 {
                var changed = seal
                changed[index] ^= 1
                #expect(throws: RISCZeroFault.self, "byte \(index)") {
                    try inclusion.verify(changed.span, claim: claim)
                }
            }
        }
    }

    // MARK: snarkjs

    private func text(_ value: JSON) throws -> [UInt8] {
        [UInt8](try JSONSerialization.data(withJSONObject: value.value))
    }

    private func verify<Curve: ProofCurve>(
        snarkjs entry: JSON, _ key: Groth16Key<Curve>
    ) throws {
        let proof = try SnarkJSON.proof(try text(entry["proof"]), on: Curve.self)
        let inputs = try SnarkJSON.inputs(try text(entry["public"]), on: Curve.self)
        try key.verify(proof, inputs: inputs)
    }

    private func snarkjs<Curve: ProofCurve>(_ entry: JSON, on curve: Curve.Type) throws -> Int {
        let name = try entry["name"].string
        let key = try SnarkJSON.key(try text(entry["vk"]), on: curve)
        let result = outcome { try verify(snarkjs: entry, key) }
        #expect(result.accepted, "\(name): \(result.fault)")
        guard let invalid = try entry.optional("invalid")?.array else { return 0 }
        for variant in invalid {
            let result = outcome { try verify(snarkjs: variant, key) }
            let name = "\(name): \(try variant["name"].string)"
            #expect(!result.accepted, "\(name)")
            for (word, reason) in Self.snarkReasons where name.hasSuffix(word) {
                #expect(result.fault.contains(reason), "\(name): \(result.fault)")
            }
        }
        return invalid.count
    }

    private static let snarkReasons = [
        ("public-changed", "equation"), ("public-plus-r", "inputNotBelowOrder"),
        ("public-short", "inputCount"), ("public-extra", "inputCount"),
        ("a-negated", "equation"), ("a-off-curve", "notOnCurve"),
        ("a-plus-q", "coordinateNotBelowPrime"), ("c-infinity", "infinity"),
        ("a-c-swapped", "equation"),
    ]

    @Test func snarkjs() throws {
        let vectors = try Vectors.json("\(Self.folder)/groth16-json/vectors.json")["vectors"].array
        #expect(vectors.count == 12)
        var refused = 0
        for entry in vectors {
            switch try SnarkJSON.curve(ofKey: try text(entry["vk"])) {
            case .bn254: refused += try snarkjs(entry, on: BN254.self)
            case .bls12381: refused += try snarkjs(entry, on: BLS12381.self)
            }
        }
        #expect(refused == 60)
    }
}
