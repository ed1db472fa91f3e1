import ChoraleBase
import Codec
import Crypto
import TestSupport
import Testing

@testable import Attestation

@Suite(.enabled(if: AttestationVectors.isPresent, "\(Vectors.absence)"))
struct AMDVectorTests {
    @Test(arguments: AttestationVectors.names("amd", "vectors"))
    func verdict(name: String) throws {
        let json = try AttestationVectors.named(name, "amd", "vectors")
        #expect(try json["expect"].string == "accept")
        let result = try AttestationVectors.verify(json, "amd")
        let facts = try json["facts"]
        #expect(result.reportData == (try facts["report_data"].hex))
        #expect(result.isDebuggable == (try facts["debug_allowed"].bool))
        #expect(result.tcbStatus == nil)
        #expect(
            result.window.from
                == (try AttestationVectors.time(json["valid_from"].string)).seconds)
        #expect(
            result.window.until
                == (try AttestationVectors.time(json["valid_until"].string)).seconds)
        guard case .sevSNP(let report) = result.identity else {
            Issue.record("another kind")
            return
        }
        #expect(report.measurement == (try facts["measurement"].hex))
        #expect(report.hostData == (try facts["host_data"].hex))
        #expect(Int(report.privilegeLevel) == (try facts["vmpl"].int))
        #expect("0x" + String(report.policy, radix: 16) == (try facts["policy"].string))
        #expect(
            (report.signingKey == .chip ? "vcek" : "vlek") == (try facts["signing_key"].string))
    }

    @Test(arguments: AttestationVectors.names("amd", "invalid"))
    func broken(name: String) throws {
        let json = try AttestationVectors.named(name, "amd", "invalid")
        #expect(try json["expect"].string == "reject")
        let fault = #expect(throws: AttestationFault.self) {
            _ = try AttestationVectors.verify(json, "amd")
        }
        let what = name.parts("-bad-").last ?? ""
        #expect(
            fault.map { Self.isExpected($0, what) } == true,
            "\(what): \(String(describing: fault))")
    }

    private static func isExpected(_ fault: AttestationFault, _ what: String) -> Bool {
        switch (what, fault) {
        case ("measurement", .report(.signature)), ("report-data", .report(.signature)),
            ("policy", .report(.signature)), ("reported-tcb", .report(.signature)),
            ("chip-id", .report(.signature)), ("r-changed", .report(.signature)),
            ("s-changed", .report(.signature)), ("zero-signature", .report(.signature)),
            ("r-big-endian", .report(.signature)), ("r-big-endian", .report(.signatureEncoding)),
            ("r-long", .report(.signatureEncoding)),
            ("algorithm", .report(.signatureAlgorithm(2))), ("version-0", .report(.version(0))),
            ("cut", .report(.size(1183))), ("longer", .evidenceTooLarge),
            ("other-leaf", .report(.signature)), ("other-leaf", .certificate(.chip, index: 0, _)),
            ("too-early", .notYetValid), ("too-late", .expired),
            ("other-product", .certificate(.chip, index: 0, .issuer)):
            true
        default: false
        }
    }

    /// The pinned roots are signed by themselves; the verifier need not look.
    @Test func pinnedRootsSignThemselves() throws {
        for name in ["milan-ark", "genoa-ark", "turin-ark"] {
            let root = try X509Certificate(Vectors.data("tee/amd/certs/\(name).der"))
            #expect(root.isSigned(by: root.subjectPublicKeyInfo))
            #expect(root.issuer == root.subject)
        }
        for name in ["intel/intel-sgx-root-ca.der", "nitro/aws-nitro-root.der"] {
            let root = try X509Certificate(Vectors.data("tee/\(name)"))
            #expect(root.isSigned(by: root.subjectPublicKeyInfo))
            #expect(root.issuer == root.subject)
        }
    }
}
