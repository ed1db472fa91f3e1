import ChoraleBase
public import ChoraleTypes
import Codec
public import Execution
import Operations
public import OrderedCollections

/// A validator as it is registered: its key, its stake, and whose the stake is.
public struct RegisteredValidator: Hashable, Sendable {
    public var key: SigningKeyBytes
    /// In gwei.
    public var stake: UInt64
    /// Who may take the stake out, is paid, and receives fees.
    public var address: Address
    /// How many were registered before it, ever: the validator's index of EIP-4895.
    public internal(set) var number: UInt64 = 0

    public init(key: SigningKeyBytes, stake: UInt64, address: Address) {
        self.key = key
        self.stake = stake
        self.address = address
    }
}

/// Stake on its way back to whose it is.
public struct StakePayment: Hashable, Sendable {
    /// Whose stake it was; lost when the validator is found to have contradicted itself before `due`. nil for a
    /// deposit that registered nothing.
    public let key: SigningKeyBytes?
    /// ``RegisteredValidator/number``; that of no validator for a deposit that registered nothing.
    public let number: UInt64
    public let address: Address
    /// In gwei.
    public let amount: UInt64
    /// First height whose block pays it.
    public let due: UInt64
}

/// Who has staked how much: changed by what blocks contain, and the source of the next epoch's set.
///
/// Deposits (EIP-6110) and withdrawal requests (EIP-7002) reach it as the requests of an execution block
/// (EIP-7685), so that the set changes through state; evidence takes a validator out for good. All of it
/// counts from the next epoch on.
///
/// Stake that is taken out is paid as a withdrawal of a later block (EIP-4895), when nothing that the
/// validator did with it can be held against it any more. What a contradiction costs is all of it.
///
/// The deposit that registers a key is signed by the key (``DepositMessage``), as in Ethereum. Those that follow
/// add to the stake, whoever makes them. Deviations from Ethereum: keys are Ed25519; what registers or raises
/// nothing is paid back to the address that the deposit names, instead of being lost.
public struct ValidatorRegistry: Hashable, Sendable {
    /// Most entries; deposits for further keys are paid back. Four sets of the largest size.
    public static let entriesMax = 4 * ConsensusBounds.validatorsMax
    /// Most keys remembered as slashed; the oldest is forgotten first.
    public static let slashedMax = 1024
    /// Most payments under way: requests that would make more count for nothing, and may be made again.
    /// Each of them has a price (EIP-7002) or a deposit of an ether behind it.
    public static let paymentsMax = 4096
    /// Most of them with executors' bonds, of which no more come in: they wait for their delay elsewhere, longer
    /// than it takes to pay all.
    public static let allPaymentsMax = 8192
    /// Payments of one block (`MAX_WITHDRAWALS_PER_PAYLOAD`).
    public static let paymentsOfBlockMax = 16

    /// In the order of registration.
    public private(set) var entries: OrderedDictionary<SigningKeyBytes, RegisteredValidator> = [:]
    /// Keys that have contradicted themselves.
    public private(set) var slashed: OrderedSet<SigningKeyBytes> = []
    /// In the order in which they are made, which is that of `due`.
    public private(set) var payments: [StakePayment] = []
    /// Payments made so far: the index of the next one (EIP-4895).
    public private(set) var paidCount: UInt64 = 0
    /// Validators registered so far.
    public private(set) var registeredCount: UInt64 = 0

    public init(_ validators: [RegisteredValidator]) {
        for validator in validators { register(validator) }
    }

    /// As it was stored.
    init(
        _ validators: [RegisteredValidator], slashed: [SigningKeyBytes],
        payments: [StakePayment], paidCount: UInt64, registeredCount: UInt64
    ) {
        for validator in validators { entries[validator.key] = validator }
        self.slashed = OrderedSet(slashed)
        self.payments = payments
        self.paidCount = paidCount
        self.registeredCount = registeredCount
    }

    private mutating func register(_ validator: RegisteredValidator) {
        var validator = validator
        validator.number = registeredCount
        registeredCount += 1
        entries[validator.key] = validator
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

    // MARK: Payments

    /// What the block of a height must pay, in this order.
    public func withdrawals(at height: UInt64) -> [Withdrawal] {
        payments.prefix(Self.paymentsOfBlockMax).prefix { $0.due <= height }.enumerated().map {
            Withdrawal(
                index: paidCount + UInt64($0.offset), validatorIndex: $0.element.number,
                address: $0.element.address, amount: $0.element.amount)
        }
    }

    /// The block of a height has paid what it must.
    mutating func paid(at height: UInt64) {
        let count = withdrawals(at: height).count
        payments.removeFirst(count)
        paidCount += UInt64(count)
    }

    /// Pays bonds of executors that are due, behind what is due already.
    mutating func pay(_ bonds: [BondPayment]) {
        for bond in bonds where payments.count < Self.allPaymentsMax {
            guard let address = Address(bond.recipient.bytes.span) else {
                preconditionFailure("an address has 20 bytes")
            }
            let payment = StakePayment(
                key: nil, number: .max, address: address, amount: bond.amount, due: bond.due)
            // Payments are in the order of when they are due, and a bond is due already.
            let index = payments.firstIndex { $0.due > bond.due } ?? payments.count
            payments.insert(payment, at: index)
        }
    }

    // MARK: Changes

    /// Whether a validator has something to lose: it is registered, or its stake was not paid yet.
    func canSlash(_ key: SigningKeyBytes) -> Bool {
        entries[key] != nil || payments.contains { $0.key == key }
    }

    /// Takes a validator out for good, with what was not paid yet.
    mutating func slash(_ key: SigningKeyBytes) {
        entries.removeValue(forKey: key)
        payments.removeAll { $0.key == key }
        slashed.append(key)
        if slashed.count > Self.slashedMax { slashed.removeFirst() }
    }

    /// Follows what an execution block asked for.
    ///
    /// - Parameters:
    ///   - requests: each its type and then its data, whatever its length: what is no whole request is passed
    ///     over.
    ///   - due: when what is taken out now is paid. Does not descend from block to block.
    mutating func apply(_ requests: [[UInt8]], network: NetworkDigest, due: UInt64) {
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
                if type == 0 {
                    let deposit = Deposit(data)
                    if !apply(deposit, network) { pay(back: deposit, due: due) }
                } else if let exit = Exit(data) {
                    apply(exit, due: due)
                }
                start += size
            }
        }
    }

    /// Returns whether somebody's stake has grown by it.
    private mutating func apply(_ deposit: Deposit, _ network: NetworkDigest) -> Bool {
        guard let key = deposit.key, deposit.amount > 0, !slashed.contains(key) else {
            return false
        }
        if var entry = entries[key] {
            let (stake, overflow) = entry.stake.addingReportingOverflow(deposit.amount)
            guard !overflow, stake <= ConsensusBounds.totalStakeMax else { return false }
            entry.stake = stake
            entries[key] = entry
            return true
        }
        guard entries.count < Self.entriesMax, deposit.amount <= ConsensusBounds.totalStakeMax,
            deposit.isSigned(network: network)
        else { return false }
        register(
            RegisteredValidator(key: key, stake: deposit.amount, address: deposit.address))
        return true
    }

    private mutating func pay(back deposit: Deposit, due: UInt64) {
        guard payments.count < Self.paymentsMax, deposit.amount > 0 else { return }
        payments.append(
            StakePayment(
                key: nil, number: .max, address: deposit.address, amount: deposit.amount,
                due: due))
    }

    private mutating func apply(_ exit: Exit, due: UInt64) {
        guard var entry = entries[exit.key], entry.address == exit.source,
            payments.count < Self.paymentsMax
        else { return }
        let isWhole = exit.amount == 0 || exit.amount >= entry.stake
        let amount = isWhole ? entry.stake : exit.amount
        payments.append(
            StakePayment(
                key: exit.key, number: entry.number, address: entry.address, amount: amount,
                due: due))
        if isWhole {
            entries.removeValue(forKey: exit.key)
        } else {
            entry.stake -= amount
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

    /// EIP-6110: key 48, credentials 32, amount 8 (little-endian, gwei), signature 96, index 8. Of the signature
    /// the first 64 bytes are Ed25519's, and the rest is zero.
    private struct Deposit {
        static let size = 192
        /// nil: none.
        let key: SigningKeyBytes?
        let credentials: Bytes32
        let amount: UInt64
        private let signature: [UInt8]

        /// - Parameter data: `size` bytes.
        init(_ data: Span<UInt8>) {
            key = ValidatorRegistry.key(data)
            guard let credentials = Bytes32(data.extracting(48..<80)) else {
                preconditionFailure("32 bytes")
            }
            self.credentials = credentials
            amount = data.loadLittleEndian(UInt64.self, at: 80)
            signature = data.extracting(88..<184).copied()
        }

        var address: Address { Address(UInt256(credentials)) }

        func isSigned(network: NetworkDigest) -> Bool {
            guard let key = key.flatMap({ Bytes32($0.bytes) }),
                signature[64...].allSatisfy({ $0 == 0 })
            else { return false }
            return DepositMessage(key: key, credentials: credentials, amount: amount).isSigned(
                by: Array(signature[..<64]), network: network)
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
