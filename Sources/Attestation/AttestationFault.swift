public import Codec
public import Crypto

/// Why evidence proves nothing. Every case is the fault of whoever sent it.
///
/// Evidence that proves what it says, but not what we want, is refused with a ``PolicyRefusal``.
public enum AttestationFault: Error, Hashable, Sendable {
    case evidenceTooLarge(size: Int, limit: Int)
    /// Evidence of this kind needs another kind of collateral.
    case collateralDoesNotFit(AttestationKind)
    case quote(QuoteFault)
    case report(ReportFault)
    case document(DocumentFault)
    case certificate(CertificateChain.Role, index: Int, CertificateFault)
    case chain(CertificateChain.Role, ChainFault)
    case revocationList(RevocationListRole, RevocationListFault)
    /// The certificate is in its issuer's list.
    case revoked(CertificateChain.Role, index: Int)
    case notYetValid(AttestationPiece, from: Int64, now: Int64)
    case expired(AttestationPiece, until: Int64, now: Int64)
    case statement(SignedStatement, StatementFault)
    case platform(PlatformFault)
}

/// What has a time from which and a time until which it counts.
public enum AttestationPiece: Hashable, Sendable {
    case certificate(CertificateChain.Role, index: Int)
    case revocationList(RevocationListRole)
    case statement(SignedStatement)
}

public enum RevocationListRole: Hashable, Sendable {
    /// Of Intel's root: authorities.
    case root
    /// Of Intel's platform or processor authority: platforms.
    case platform
    /// Of AMD's root.
    case amd
}

/// What Intel signs beside certificates.
public enum SignedStatement: Hashable, Sendable {
    case tcbInfo
    case quotingEnclaveIdentity
}

/// What is wrong with one certificate. Index 0 is the leaf.
public enum CertificateFault: Hashable, Sendable {
    case malformed(X509Certificate.DecodeError)
    case algorithm(X509SignatureAlgorithm)
    /// The name of the issuer is not that of the next certificate.
    case issuer
    /// Not signed by the next certificate's key.
    case signature
    /// Issues a certificate and may not.
    case notAnAuthority
    /// Stands above more authorities than it allows.
    case pathTooLong(limit: Int)
    /// An authority where a leaf must be.
    case leafIsAuthority
    /// Its key is not for what it is used for.
    case keyUsage
    case commonName(String?)
    /// An extension that evidence is compared with is missing or malformed; its identifier.
    case platformExtension(String)
}

/// What is wrong with a chain as a whole.
public enum ChainFault: Hashable, Sendable {
    case malformedPEM
    case length(Int)
    /// The last certificate is not one of the pinned roots.
    case unknownRoot
}

public enum RevocationListFault: Hashable, Sendable {
    case malformed(X509RevocationList.DecodeError)
    case algorithm(X509SignatureAlgorithm)
    /// Issued in another name than that of the authority whose certificates are looked up.
    case issuer
    case signature
}

/// What is wrong with TCB info or the identity of a quoting enclave.
public enum StatementFault: Hashable, Sendable {
    case signature
    case malformed(JSONError)
    /// A member is missing, or is not what it must be; its path.
    case member(String)
    case version(UInt64)
    /// About another kind of enclave.
    case identifier(String)
}

/// What is wrong with a DCAP quote.
public enum QuoteFault: Error, Hashable, Sendable {
    case truncated(needed: Int, available: Int)
    case version(UInt16)
    case keyType(UInt16)
    case teeType(UInt32)
    case vendor
    case bodyType(UInt16)
    case bodySize(found: UInt32, expected: Int)
    /// The quote is of another kind of enclave than it was presented as.
    case kind
    /// The lengths inside do not add up to this one.
    case signatureDataSize(claimed: Int, used: Int)
    case certificationDataType(UInt16)
    /// Something other than zeros follows.
    case trailingBytes(offset: Int)
    /// The quoting enclave's report is not signed by the platform's key.
    case reportSignature
    /// The quoting enclave's report does not name the attestation key.
    case keyBinding
    /// The quote is not signed by the attestation key.
    case signature
}

/// Why a platform, its quoting enclave or its TDX module is not one that Intel vouches for.
public enum PlatformFault: Hashable, Sendable {
    /// The TCB info is of other platforms.
    case family
    case provisioningEnclave
    /// Lower than every level that Intel lists.
    case noLevel
    case revoked
    case quotingEnclave(EnclaveField)
    case quotingEnclaveLevel(serial: UInt16)
    case quotingEnclaveRevoked
    case unknownModule(version: UInt8)
    case moduleSigner
    case moduleAttributes
    case moduleLevel(serial: UInt8)
    case moduleRevoked
    /// Statements about the other kind of enclave.
    case kind

    public enum EnclaveField: Hashable, Sendable {
        case miscellaneousSelect, attributes, signer, product
    }
}

/// What is wrong with a report of AMD's.
public enum ReportFault: Hashable, Sendable {
    case size(Int)
    case version(UInt32)
    case signatureAlgorithm(UInt32)
    case signingKey(UInt8)
    /// A part of the signature has more than 48 bytes, or something follows it.
    case signatureEncoding
    case signature
    /// The chip reported another TCB than its certificate is for; the extension's identifier.
    case reportedTCB(String)
    case chipID
}

/// What is wrong with a document of AWS's.
public enum DocumentFault: Hashable, Sendable {
    case malformed(CBORError)
    /// An array of four was expected.
    case partCount(Int)
    case tag(UInt64)
    case protectedHeader
    case unprotectedHeader
    case signatureSize(Int)
    /// Missing, of the wrong type or size, or not known; the key.
    case field(String)
    case digest(String)
    case registerIndex(UInt64)
    case signature
}
