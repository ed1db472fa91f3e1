public import ChoraleBase

/// Which proven facts are good enough. Evidence that fails here is genuine, and not wanted.
///
/// The defaults are strict: nothing is allowed until it is listed.
public struct AttestationPolicy: Hashable, Sendable {
    /// What may vouch, by measurement. At most ``allowedCountMax``.
    public var allowed: [EnclaveMeasurement: ClosedRange<UInt64>]
    /// Statuses of Intel platforms that are accepted. ``TCBStatus/revoked`` never is.
    public var acceptedStatuses: Set<TCBStatus> = [.upToDate, .softwareHardeningNeeded]
    /// Advisories that are accepted whatever the status says of them; nil for all. With a set, a platform
    /// open to any other advisory is refused.
    public var acceptedAdvisories: Set<String>?
    /// Least `tcbEvaluationDataNumber` of Intel's TCB info: nobody may present older levels than these.
    public var evaluationNumberMin: UInt32 = 0
    /// Oldest statement of Intel's that is used, whenever it says it expires.
    public var collateralAgeMax: Duration = .seconds(31 * 86_400)
    /// Lowest firmware of AMD's, by product; AMD publishes no status. A product that is not listed is
    /// refused.
    public var minimumTCB: [AMDProduct: AMDTCB] = [:]
    /// Whether SEV-SNP needs a revocation list. Whoever sends evidence chooses the collateral, and would
    /// leave out the list that names its authority.
    public var requiresAMDRevocationList = true
    /// Oldest Nitro document that counts. Documents say when they were made; quotes and reports do not,
    /// and are as fresh as the operation that they name.
    public var documentAgeMax: Duration = .seconds(600)
    /// How far a document's clock may be ahead of ours.
    public var clockSkewMax: Duration = .seconds(60)
    /// Platforms that were caught: a proof contradicted what they vouched for.
    public var revokedPlatforms: Set<Bytes32> = []

    /// Largest list of measurements. An entry has 49 bytes in state.
    public static let allowedCountMax = 1024

    public init(allowed: [AllowedMeasurement]) {
        precondition(allowed.count <= Self.allowedCountMax, "\(allowed.count) measurements")
        self.allowed = Dictionary(
            allowed.map { ($0.measurement, $0.epochs) }, uniquingKeysWith: { _, last in last })
    }

    /// Throws unless an attestation is acceptable and says `statement`.
    ///
    /// - Parameters:
    ///   - epoch: the chain's, for the list of measurements.
    ///   - now: the time for which the attestation was verified.
    public func check(
        _ attestation: VerifiedAttestation, says statement: AttestationStatement, epoch: UInt64,
        now: WallTime
    ) throws(PolicyRefusal) {
        try check(attestation, reportData: statement.reportData, epoch: epoch, now: now)
    }

    /// As the form with a statement, for report data that the caller has made.
    func check(
        _ attestation: VerifiedAttestation, reportData: [UInt8], epoch: UInt64, now: WallTime
    ) throws(PolicyRefusal) {
        // What it says first: a stolen attestation is its bearer's fault, the rest may be ours.
        guard attestation.reportData == reportData else { throw .otherStatement }
        guard attestation.window.contains(now) else { throw .notCurrent }
        guard let epochs = allowed[attestation.measurement] else {
            throw .measurementNotAllowed(attestation.measurement)
        }
        guard epochs.contains(epoch) else { throw .measurementNotInForce(epoch: epoch) }
        guard !attestation.isDebuggable else { throw .debuggable }
        guard !attestation.identity.isMigratable else { throw .migratable }
        guard !revokedPlatforms.contains(attestation.platform) else { throw .platformRevoked }
        switch attestation.identity {
        case .sgx, .tdx: try checkIntel(attestation, now: now)
        case .sevSNP(let report): try checkAMD(attestation, report)
        case .nitro(let document): try checkAge(of: document, now: now)
        }
    }

    private func checkIntel(
        _ attestation: VerifiedAttestation, now: WallTime
    ) throws(PolicyRefusal) {
        guard let status = attestation.tcbStatus, let intel = attestation.intel else {
            throw .statusMissing
        }
        guard status != .revoked, acceptedStatuses.contains(status) else { throw .status(status) }
        if let acceptedAdvisories,
            let other = attestation.advisories.first(where: { !acceptedAdvisories.contains($0) })
        {
            throw .advisory(other)
        }
        guard intel.evaluationNumber >= evaluationNumberMin else {
            throw .evaluationNumber(intel.evaluationNumber, minimum: evaluationNumberMin)
        }
        guard WallTime(milliseconds: intel.issued * 1000).advanced(by: collateralAgeMax) >= now
        else { throw .collateralTooOld(issued: intel.issued) }
    }

    private func checkAMD(
        _ attestation: VerifiedAttestation, _ report: SNPReport
    ) throws(PolicyRefusal) {
        guard attestation.isRevocationChecked || !requiresAMDRevocationList else {
            throw .revocationListMissing
        }
        // A report that the host asked for has report data of the host's choice.
        guard report.privilegeLevel <= 3 else { throw .requestedByHost }
        guard let product = attestation.product, let minimum = minimumTCB[product] else {
            throw .productNotAllowed(attestation.product)
        }
        guard let tcb = report.tcb, tcb.reaches(minimum) else { throw .firmwareTooOld }
    }

    private func checkAge(of document: NitroDocument, now: WallTime) throws(PolicyRefusal) {
        guard let milliseconds = Int64(exactly: document.timestamp) else {
            throw .documentFromTheFuture
        }
        let made = WallTime(milliseconds: milliseconds)
        guard made <= now.advanced(by: clockSkewMax) else { throw .documentFromTheFuture }
        guard made.advanced(by: documentAgeMax) >= now else { throw .documentTooOld }
    }
}

/// Why genuine evidence is not accepted.
public enum PolicyRefusal: Error, Hashable, Sendable {
    /// It vouches for another operation, part, output or key.
    case otherStatement
    /// Verified for another time than this.
    case notCurrent
    case measurementNotAllowed(EnclaveMeasurement)
    /// The entry in the list is for other epochs.
    case measurementNotInForce(epoch: UInt64)
    case debuggable
    case migratable
    case platformRevoked
    case statusMissing
    case status(TCBStatus)
    case advisory(String)
    case evaluationNumber(UInt32, minimum: UInt32)
    case collateralTooOld(issued: Int64)
    case revocationListMissing
    case requestedByHost
    case productNotAllowed(AMDProduct?)
    case firmwareTooOld
    case documentTooOld
    case documentFromTheFuture
}
