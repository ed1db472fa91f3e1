import ChoraleBase
import Crypto

/// Certificates from a leaf to a pinned root, in that order and without gaps.
///
/// Nothing is searched for: each certificate must be issued by the next. The root is compared with
/// what is pinned as a whole, so that its own signature says nothing more.
///
/// Specification: RFC 5280, section 6.1, without policies and name constraints, which none of these
/// chains has.
public struct CertificateChain: Hashable, Sendable {
    /// Whose chain.
    public enum Role: Hashable, Sendable {
        /// Of the platform key that signs a quoting enclave's report.
        case platform
        case tcbInfo
        case quotingEnclaveIdentity
        case platformRevocationList
        /// Of AMD's VCEK or VLEK.
        case chip
        case document
    }

    /// What a chain must be beside well signed.
    struct Rules {
        let role: Role
        let algorithm: X509SignatureAlgorithm
        let length: ClosedRange<Int>
        /// SHA-256 of each root that may stand at the end.
        let roots: [Bytes32]
        /// Whether the first certificate is an authority too: that of a revocation list.
        var beginsWithAuthority = false
    }

    /// From the leaf to the root.
    let certificates: [X509Certificate]
    let role: Role

    var leaf: X509Certificate { certificates[0] }
    /// Issued the leaf.
    var issuer: X509Certificate { certificates[1] }
    var root: X509Certificate { certificates[certificates.count - 1] }

    /// Reads and checks a chain, except for its time and revocation.
    ///
    /// - Parameter known: certificates whose way to the root has been checked before; their signatures
    ///   are not checked again.
    init(
        _ encodings: [[UInt8]], rules: Rules, known: [X509Certificate] = []
    ) throws(AttestationFault) {
        let role = rules.role
        guard rules.length.contains(encodings.count), encodings.count >= 2 else {
            throw .chain(role, .length(encodings.count))
        }
        // First of all: nobody but who holds the root's key makes us do more than read.
        let last = encodings[encodings.count - 1]
        guard rules.roots.contains(SHA256.hash(last)) else { throw .chain(role, .unknownRoot) }
        var certificates: [X509Certificate] = []
        for (index, encoding) in encodings.enumerated() {
            if let same = known.first(where: { $0.encoding == encoding }) {
                certificates.append(same)
                continue
            }
            do {
                certificates.append(try X509Certificate(encoding))
            } catch {
                throw .certificate(role, index: index, .malformed(error))
            }
        }
        // From the root down, so that a signature is checked with a key that is known to be good.
        for index in certificates.indices.reversed() {
            if let fault = Self.fault(index, certificates, rules, known) {
                throw .certificate(role, index: index, fault)
            }
        }
        self.certificates = certificates
        self.role = role
    }

    private static func fault(
        _ index: Int, _ certificates: [X509Certificate], _ rules: Rules, _ known: [X509Certificate]
    ) -> CertificateFault? {
        let certificate = certificates[index]
        guard certificate.signatureAlgorithm == rules.algorithm else {
            return .algorithm(certificate.signatureAlgorithm)
        }
        if index > 0 || rules.beginsWithAuthority {
            guard certificate.isAuthority else { return .notAnAuthority }
            guard certificate.keyUsage?.contains(.certificateSign) ?? false else {
                return .keyUsage
            }
            // Authorities below this one, which is what the limit counts.
            let below = max(0, index - (rules.beginsWithAuthority ? 0 : 1))
            if let limit = certificate.pathLengthMax, below > limit {
                return .pathTooLong(limit: limit)
            }
        } else {
            guard !certificate.isAuthority else { return .leafIsAuthority }
            guard certificate.keyUsage?.contains(.digitalSignature) ?? true else {
                return .keyUsage
            }
        }
        guard index + 1 < certificates.count else { return nil }
        let issuer = certificates[index + 1]
        guard certificate.issuer == issuer.subject else { return .issuer }
        if known.contains(certificate) { return nil }
        return certificate.isSigned(by: issuer.subjectPublicKeyInfo) ? nil : .signature
    }

    /// Throws unless a certificate's subject has this common name.
    func require(commonName: [String], at index: Int) throws(AttestationFault) {
        let found = certificates[index].commonName
        guard let found, commonName.contains(found) else {
            throw .certificate(role, index: index, .commonName(found))
        }
    }

    /// Narrows a window by those of all certificates.
    func narrow(_ window: inout ValidityWindow, now: WallTime) throws(AttestationFault) {
        for (index, certificate) in certificates.enumerated() {
            try window.narrow(
                to: certificate.validity, of: .certificate(role, index: index), now: now)
        }
    }
}

extension X509RevocationList {
    /// Reads and checks a list, except for its time.
    static func checked(
        _ encoding: [UInt8], role: RevocationListRole, algorithm: X509SignatureAlgorithm,
        authority: X509Certificate
    ) throws(AttestationFault) -> X509RevocationList {
        let list: X509RevocationList
        do {
            list = try X509RevocationList(encoding)
        } catch {
            throw .revocationList(role, .malformed(error))
        }
        guard list.signatureAlgorithm == algorithm else {
            throw .revocationList(role, .algorithm(list.signatureAlgorithm))
        }
        guard list.issuer == authority.subject else { throw .revocationList(role, .issuer) }
        guard authority.keyUsage?.contains(.revocationListSign) ?? false,
            list.isSigned(by: authority.subjectPublicKeyInfo)
        else { throw .revocationList(role, .signature) }
        return list
    }
}
