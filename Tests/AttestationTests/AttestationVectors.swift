import Attestation
import ChoraleBase
import Codec
import TestSupport

/// The published evidence, and its collateral as the module takes it.
enum AttestationVectors {
    static let isPresent = Vectors.root != nil

    /// The entries of a list of a folder's `cases.json`; none without vectors.
    static func cases(_ folder: String, _ list: String) -> [JSON] {
        guard isPresent, let file = try? Vectors.json("tee/\(folder)/cases.json"),
            let cases = try? file[list].array
        else { return [] }
        return cases
    }

    static func names(_ folder: String, _ list: String) -> [String] {
        cases(folder, list).compactMap { try? $0["name"].string }
    }

    static func named(_ name: String, _ folder: String, _ list: String) throws -> JSON {
        guard
            let found = cases(folder, list).first(where: { (try? $0["name"].string) == name })
        else { throw UnfitVector("no case \(name)") }
        return found
    }

    /// `2026-02-18T10:58:51Z`, read by other means than the module's.
    static func time(_ text: String) throws -> WallTime {
        let numbers = text.split { !$0.isNumber }.compactMap { Int64($0) }
        guard numbers.count == 6 else { throw UnfitVector("not a time: \(text)") }
        var days: Int64 = 0
        for year in 1970..<numbers[0] { days += isLeap(year) ? 366 : 365 }
        let months: [Int64] = [
            31, isLeap(numbers[0]) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
        ]
        days += months.prefix(Int(numbers[1]) - 1).reduce(0, +) + numbers[2] - 1
        let seconds = ((days * 24 + numbers[3]) * 60 + numbers[4]) * 60 + numbers[5]
        return WallTime(milliseconds: 1000 * seconds)
    }

    private static func isLeap(_ year: Int64) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    /// The evidence of a case, with its patches.
    static func bytes(_ json: JSON, _ folder: String, _ name: String) throws -> [UInt8] {
        if let text = json.optional("document_hex") { return try text.hex }
        var bytes = try Vectors.data("tee/\(folder)/\(try json[name].string)")
        let prefix = name == "document" ? "" : name + "_"
        for patch in try json.optional(prefix + "patch")?.array ?? [] {
            let (offset, value) = (try patch["offset"].int, try patch["hex"].hex)
            bytes.replaceSubrange(offset..<offset + value.count, with: value)
        }
        if let size = try json.optional(prefix + "truncate")?.int {
            bytes = Array(bytes.prefix(size))
        }
        if let tail = try json.optional(prefix + "append")?.hex { bytes += tail }
        return bytes
    }

    static func kind(_ json: JSON) throws -> AttestationKind {
        try json["name"].string.hasPrefix("sgx") ? .sgx : .tdx
    }

    static func evidence(_ json: JSON, _ folder: String) throws -> Evidence {
        switch folder {
        case "intel":
            try Evidence(kind: kind(json), bytes: bytes(json, folder, "quote"))
        case "amd": try Evidence(kind: .sevSNP, bytes: bytes(json, folder, "report"))
        default: try Evidence(kind: .nitro, bytes: bytes(json, folder, "document"))
        }
    }

    static func collateral(_ json: JSON, _ folder: String) throws -> Collateral {
        switch folder {
        case "intel": .intel(try intelCollateral(json))
        case "amd": .amd(try amdCollateral(json))
        default: .none
        }
    }

    static func intelCollateral(_ json: JSON) throws -> IntelCollateral {
        let file = try Vectors.json("tee/intel/\(try json["collateral"].string)")
        let replaced = json.optional("collateral_replace")
        func text(_ name: String) throws -> [UInt8] {
            Array(try (replaced?.optional(name) ?? file[name]).string.utf8)
        }
        func hex(_ name: String) throws -> [UInt8] {
            try (replaced?.optional(name) ?? file[name]).hex
        }
        func list<let limit: Int>(_ bytes: [UInt8]) throws -> SSZByteList<limit> {
            guard let list = SSZByteList<limit>(bytes) else {
                throw UnfitVector("\(bytes.count) bytes")
            }
            return list
        }
        func signature(_ bytes: [UInt8]) throws -> SSZByteVector<64> {
            guard let vector = SSZByteVector<64>(bytes) else {
                throw UnfitVector("\(bytes.count) bytes")
            }
            return vector
        }
        return IntelCollateral(
            tcbInfo: try list(text("tcb_info")),
            tcbInfoSignature: try signature(hex("tcb_info_signature")),
            tcbInfoIssuerChain: try list(text("tcb_info_issuer_chain")),
            quotingEnclaveIdentity: try list(text("qe_identity")),
            quotingEnclaveIdentitySignature: try signature(hex("qe_identity_signature")),
            quotingEnclaveIdentityIssuerChain: try list(text("qe_identity_issuer_chain")),
            platformRevocationList: try list(hex("pck_crl")),
            platformRevocationListIssuerChain: try list(text("pck_crl_issuer_chain")),
            rootRevocationList: try list(hex("root_ca_crl")))
    }

    static func amdCollateral(_ json: JSON) throws -> AMDCollateral {
        func certificate(_ name: String) throws -> SSZByteList<4096> {
            guard
                let list = SSZByteList<4096>(
                    try Vectors.data("tee/amd/\(try json[name].string)"))
            else { throw UnfitVector("a long certificate") }
            return list
        }
        return AMDCollateral(
            leaf: try certificate("leaf"), intermediate: try certificate("intermediate"),
            root: try certificate("root"))
    }

    static func verify(_ json: JSON, _ folder: String) throws -> VerifiedAttestation {
        try AttestationVerifier().verify(
            evidence(json, folder), with: collateral(json, folder),
            now: time(json["now"].string))
    }
}

/// A vector that is not of the form that these tests read.
struct UnfitVector: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
