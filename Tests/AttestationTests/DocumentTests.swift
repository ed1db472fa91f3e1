import ChoraleBase
import Crypto
import MadeEnclaves
import Testing

@testable import Attestation

/// One change to a good document, and the check that must refuse it.
struct DocumentRow: Sendable, CustomTestStringConvertible {
    let name: String
    let fault: AttestationFault
    let change: @Sendable (inout MadeDocument) -> Void

    init(
        _ name: String, _ fault: AttestationFault,
        _ change: @escaping @Sendable (inout MadeDocument) -> Void
    ) {
        self.name = name
        self.fault = fault
        self.change = change
    }

    /// A document with another value of one field.
    init(_ field: String, _ value: [UInt8], _ name: String, _ fault: AttestationFault? = nil) {
        self.init(name, fault ?? .document(.field(field))) { $0.set(field, value) }
    }

    var testDescription: String { name }
}

@Suite struct DocumentTests {
    @Test func aGoodDocumentIsGood() throws {
        let attestation = try MadeDocument().verify()
        #expect(attestation.reportData == [1, 2, 3])
        #expect(!attestation.isDebuggable)
        var silent = MadeDocument()
        silent.set("user_data", CBOR.null)
        #expect(try silent.verify().reportData == [])
    }

    static let refusals = [
        DocumentRow("module_id", CBOR.text(""), "no module"),
        DocumentRow("timestamp", CBOR.head(0, 0), "no time"),
        DocumentRow("digest", CBOR.text("SHA512"), "another digest", .document(.digest("SHA512"))),
        DocumentRow("pcrs", CBOR.head(5, 0), "no register"),
        DocumentRow("pcrs", MadeDocument.registers([0], size: 47), "a register of 47 bytes"),
        DocumentRow(
            "pcrs", MadeDocument.registers([32]), "register 32", .document(.registerIndex(32))),
        DocumentRow("certificate", CBOR.bytes([]), "an empty certificate"),
        DocumentRow("cabundle", CBOR.head(4, 0), "no authorities"),
        DocumentRow("cabundle", CBOR.head(4, 1) + CBOR.bytes([]), "an empty authority"),
        DocumentRow("a field that nobody knows", .document(.field("extra"))) {
            $0.fields.append(("extra", CBOR.null))
        },
        DocumentRow("no nonce and no digest", .document(.field("digest"))) {
            $0.fields.removeAll { $0.0 == "nonce" || $0.0 == "digest" }
        },
        DocumentRow("a root that is not pinned", .chain(.document, .unknownRoot)) {
            let other = MadeCertificate(
                name: "aws.nitro-enclaves", issuer: "aws.nitro-enclaves", serial: 9,
                key: MadeDocument.rootKey, signer: MadeDocument.rootKey, isAuthority: true,
                usage: 0x86)
            $0.set("cabundle", CBOR.head(4, 1) + CBOR.bytes(other.encoding))
        },
        DocumentRow(
            "an authority that is none",
            .certificate(.document, index: 1, .notAnAuthority)
        ) {
            $0.zone.isAuthority = false
            $0.zone.pathLength = nil
        },
        DocumentRow(
            "an authority that may not sign certificates",
            .certificate(.document, index: 1, .keyUsage)
        ) { $0.zone.usage = 0x80 },
        DocumentRow(
            "an authority below one that allows none",
            .certificate(.document, index: 2, .pathTooLong(limit: 0))
        ) { $0.root.pathLength = 0 },
        DocumentRow(
            "a leaf that is an authority",
            .certificate(.document, index: 0, .leafIsAuthority)
        ) { $0.leaf.isAuthority = true },
        DocumentRow(
            "a leaf signed with another algorithm",
            .certificate(.document, index: 0, .algorithm(.ecdsaP256SHA256))
        ) { $0.leaf.signer = MadeKey(42) },
        DocumentRow(
            "a leaf that the authority did not sign",
            .certificate(.document, index: 0, .signature)
        ) { $0.leaf.signer = MadeDocument.rootKey },
        DocumentRow("a document signed by another", .document(.signature)) {
            $0.leaf.key = MadeKey(44, .p384)
        },
        DocumentRow(
            "a leaf that is over",
            .expired(
                .certificate(.document, index: 0), until: MadePlatform.now.seconds - 1,
                now: MadePlatform.now.seconds)
        ) { $0.leaf.until = "20260114235959Z" },
    ]

    @Test(arguments: refusals) func refuses(_ row: DocumentRow) {
        var document = MadeDocument()
        row.change(&document)
        #expect(throws: row.fault) { _ = try document.verify() }
    }

    /// What is longer than allowed, or comes twice, is where CBOR is read.
    @Test func refusesWhatIsTooLongOrTwice() {
        func fault(_ change: (inout MadeDocument) -> Void) -> AttestationFault? {
            var document = MadeDocument()
            change(&document)
            do {
                _ = try document.verify()
                return nil
            } catch {
                return error as? AttestationFault
            }
        }
        let tooLong: [(String, [UInt8])] = [
            ("user_data", CBOR.bytes(.init(repeating: 0, count: 513))),
            ("nonce", CBOR.bytes(.init(repeating: 0, count: 513))),
            ("public_key", CBOR.bytes(.init(repeating: 0, count: 1025))),
            ("certificate", CBOR.bytes(.init(repeating: 0, count: 1025))),
            ("cabundle", CBOR.head(4, 9)), ("pcrs", CBOR.head(5, 33)),
            ("module_id", CBOR.text(String(repeating: "m", count: 257))),
        ]
        for (field, value) in tooLong {
            let found = fault { $0.set(field, value) }
            guard case .document(.malformed(.tooLong)) = found else {
                Issue.record("\(field): \(String(describing: found))")
                continue
            }
        }
        for repeated in [
            fault { $0.fields.append(("nonce", CBOR.null)) },
            fault { $0.set("pcrs", MadeDocument.registers([0, 1, 0])) },
        ] {
            guard case .document(.malformed(.repeatedKey)) = repeated else {
                Issue.record("\(String(describing: repeated))")
                continue
            }
        }
    }

    /// Read by itself, without the limit of ``Evidence``.
    @Test(arguments: [16_385, 65_535, 65_536, 1 << 20]) func refusesALongPayload(size: Int) {
        let payload = CBOR.bytes(.init(repeating: 0, count: size))
        let bytes =
            CBOR.head(4, 4) + CBOR.bytes([0xA1, 0x01, 0x38, 0x22]) + CBOR.head(5, 0) + payload
            + CBOR.bytes(.init(repeating: 0, count: 96))
        let tooLong = CBORError.tooLong(size: UInt64(size), limit: 16_384, offset: 7)
        #expect(throws: AttestationFault.document(.malformed(tooLong))) {
            _ = try NitroDocument(bytes)
        }
    }

    @Test func policyWantsTheStatementAsUserData() throws {
        var document = MadeDocument()
        document.set("user_data", CBOR.bytes(PolicyTests.statement.reportData))
        let attestation = try document.verify()
        try PolicyTests.policy(attestation).check(
            attestation, says: PolicyTests.statement, epoch: 15, now: MadePlatform.now)

        // The same as nonce, which whoever asks for the document chooses, is not said by the enclave.
        document.set("user_data", CBOR.null)
        document.set("nonce", CBOR.bytes(PolicyTests.statement.reportData))
        let other = try document.verify()
        #expect(throws: PolicyRefusal.otherStatement) {
            try PolicyTests.policy(other).check(
                other, says: PolicyTests.statement, epoch: 15, now: MadePlatform.now)
        }
    }

    /// Zeros are what debug mode measures; registers that are missing prove no more than that.
    @Test(arguments: [
        MadeDocument.registers([0, 1, 2], value: 0), MadeDocument.registers([3, 4]),
    ])
    func nothingMeasuredIsDebugMode(registers: [UInt8]) throws {
        var document = MadeDocument()
        document.set("pcrs", registers)
        #expect(try document.verify().isDebuggable)
    }

    /// PCR0 to PCR2, and which of them; no other register.
    @Test func measurementsCoverWhatRuns() throws {
        func measurement(_ registers: [UInt8]) throws -> EnclaveMeasurement {
            var document = MadeDocument()
            document.set("pcrs", registers)
            return try document.verify().measurement
        }
        let plain = try measurement(MadeDocument.registers([0, 1, 2, 8]))
        #expect(try measurement(MadeDocument.registers([0, 1, 2])) == plain)
        #expect(try measurement(MadeDocument.registers([0, 1, 2, 3, 4, 8])) == plain)
        #expect(try measurement(MadeDocument.registers([0, 1, 2], value: 8)) != plain)
        #expect(try measurement(MadeDocument.registers([0, 1, 2], size: 32)) != plain)
        let two = try measurement(MadeDocument.registers([0, 1]))
        #expect(try measurement(MadeDocument.registers([0, 2])) != two)
        #expect(try measurement(MadeDocument.registers([1, 2])) != two)
    }
}
