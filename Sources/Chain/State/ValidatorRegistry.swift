import ChoraleBase
public import ChoraleTypes
import Codec
public import Execution
public import OrderedCollections

/// A validator as it is registered: its key, its stake, and whose the stake is.
public struct RegisteredValidator: Hashable, Sendable {
    public var key: SigningKeyBytes
    /// In gwei.
    public var stake: UInt64
    /// Who may take the stake out, and receives fees.
    public var address: Address

    public init(key: SigningKeyBytes, stake: UInt64, address: Address) {
        self.key = key
        self.stake = stake
        self.address = address
    }
}

/// Who has staked how much: changed by what blocks contain, and the source of the next epoch's set.
///
/// Deposits (EIP-6110) and withdrawal requests (EIP-7002) reach it as the requests of an execution block
/// (EIP-7685), so that the set changes through state; evidence takes a validator out for good. All of it
/// counts from the next epoch on.
///
/// Deviations from Ethereum: keys are Ed25519, in the first 32 of the 48 bytes, and the rest is zero; a
/// deposit's signature is not looked at, because nobody loses by staking for another's key.
public struct ValidatorRegistry: Hashable, Sendable {
    /// Most entries; deposits for further keys count for nothing. Four sets of the largest size.
    public static let entriesMax = 4 * ConsensusBounds.validatorsMax
    /// Most keys remembered as slashed; the oldest is forgotten first.
    public static let slashedMax = 1024

    /// In the order of registration, which is that of indices.
    public private(set) var entries: OrderedDictionary<SigningKeyBytes, RegisteredValidator> = [:]
    /// Keys that have contradicted themselves.
    public private(set) var slashed: OrderedSet<SigningKeyBytes> = []

    public init(_ validators: [RegisteredValidator]) {
        for validator in validators { entries[validator.key] = validator }
    }

    init(_ validators: [RegisteredValidator], slashed: [SigningKeyBytes]) {
        self.init(validators)
        self.slashed = OrderedSet(slashed)
    }

    /// The set of the next epoch: the validators with the most stake, in the order of registration.
    ///
    /// - Parameter current: what it stays when nobody would be left, so that the chain does not end.
    public func validators(stakeMin: UInt64, current: ValidatorSet) -> ValidatorSet {
        var chosen = entries.values.enumerated().filter { $0.element.stake >= max(1, stakeMin) }
        if chosen.count > ConsensusBounds.validatorsMax {
            chosen.sort { ($1.element.stake, $0.offset) < ($0.element.stake, $1.offset) }
            chosen.removeSubrange(ConsensusBounds.validatorsMax...)
            chosen.sort { $0.offset < $1.offset }
        }
        let list = chosen.map { Validator(key: $0.element.key, stake: $0.element.stake) }
        return (try? ValidatorSet(list)) ?? current
    }

    /// Takes a validator out for good.
    mutating func slash(_ key: SigningKeyBytes) {
        entries.removeValue(forKey: key)
        slashed.append(key)
        if slashed.count > Self.slashedMax { slashed.removeFirst() }
    }

    /// Follows what an execution block asked for.
    ///
    /// - Parameter requests: each its type and then its data, whatever its length: what is no whole
    ///   request is passed over.
    mutating func apply(_ requests: [[UInt8]]) {
        for request in requests {
            guard let type = request.first else { continue }
            let size =
                switch type {
                case 0: Deposit.size
                case 1: Exit.size
                default: Int.max
                }
            var start = 1
            while request.count - start >= size {
                let data = request.span.extracting(start..<start + size)
                if type == 0 { apply(Deposit(data)) } else { apply(Exit(data)) }
                start += size
            }
        }
    }

    private mutating func apply(_ deposit: Deposit?) {
        guard let deposit, !slashed.contains(deposit.key) else { return }
        if var entry = entries[deposit.key] {
            let (stake, overflow) = entry.stake.addingReportingOverflow(deposit.amount)
            guard !overflow, stake <= ConsensusBounds.totalStakeMax else { return }
            entry.stake = stake
            entries[deposit.key] = entry
        } else if entries.count < Self.entriesMax, deposit.amount > 0,
            deposit.amount <= ConsensusBounds.totalStakeMax
        {
            entries[deposit.key] = RegisteredValidator(
                key: deposit.key, stake: deposit.amount, address: deposit.address)
        }
    }

    private mutating func apply(_ exit: Exit?) {
        guard let exit, var entry = entries[exit.key], entry.address == exit.source else { return }
        if exit.amount == 0 || exit.amount >= entry.stake {
            entries.removeValue(forKey: exit.key)
        } else {
            entry.stake -= exit.amount
            entries[exit.key] = entry
        }
    }

    /// The key in the 48 bytes of a request; nil for what is no Ed25519 key.
    private static func key(_ bytes: Span<UInt8>) -> SigningKeyBytes? {
        for index in 32..<48 where bytes[index] != 0 { return nil }
        let key = SigningKeyBytes(
            scheme: .ed25519, bytes: bytes.extracting(0..<32).copied())
        return key?.publicKey == nil ? nil : key
    }

    /// EIP-6110: key 48, credentials 32, amount 8 (little-endian, gwei), signature 96, index 8.
    private struct Deposit {
        static let size = 192
        let key: SigningKeyBytes
        let address: Address
        let amount: UInt64

        init?(_ data: Span<UInt8>) {
            guard let key = ValidatorRegistry.key(data),
                let address = Address(data.extracting(60..<80))
            else { return nil }
            self.key = key
            self.address = address
            amount = data.loadLittleEndian(UInt64.self, at: 80)
        }
    }

    /// EIP-7002: source address 20, key 48, amount 8 (little-endian, gwei; 0 for all).
    private struct Exit {
        static let size = 76
        let source: Address
        let key: SigningKeyBytes
        let amount: UInt64

        init?(_ data: Span<UInt8>) {
            guard let source = Address(data.extracting(0..<20)),
                let key = ValidatorRegistry.key(data.extracting(20..<68))
            else { return nil }
            self.source = source
            self.key = key
            amount = data.loadLittleEndian(UInt64.self, at: 68)
        }
    }
}
