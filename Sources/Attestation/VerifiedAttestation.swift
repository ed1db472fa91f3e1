public import ChoraleBase

/// What evidence proves. Only ``AttestationVerifier`` makes one.
///
/// It says what is so, not whether that is good enough: ``AttestationPolicy`` does.
public struct VerifiedAttestation: Hashable, Sendable {
    public let identity: EnclaveIdentity
    /// What the enclave asked to be signed: 64 bytes, or the user data of a Nitro document, up to 512
    /// and possibly none.
    public let reportData: [UInt8]
    /// Of the platform with all its parts; nil where the maker publishes none: AMD and AWS.
    public let tcbStatus: TCBStatus?
    /// Names of Intel's advisories that the platform is open to, sorted.
    public let advisories: [String]
    /// For SGX and TDX.
    public let intel: IntelPlatformStatus?
    /// For SEV-SNP.
    public let product: AMDProduct?
    /// Whether a current list of what the maker revoked was looked at. Never for Nitro, whose maker
    /// publishes none; for SEV-SNP when the collateral has one.
    public let isRevocationChecked: Bool
    /// In which all that was used counts; `now` lies in it.
    public let window: ValidityWindow
    /// The key that the maker vouches for: SHA-256 of the SubjectPublicKeyInfo of the PCK, VCEK, VLEK or
    /// Nitro leaf. The same for all enclaves of a machine, except Nitro's, where each has its own.
    public let platform: Bytes32

    public var kind: AttestationKind { identity.kind }
    public var measurement: EnclaveMeasurement { identity.measurement }
    public var isDebuggable: Bool { identity.isDebuggable }

    init(
        identity: EnclaveIdentity, reportData: [UInt8], tcbStatus: TCBStatus?,
        advisories: [String] = [], intel: IntelPlatformStatus? = nil, product: AMDProduct? = nil,
        isRevocationChecked: Bool,
        window: ValidityWindow, platform: Bytes32
    ) {
        self.identity = identity
        self.reportData = reportData
        self.tcbStatus = tcbStatus
        self.advisories = advisories
        self.intel = intel
        self.product = product
        self.isRevocationChecked = isRevocationChecked
        self.window = window
        self.platform = platform
    }
}

/// The parts of an Intel platform's status.
public struct IntelPlatformStatus: Hashable, Sendable {
    public let platform: TCBStatus
    public let quotingEnclave: TCBStatus
    /// For TDX.
    public let module: TCBStatus?
    /// `tcbDate` of the platform's level, in seconds since 1970: all that Intel published before is
    /// dealt with.
    public let date: Int64
    /// `tcbEvaluationDataNumber` of the TCB info.
    public let evaluationNumber: UInt32
    /// When the older of TCB info and quoting enclave identity was issued, in seconds since 1970.
    public let issued: Int64
}
