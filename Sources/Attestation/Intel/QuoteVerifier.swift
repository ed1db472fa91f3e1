import ChoraleBase
import Crypto

/// Checks DCAP quotes.
///
/// Specification: Intel SGX ECDSA QuoteVerification Library, "Quote verification flow".
struct QuoteVerifier {
    let anchors: TrustAnchors

    /// What a quote says of itself, true if Intel's root says so of the platform.
    struct Signatures {
        let quote: Quote
        let chain: CertificateChain
        let platform: PlatformCertificate
    }

    /// Checks the chain of signatures from the root to the report, and nothing of time, revocation or
    /// the platform's quality.
    ///
    /// - Parameter known: certificates that have been checked before.
    func signatures(
        _ bytes: [UInt8], known: [X509Certificate]
    ) throws(AttestationFault) -> Signatures {
        let quote: Quote
        do { quote = try Quote(bytes) } catch { throw .quote(error) }
        let chain = try CheckedIntelCollateral.platformChain(
            quote.certificates, anchors: anchors, known: known)
        guard let value = chain.leaf.value(ofExtension: PlatformCertificate.identifier),
            let platform = try? PlatformCertificate(value)
        else {
            throw .certificate(
                .platform, index: 0, .platformExtension(PlatformCertificate.identifier))
        }
        guard
            P256.verify(
                signatureP1363: quote.quotingEnclaveSignature,
                message: quote.quotingEnclave.bytes,
                subjectPublicKeyInfo: chain.leaf.subjectPublicKeyInfo)
        else { throw .quote(.reportSignature) }
        let binding = SHA256.hash(quote.attestationKey + quote.authenticationData).bytes
        guard quote.quotingEnclave.reportData == binding + [UInt8](repeating: 0, count: 32) else {
            throw .quote(.keyBinding)
        }
        guard Self.isSigned(quote) else { throw .quote(.signature) }
        return Signatures(quote: quote, chain: chain, platform: platform)
    }

    private static func isSigned(_ quote: Quote) -> Bool {
        let digest = SHA256.hash(quote.signed)
        let (key, signature) = (quote.attestationKey.span, quote.signature.span)
        return P256.verify(
            digest: digest.storage.span,
            r: signature.extracting(0..<32), s: signature.extracting(32..<64),
            x: key.extracting(0..<32), y: key.extracting(32..<64))
    }

    /// Checks everything.
    func verify(
        _ evidence: Evidence, with collateral: CheckedIntelCollateral, now: WallTime
    ) throws(AttestationFault) -> VerifiedAttestation {
        let known =
            collateral.platformAuthorityChain.certificates
        let signatures = try signatures(evidence.bytes, known: known)
        let (quote, chain) = (signatures.quote, signatures.chain)
        guard quote.kind == evidence.kind else { throw .quote(.kind) }
        guard quote.kind == collateral.tcbInfo.kind else { throw .platform(.kind) }

        try CheckedIntelCollateral.refuseRevoked(chain, by: collateral.rootRevocationList)
        // Another authority has other serial numbers.
        let list = collateral.platformRevocationList
        guard list.issuer == chain.issuer.subject,
            collateral.platformAuthorityChain.leaf.subjectPublicKeyInfo
                == chain.issuer.subjectPublicKeyInfo
        else { throw .revocationList(.platform, .issuer) }
        guard !list.revokes(chain.leaf) else { throw .revoked(.platform, index: 0) }

        var window = try collateral.window(now: now)
        try chain.narrow(&window, now: now)

        let enclaveLevel = try collateral.quotingEnclaveIdentity.level(of: quote.quotingEnclave)
        let level = try Self.level(of: signatures, in: collateral.tcbInfo)
        let module = try Self.moduleLevel(of: quote, in: collateral.tcbInfo)
        var status = level.status.combined(with: enclaveLevel.status)
        var advisories = Set(level.advisories + enclaveLevel.advisories)
        if let module {
            status = status.combined(with: module.status)
            advisories.formUnion(module.advisories)
        }
        let platformStatus = IntelPlatformStatus(
            platform: level.status, quotingEnclave: enclaveLevel.status, module: module?.status,
            date: level.date, evaluationNumber: collateral.tcbInfo.evaluationNumber,
            issued: min(
                collateral.tcbInfo.validity.lowerBound,
                collateral.quotingEnclaveIdentity.validity.lowerBound))
        let identity: EnclaveIdentity
        let reportData: [UInt8]
        switch quote.body {
        case .enclave(let report):
            identity = .sgx(report)
            reportData = report.reportData
        case .trustDomain(let report):
            identity = .tdx(report)
            reportData = report.reportData
        }
        return VerifiedAttestation(
            identity: identity, reportData: reportData, tcbStatus: status,
            advisories: advisories.sorted(), intel: platformStatus,
            isRevocationChecked: true, window: window,
            platform: SHA256.hash(chain.leaf.subjectPublicKeyInfo))
    }

    /// The first level, newest first, that the platform reaches in every part.
    private static func level(
        of signatures: Signatures, in info: TCBInfo
    ) throws(AttestationFault) -> TCBInfo.Level {
        let platform = signatures.platform
        guard platform.family == info.family else { throw .platform(.family) }
        guard platform.provisioningEnclave == info.provisioningEnclave else {
            throw .platform(.provisioningEnclave)
        }
        var tee: ArraySlice<UInt8>?
        if case .trustDomain(let report) = signatures.quote.body {
            // As of TDX 1.5 the first two components are the module's, which has levels of its own.
            tee = report.teeTCB.dropFirst(report.moduleVersion == 0 ? 0 : 2)
        }
        let level = info.levels.first { level in
            guard reaches(platform.components[...], level.components[...]),
                level.provisioningEnclaveVersion <= platform.provisioningEnclaveVersion
            else { return false }
            guard let tee else { return true }
            return reaches(tee, (level.teeComponents ?? []).suffix(tee.count))
        }
        guard let level else { throw .platform(.noLevel) }
        guard level.status != .revoked else { throw .platform(.revoked) }
        return level
    }

    private static func reaches(_ found: ArraySlice<UInt8>, _ level: ArraySlice<UInt8>) -> Bool {
        found.count == level.count && zip(found, level).allSatisfy { $0 >= $1 }
    }

    /// The level of the TDX module; nil for SGX.
    private static func moduleLevel(
        of quote: Quote, in info: TCBInfo
    ) throws(AttestationFault) -> TCBInfo.ModuleLevel? {
        guard case .trustDomain(let report) = quote.body else { return nil }
        let version = report.moduleVersion
        guard let module = version == 0 ? info.module : info.modules[version] else {
            throw .platform(.unknownModule(version: version))
        }
        guard Array(report.moduleSigner) == module.signer else { throw .platform(.moduleSigner) }
        guard
            Masked.isEqual(
                Array(report.moduleAttributes), module.attributes, mask: module.mask)
        else { throw .platform(.moduleAttributes) }
        // The module of TDX 1.0 is part of the platform's level.
        if version == 0 {
            return TCBInfo.ModuleLevel(securityVersion: 0, status: .upToDate, advisories: [])
        }
        let found = report.moduleSecurityVersion
        guard let level = module.levels.first(where: { $0.securityVersion <= found }) else {
            throw .platform(.moduleLevel(serial: found))
        }
        guard level.status != .revoked else { throw .platform(.moduleRevoked) }
        return level
    }
}
