/// What vouches for a statement. The numbers are the types of proofs by trusted hardware.
public enum AttestationKind: UInt8, Hashable, Sendable, CaseIterable {
    /// An Intel SGX enclave: DCAP quote of version 3, 4 or 5.
    case sgx = 80
    /// An Intel TDX trust domain: DCAP quote of version 4 or 5.
    case tdx = 81
    /// An AMD SEV-SNP guest: attestation report of version 2 to 5.
    case sevSNP = 82
    /// An AWS Nitro enclave: attestation document.
    case nitro = 83

    /// Largest evidence of this kind, in bytes.
    public var evidenceSizeMax: Int {
        switch self {
        // Real quotes have 4,600 to 5,030 bytes; drivers hand them out in buffers of up to 8 KiB,
        // padded with zeros.
        case .sgx, .tdx: 16 << 10
        case .sevSNP: SNPReport.size
        // The most that the Nitro security module gives.
        case .nitro: 16 << 10
        }
    }
}
