import ChoraleBase
import Codec
import TestSupport
import Testing

@testable import Attestation

@Suite(.enabled(if: AttestationVectors.isPresent, "\(Vectors.absence)"))
struct IntelVectorTests {
    @Test(arguments: AttestationVectors.names("intel", "vectors"))
    func verdict(name: String) throws {
        let json = try AttestationVectors.named(name, "intel", "vectors")
        let expect = try json["expect"]
        switch try expect["result"].string {
        case "accept":
            let result = try AttestationVectors.verify(json, "intel")
            #expect(result.kind == (try AttestationVectors.kind(json)))
            #expect(result.tcbStatus?.name == (try expect["status"].string))
            #expect(result.intel?.platform.name == (try expect["platform_tcb_status"].string))
            #expect(result.intel?.quotingEnclave.name == (try expect["qe_tcb_status"].string))
            #expect(
                result.intel?.module?.name == (try expect.optional("tdx_module_status")?.string))
            #expect(result.advisories == (try expect["advisories"].array.map { try $0.string }))
            #expect(
                result.intel?.date
                    == (try AttestationVectors.time(expect["tcb_date"].string)).seconds)
            #expect(result.isDebuggable == (try expect["debug"].bool))
            #expect(
                result.window.from
                    == (try AttestationVectors.time(json["valid_from"].string)).seconds)
            #expect(
                result.window.until
                    == (try AttestationVectors.time(json["valid_until"].string)).seconds)
            try facts(json, result)
        case "reject":
            let fault: AttestationFault =
                json.optional("collateral") == nil
                ? .chain(.platform, .unknownRoot) : .platform(.noLevel)
            #expect(throws: fault) { _ = try refuse(json) }
        case "signatures-valid":
            let bytes = try AttestationVectors.bytes(json, "intel", "quote")
            let found = try QuoteVerifier(anchors: .pinned).signatures(bytes, known: [])
            #expect(found.quote.kind == .sgx)
            #expect(found.platform.family.starts(with: [0x00, 0x90, 0x6E]))
            var window = ValidityWindow()
            try found.chain.narrow(
                &window, now: AttestationVectors.time(json["now"].string))
            // Without collateral nothing is proven.
            #expect(throws: AttestationFault.collateralDoesNotFit(.sgx)) {
                _ = try AttestationVerifier().verify(
                    Evidence(kind: .sgx, bytes: bytes), with: .none, now: .init(milliseconds: 0))
            }
        case let other: Issue.record("an unknown result: \(other)")
        }
    }

    private func refuse(_ json: JSON) throws -> VerifiedAttestation {
        guard json.optional("collateral") != nil else {
            let bytes = try AttestationVectors.bytes(json, "intel", "quote")
            _ = try QuoteVerifier(anchors: .pinned).signatures(bytes, known: [])
            throw UnfitVector("the signatures hold")
        }
        return try AttestationVectors.verify(json, "intel")
    }

    private func facts(_ json: JSON, _ result: VerifiedAttestation) throws {
        let facts = try json["quote_facts"]
        let body = try facts["body"]
        #expect(result.reportData == (try body["report_data"].hex))
        let quote = try Quote(AttestationVectors.bytes(json, "intel", "quote"))
        #expect(Int(quote.version) == (try facts["version"].int))
        #expect(quote.signed.count == (try facts["signed_length"].int))
        #expect(Int(quote.quotingEnclave.securityVersion) == (try facts["qe_isvsvn"].int))
        switch result.identity {
        case .sgx(let report):
            #expect(report.measurement == (try body["mrenclave"].hex))
            #expect(report.signer == (try body["mrsigner"].hex))
            #expect(Int(report.product) == (try body["isvprodid"].int))
            #expect(Int(report.securityVersion) == (try body["isvsvn"].int))
            #expect(Array(report.attributes) == (try body["attributes"].hex))
        case .tdx(let report):
            #expect(Array(report.teeTCB) == (try body["tee_tcb_svn"].hex))
            #expect(report.measurement == (try body["mrtd"].hex))
            #expect(Array(report.attributes) == (try body["td_attributes"].hex))
            #expect(Array(report.moduleSigner) == (try body["mrsignerseam"].hex))
            for index in 0..<4 {
                #expect(report.runtimeMeasurements[index] == (try body["rtmr\(index)"].hex))
            }
            let service = try body.optional("mrservicetd")?.hex ?? []
            #expect(report.hasServiceDomain == service.contains { $0 != 0 })
        default: Issue.record("another kind")
        }
    }

    @Test(arguments: AttestationVectors.names("intel", "invalid"))
    func broken(name: String) throws {
        let json = try AttestationVectors.named(name, "intel", "invalid")
        if try json["expect"].string == "accept" {
            _ = try AttestationVectors.verify(json, "intel")
            return
        }
        let fault = #expect(throws: AttestationFault.self) {
            _ = try AttestationVectors.verify(json, "intel")
        }
        let what = name.parts("-bad-").last ?? ""
        #expect(
            fault.map { IntelVectorTests.isExpected($0, what) } == true,
            "\(what): \(String(describing: fault))")
    }

    /// The check that must have refused.
    static func isExpected(_ fault: AttestationFault, _ what: String) -> Bool {
        switch (what, fault) {
        case ("body", .quote(.signature)), ("report-data", .quote(.signature)),
            ("header", .quote(.signature)), ("signature", .quote(.signature)),
            ("key", .quote(.keyBinding)), ("qe-report", .quote(.reportSignature)),
            ("qe-signature", .quote(.reportSignature)), ("qe-auth", .quote(.keyBinding)),
            ("vendor", .quote(.vendor)), ("version", .quote(.version(6))),
            ("key-type", .quote(.keyType(3))), ("auth-length", .quote(.truncated)),
            ("auth-length-short", .quote(.truncated)), ("cut", .quote(.truncated)),
            ("header-only", .quote(.truncated)), ("empty", .quote(.truncated)),
            ("cert-type", .quote(.certificationDataType(1))),
            ("tcb-signature", .statement(.tcbInfo, .signature)),
            ("qe-identity-signature", .statement(.quotingEnclaveIdentity, .signature)),
            ("tcb-edited", .statement(.tcbInfo, .signature)),
            ("tcb-reserialised", .statement(.tcbInfo, .signature)),
            ("other-platform", .platform(.kind)),
            // The same platform's, of two years before.
            ("other-platform", .expired(.certificate(.tcbInfo, index: 0), _, _)),
            ("other-qe-identity", .platform(.kind)),
            ("crl-as-root", .revocationList(.platform, .issuer)),
            ("crl-signature", .revocationList(.platform, .signature)),
            ("signer-is-pck-ca", .certificate(.tcbInfo, index: 0, _)),
            ("pck-der", .certificate(.platform, index: 0, _)), ("pck-der", .chain(.platform, _)),
            ("too-early", .notYetValid), ("one-piece-too-early", .notYetValid),
            ("too-late", .expired), ("far-future", .expired):
            true
        default: false
        }
    }

    @Test func checkedCollateralServesManyQuotes() throws {
        let json = try AttestationVectors.named("sgx-v3-00606a-a@2025-08", "intel", "vectors")
        let now = try AttestationVectors.time(json["now"].string)
        let verifier = AttestationVerifier()
        let checked = try verifier.check(AttestationVectors.intelCollateral(json))
        for name in ["sgx-v3-00606a-a@2025-08", "sgx-v3-00606a-b@2025-08"] {
            let json = try AttestationVectors.named(name, "intel", "vectors")
            let evidence = try AttestationVectors.evidence(json, "intel")
            let one = try verifier.verify(evidence, with: checked, now: now)
            #expect(one == (try AttestationVectors.verify(json, "intel")))
        }
        // It does not get any younger.
        let evidence = try AttestationVectors.evidence(json, "intel")
        #expect(throws: AttestationFault.self) {
            _ = try verifier.verify(
                evidence, with: checked, now: now.advanced(by: .seconds(30 * 86_400)))
        }
    }

    @Test func aKindIsNotAnother() throws {
        let json = try AttestationVectors.named("sgx-v3-00606a-a@2025-08", "intel", "vectors")
        let bytes = try AttestationVectors.bytes(json, "intel", "quote")
        #expect(throws: AttestationFault.quote(.kind)) {
            _ = try AttestationVerifier().verify(
                Evidence(kind: .tdx, bytes: bytes),
                with: .intel(AttestationVectors.intelCollateral(json)),
                now: AttestationVectors.time(json["now"].string))
        }
    }
}

extension String {
    /// The parts around a separator.
    func parts(_ separator: String) -> [String] {
        var (parts, rest) = ([String](), self[...])
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
