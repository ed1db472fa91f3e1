import ChoraleBase
import Codec
import Crypto
import MadeEnclaves
import TestSupport
import Testing

@testable import Attestation

@Suite struct PolicyTests {
    static let statement = AttestationStatement(
        operation: Bytes32([UInt8](1...32))!, part: 5, output: Bytes32([UInt8](2...33))!,
        key: Bytes32([UInt8](3...34))!)

    /// An enclave that vouches for the statement.
    static func platform(isTDX: Bool = false) -> MadePlatform {
        var platform = MadePlatform()
        platform.isTDX = isTDX
        platform.enclave.replaceSubrange(320..<384, with: statement.reportData)
        platform.domain.replaceSubrange(520..<584, with: statement.reportData)
        return platform
    }

    static func policy(_ attestation: VerifiedAttestation) -> AttestationPolicy {
        AttestationPolicy(allowed: [
            AllowedMeasurement(measurement: attestation.measurement, epochs: 10...20)
        ])
    }

    private func check(
        _ attestation: VerifiedAttestation, _ policy: AttestationPolicy, epoch: UInt64 = 15,
        now: WallTime = MadePlatform.now
    ) throws {
        try policy.check(attestation, says: Self.statement, epoch: epoch, now: now)
    }

    @Test(arguments: [false, true]) func whatIsAllowedIsAccepted(isTDX: Bool) throws {
        let attestation = try Self.platform(isTDX: isTDX).verify()
        let policy = Self.policy(attestation)
        try check(attestation, policy)
        try check(attestation, policy, epoch: 10)
        try check(attestation, policy, epoch: 20)
        #expect(throws: PolicyRefusal.measurementNotInForce(epoch: 9)) {
            try check(attestation, policy, epoch: 9)
        }
        #expect(throws: PolicyRefusal.measurementNotInForce(epoch: 21)) {
            try check(attestation, policy, epoch: 21)
        }
        #expect(throws: PolicyRefusal.measurementNotAllowed(attestation.measurement)) {
            try check(attestation, AttestationPolicy(allowed: []))
        }
    }

    /// The whole serialisation, so that it cannot change unseen, and each field swapped.
    @Test func aStatementIsBoundInEveryField() throws {
        var bytes = Array("chorale/attestation/1".utf8) + [0] + [UInt8](1...32)
        bytes += [5, 0, 0, 0] + [UInt8](2...33) + [UInt8](3...34)
        let said = Self.statement
        #expect(said.reportData == SHA512.hash(bytes))
        #expect(said.reportData.count == AttestationStatement.reportDataSize)

        let attestation = try Self.platform().verify()
        let policy = Self.policy(attestation)
        let others = [
            AttestationStatement(
                operation: said.output, part: said.part, output: said.output, key: said.key),
            AttestationStatement(
                operation: said.operation, part: 6, output: said.output, key: said.key),
            AttestationStatement(
                operation: said.operation, part: 5 << 8, output: said.output, key: said.key),
            AttestationStatement(
                operation: said.operation, part: said.part, output: said.key, key: said.key),
            AttestationStatement(
                operation: said.operation, part: said.part, output: said.output,
                key: said.output),
            // Two fields exchanged.
            AttestationStatement(
                operation: said.operation, part: said.part, output: said.key, key: said.output),
            AttestationStatement(
                operation: said.output, part: said.part, output: said.operation, key: said.key),
        ]
        for other in others {
            #expect(throws: PolicyRefusal.otherStatement) {
                try policy.check(attestation, says: other, epoch: 15, now: MadePlatform.now)
            }
        }
    }

    @Test func aStatusMustBeAccepted() throws {
        for status in TCBStatus.allCases where status != .revoked {
            var platform = Self.platform()
            platform.levelStatus = status.name
            let attestation = try platform.verify()
            var policy = Self.policy(attestation)
            policy.acceptedStatuses = [status]
            try check(attestation, policy)
            policy.acceptedStatuses = Set(TCBStatus.allCases).subtracting([status])
            #expect(throws: PolicyRefusal.status(status)) { try check(attestation, policy) }
        }
        // By default what is out of date or misconfigured is not good enough.
        let accepted = AttestationPolicy(allowed: []).acceptedStatuses
        #expect(accepted == [.upToDate, .softwareHardeningNeeded])
    }

    @Test func advisoriesAndRevisionsMustBeAccepted() throws {
        let attestation = try Self.platform().verify()
        var policy = Self.policy(attestation)
        policy.acceptedAdvisories = ["INTEL-SA-1"]
        #expect(throws: PolicyRefusal.advisory("INTEL-SA-2")) { try check(attestation, policy) }
        policy.acceptedAdvisories = ["INTEL-SA-1", "INTEL-SA-2"]
        try check(attestation, policy)
        policy.evaluationNumberMin = 17
        try check(attestation, policy)
        policy.evaluationNumberMin = 18
        #expect(throws: PolicyRefusal.evaluationNumber(17, minimum: 18)) {
            try check(attestation, policy)
        }
    }

    @Test func collateralMustBeFresh() throws {
        let attestation = try Self.platform().verify()
        var policy = Self.policy(attestation)
        // Issued fourteen days before.
        policy.collateralAgeMax = .seconds(14 * 86_400)
        try check(attestation, policy)
        policy.collateralAgeMax = .seconds(14 * 86_400 - 1)
        #expect(
            throws: PolicyRefusal.collateralTooOld(issued: MadePlatform.now.seconds - 14 * 86_400)
        ) {
            try check(attestation, policy)
        }
        #expect(throws: PolicyRefusal.notCurrent) {
            try check(
                attestation, Self.policy(attestation),
                now: MadePlatform.now.advanced(by: .seconds(20 * 86_400)))
        }
    }

    @Test func debuggableAndMovableEnclavesAreRefused() throws {
        var debuggable = Self.platform()
        debuggable.enclave[48] = 2
        let enclave = try debuggable.verify()
        #expect(throws: PolicyRefusal.debuggable) { try check(enclave, Self.policy(enclave)) }
        debuggable = Self.platform(isTDX: true)
        debuggable.domain[120] = 1
        let domain = try debuggable.verify()
        #expect(throws: PolicyRefusal.debuggable) { try check(domain, Self.policy(domain)) }
    }

    @Test func aPlatformThatWasCaughtIsRefused() throws {
        let attestation = try Self.platform().verify()
        var policy = Self.policy(attestation)
        policy.revokedPlatforms = [attestation.platform]
        #expect(throws: PolicyRefusal.platformRevoked) { try check(attestation, policy) }
    }

    /// Every field that says what runs changes the measurement, and no field that says where.
    @Test func measurementsCoverWhatRuns() throws {
        func measurement(_ change: (inout MadePlatform) -> Void) throws -> EnclaveMeasurement {
            var platform = Self.platform()
            change(&platform)
            return try platform.verify().measurement
        }
        let plain = try measurement { _ in }
        // MRENCLAVE, MRSIGNER, ISVPRODID, ISVSVN, ISVEXTPRODID, ISVFAMILYID, CONFIGID, CONFIGSVN.
        for offset in [64, 95, 128, 159, 256, 258, 32, 47, 304, 319, 192, 255, 260, 261] {
            #expect(try measurement { $0.enclave[offset] ^= 1 } != plain, "byte \(offset)")
        }
        // CPUSVN, report data.
        for offset in [0, 15, 320, 383] {
            #expect(try measurement { $0.enclave[offset] ^= 1 } == plain, "byte \(offset)")
        }
        let domain = try measurement { $0.isTDX = true }
        // Attributes, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to RTMR3.
        for offset in [123, 136, 183, 184, 232, 280, 327, 328, 376, 424, 472, 519] {
            let changed = try measurement {
                $0.isTDX = true
                $0.domain[offset] ^= 4
            }
            #expect(changed != domain, "byte \(offset)")
        }
    }

    @Test func allowedMeasurementsAreWritten() {
        let entry = AllowedMeasurement(
            measurement: .init(kind: .tdx, digest: Bytes32([UInt8](1...32))!), epochs: 3...0x1_0000)
        let bytes = entry.encoded
        #expect(bytes.count == AllowedMeasurement.encodedSize)
        #expect(AllowedMeasurement(decoding: bytes) == entry)
        for count in 0..<bytes.count {
            #expect(AllowedMeasurement(decoding: Array(bytes.prefix(count))) == nil)
        }
        #expect(AllowedMeasurement(decoding: bytes + [0]) == nil)
        #expect(AllowedMeasurement(decoding: [79] + bytes.dropFirst()) == nil)
        var backwards = bytes
        backwards.replaceSubrange(33..<49, with: bytes[41..<49] + bytes[33..<41])
        #expect(AllowedMeasurement(decoding: backwards) == nil)
    }
}

/// The kinds of which the tests cannot be the maker: genuine evidence, and other statements.
@Suite(.enabled(if: AttestationVectors.isPresent, "\(Vectors.absence)"))
struct PolicyVectorTests {
    private func refusal(
        _ name: String, _ folder: String,
        _ change: (inout AttestationPolicy) -> Void = { _ in }
    ) throws -> PolicyRefusal? {
        let json = try AttestationVectors.named(name, folder, "vectors")
        let attestation = try AttestationVectors.verify(json, folder)
        var policy = PolicyTests.policy(attestation)
        // None is published beside this evidence.
        policy.requiresAMDRevocationList = false
        change(&policy)
        let now = try AttestationVectors.time(json["now"].string)
        do {
            try policy.check(attestation, reportData: attestation.reportData, epoch: 15, now: now)
            return nil
        } catch {
            return error
        }
    }

    @Test func firmwareOfAMDMustBeRecent() throws {
        #expect(try refusal("milan-vcek-2", "amd") == .productNotAllowed(.milan))
        let reported = AMDTCB(bytes: [3, 0, 0, 0, 0, 0, 8, 115])
        #expect(try refusal("milan-vcek-2", "amd") { $0.minimumTCB = [.milan: reported!] } == nil)
        let newer = AMDTCB(bytes: [3, 0, 0, 0, 0, 0, 8, 116])
        #expect(
            try refusal("milan-vcek-2", "amd") { $0.minimumTCB = [.milan: newer!] }
                == .firmwareTooOld)
        #expect(
            try refusal("milan-vcek-2", "amd") { $0.minimumTCB = [.genoa: reported!] }
                == .productNotAllowed(.milan))
        #expect(try refusal("milan-vcek-1", "amd") == .debuggable)
        #expect(
            try refusal("milan-vcek-2", "amd") { $0.requiresAMDRevocationList = true }
                == .revocationListMissing)
    }

    @Test func documentsMustBeRecent() throws {
        #expect(try refusal("prod-userdata", "nitro") == nil)
        #expect(try refusal("debug-2022", "nitro") == .debuggable)
        #expect(
            try refusal("prod-2022", "nitro") { $0.documentAgeMax = .seconds(-10) }
                == .documentTooOld)
        let json = try AttestationVectors.named("prod-2022", "nitro", "vectors")
        let made = WallTime(milliseconds: Int64(try json["facts"]["timestamp_ms"].int))
        let attestation = try AttestationVectors.verify(json, "nitro")
        var policy = PolicyTests.policy(attestation)
        policy.clockSkewMax = .zero
        #expect(throws: PolicyRefusal.documentFromTheFuture) {
            try policy.check(
                attestation, reportData: [], epoch: 15, now: made.advanced(by: .milliseconds(-1)))
        }
        try policy.check(attestation, reportData: [], epoch: 15, now: made)
        let last = made.advanced(by: policy.documentAgeMax)
        try policy.check(attestation, reportData: [], epoch: 15, now: last)
        #expect(throws: PolicyRefusal.documentTooOld) {
            try policy.check(
                attestation, reportData: [], epoch: 15, now: last.advanced(by: .milliseconds(1)))
        }
    }

    @Test func outOfDatePlatformsAreRefused() throws {
        #expect(try refusal("tdx-v4-00806f-a@2025-07", "intel") == .status(.outOfDate))
        #expect(try refusal("tdx-v4-00806f-cos@2025-07", "intel") == nil)
        #expect(try refusal("sgx-v3-00606a-b@2024-06", "intel") == .debuggable)
    }

    @Test(arguments: ["intel", "amd", "nitro"]) func genuineEvidenceSaysNothingElse(
        folder: String
    ) throws {
        for json in AttestationVectors.cases(folder, "vectors") {
            guard let attestation = try? AttestationVectors.verify(json, folder) else { continue }
            #expect(throws: PolicyRefusal.otherStatement) {
                try PolicyTests.policy(attestation).check(
                    attestation, says: PolicyTests.statement, epoch: 15,
                    now: AttestationVectors.time(json["now"].string))
            }
        }
    }
}
