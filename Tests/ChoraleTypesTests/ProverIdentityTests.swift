import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Testing

@Suite struct ProverIdentityTests {
    static let network = ProverIdentityContent.NetworkDigest([0xA, 0xB, 0xC, 0xD])!
    static let rules = ProverIdentityRules(network: network)
    static let wall = WallTime(milliseconds: 1_800_000_000_000)
    static let issued: UInt64 = 1_800_000_000
    static let key: Ed25519.PrivateKey = {
        let seed = SecretBytes(copying: [UInt8](repeating: 7, count: 32))
        return Ed25519.PrivateKey(seed: seed)
    }()
    static let address = Multiaddr.tcp(ip: .ip4(IPv4Address(45, 1, 2, 3)), port: 4001)

    static func content(
        _ change: (inout ProverIdentityContent) -> Void = { _ in }
    ) -> ProverIdentityContent {
        var content = ProverIdentityContent(
            network: network, proverKey: key.publicKey, subject: .epoch(12), position: 3,
            addresses: addresses([address]), sequence: 5, issued: issued, expiry: issued + 600)
        change(&content)
        return content
    }

    static func addresses(
        _ addresses: [Multiaddr]
    ) -> SSZList<ProverIdentityContent.Address, 4> {
        SSZList(addresses.map { ProverIdentityContent.Address($0.bytes)! })!
    }

    /// Signs whatever the content says, also what ``ProverIdentityContent/signed(with:)`` refuses.
    static func sign(_ content: ProverIdentityContent) -> ProverIdentityRecord {
        ProverIdentityRecord(
            content: content, signatureScheme: 1,
            signature: SSZByteList(key.sign(ProverIdentityRecord.signedMessage(content)))!)
    }

    @Test func aSignedRecordIsValidUnderItsKey() throws {
        let record = Self.content().signed(with: Self.key)
        let bytes = record.sszEncoded()
        let read = try Self.rules.validate(
            bytes, key: record.content.recordKey, wall: Self.wall)
        #expect(read == record)
        #expect(bytes.count <= 1024)
    }

    @Test func theLargestRecordFits() throws {
        let text = "/dns4/" + String(repeating: "a", count: 60) + ".org/tcp/4001"
        let long = try Multiaddr(text)
        var content = Self.content { $0.addresses = Self.addresses([long, long, long, long]) }
        content.subject = .block(Bytes32(storage: .init(repeating: 9)))
        let record = content.provingOrder(with: Self.key).signed(with: Self.key)
        let bytes = record.sszEncoded()
        #expect(bytes.count <= ProverIdentityRecord.encodedSizeMax)
        let read = try Self.rules.validate(bytes, key: record.content.recordKey, wall: Self.wall)
        #expect(read == record)
        let full = ProverIdentityContent.Address([UInt8](repeating: 1, count: 128))!
        content.addresses = SSZList([full, full, full, full])!
        content.orderingProof = SSZByteList([UInt8](repeating: 1, count: 128))!
        content.proverKey = SSZByteList([UInt8](repeating: 1, count: 64))!
        let largest = ProverIdentityRecord(
            content: content, signatureScheme: 1,
            signature: SSZByteList([UInt8](repeating: 1, count: 128))!)
        #expect(largest.sszEncoded().count == 940)
    }

    @Test func keysAreAsDocumented() {
        let prefix = Array("chorale/prover".utf8) + Self.network.bytes + Self.key.publicKey.bytes
        let epochKey = Self.content().recordKey
        #expect(epochKey == SHA256.hash(prefix).bytes)
        let root = Bytes32(storage: .init(repeating: 3))
        let block = Self.content { $0.subject = .block(root) }
        let position: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 3]
        #expect(block.recordKey == SHA256.hash(prefix + root.bytes + position).bytes)
        #expect(
            block.recordKey
                == ProverIdentityContent.recordKey(
                    network: Self.network, proverKey: Self.key.publicKey, block: root, position: 3))
    }

    struct Refusal: CustomTestStringConvertible {
        let testDescription: String
        let record: ProverIdentityRecord
        let error: ProverIdentityError

        init(
            _ name: String, _ error: ProverIdentityError,
            _ change: (inout ProverIdentityContent) -> Void
        ) {
            testDescription = name
            record = sign(content(change))
            self.error = error
        }
    }

    static let refusals: [Refusal] = [
        Refusal("another schema", .unknownSchema(2)) { $0.schema = 2 },
        Refusal("another network", .otherNetwork) {
            $0.network = ProverIdentityContent.NetworkDigest([9, 9, 9, 9])!
        },
        Refusal("an unknown key scheme", .unknownKeyScheme(2)) { $0.keyScheme = 2 },
        Refusal("a key of 31 bytes", .keySize(31)) {
            $0.proverKey = SSZByteList([UInt8](repeating: 1, count: 31))!
        },
        Refusal("an end before the beginning", .expiryBeforeIssue) { $0.expiry = issued },
        Refusal("a life one second too long", .lifeTooLong(seconds: 3601, limit: 3600)) {
            $0.expiry = issued + 3601
        },
        Refusal("numbers that would overflow", .lifeTooLong(seconds: .max - 1, limit: 3600)) {
            $0.issued = 1
            $0.expiry = .max
        },
        Refusal("issued beyond the skew", .issuedInFuture(seconds: 31)) {
            $0.issued = issued + 31
        },
        Refusal("over this second", .expired) {
            $0.issued = issued - 600
            $0.expiry = issued
        },
        Refusal("no address", .noAddress) { $0.addresses = addresses([]) },
        Refusal("bytes that are no address", .invalidAddress(index: 0)) {
            $0.addresses = SSZList([ProverIdentityContent.Address([0xFF, 0xFF])!])!
        },
        Refusal("a private address", .privateAddress(index: 1)) {
            $0.addresses = addresses([
                address, .tcp(ip: .ip4(IPv4Address(192, 168, 0, 1)), port: 1),
            ])
        },
        Refusal("an ordering proof of another epoch", .orderingProof(.challengeMismatch)) {
            var other = $0
            other.subject = .epoch(13)
            $0.orderingProof = other.provingOrder(with: key).orderingProof
        },
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        #expect(throws: row.error) {
            try Self.rules.validate(
                row.record.sszEncoded(), key: row.record.content.recordKey, wall: Self.wall)
        }
    }

    @Test func theEdgesOfTimeAreAccepted() throws {
        for change: (inout ProverIdentityContent) -> Void in [
            {
                $0.issued = Self.issued + 30
                $0.expiry = Self.issued + 30 + 3600
            },
            {
                $0.issued = Self.issued - 600
                $0.expiry = Self.issued + 1
            },
        ] {
            let record = Self.sign(Self.content(change))
            let read = try Self.rules.validate(
                record.sszEncoded(), key: record.content.recordKey, wall: Self.wall)
            #expect(read == record)
        }
    }

    @Test func localNetworksMayUsePrivateAddresses() throws {
        var rules = Self.rules
        rules.allowsPrivateAddresses = true
        let record = Self.sign(
            Self.content {
                $0.addresses = Self.addresses([.tcp(ip: .ip4(.loopback), port: 1)])
            })
        let read = try rules.validate(
            record.sszEncoded(), key: record.content.recordKey, wall: Self.wall)
        #expect(read == record)
    }

    @Test func anotherKeyOfTheTableIsRefused() {
        let record = Self.sign(Self.content())
        #expect(throws: ProverIdentityError.keyMismatch) {
            try Self.rules.validate(
                record.sszEncoded(), key: [UInt8](repeating: 0, count: 32), wall: Self.wall)
        }
    }

    /// Decoding is strict, and the signature covers every field: no changed bit passes.
    @Test func noTruncationAndNoChangedBitPasses() {
        let record = Self.content().provingOrder(with: Self.key).signed(with: Self.key)
        let key = record.content.recordKey
        let bytes = record.sszEncoded()
        for end in bytes.indices {
            #expect(throws: ProverIdentityError.self) {
                try Self.rules.validate(Array(bytes[..<end]), key: key, wall: Self.wall)
            }
        }
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(throws: ProverIdentityError.self, "byte \(index)") {
                try Self.rules.validate(changed, key: key, wall: Self.wall)
            }
        }
        #expect(throws: ProverIdentityError.tooLarge(size: 1025, limit: 1024)) {
            try Self.rules.validate(
                bytes + [UInt8](repeating: 0, count: 1025 - bytes.count), key: key,
                wall: Self.wall)
        }
    }

    @Test func renewalCountsOnAndBeginsALife() throws {
        let record = Self.content().signed(with: Self.key)
        let later = Self.wall.advanced(by: .seconds(1000))
        let renewed = record.renewed(with: Self.key, now: later, life: .seconds(600))
        #expect(renewed.content.sequence == 6)
        #expect(renewed.content.issued == Self.issued + 1000)
        #expect(renewed.content.expiry == Self.issued + 1600)
        let read = try Self.rules.validate(
            renewed.sszEncoded(), key: record.content.recordKey, wall: later)
        #expect(read == renewed)
        let jumped = record.renewed(
            with: Self.key, now: later, life: .seconds(600), sequenceMin: 90)
        #expect(jumped.content.sequence == 90)
        let last = Self.content { $0.sequence = .max }.signed(with: Self.key)
        let stays = last.renewed(with: Self.key, now: later, life: .seconds(600))
        #expect(stays.content.sequence == .max)
    }

    @Test func higherNumbersWinAndEqualOnesMustAgree() {
        let first = Self.content().signed(with: Self.key)
        let higher = Self.content { $0.sequence = 6 }.signed(with: Self.key)
        let other = Self.content { $0.position = 4 }.signed(with: Self.key)
        var resigned = first
        resigned.signature = SSZByteList([UInt8](repeating: 1, count: 64))!
        #expect(ProverIdentityRules.select(first, higher) == .second)
        #expect(ProverIdentityRules.select(higher, first) == .first)
        #expect(ProverIdentityRules.select(first, first) == .same)
        #expect(ProverIdentityRules.select(first, resigned) == .same)
        #expect(ProverIdentityRules.select(first, other) == .equivocation)
        #expect(ProverIdentityRules.select(other, first) == .equivocation)
    }
}
