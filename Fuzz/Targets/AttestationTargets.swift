import Attestation
import ChoraleBase
import Codec
import Crypto

extension FuzzTarget {
    static let attestationTargets: [FuzzTarget] = [
        FuzzTarget(
            "attestation-quote",
            "DCAP quotes of every version; padding changes nothing, and nothing is accepted",
            sizeMax: 2304, seeds: { [3, 4, 5].map(quote) }, run: quote),
        FuzzTarget(
            "attestation-report", "reports of SEV-SNP and the certificates above them",
            sizeMax: 4096, seeds: { [report(version: 2), report(version: 5) + certificateSeed] },
            run: report),
        FuzzTarget(
            "attestation-document", "documents of Nitro enclaves: CBOR, COSE and a chain",
            sizeMax: 4096, seeds: { [document(tagged: false), document(tagged: true)] },
            run: document),
        FuzzTarget(
            "attestation-collateral", "collateral of each form; one encoding, nothing is accepted",
            sizeMax: 4096, seeds: collateralSeeds, run: collateral),
        FuzzTarget(
            "attestation-proof",
            "proofs by enclaves, and the rules they are judged by; one encoding",
            sizeMax: 2048, seeds: proofSeeds, run: proof),
        FuzzTarget(
            "certificate", "certificates and revocation lists; read twice they are the same",
            sizeMax: 2048, seeds: { [certificateSeed] }, run: certificate),
    ]

    /// A time at which the roots count: 2026-01-15.
    private static let now = WallTime(milliseconds: 1_768_435_200_000)

    /// Genuine evidence is not among the seeds: what is accepted is forged.
    private static func requireRefused(
        _ kind: AttestationKind, _ bytes: [UInt8], _ collateral: Collateral,
        _ findings: inout Findings
    ) {
        do {
            _ = try AttestationVerifier().verify(
                Evidence(kind: kind, bytes: bytes), with: collateral, now: now)
            fatalError("property broken: forged evidence is accepted")
        } catch {
            findings.note("fault", error)
        }
    }

    private static func quote(_ input: [UInt8], _ findings: inout Findings) {
        do {
            let quote = try Quote(input)
            findings.note("quote", quote.body)
            require((try? Quote(input + [0, 0])) == quote, "padding changes a quote")
            require((try? Quote(input + [1])) == nil, "something follows a quote")
        } catch {
            findings.note("quote fault", error)
        }
        requireRefused(.sgx, input, .intel(emptyCollateral), &findings)
    }

    private static func report(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.prefix(SNPReport.size))
        let rest = Array(input.dropFirst(SNPReport.size))
        do {
            let report = try SNPReport(bytes)
            require(report.bytes == bytes, "a report keeps its bytes")
            findings.note("debuggable", report.isDebuggable ? "yes" : "no")
        } catch {
            findings.note("report fault", error)
        }
        let certificate = SSZByteList<4096>(rest) ?? .init()
        let collateral = AMDCollateral(
            leaf: certificate, intermediate: certificate, root: certificate)
        requireRefused(.sevSNP, bytes, .amd(collateral), &findings)
    }

    private static func document(_ input: [UInt8], _ findings: inout Findings) {
        do {
            let document = try NitroDocument(input)
            require(!document.module.isEmpty && document.timestamp > 0, "an empty document")
            require((1...32).contains(document.registers.count), "registers without bound")
            require((document.userData?.count ?? 0) <= 512, "user data without bound")
            require((try? NitroDocument(input + [0])) == nil, "something follows a document")
            findings.note("registers", size: document.registers.count)
        } catch {
            findings.note("document fault", error)
        }
        requireRefused(.nitro, input, .none, &findings)
    }

    private static func collateral(_ input: [UInt8], _ findings: inout Findings) {
        do {
            let collateral = try Collateral(decoding: input)
            require(collateral.encoded == input, "collateral has two encodings")
            let kind: AttestationKind =
                switch collateral {
                case .none: .nitro
                case .intel: .tdx
                case .amd: .sevSNP
                }
            let evidence = kind == .sevSNP ? report(version: 2) : quote(4)
            requireRefused(kind, evidence, collateral, &findings)
        } catch {
            findings.note("collateral", error)
        }
    }

    private static func proof(_ input: [UInt8], _ findings: inout Findings) {
        do {
            let proof = try AttestationProof(ssz: input.span)
            require(proof.sszEncoded() == input, "a proof has two encodings")
            findings.note("proof", size: proof.evidence.bytes.count)
        } catch {
            findings.note("proof", error)
        }
        do {
            let rules = try AttestationRules(ssz: input.span)
            require(rules.sszEncoded() == input, "rules have two encodings")
            findings.note("rules", size: rules.revokedPlatforms.elements.count)
        } catch {
            findings.note("rules", error)
        }
    }

    private static func certificate(_ input: [UInt8], _ findings: inout Findings) {
        do {
            let one = try X509Certificate(input)
            require((try? X509Certificate(input)) == one, "a certificate reads in two ways")
            require(one.encoding == input, "a certificate keeps its bytes")
            let isOwn = one.isSigned(by: one.subjectPublicKeyInfo)
            findings.note("certificate", isOwn ? "own" : "other")
            // Nobody here has the root's key, or a key of their own.
            if isOwn { require(input == certificateSeed, "a forged certificate") }
        } catch {
            findings.note("certificate", error)
        }
        do {
            let list = try X509RevocationList(input)
            require((try? X509RevocationList(input)) == list, "a list reads in two ways")
            findings.note("list", size: list.serialNumbers.count)
        } catch {
            findings.note("list", error)
        }
    }

    // MARK: Seeds

    private static let emptyCollateral = IntelCollateral(
        tcbInfo: .init(), tcbInfoSignature: .init(), tcbInfoIssuerChain: .init(),
        quotingEnclaveIdentity: .init(), quotingEnclaveIdentitySignature: .init(),
        quotingEnclaveIdentityIssuerChain: .init(), platformRevocationList: .init(),
        platformRevocationListIssuerChain: .init(), rootRevocationList: .init())

    /// A quote of the right form, with zeros for all that is signed.
    private static func quote(_ version: UInt8) -> [UInt8] {
        var bytes: [UInt8] = [version, 0, 2, 0, version == 3 ? 0 : 0x81, 0, 0, 0, 0, 0, 0, 0]
        bytes += [
            0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94, 0x0A, 0x0D, 0xB3, 0x95, 0x7F,
            0x06, 0x07,
        ]
        bytes += zeros(20)
        if version == 5 { bytes += [3, 0, 0x88, 0x02, 0, 0] }
        bytes += zeros(version == 3 ? 384 : version == 4 ? 584 : 648)
        let chain = pem(certificateSeed)
        var block = zeros(384 + 64) + [2, 0, 7, 7, 5, 0]
        block.appendLittleEndian(UInt32(chain.count))
        block += chain
        var data = zeros(128)
        if version > 3 {
            data += [6, 0]
            data.appendLittleEndian(UInt32(block.count))
        }
        data += block
        bytes.appendLittleEndian(UInt32(data.count))
        return bytes + data
    }

    private static func report(version: UInt8) -> [UInt8] {
        var bytes = zeros(SNPReport.size)
        bytes[0] = version
        bytes[0x34] = 1
        bytes[0x2A0] = 1
        bytes[0x2E8] = 1
        return bytes
    }

    private static func document(tagged: Bool) -> [UInt8] {
        func text(_ text: String) -> [UInt8] { [0x60 | UInt8(text.utf8.count)] + text.utf8 }
        func bytes(_ bytes: [UInt8]) -> [UInt8] {
            [0x59, UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes
        }
        var payload: [UInt8] = [0xA8] + text("module_id") + text("i-0") + text("digest")
        payload += text("SHA384") + text("timestamp") + [0x1B, 0, 0, 1, 0x83, 0, 0, 0, 0]
        payload += text("pcrs") + [0xA1, 0x00, 0x58, 0x30] + zeros(48)
        payload += text("certificate") + bytes(certificateSeed)
        payload += text("cabundle") + [0x81] + bytes(certificateSeed)
        payload += text("user_data") + [0x43, 1, 2, 3] + text("nonce") + [0xF6]
        let envelope = [0x84, 0x44, 0xA1, 0x01, 0x38, 0x22, 0xA0] + bytes(payload)
        return (tagged ? [0xD2] : []) + envelope + [0x58, 0x60] + zeros(96)
    }

    private static func collateralSeeds() -> [[UInt8]] {
        var intel = emptyCollateral
        intel.tcbInfo = .init(Array(#"{"id":"TDX","version":3}"#.utf8)) ?? .init()
        intel.tcbInfoIssuerChain = .init(pem(certificateSeed) + pem(certificateSeed)) ?? .init()
        let certificate = SSZByteList<4096>(certificateSeed) ?? .init()
        let amd = AMDCollateral(leaf: certificate, intermediate: certificate, root: certificate)
        return [
            Collateral.none.encoded, Collateral.intel(intel).encoded, Collateral.amd(amd).encoded,
        ]
    }

    private static func proofSeeds() -> [[UInt8]] {
        var policy = AttestationPolicy(allowed: [])
        policy.revokedPlatforms = [.zero]
        let proof = AttestationProof(
            time: 1_768_435_200_000, evidence: .init([1, 2, 3]) ?? .init(),
            collateral: .init(Collateral.none.encoded) ?? .init())
        let rules = AttestationRules(times: 1...1_768_435_200_000, policy: policy)
        return [proof.sszEncoded(), rules?.sszEncoded() ?? []]
    }

    private static func pem(_ certificate: [UInt8]) -> [UInt8] {
        let text = Base64.encode(certificate)
        return Array(
            "-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n".utf8)
    }

    private static func zeros(_ count: Int) -> [UInt8] { .init(repeating: 0, count: count) }

    /// Intel SGX Root CA.
    private static let certificateSeed =
        Base64.decode(
            "MIICjzCCAjSgAwIBAgIUImUM1lqdNInzg7SVUr9QGzknBqwwCgYIKoZIzj0EAwIwaDEaMBgGA1UE"
                + "AwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMRQwEgYDVQQH"
                + "DAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJBgNVBAYTAlVTMB4XDTE4MDUyMTEwNDUxMFoX"
                + "DTQ5MTIzMTIzNTk1OVowaDEaMBgGA1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUlu"
                + "dGVsIENvcnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJBgNV"
                + "BAYTAlVTMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj/iPWsCzaEKi71OiOSLRF"
                + "hWGjbnBVJfVnkY4u3IjkDYYL0MxO4mqsyYjlBalTVYxFP2sJBK5zlKOBuzCBuDAfBgNVHSMEGDAW"
                + "gBQiZQzWWp00ifODtJVSv1AbOScGrDBSBgNVHR8ESzBJMEegRaBDhkFodHRwczovL2NlcnRpZmlj"
                + "YXRlcy50cnVzdGVkc2VydmljZXMuaW50ZWwuY29tL0ludGVsU0dYUm9vdENBLmRlcjAdBgNVHQ4E"
                + "FgQUImUM1lqdNInzg7SVUr9QGzknBqwwDgYDVR0PAQH/BAQDAgEGMBIGA1UdEwEB/wQIMAYBAf8C"
                + "AQEwCgYIKoZIzj0EAwIDSQAwRgIhAOW/5QkR+S9CiSDcNoowLuPRLsWGf/Yi7GSX94BgwTwgAiEA"
                + "4J0lrHoMs+Xo5o/sX6O9QWxHRAvZUGOdRQ7cvqRXaqI="
        ) ?? []
}
