import ChoraleBase
import Crypto

/// Checks attestation documents of Nitro enclaves.
///
/// Specification: AWS Nitro Enclaves NSM API, `docs/attestation_process.md`, section 3.2.
struct NitroVerifier {
    let anchors: TrustAnchors

    func verify(
        _ evidence: Evidence, now: WallTime
    ) throws(AttestationFault) -> VerifiedAttestation {
        let document = try NitroDocument(evidence.bytes)
        let chain = try CertificateChain(
            [document.certificate] + document.bundle.reversed(),
            rules: .init(
                role: .document, algorithm: .ecdsaP384SHA384,
                length: 2...(NitroDocument.bundleCountMax + 1), roots: [anchors.nitro]))
        var window = ValidityWindow()
        try chain.narrow(&window, now: now)
        guard
            P384.verify(
                signatureP1363: document.signature, message: document.signed,
                subjectPublicKeyInfo: chain.leaf.subjectPublicKeyInfo)
        else { throw .document(.signature) }
        return VerifiedAttestation(
            identity: .nitro(document), reportData: document.userData ?? [], tcbStatus: nil,
            isRevocationChecked: false, window: window,
            platform: SHA256.hash(chain.leaf.subjectPublicKeyInfo))
    }
}
