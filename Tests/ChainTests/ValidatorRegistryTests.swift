import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import OrderedCollections
import Testing

@testable import Chain

@Suite struct ValidatorRegistryTests {
    static let network = NetworkDigest([1, 2, 3, 4])!

    static func key(_ number: UInt8) -> Ed25519.PrivateKey {
        Ed25519.PrivateKey(seed: SecretBytes(copying: SHA256.hash([number])))
    }

    static func bytes(_ number: UInt8) -> SigningKeyBytes {
        SigningKeyBytes(scheme: .ed25519, bytes: key(number).publicKey.bytes)!
    }

    static func address(_ number: UInt8) -> Address { Address(UInt256(0xA0 + UInt64(number))) }

    enum Signing { case right, none, otherNetwork, otherAddress, trailing }

    static func deposit(
        _ number: UInt8, _ amount: UInt64, to address: Address, _ signing: Signing = .right
    ) -> [UInt8] {
        let credentials = Bytes32(
            [UInt8](repeating: 0, count: 12) + address.storage.span.copied())!
        let signed =
            signing == .otherAddress
            ? Bytes32([UInt8](repeating: 7, count: 32))! : credentials
        let message = DepositMessage(
            key: key(number).publicKey, credentials: signed, amount: amount)
        let network = signing == .otherNetwork ? NetworkDigest([9, 9, 9, 9])! : network
        var signature = key(number).sign(message.signedMessage(network: network))
        if signing == .none { signature = [UInt8](repeating: 0, count: 64) }
        signature += [UInt8](repeating: 0, count: 32)
        if signing == .trailing { signature[95] = 1 }
        var bytes = key(number).publicKey.bytes + [UInt8](repeating: 0, count: 16)
        bytes += credentials.bytes
        bytes.appendLittleEndian(amount)
        return bytes + signature + [UInt8](repeating: 0, count: 8)
    }

    static func exit(_ number: UInt8, _ amount: UInt64, from address: Address) -> [UInt8] {
        var bytes = address.storage.span.copied() + key(number).publicKey.bytes
        bytes += [UInt8](repeating: 0, count: 16)
        bytes.appendLittleEndian(amount)
        return bytes
    }

    /// Validators 0, 1 and 2 with a stake of 100 each.
    static func registry() -> ValidatorRegistry {
        ValidatorRegistry(
            (0..<3).map {
                RegisteredValidator(key: bytes($0), stake: 100, address: address($0))
            })
    }

    static func stake(_ registry: ValidatorRegistry, _ number: UInt8) -> UInt64? {
        registry.entries[bytes(number)]?.stake
    }

    @Test func aSignedDepositRegistersAndAnyDepositRaises() {
        var registry = Self.registry()
        let first = Self.deposit(5, 40, to: Self.address(5))
        // Whose stake it is stays as it was, whatever a raise says.
        let second = Self.deposit(5, 2, to: Self.address(9), .none)
        registry.apply([[0] + first + second], network: Self.network, due: 10)
        #expect(Self.stake(registry, 5) == 42)
        #expect(registry.entries[Self.bytes(5)]?.address == Self.address(5))
        #expect(registry.entries[Self.bytes(5)]?.number == 3)
        #expect(registry.payments.isEmpty)
    }

    @Test(arguments: [Signing.none, .otherNetwork, .otherAddress, .trailing])
    func whatTheKeyHasNotSignedIsPaidBack(_ signing: Signing) {
        var registry = Self.registry()
        registry.apply(
            [[0] + Self.deposit(5, 40, to: Self.address(8), signing)], network: Self.network,
            due: 10)
        #expect(Self.stake(registry, 5) == nil)
        #expect(registry.withdrawals(at: 9) == [])
        #expect(
            registry.withdrawals(at: 10) == [
                Withdrawal(
                    index: 0, validatorIndex: .max, address: Self.address(8), amount: 40)
            ])
    }

    @Test func exitsArePaidWhenTheyAreDue() {
        var registry = Self.registry()
        let requests: [[UInt8]] = [
            [1] + Self.exit(1, 30, from: Self.address(1))
                // Not whose stake it is.
                + Self.exit(2, 0, from: Self.address(1)),
            [1] + Self.exit(0, 0, from: Self.address(0)),
        ]
        registry.apply(requests, network: Self.network, due: 20)
        #expect(Self.stake(registry, 0) == nil)
        #expect(Self.stake(registry, 1) == 70)
        #expect(Self.stake(registry, 2) == 100)
        // More than there is takes all.
        registry.apply(
            [[1] + Self.exit(1, 500, from: Self.address(1))], network: Self.network, due: 21)
        #expect(Self.stake(registry, 1) == nil)
        let due = registry.withdrawals(at: 20)
        #expect(due.map(\.amount) == [30, 100])
        #expect(due.map(\.validatorIndex) == [1, 0])
        #expect(due.map(\.index) == [0, 1])
        registry.paid(at: 20)
        #expect(registry.withdrawals(at: 20) == [])
        #expect(registry.withdrawals(at: 21).map(\.amount) == [70])
        #expect(registry.withdrawals(at: 21).map(\.index) == [2])
    }

    @Test func aContradictionCostsWhatWasNotPaidYet() {
        var registry = Self.registry()
        registry.apply(
            [
                [1] + Self.exit(1, 30, from: Self.address(1))
                    + Self.exit(0, 10, from: Self.address(0))
            ], network: Self.network, due: 20)
        registry.slash(Self.bytes(1))
        #expect(registry.withdrawals(at: 20).map(\.amount) == [10])
        #expect(Self.stake(registry, 1) == nil)
        // It cannot come back, and whoever deposits for it loses nothing.
        registry.apply(
            [[0] + Self.deposit(1, 40, to: Self.address(1))], network: Self.network, due: 21)
        #expect(Self.stake(registry, 1) == nil)
        #expect(registry.withdrawals(at: 21).map(\.amount) == [10, 40])
    }

    @Test func aBlockPaysSixteenAndTheRestWaits() throws {
        var registry = Self.registry()
        for _ in 0..<40 {
            registry.apply(
                [[1] + Self.exit(2, 1, from: Self.address(2))], network: Self.network, due: 5)
        }
        var counts: [Int] = []
        for height in 4...8 {
            counts.append(registry.withdrawals(at: UInt64(height)).count)
            registry.paid(at: UInt64(height))
        }
        #expect(counts == [0, 16, 16, 8, 0])
        #expect(registry.paidCount == 40)
        #expect(Self.stake(registry, 2) == 60)
        let copy = try ValidatorRegistry(ssz: registry.sszEncoded().span)
        #expect(copy == registry)
    }

    /// What would not fit changes nothing, so that no stake is lost.
    @Test func paymentsAreBounded() throws {
        var registry = ValidatorRegistry([
            RegisteredValidator(key: Self.bytes(0), stake: 10_000, address: Self.address(0))
        ])
        let one = Self.exit(0, 1, from: Self.address(0))
        let many = Array([[UInt8]](repeating: one, count: 5000).joined())
        registry.apply([[1] + many], network: Self.network, due: 5)
        #expect(registry.payments.count == ValidatorRegistry.paymentsMax)
        #expect(Self.stake(registry, 0) == 10_000 - UInt64(ValidatorRegistry.paymentsMax))
        let copy = try ValidatorRegistry(ssz: registry.sszEncoded().span)
        #expect(copy == registry)
    }

    @Test func halfRequestsAndWrongKeysAreNothing() {
        var registry = Self.registry()
        let before = registry
        let deposit = Self.deposit(5, 40, to: Self.address(5))
        registry.apply(
            [[], [0], [1], [7, 1, 2], [0] + deposit.dropLast(), [1, 5]],
            network: Self.network, due: 10)
        #expect(registry == before)
        var strange = deposit
        strange[47] = 1
        registry.apply([[0] + strange], network: Self.network, due: 10)
        #expect(registry.entries == before.entries)
        #expect(registry.withdrawals(at: 10).map(\.amount) == [40])
    }
}
