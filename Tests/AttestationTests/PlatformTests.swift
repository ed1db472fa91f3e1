import ChoraleBase
import Codec
import Crypto
import MadeEnclaves
import TestSupport
import Testing

@testable import Attestation

/// One change to a good platform, and the check that must refuse it.
struct PlatformRow: Sendable, CustomTestStringConvertible {
    let name: String
    let fault: AttestationFault
    let change: @Sendable (inout MadePlatform) -> Void

    init(
        _ name: String, _ fault: AttestationFault,
        _ change: @escaping @Sendable (inout MadePlatform) -> Void
    ) {
        self.name = name
        self.fault = fault
        self.change = change
    }

    var testDescription: String { name }
}

@Suite struct PlatformTests {
    @Test func aGoodPlatformIsGood() throws {
        let enclave = try MadePlatform().verify()
        #expect(enclave.tcbStatus == .upToDate)
        #expect(enclave.advisories == ["INTEL-SA-1", "INTEL-SA-2"])
        // From the quoting enclave's identity, and until its next.
        #expect(enclave.window.from == MadePlatform.now.seconds - 13 * 86_400)
        #expect(enclave.window.until == MadePlatform.now.seconds + 15 * 86_400)
        #expect(
            enclave.platform == SHA256.hash(MadePlatform.platformKey.subjectPublicKeyInfo))
        var platform = MadePlatform()
        platform.isTDX = true
        let domain = try platform.verify()
        #expect(domain.tcbStatus == .upToDate)
        #expect(domain.intel?.module == .upToDate)
    }

    static let refusals = [
        PlatformRow("the platform's certificate is revoked", .revoked(.platform, index: 0)) {
            $0.platformList.serials = [7, 3]
        },
        PlatformRow(
            "the platform's authority is revoked", .revoked(.platformRevocationList, index: 0)
        ) { $0.rootList.serials = [2] },
        PlatformRow(
            "the quote's authority is revoked, the list's is another certificate of the same",
            .revoked(.platform, index: 1)
        ) {
            $0.listAuthority = $0.authority
            $0.listAuthority?.serial = 6
            $0.rootList.serials = [2]
        },
        PlatformRow("the signer of statements is revoked", .revoked(.tcbInfo, index: 0)) {
            $0.rootList.serials = [4]
        },
        PlatformRow(
            "an entry of a list has a critical extension",
            .revocationList(.platform, .malformed(.unknownCriticalExtension("2.5.29.29")))
        ) {
            $0.platformList.serials = [7]
            $0.platformList.criticalEntry = true
        },
        PlatformRow(
            "another authority's list", .revocationList(.platform, .issuer)
        ) {
            $0.listAuthority = $0.authority
            $0.listAuthority?.name = "Intel SGX PCK Processor CA"
            $0.platformList.issuer = "Intel SGX PCK Processor CA"
        },
        PlatformRow(
            "the list of an authority of the same name", .revocationList(.platform, .issuer)
        ) {
            $0.listAuthority = $0.authority
            $0.listAuthority?.key = MadeKey(20)
            $0.platformList.signer = MadeKey(20)
        },
        PlatformRow("the list is signed by another", .revocationList(.platform, .signature)) {
            $0.platformList.signer = MadePlatform.rootKey
        },
        PlatformRow("the root's list is signed by another", .revocationList(.root, .signature)) {
            $0.rootList.signer = MadePlatform.authorityKey
        },
        PlatformRow("the list is in the root's name", .revocationList(.platform, .issuer)) {
            $0.platformList.issuer = "Root"
        },
        PlatformRow(
            "the list is of tomorrow",
            .notYetValid(
                .revocationList(.platform), from: MadePlatform.now.seconds + 86_400,
                now: MadePlatform.now.seconds)
        ) { $0.platformList.from = "20260116000000Z" },
        PlatformRow(
            "the root's list is of last year",
            .expired(
                .revocationList(.root), until: MadePlatform.now.seconds - 15 * 86_400,
                now: MadePlatform.now.seconds)
        ) {
            $0.rootList.from = "20251201000000Z"
            $0.rootList.until = "20251231000000Z"
        },
        PlatformRow(
            "the platform's certificate is over",
            .expired(
                .certificate(.platform, index: 0), until: MadePlatform.now.seconds - 1,
                now: MadePlatform.now.seconds)
        ) { $0.platform.until = "20260114235959Z" },
        PlatformRow(
            "the platform's certificate has another name",
            .certificate(.platform, index: 0, .commonName("Intel SGX TCB Signing"))
        ) { $0.platform.name = "Intel SGX TCB Signing" },
        PlatformRow(
            "the authority has another name",
            .certificate(.platformRevocationList, index: 0, .commonName("CA"))
        ) {
            $0.authority.name = "CA"
            $0.platform.issuer = "CA"
            $0.platformList.issuer = "CA"
        },
        PlatformRow(
            "the signer of statements has another name",
            .certificate(.tcbInfo, index: 0, .commonName("Intel SGX PCK Platform CA"))
        ) { $0.signing.name = "Intel SGX PCK Platform CA" },
        PlatformRow(
            "the platform's certificate is not signed by the authority",
            .certificate(.platform, index: 0, .signature)
        ) { $0.platform.signer = MadePlatform.rootKey },
        PlatformRow(
            "the signer's certificate is not signed by the root",
            .certificate(.tcbInfo, index: 0, .signature)
        ) { $0.signing.signer = MadePlatform.authorityKey },
        PlatformRow(
            "the platform's certificate names another issuer",
            .certificate(.platform, index: 0, .issuer)
        ) { $0.platform.issuer = "Root" },
        PlatformRow(
            "the authority is none",
            .certificate(.platformRevocationList, index: 0, .notAnAuthority)
        ) {
            $0.authority.isAuthority = false
            $0.authority.pathLength = nil
        },
        PlatformRow(
            "the authority may not sign certificates",
            .certificate(.platformRevocationList, index: 0, .keyUsage)
        ) { $0.authority.usage = 0x02 },
        PlatformRow("the authority may not sign lists", .revocationList(.platform, .signature)) {
            $0.authority.usage = 0x04
        },
        PlatformRow(
            "the root stands above no authority",
            .certificate(.platformRevocationList, index: 1, .pathTooLong(limit: 0))
        ) { $0.root.pathLength = 0 },
        PlatformRow(
            "the platform's certificate is an authority's",
            .certificate(.platform, index: 0, .leafIsAuthority)
        ) { $0.platform.isAuthority = true },
        PlatformRow(
            "the platform's key is not for signatures",
            .certificate(.platform, index: 0, .keyUsage)
        ) { $0.platform.usage = 0x20 },
        PlatformRow(
            "an unknown critical extension",
            .certificate(.platform, index: 0, .malformed(.unknownCriticalExtension("1.2.3")))
        ) { $0.platform.extensions = [([0x2A, 0x03], true, [0x05, 0x00])] },
        PlatformRow(
            "an extension twice",
            .certificate(.platform, index: 0, .malformed(.repeatedExtension("1.2.3")))
        ) {
            $0.platform.extensions = [
                ([0x2A, 0x03], false, [5, 0]), ([0x2A, 0x03], false, [5, 0]),
            ]
        },
        PlatformRow(
            "no platform extension",
            .certificate(
                .platform, index: 0, .platformExtension(PlatformCertificate.identifier))
        ) { $0.platformExtension = nil },
        PlatformRow(
            "fifteen components",
            .certificate(
                .platform, index: 0, .platformExtension(PlatformCertificate.identifier))
        ) {
            $0.platformExtension = MadePlatform.platformExtension(
                components: .init(repeating: 5, count: 15))
        },
        PlatformRow("statements signed by the platform", .statement(.tcbInfo, .signature)) {
            $0.statementSigner = MadePlatform.platformKey
        },
        PlatformRow("TCB info of version 2", .statement(.tcbInfo, .version(2))) {
            $0.tcbInfo["version"] = 2
        },
        PlatformRow(
            "levels that are compared in another way",
            .statement(.tcbInfo, .member(".tcbType"))
        ) { $0.tcbInfo["tcbType"] = 1 },
        PlatformRow("a family of seven bytes", .statement(.tcbInfo, .member(".fmspc"))) {
            $0.tcbInfo["fmspc"] = "00A06711000000"
        },
        PlatformRow(
            "a status that nobody knows",
            .statement(.tcbInfo, .member(".tcbLevels[0].tcbStatus"))
        ) { $0.levelStatus = "Fine" },
        PlatformRow("TCB info about neither", .statement(.tcbInfo, .identifier("SEV"))) {
            $0.tcbInfo["id"] = "SEV"
        },
        PlatformRow(
            "an identity of version 1",
            .statement(.quotingEnclaveIdentity, .version(1))
        ) { $0.identity["version"] = 1 },
        PlatformRow(
            "the identity of another enclave",
            .statement(.quotingEnclaveIdentity, .identifier("QVE"))
        ) { $0.identity["id"] = "QVE" },
        PlatformRow("statements about both kinds", .platform(.kind)) {
            $0.identity["id"] = "TD_QE"
        },
        PlatformRow("a day that is not", .statement(.tcbInfo, .member(".nextUpdate"))) {
            $0.tcbInfo["nextUpdate"] = "2026-02-30T00:00:00Z"
        },
        PlatformRow(
            "TCB info that is over",
            .expired(
                .statement(.tcbInfo), until: MadePlatform.now.seconds - 1,
                now: MadePlatform.now.seconds)
        ) { $0.tcbInfo["nextUpdate"] = "2026-01-14T23:59:59Z" },
        PlatformRow(
            "an identity of tomorrow",
            .notYetValid(
                .statement(.quotingEnclaveIdentity), from: MadePlatform.now.seconds + 1,
                now: MadePlatform.now.seconds)
        ) { $0.identity["issueDate"] = "2026-01-15T00:00:01Z" },
        PlatformRow("another family", .platform(.family)) {
            $0.tcbInfo["fmspc"] = "00A067110001"
        },
        PlatformRow("another provisioning enclave", .platform(.provisioningEnclave)) {
            $0.tcbInfo["pceId"] = "0001"
        },
        PlatformRow("a component below every level", .platform(.noLevel)) {
            $0.levelComponents[15] = 6
        },
        PlatformRow("a provisioning enclave below every level", .platform(.noLevel)) {
            $0.levelVersion = 14
        },
        PlatformRow("a platform that Intel revoked", .platform(.revoked)) {
            $0.levelStatus = "Revoked"
        },
        PlatformRow(
            "an enclave of another signer",
            .platform(.quotingEnclave(.signer))
        ) { $0.quotingEnclave[159] ^= 1 },
        PlatformRow("another product of the signer", .platform(.quotingEnclave(.product))) {
            $0.quotingEnclave[256] = 2
        },
        PlatformRow(
            "a quoting enclave that can be debugged",
            .platform(.quotingEnclave(.attributes))
        ) { $0.quotingEnclave[48] |= 2 },
        PlatformRow(
            "other miscellaneous bits",
            .platform(.quotingEnclave(.miscellaneousSelect))
        ) { $0.quotingEnclave[19] = 1 },
        PlatformRow(
            "a quoting enclave below every level",
            .platform(.quotingEnclaveLevel(serial: 7))
        ) { $0.quotingEnclave[258] = 7 },
        PlatformRow("a quoting enclave that Intel revoked", .platform(.quotingEnclaveRevoked)) {
            $0.identityStatus = "Revoked"
        },
        PlatformRow("another attestation key", .quote(.keyBinding)) {
            $0.keyBinding = SHA256.hash(MadePlatform.signingKey.point + [1, 2, 3]).bytes
        },
        PlatformRow("report data behind the key's digest", .quote(.keyBinding)) {
            $0.quotingEnclave[383] = 1
        },
        PlatformRow("a component of TDX below every level", .platform(.noLevel)) {
            $0.isTDX = true
            $0.domain[15] = 3
        },
        PlatformRow(
            "a module of a major version that nobody knows",
            .platform(.unknownModule(version: 1))
        ) {
            $0.isTDX = true
            $0.moduleIdentity = "TDX_03"
        },
        PlatformRow("a module of another signer", .platform(.moduleSigner)) {
            $0.isTDX = true
            $0.domain[64] = 1
        },
        PlatformRow("a module with attributes", .platform(.moduleAttributes)) {
            $0.isTDX = true
            $0.domain[112] = 1
        },
        PlatformRow("a module below every level", .platform(.moduleLevel(serial: 2))) {
            $0.isTDX = true
            $0.domain[0] = 2
        },
        PlatformRow("a module that Intel revoked", .platform(.moduleRevoked)) {
            $0.isTDX = true
            $0.moduleStatus = "Revoked"
        },
        PlatformRow("the module of TDX 1.0 of another signer", .platform(.moduleSigner)) {
            $0.isTDX = true
            $0.domain[1] = 0
            $0.domain[64] = 1
            $0.moduleComponents = .init(repeating: 0, count: 16)
        },
        PlatformRow(
            "a component of the module of TDX 1.0 below every level",
            .platform(.noLevel)
        ) {
            $0.isTDX = true
            $0.domain[1] = 0
            $0.moduleComponents[1] = 1
        },
    ]

    @Test(arguments: refusals) func refuses(_ row: PlatformRow) {
        var platform = MadePlatform()
        row.change(&platform)
        #expect(throws: row.fault) { _ = try platform.verify() }
    }

    @Test func aRootOfOnesOwnIsNotPinned() throws {
        let made = try MadePlatform().made()
        #expect(throws: AttestationFault.chain(.tcbInfo, .unknownRoot)) {
            _ = try AttestationVerifier().verify(
                made.evidence, with: .intel(made.collateral), now: MadePlatform.now)
        }
    }

    /// Platform, quoting enclave, module: what they are together.
    @Test(arguments: [
        ("UpToDate", "OutOfDate", "UpToDate", TCBStatus.outOfDate),
        ("SWHardeningNeeded", "OutOfDate", "UpToDate", .outOfDate),
        ("SWHardeningNeeded", "UpToDate", "OutOfDate", .outOfDate),
        ("ConfigurationNeeded", "OutOfDate", "UpToDate", .outOfDateConfigurationNeeded),
        (
            "ConfigurationAndSWHardeningNeeded", "UpToDate", "OutOfDate",
            .outOfDateConfigurationNeeded
        ),
        ("ConfigurationNeeded", "UpToDate", "UpToDate", .configurationNeeded),
        ("OutOfDate", "UpToDate", "UpToDate", .outOfDate),
        (
            "OutOfDateConfigurationNeeded", "OutOfDate", "OutOfDate",
            .outOfDateConfigurationNeeded
        ),
        ("UpToDate", "UpToDate", "OutOfDate", .outOfDate),
        ("SWHardeningNeeded", "UpToDate", "UpToDate", .softwareHardeningNeeded),
    ])
    func statusesTogether(_ row: (String, String, String, TCBStatus)) throws {
        var platform = MadePlatform()
        platform.isTDX = true
        (platform.levelStatus, platform.identityStatus, platform.moduleStatus) =
            (row.0, row.1, row.2)
        let result = try platform.verify()
        #expect(result.tcbStatus == row.3)
        #expect(result.intel?.platform.name == row.0)
        #expect(result.intel?.quotingEnclave.name == row.1)
        #expect(result.intel?.module?.name == row.2)
    }

    /// Combining is a join: the order of the parts does not matter, and nothing gets better by it.
    @Test func combiningNeverImproves() {
        for one in TCBStatus.allCases {
            #expect(one.combined(with: one) == one)
            #expect(one.combined(with: .upToDate) == one)
            #expect(one.combined(with: .revoked) == .revoked)
            for other in TCBStatus.allCases {
                let both = one.combined(with: other)
                #expect(both == other.combined(with: one))
                #expect(both.combined(with: one) == both)
            }
        }
    }
}
