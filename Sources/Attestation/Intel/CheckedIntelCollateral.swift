import ChoraleBase
import Codec
import Crypto

/// Collateral of Intel's of which everything has been checked but what depends on a quote or on the
/// time, so that many quotes of a platform's family can be checked with it.
public struct CheckedIntelCollateral: Hashable, Sendable {
    static let chainSizeMax = 3

    let tcbInfo: TCBInfo
    let quotingEnclaveIdentity: QuotingEnclaveIdentity
    let tcbInfoChain: CertificateChain
    let quotingEnclaveIdentityChain: CertificateChain
    /// Begins with the authority whose certificates the list is about.
    let platformAuthorityChain: CertificateChain
    let platformRevocationList: X509RevocationList
    let rootRevocationList: X509RevocationList

    /// Checks signatures, names and revocation.
    public init(
        _ collateral: IntelCollateral, anchors: TrustAnchors = .pinned
    ) throws(AttestationFault) {
        let tcbInfoChain = try Self.signingChain(
            collateral.tcbInfoIssuerChain.bytes, role: .tcbInfo, anchors: anchors, known: [])
        let identityChain = try Self.signingChain(
            collateral.quotingEnclaveIdentityIssuerChain.bytes, role: .quotingEnclaveIdentity,
            anchors: anchors, known: tcbInfoChain.certificates)
        let authorityChain = try Self.authorityChain(
            collateral.platformRevocationListIssuerChain.bytes, anchors: anchors,
            known: tcbInfoChain.certificates)

        let root = tcbInfoChain.root
        let rootList = try X509RevocationList.checked(
            collateral.rootRevocationList.bytes, role: .root, algorithm: .ecdsaP256SHA256,
            authority: root)
        let platformList = try X509RevocationList.checked(
            collateral.platformRevocationList.bytes, role: .platform, algorithm: .ecdsaP256SHA256,
            authority: authorityChain.leaf)
        for chain in [tcbInfoChain, identityChain, authorityChain] {
            try Self.refuseRevoked(chain, by: rootList)
        }

        let tcbInfoText = collateral.tcbInfo.bytes
        guard
            Self.isSigned(
                tcbInfoText, collateral.tcbInfoSignature.bytes, by: tcbInfoChain.leaf)
        else { throw .statement(.tcbInfo, .signature) }
        let identityText = collateral.quotingEnclaveIdentity.bytes
        guard
            Self.isSigned(
                identityText, collateral.quotingEnclaveIdentitySignature.bytes,
                by: identityChain.leaf)
        else { throw .statement(.quotingEnclaveIdentity, .signature) }
        let tcbInfo = try TCBInfo(tcbInfoText)
        let identity = try QuotingEnclaveIdentity(identityText)
        guard tcbInfo.kind == identity.kind else { throw .platform(.kind) }

        self.tcbInfo = tcbInfo
        quotingEnclaveIdentity = identity
        self.tcbInfoChain = tcbInfoChain
        quotingEnclaveIdentityChain = identityChain
        platformAuthorityChain = authorityChain
        platformRevocationList = platformList
        rootRevocationList = rootList
    }

    /// The time in which all of it is current.
    ///
    /// - Throws: naming the piece that is not, at `now`.
    func window(now: WallTime) throws(AttestationFault) -> ValidityWindow {
        var window = ValidityWindow()
        try tcbInfoChain.narrow(&window, now: now)
        try quotingEnclaveIdentityChain.narrow(&window, now: now)
        try platformAuthorityChain.narrow(&window, now: now)
        try window.narrow(
            to: rootRevocationList.validity, of: .revocationList(.root), now: now)
        try window.narrow(
            to: platformRevocationList.validity, of: .revocationList(.platform), now: now)
        try window.narrow(to: tcbInfo.validity, of: .statement(.tcbInfo), now: now)
        try window.narrow(
            to: quotingEnclaveIdentity.validity, of: .statement(.quotingEnclaveIdentity), now: now)
        return window
    }

    /// The PCK chain of a quote.
    static func platformChain(
        _ pem: [UInt8], anchors: TrustAnchors, known: [X509Certificate]
    ) throws(AttestationFault) -> CertificateChain {
        let chain = try chain(
            pem,
            rules: .init(
                role: .platform, algorithm: .ecdsaP256SHA256, length: 3...3,
                roots: [anchors.intel]), known: known)
        try chain.require(commonName: ["Intel SGX PCK Certificate"], at: 0)
        try chain.require(commonName: authorityNames, at: 1)
        return chain
    }

    private static let authorityNames = [
        "Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA",
    ]

    private static func signingChain(
        _ pem: [UInt8], role: CertificateChain.Role, anchors: TrustAnchors,
        known: [X509Certificate]
    ) throws(AttestationFault) -> CertificateChain {
        let chain = try chain(
            pem,
            rules: .init(
                role: role, algorithm: .ecdsaP256SHA256, length: 2...2, roots: [anchors.intel]),
            known: known)
        // Whoever else the root vouches for does not sign statements.
        try chain.require(commonName: ["Intel SGX TCB Signing"], at: 0)
        return chain
    }

    private static func authorityChain(
        _ pem: [UInt8], anchors: TrustAnchors, known: [X509Certificate]
    ) throws(AttestationFault) -> CertificateChain {
        let chain = try chain(
            pem,
            rules: .init(
                role: .platformRevocationList, algorithm: .ecdsaP256SHA256, length: 2...2,
                roots: [anchors.intel], beginsWithAuthority: true), known: known)
        try chain.require(commonName: authorityNames, at: 0)
        return chain
    }

    private static func chain(
        _ pem: [UInt8], rules: CertificateChain.Rules, known: [X509Certificate]
    ) throws(AttestationFault) -> CertificateChain {
        guard let encodings = PEM.certificates(pem[...], countMax: chainSizeMax) else {
            throw .chain(rules.role, .malformedPEM)
        }
        return try CertificateChain(encodings, rules: rules, known: known)
    }

    /// Throws when the root's list names a certificate that the root issued.
    static func refuseRevoked(
        _ chain: CertificateChain, by list: X509RevocationList
    ) throws(AttestationFault) {
        for (index, certificate) in chain.certificates.enumerated()
        where certificate.issuer == list.issuer && list.revokes(certificate) {
            throw .revoked(chain.role, index: index)
        }
    }

    /// - Parameter signature: r‖s.
    private static func isSigned(
        _ text: [UInt8], _ signature: [UInt8], by signer: X509Certificate
    ) -> Bool {
        P256.verify(
            signatureP1363: signature, message: text,
            subjectPublicKeyInfo: signer.subjectPublicKeyInfo)
    }
}
