import ChoraleBase
import Crypto
import MadeEnclaves
import Testing

@testable import Attestation

/// One change to a good guest, and the check that must refuse it.
struct GuestRow: Sendable, CustomTestStringConvertible {
    let name: String
    let fault: AttestationFault
    let change: @Sendable (inout MadeGuest) -> Void

    init(
        _ name: String, _ fault: AttestationFault,
        _ change: @escaping @Sendable (inout MadeGuest) -> Void
    ) {
        self.name = name
        self.fault = fault
        self.change = change
    }

    var testDescription: String { name }
}

@Suite struct GuestTests {
    @Test func aGoodGuestIsGood() throws {
        let guest = try MadeGuest().verify()
        #expect(guest.product == .milan)
        #expect(guest.platform == SHA256.hash(MadeGuest.chipKey.subjectPublicKeyInfo))
        var loaded = MadeGuest()
        loaded.isLoaded = true
        loaded.leafName = "SEV-VLEK"
        loaded.intermediateName = "SEV-VLEK-Milan"
        // Of the cloud, not of a chip.
        loaded.chip = nil
        _ = try loaded.verify()
    }

    private static func identifier(_ last: String) -> String { "1.3.6.1.4.1.3704.1." + last }

    static let refusals = [
        GuestRow(
            "a key of the cloud under the chips' authority",
            .certificate(.chip, index: 1, .commonName("SEV-Milan"))
        ) {
            $0.isLoaded = true
            $0.leafName = "SEV-VLEK"
        },
        GuestRow(
            "a key of the cloud that says it is a chip's",
            .certificate(.chip, index: 0, .commonName("SEV-VLEK"))
        ) { $0.leafName = "SEV-VLEK" },
        GuestRow(
            "a root of another name",
            .certificate(.chip, index: 2, .commonName("ARK-Genoa"))
        ) { $0.rootName = "ARK-Genoa" },
        GuestRow(
            "an authority of another product",
            .certificate(.chip, index: 1, .commonName("SEV-Genoa"))
        ) { $0.intermediateName = "SEV-Genoa" },
        GuestRow(
            "an authority that the root did not sign",
            .certificate(.chip, index: 1, .signature)
        ) { $0.intermediateSigner = MadeGuest.intermediateKey },
        GuestRow(
            "a leaf that the authority did not sign",
            .certificate(.chip, index: 0, .signature)
        ) { $0.leafSigner = MadeGuest.rootKey },
        GuestRow(
            "a leaf signed with another algorithm",
            .certificate(.chip, index: 0, .algorithm(.ecdsaP384SHA384))
        ) { $0.leafSigner = MadeGuest.chipKey },
        GuestRow(
            "a leaf signed with a short salt",
            .certificate(.chip, index: 0, .malformed(.unsupportedSignatureAlgorithm))
        ) { $0.leafSigner = MadeRSAKey(saltSize: 32) },
        GuestRow("a report signed by another key", .report(.signature)) {
            $0.leafKey = MadeKey(32, .p384)
        },
        GuestRow("a leaf whose key is on another curve", .report(.signature)) {
            $0.leafKey = MadeKey(31)
        },
        GuestRow("a newer boot loader than certified", .report(.reportedTCB(identifier("3.1")))) {
            $0.report[0x180] = 5
        },
        GuestRow("another TEE than certified", .report(.reportedTCB(identifier("3.2")))) {
            $0.report[0x181] = 1
        },
        GuestRow("a newer firmware than certified", .report(.reportedTCB(identifier("3.3")))) {
            $0.report[0x186] = 25
        },
        GuestRow("newer microcode than certified", .report(.reportedTCB(identifier("3.8")))) {
            $0.report[0x187] = 220
        },
        GuestRow("a version where none belongs", .report(.reportedTCB("reserved"))) {
            $0.report[0x183] = 1
        },
        GuestRow(
            "no version of the microcode certified",
            .certificate(.chip, index: 0, .platformExtension(identifier("3.8")))
        ) { $0.versions.removeLast() },
        GuestRow("another chip", .report(.chipID)) { $0.report[0x1DF] = 0 },
        GuestRow(
            "no chip certified",
            .certificate(.chip, index: 0, .platformExtension(identifier("4")))
        ) { $0.chip = nil },
        GuestRow(
            "a chip of eight bytes on a product of 64",
            .certificate(.chip, index: 0, .platformExtension(identifier("4")))
        ) { $0.chip = .init(repeating: 0x77, count: 8) },
        GuestRow("a signing key that nobody knows", .report(.signingKey(7))) {
            $0.report[0x48] = 7 << 2
        },
        GuestRow("version 6", .report(.version(6))) { $0.report[0] = 6 },
        GuestRow("something behind the signature", .report(.signatureEncoding)) {
            $0.report[SNPReport.size - 1] = 1
        },
        GuestRow("a revoked authority", .revoked(.chip, index: 1)) {
            $0.list = MadeRevocationList(
                issuer: "ARK-Milan", signer: MadeGuest.rootKey, serials: [2])
        },
        GuestRow("a list of another's", .revocationList(.amd, .signature)) {
            $0.list = MadeRevocationList(issuer: "ARK-Milan", signer: MadeGuest.intermediateKey)
        },
        GuestRow("a list in another's name", .revocationList(.amd, .issuer)) {
            $0.list = MadeRevocationList(issuer: "SEV-Milan", signer: MadeGuest.rootKey)
        },
        GuestRow(
            "a list that is over",
            .expired(
                .revocationList(.amd), until: MadePlatform.now.seconds - 1,
                now: MadePlatform.now.seconds)
        ) {
            $0.list = MadeRevocationList(issuer: "ARK-Milan", signer: MadeGuest.rootKey)
            $0.list?.until = "20260114235959Z"
        },
    ]

    @Test(arguments: refusals) func refuses(_ row: GuestRow) {
        var guest = MadeGuest()
        row.change(&guest)
        #expect(throws: row.fault) { _ = try guest.verify() }
    }

    @Test func aListNarrowsTheTime() throws {
        var guest = MadeGuest()
        guest.list = MadeRevocationList(
            issuer: "ARK-Milan", signer: MadeGuest.rootKey, serials: [3])
        let window = try guest.verify().window
        #expect(window.from == MadePlatform.now.seconds - 14 * 86_400)
        #expect(window.until == MadePlatform.now.seconds + 17 * 86_400)
    }

    @Test func policyRefusesWhatTheHostDecides() throws {
        func refusal(_ change: (inout MadeGuest) -> Void) throws -> PolicyRefusal? {
            var guest = MadeGuest()
            guest.list = MadeRevocationList(issuer: "ARK-Milan", signer: MadeGuest.rootKey)
            change(&guest)
            let attestation = try guest.verify()
            var policy = PolicyTests.policy(attestation)
            policy.minimumTCB = [.milan: AMDTCB(bytes: [4, 0, 0, 0, 0, 0, 24, 219])!]
            do {
                try policy.check(
                    attestation, reportData: attestation.reportData, epoch: 15,
                    now: MadePlatform.now)
                return nil
            } catch {
                return error
            }
        }
        #expect(try refusal { _ in } == nil)
        #expect(try refusal { $0.list = nil } == .revocationListMissing)
        #expect(try refusal { $0.report[0x30] = 3 } == nil)
        #expect(
            try refusal { $0.report.replaceSubrange(0x30..<0x34, with: [255, 255, 255, 255]) }
                == .requestedByHost)
        #expect(try refusal { $0.report[0x0A] |= 1 << 3 } == .debuggable)
        #expect(try refusal { $0.report[0x0A] |= 1 << 2 } == .migratable)
    }

    /// Guest SVN, policy, family and image, privilege level, measurement, host data, key digests; and
    /// not the chip, its firmware, or the report data.
    @Test func measurementsCoverWhatRuns() throws {
        func measurement(_ offset: Int?) throws -> EnclaveMeasurement {
            var guest = MadeGuest()
            if let offset { guest.report[offset] ^= 2 }
            return try guest.verify().measurement
        }
        let plain = try measurement(nil)
        for offset in [0x04, 0x0A, 0x10, 0x20, 0x30, 0x90, 0xBF, 0xC0, 0xDF, 0xE0, 0x110, 0x13F] {
            #expect(try measurement(offset) != plain, "byte \(offset)")
        }
        for offset in [0x38, 0x50, 0x8F, 0x140, 0x160] {
            #expect(try measurement(offset) == plain, "byte \(offset)")
        }
    }
}
