import ChoraleBase
import Codec
import Crypto

/// Checks reports of SEV-SNP guests.
///
/// Specification: AMD 56860, SEV-SNP Firmware ABI, section 7.3; AMD 57230, chapter 3.
struct SNPVerifier {
    private static let chipIdentifier = "1.3.6.1.4.1.3704.1.4"

    let anchors: TrustAnchors

    func verify(
        _ evidence: Evidence, with collateral: AMDCollateral, now: WallTime
    ) throws(AttestationFault) -> VerifiedAttestation {
        let report = try SNPReport(evidence.bytes)
        let (chain, product) = try chain(collateral, key: report.signingKey)
        var window = ValidityWindow()
        try chain.narrow(&window, now: now)
        if !collateral.revocationList.bytes.isEmpty {
            let list = try X509RevocationList.checked(
                collateral.revocationList.bytes, role: .amd, algorithm: .rsaPSSSHA384,
                authority: chain.root)
            try window.narrow(to: list.validity, of: .revocationList(.amd), now: now)
            guard !list.revokes(chain.issuer) else { throw .revoked(.chip, index: 1) }
        }
        let leaf = chain.leaf
        guard
            P384.verify(
                signatureP1363: report.signature, message: Array(report.signed),
                subjectPublicKeyInfo: leaf.subjectPublicKeyInfo)
        else { throw .report(.signature) }
        try checkTCB(of: report, leaf: leaf, product: product)
        if report.signingKey == .chip { try checkChip(of: report, leaf: leaf, product: product) }
        return VerifiedAttestation(
            identity: .sevSNP(report), reportData: report.reportData, tcbStatus: nil,
            product: product,
            isRevocationChecked: !collateral.revocationList.bytes.isEmpty, window: window,
            platform: SHA256.hash(leaf.subjectPublicKeyInfo))
    }

    /// The chain, and the product by its root.
    private func chain(
        _ collateral: AMDCollateral, key: SNPReport.SigningKey
    ) throws(AttestationFault) -> (CertificateChain, AMDProduct) {
        let root = SHA256.hash(collateral.root.bytes)
        guard let product = AMDProduct.allCases.first(where: { anchors.amd[$0] == root }) else {
            throw .chain(.chip, .unknownRoot)
        }
        // All three are signed with RSA; the leaf's own key, which signs reports, is not RSA.
        let chain = try CertificateChain(
            [collateral.leaf.bytes, collateral.intermediate.bytes, collateral.root.bytes],
            rules: .init(role: .chip, algorithm: .rsaPSSSHA384, length: 3...3, roots: [root]))
        let (leafName, issuerName) =
            switch key {
            case .chip: ("SEV-VCEK", "SEV-" + product.name)
            case .loaded: ("SEV-VLEK", "SEV-VLEK-" + product.name)
            }
        try chain.require(commonName: [leafName], at: 0)
        try chain.require(commonName: [issuerName], at: 1)
        try chain.require(commonName: ["ARK-" + product.name], at: 2)
        return (chain, product)
    }

    /// The key is derived from the versions of the firmware, which the certificate names.
    private func checkTCB(
        of report: SNPReport, leaf: X509Certificate, product: AMDProduct
    ) throws(AttestationFault) {
        let reported = Array(report.reportedTCB)
        var used: Set<Int> = []
        for component in product.components {
            guard
                let version = leaf.value(ofExtension: component.identifier).flatMap(
                    DERReader.unsigned)
            else {
                throw .certificate(.chip, index: 0, .platformExtension(component.identifier))
            }
            guard UInt32(reported[component.offset]) == version else {
                throw .report(.reportedTCB(component.identifier))
            }
            used.insert(component.offset)
        }
        guard reported.indices.allSatisfy({ used.contains($0) || reported[$0] == 0 }) else {
            throw .report(.reportedTCB("reserved"))
        }
    }

    private func checkChip(
        of report: SNPReport, leaf: X509Certificate, product: AMDProduct
    ) throws(AttestationFault) {
        guard let chip = leaf.value(ofExtension: Self.chipIdentifier),
            chip.count == product.chipIDSize
        else { throw .certificate(.chip, index: 0, .platformExtension(Self.chipIdentifier)) }
        guard report.chipID.starts(with: chip),
            report.chipID.dropFirst(chip.count).allSatisfy({ $0 == 0 })
        else { throw .report(.chipID) }
    }
}
