import ChoraleBase
import TestSupport
import Testing

@testable import Attestation

@Suite(.enabled(if: AttestationVectors.isPresent, "\(Vectors.absence)"))
struct NitroVectorTests {
    @Test(arguments: AttestationVectors.names("nitro", "vectors"))
    func verdict(name: String) throws {
        let json = try AttestationVectors.named(name, "nitro", "vectors")
        guard try json["expect"].string == "accept" else {
            #expect(throws: AttestationFault.document(.signature)) {
                _ = try AttestationVectors.verify(json, "nitro")
            }
            return
        }
        let result = try AttestationVectors.verify(json, "nitro")
        let facts = try json["facts"]
        guard case .nitro(let document) = result.identity else {
            Issue.record("another kind")
            return
        }
        #expect(document.module == (try facts["module_id"].string))
        #expect(Int(document.timestamp) == (try facts["timestamp_ms"].int))
        #expect(document.registers.count == (try facts["number_of_pcrs"].int))
        for key in try facts["pcrs"].keys {
            #expect(document.registers[UInt8(key) ?? 0] == (try facts["pcrs"][key].hex))
        }
        #expect(document.publicKey == (try facts.optional("public_key")?.hex))
        #expect(document.userData == (try facts.optional("user_data")?.hex))
        #expect(document.nonce == (try facts.optional("nonce")?.hex))
        #expect(result.isDebuggable == (try facts["debug_mode"].bool))
        #expect(document.bundle.count == (try facts["cabundle_length"].int))
        #expect(
            result.window.from
                == (try AttestationVectors.time(json["valid_from"].string)).seconds)
        #expect(
            result.window.until
                == (try AttestationVectors.time(json["valid_until"].string)).seconds)
    }

    @Test(arguments: AttestationVectors.names("nitro", "invalid"))
    func broken(name: String) throws {
        let json = try AttestationVectors.named(name, "nitro", "invalid")
        #expect(try json["expect"].string == "reject")
        let fault = #expect(throws: AttestationFault.self) {
            _ = try AttestationVectors.verify(json, "nitro")
        }
        let what = name.parts("-bad-").last ?? ""
        #expect(
            fault.map { Self.isExpected($0, what) } == true,
            "\(what): \(String(describing: fault))")
    }

    private static func isExpected(_ fault: AttestationFault, _ what: String) -> Bool {
        switch (what, fault) {
        case ("pcr", .document(.signature)), ("timestamp", .document(.signature)),
            ("module", .document(.signature)), ("signature", .document(.signature)),
            ("signature-short", .document(.signatureSize(95))),
            ("signature-zero", .document(.signature)),
            ("alg-es256", .document(.protectedHeader)),
            ("alg-unprotected", .document(.protectedHeader)),
            ("extra-unprotected", .document(.unprotectedHeader)),
            ("leaf-changed", .certificate(.document, index: 0, _)),
            ("root-changed", .chain(.document, .unknownRoot)),
            ("no-cabundle", .document(.field("cabundle"))),
            ("bundle-reversed", .chain(.document, .unknownRoot)),
            ("no-certificate", .document(.field("certificate"))),
            ("digest", .document(.digest)), ("too-early", .notYetValid), ("too-late", .expired),
            ("a-year-later", .expired), ("payload-of-other", .document(.signature)),
            ("payload-of-other", .notYetValid), ("payload-of-other", .expired),
            ("cut", .document(.malformed(.unexpectedEnd))),
            ("trailing", .document(.malformed(.trailingBytes))),
            ("empty", .document(.malformed(.unexpectedEnd))),
            ("three-parts", .document(.partCount(3))), ("tag-17", .document(.tag(17))):
            true
        default: false
        }
    }
}
