import ChoraleBase
import Codec
import Crypto
import MadeEnclaves

@testable import Attestation

/// A guest on a platform of AMD's form whose maker is the test.
struct MadeGuest {
    static let rootKey = MadeRSAKey()
    static let intermediateKey = MadeRSAKey()
    static let chipKey = MadeKey(31, .p384)

    var product = AMDProduct.milan
    /// VLEK instead of VCEK.
    var isLoaded = false
    var rootName = "ARK-Milan"
    var intermediateName = "SEV-Milan"
    var leafName = "SEV-VCEK"
    var intermediateSigner: any MadeSigner = rootKey
    var leafSigner: any MadeSigner = intermediateKey
    var leafKey = chipKey
    /// By the last part of the identifier, with the version.
    var versions: [(UInt8, UInt8)] = [(1, 4), (2, 0), (3, 24), (8, 219)]
    var chip: [UInt8]? = .init(repeating: 0x77, count: 64)
    var list: MadeRevocationList?

    var report: [UInt8] = {
        var report = [UInt8](repeating: 0, count: SNPReport.size)
        report[0] = 3
        report[0x34] = 1
        report[0x0A] = 3
        report.replaceSubrange(0x180..<0x188, with: [4, 0, 0, 0, 0, 0, 24, 219])
        report.replaceSubrange(0x1A0..<0x1E0, with: [UInt8](repeating: 0x77, count: 64))
        return report
    }()

    private func amd(_ parts: UInt8...) -> [UInt8] {
        [0x2B, 0x06, 0x01, 0x04, 0x01, 0x9C, 0x78] + parts
    }

    func verify() throws -> VerifiedAttestation {
        let root = MadeCertificate(
            name: rootName, issuer: rootName, serial: 1, key: Self.rootKey, signer: Self.rootKey,
            isAuthority: true, usage: MadeCertificate.authorityUsage
        ).encoding
        let intermediate = MadeCertificate(
            name: intermediateName, issuer: rootName, serial: 2, key: Self.intermediateKey,
            signer: intermediateSigner, isAuthority: true, pathLength: 0, usage: 0x04
        ).encoding
        var leaf = MadeCertificate(
            name: leafName, issuer: intermediateName, serial: 0, key: leafKey,
            signer: leafSigner, usage: nil)
        leaf.extensions = versions.map {
            (amd(1, 3, $0.0), false, DER.unsigned([$0.1]))
        }
        if let chip { leaf.extensions.append((amd(1, 4), false, chip)) }
        var report = report
        if isLoaded { report[0x48] |= 1 << 2 }
        let signature = Self.chipKey.sign(Array(report[..<0x2A0]))
        report.replaceSubrange(0x2A0..<0x2D0, with: signature[..<48].reversed())
        report.replaceSubrange(0x2E8..<0x318, with: signature[48...].reversed())
        let collateral = AMDCollateral(
            leaf: .init(leaf.encoding)!, intermediate: .init(intermediate)!, root: .init(root)!,
            revocationList: .init(list?.encoding ?? [])!)
        var anchors = TrustAnchors.pinned
        anchors.amd = [product: SHA256.hash(root)]
        return try AttestationVerifier(anchors: anchors).verify(
            Evidence(kind: .sevSNP, bytes: report), with: .amd(collateral),
            now: MadePlatform.now)
    }
}
