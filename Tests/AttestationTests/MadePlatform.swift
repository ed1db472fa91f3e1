import ChoraleBase
public import Codec
import Crypto
import MadeEnclaves

@testable import Attestation

/// A platform of Intel's form whose maker is the test: every field can be changed before it is signed,
/// so that each check is shown to be the one that refuses.
struct MadePlatform {
    static let rootKey = MadeKey(11)
    static let authorityKey = MadeKey(12)
    static let platformKey = MadeKey(13)
    static let signingKey = MadeKey(14)
    static let attestationKey = MadeKey(15)

    /// 2026-01-15T00:00:00Z, when everything is current.
    static let now = MadeDocument.now

    var isTDX = false
    var root = MadeCertificate(
        name: "Root", issuer: "Root", serial: 1, key: rootKey, signer: rootKey,
        isAuthority: true, pathLength: 1, usage: MadeCertificate.authorityUsage)
    var authority = MadeCertificate(
        name: "Intel SGX PCK Platform CA", issuer: "Root", serial: 2, key: authorityKey,
        signer: rootKey, isAuthority: true, pathLength: 0, usage: MadeCertificate.authorityUsage)
    var platform = MadeCertificate(
        name: "Intel SGX PCK Certificate", issuer: "Intel SGX PCK Platform CA", serial: 3,
        key: platformKey, signer: authorityKey)
    /// The value of the platform's extension; nil for none.
    var platformExtension: [UInt8]? = MadePlatform.platformExtension()
    var signing = MadeCertificate(
        name: "Intel SGX TCB Signing", issuer: "Root", serial: 4, key: signingKey,
        signer: rootKey)
    var rootList = MadeRevocationList(issuer: "Root", signer: rootKey)
    var platformList = MadeRevocationList(
        issuer: "Intel SGX PCK Platform CA", signer: authorityKey)
    /// Which chain the platform's list comes with; nil for the quote's own authority.
    var listAuthority: MadeCertificate?

    var tcbInfo: [String: JSONValue] = [
        "version": 3, "issueDate": "2026-01-01T00:00:00Z", "nextUpdate": "2026-01-31T00:00:00Z",
        "fmspc": "00A067110000", "pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": 17,
    ]
    var levelComponents: [UInt8] = .init(repeating: 5, count: 16)
    var levelVersion = 13
    var levelStatus = "UpToDate"
    var moduleComponents: [UInt8] = [3, 1] + .init(repeating: 4, count: 14)
    var moduleIdentity = "TDX_01"
    var moduleSigner = String(repeating: "00", count: 48)
    var moduleStatus = "UpToDate"
    var moduleVersion = 3
    var identity: [String: JSONValue] = [
        "version": 2, "issueDate": "2026-01-02T00:00:00Z", "nextUpdate": "2026-01-30T00:00:00Z",
        "tcbEvaluationDataNumber": 17, "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": .string(String(repeating: "8C", count: 32)), "isvprodid": 1,
    ]
    var identityStatus = "UpToDate"
    var statementSigner = signingKey

    var quotingEnclave = MadePlatform.quotingEnclave()
    /// What the quoting enclave says of the attestation key; nil for the truth.
    var keyBinding: [UInt8]?
    var enclave: [UInt8] = .init(repeating: 0, count: EnclaveReport.size)
    var domain: [UInt8] =
        [3, 1] + [UInt8](repeating: 4, count: 14)
        + [UInt8](repeating: 0, count: TrustDomainReport.size - 16)

    static func platformExtension(
        components: [UInt8] = .init(repeating: 5, count: 16), version: UInt8 = 13
    ) -> [UInt8] {
        func name(_ parts: UInt8...) -> [UInt8] {
            DER.identifier([0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 0x01, 0x0D, 0x01] + parts)
        }
        var tcb: [UInt8] = []
        for (index, component) in components.enumerated() {
            tcb += DER.sequence(name(2, UInt8(index + 1)), DER.unsigned([component]))
        }
        tcb += DER.sequence(name(2, 17), DER.unsigned([version]))
        tcb += DER.sequence(name(2, 18), DER.octets(components))
        return DER.sequence(
            DER.sequence(name(1), DER.octets(.init(repeating: 0, count: 16))),
            DER.sequence(name(2), DER.element(0x30, tcb)),
            DER.sequence(name(3), DER.octets([0, 0])),
            DER.sequence(name(4), DER.octets([0, 0xA0, 0x67, 0x11, 0, 0])))
    }

    static func quotingEnclave() -> [UInt8] {
        var report = [UInt8](repeating: 0, count: EnclaveReport.size)
        report[48] = 0x11
        report.replaceSubrange(128..<160, with: [UInt8](repeating: 0x8C, count: 32))
        report[256] = 1
        report[258] = 8
        return report
    }

    var anchors: TrustAnchors {
        var anchors = TrustAnchors.pinned
        anchors.intel = SHA256.hash(root.encoding)
        return anchors
    }

    // ECDSA has a random part, so that whatever must be the same twice is made once.
    func made() throws -> (
        evidence: Evidence, collateral: IntelCollateral, anchors: TrustAnchors
    ) {
        let rootBytes = root.encoding
        var anchors = TrustAnchors.pinned
        anchors.intel = SHA256.hash(rootBytes)
        let authorityBytes = authority.encoding
        var platform = platform
        if let platformExtension {
            platform.extensions.append(
                (
                    [0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 0x01, 0x0D, 0x01], false,
                    platformExtension
                ))
        }
        let chain = MadeCertificate.pem([platform.encoding, authorityBytes, rootBytes])
        let listAuthority = listAuthority?.encoding ?? authorityBytes
        let signingChain = MadeCertificate.pem([signing.encoding, rootBytes])
        let tcbInfo = tcbInfoText()
        let identity = identityText()
        let collateral = IntelCollateral(
            tcbInfo: .init(tcbInfo)!,
            tcbInfoSignature: .init(statementSigner.sign(tcbInfo))!,
            tcbInfoIssuerChain: .init(signingChain)!, quotingEnclaveIdentity: .init(identity)!,
            quotingEnclaveIdentitySignature: .init(statementSigner.sign(identity))!,
            quotingEnclaveIdentityIssuerChain: .init(signingChain)!,
            platformRevocationList: .init(platformList.encoding)!,
            platformRevocationListIssuerChain: .init(
                MadeCertificate.pem([listAuthority, rootBytes]))!,
            rootRevocationList: .init(rootList.encoding)!)
        let evidence = try Evidence(kind: isTDX ? .tdx : .sgx, bytes: quote(chain))
        return (evidence, collateral, anchors)
    }

    private func tcbInfoText() -> [UInt8] {
        func components(_ bytes: [UInt8]) -> JSONValue {
            .array(bytes.map { .object(["svn": JSONValue($0)]) })
        }
        var tcb: JSONObject = [
            "sgxtcbcomponents": components(levelComponents), "pcesvn": JSONValue(levelVersion),
        ]
        var info = JSONObject()
        for name in tcbInfo.keys.sorted() { info[name] = tcbInfo[name] }
        if info["id"] == nil { info["id"] = isTDX ? "TDX" : "SGX" }
        if isTDX {
            tcb["tdxtcbcomponents"] = components(moduleComponents)
            let module: JSONObject = [
                "mrsigner": .string(moduleSigner), "attributes": "0000000000000000",
                "attributesMask": "FFFFFFFFFFFFFFFF",
            ]
            info["tdxModule"] = .object(module)
            var listed = module
            listed["id"] = .string(moduleIdentity)
            listed["tcbLevels"] = .array([
                .object([
                    "tcb": .object(["isvsvn": JSONValue(moduleVersion)]),
                    "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": .string(moduleStatus),
                    "advisoryIDs": JSONValue(["INTEL-SA-2"]),
                ])
            ])
            info["tdxModuleIdentities"] = .array([.object(listed)])
        }
        info["tcbLevels"] = .array([
            .object([
                "tcb": .object(tcb), "tcbDate": "2024-03-13T00:00:00Z",
                "tcbStatus": .string(levelStatus),
                "advisoryIDs": JSONValue(["INTEL-SA-1", "INTEL-SA-2"]),
            ])
        ])
        return JSONValue.object(info).encoded
    }

    private func identityText() -> [UInt8] {
        var object = JSONObject()
        for name in identity.keys.sorted() { object[name] = identity[name] }
        if object["id"] == nil { object["id"] = isTDX ? "TD_QE" : "QE" }
        object["tcbLevels"] = .array([
            .object([
                "tcb": .object(["isvsvn": 8]), "tcbDate": "2024-03-13T00:00:00Z",
                "tcbStatus": .string(identityStatus),
            ])
        ])
        return JSONValue.object(object).encoded
    }

    private func quote(_ chain: [UInt8]) -> [UInt8] {
        var signed: [UInt8] = [isTDX ? 4 : 3, 0, 2, 0, isTDX ? 0x81 : 0, 0, 0, 0, 0, 0, 0, 0]
        signed += [
            0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94, 0x0A, 0x0D, 0xB3, 0x95, 0x7F,
            0x06, 0x07,
        ]
        signed += [UInt8](repeating: 0, count: 20) + (isTDX ? domain : enclave)
        let authentication: [UInt8] = [1, 2, 3]
        var report = quotingEnclave
        let binding = SHA256.hash(Self.attestationKey.point + authentication).bytes
        report.replaceSubrange(320..<352, with: keyBinding ?? binding)
        var block = report + Self.platformKey.sign(report)
        block.appendLittleEndian(UInt16(authentication.count))
        block += authentication
        block += [5, 0]
        block.appendLittleEndian(UInt32(chain.count))
        block += chain
        var data = Self.attestationKey.sign(signed) + Self.attestationKey.point
        if isTDX {
            data += [6, 0]
            data.appendLittleEndian(UInt32(block.count))
        }
        data += block
        var bytes = signed
        bytes.appendLittleEndian(UInt32(data.count))
        return bytes + data
    }

    func verify(now: WallTime = MadePlatform.now) throws -> VerifiedAttestation {
        let made = try made()
        return try AttestationVerifier(anchors: made.anchors).verify(
            made.evidence, with: .intel(made.collateral), now: now)
    }
}

extension JSONValue: ExpressibleByStringLiteral,
    ExpressibleByIntegerLiteral
{
    public init(stringLiteral text: String) { self = .string(text) }

    public init(integerLiteral value: Int64) { self = .integer(value) }
}
