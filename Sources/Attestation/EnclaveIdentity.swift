public import ChoraleBase
import Crypto

/// What runs: everything that the hardware measured of the code and what was given to it as
/// configuration, as far as it is the same wherever it runs.
public enum EnclaveIdentity: Hashable, Sendable {
    case sgx(EnclaveReport)
    case tdx(TrustDomainReport)
    case sevSNP(SNPReport)
    case nitro(NitroDocument)

    public var kind: AttestationKind {
        switch self {
        case .sgx: .sgx
        case .tdx: .tdx
        case .sevSNP: .sevSNP
        case .nitro: .nitro
        }
    }

    /// The name by which it is allowed: SHA-256 of `"chorale/enclave/1"`, a zero byte, the kind's number
    /// and these fields as they stand in the report:
    ///
    /// | kind | fields |
    /// | --- | --- |
    /// | SGX | MRENCLAVE, MRSIGNER, ISVPRODID, ISVSVN, ISVEXTPRODID, ISVFAMILYID, CONFIGID, CONFIGSVN |
    /// | TDX | attributes, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to RTMR3 |
    /// | SEV-SNP | guest SVN, policy, family ID, image ID, VMPL, measurement, host data, ID key digest, author key digest |
    /// | Nitro | PCR0, PCR1, PCR2, each behind a byte with its size, 0 for one that is missing |
    public var measurement: EnclaveMeasurement {
        var bytes = Array("chorale/enclave/1".utf8) + [0, kind.rawValue]
        switch self {
        case .sgx(let report):
            bytes += report.measurement + report.signer
            bytes.appendLittleEndian(report.product)
            bytes.appendLittleEndian(report.securityVersion)
            bytes += report.extendedProduct + report.family + report.configuration
            bytes += report.configurationVersion
        case .tdx(let report):
            bytes += report.attributes + report.measurement + report.configuration
            bytes += report.runtimeMeasurements.joined()
        case .sevSNP(let report): bytes += report.identity
        case .nitro(let document):
            for index in UInt8(0)..<3 {
                let register = document.registers[index] ?? []
                bytes += [UInt8(register.count)] + register
            }
        }
        return EnclaveMeasurement(kind: kind, digest: SHA256.hash(bytes))
    }

    /// Whether someone else may look into it and change it.
    public var isDebuggable: Bool {
        switch self {
        case .sgx(let report): report.isDebuggable
        case .tdx(let report): report.isDebuggable
        case .sevSNP(let report): report.isDebuggable
        case .nitro(let document): document.isDebugMode
        }
    }

    /// Whether it may move to another machine, with someone's help who is not measured.
    public var isMigratable: Bool {
        switch self {
        case .sgx, .nitro: false
        case .tdx(let report): report.hasServiceDomain
        case .sevSNP(let report): report.allowsMigration
        }
    }
}

/// The name of something that runs, for lists of what is allowed.
public struct EnclaveMeasurement: Hashable, Comparable, Sendable {
    public let kind: AttestationKind
    public let digest: Bytes32

    public init(kind: AttestationKind, digest: Bytes32) {
        self.kind = kind
        self.digest = digest
    }

    public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.kind.rawValue, lhs.digest) < (rhs.kind.rawValue, rhs.digest)
    }
}
