public import ChoraleBase
public import Execution
import Crypto

/// What the pool must know of a sender.
public struct SenderAccount: Hashable, Sendable {
    public var nonce: UInt64
    /// In wei.
    public var balance: UInt256
    public var code: Account.CodeKind

    public init(nonce: UInt64, balance: UInt256, code: Account.CodeKind = .none) {
        self.nonce = nonce
        self.balance = balance
        self.code = code
    }
}

/// What the chain has come to: what the next block is measured by.
public struct PoolHead: Hashable, Sendable {
    /// Of the block whose state accounts are read from.
    public var number: UInt64
    /// Of the block after it, in wei a gas.
    public var baseFee: UInt256
    /// Of the block after it.
    public var gasLimit: UInt64
    /// Of the block after it.
    public var fork: Fork

    public init(number: UInt64, baseFee: UInt256, gasLimit: UInt64, fork: Fork) {
        self.number = number
        self.baseFee = baseFee
        self.gasLimit = gasLimit
        self.fork = fork
    }
}

/// A transaction that has passed every check that needs no pool, with the sender's account as it was read for
/// it.
///
/// Made by a worker: recovering a signature takes 30 µs and reading an account may take a disk.
public struct PoolCandidate: Sendable {
    public let transaction: Transaction
    public let hash: Bytes32
    /// Of the encoding, in bytes.
    public let size: Int
    public let sender: Address
    /// See ``PooledTransaction/authorities``.
    public let authorities: [Address]
    public let account: SenderAccount
    /// The block after which the account was so.
    public let readAt: UInt64

    /// For tests and for whoever has checked.
    init(
        transaction: Transaction, hash: Bytes32, size: Int, sender: Address,
        authorities: [Address], account: SenderAccount, readAt: UInt64
    ) {
        self.transaction = transaction
        self.hash = hash
        self.size = size
        self.sender = sender
        self.authorities = authorities
        self.account = account
        self.readAt = readAt
    }

    /// Checks a transaction's encoding: all rules but those that need the pool.
    ///
    /// What is cheap comes first, and what only the sender's money can make large comes after it was
    /// looked at.
    ///
    /// - Parameters:
    ///   - state: after the block `head.number`.
    public init(
        _ encoding: Span<UInt8>, chainID: UInt64, head: PoolHead, limits: PoolLimits,
        state: any StateReader
    ) throws(PoolRejection) {
        guard encoding.count <= limits.transactionSizeMax else {
            throw .tooLarge(encoding.count, limit: limits.transactionSizeMax)
        }
        let transaction: Transaction
        do throws(TransactionError) {
            transaction = try Transaction(encoding)
        } catch {
            throw .malformed(error)
        }
        try Self.check(transaction, chainID: chainID, head: head, limits: limits)
        let sender: Address
        do throws(TransactionError) {
            sender = try transaction.sender()
        } catch {
            throw .signature(error)
        }
        let account: SenderAccount
        do throws(StateError) {
            let found = try state.account(at: sender)
            account = SenderAccount(
                nonce: found?.nonce ?? 0, balance: found?.balance ?? .zero,
                code: try state.codeKind(of: found, at: sender))
        } catch {
            throw .state(error)
        }
        try Self.check(transaction, sender, account, limits)
        self.transaction = transaction
        hash = Keccak256.hash(encoding)
        size = encoding.count
        self.sender = sender
        authorities = transaction.recoveredAuthorities(chainID: chainID)
        self.account = account
        readAt = head.number
    }

    /// What needs no state.
    private static func check(
        _ transaction: Transaction, chainID: UInt64, head: PoolHead, limits: PoolLimits
    ) throws(PoolRejection) {
        do throws(TransactionFault) {
            try transaction.check(at: head.fork, chainID: chainID)
        } catch {
            throw .fault(error)
        }
        guard transaction.kind != .blob else { throw .blobs }
        guard transaction.chainID != nil || limits.allowsUnprotected else { throw .unprotected }
        guard transaction.gasLimit <= head.gasLimit else {
            throw .gasAboveBlock(limit: transaction.gasLimit, block: head.gasLimit)
        }
        guard transaction.maxPriorityFeePerGas >= UInt256(limits.tipMin) else {
            throw .tipTooLow(transaction.maxPriorityFeePerGas, needed: limits.tipMin)
        }
        let count = transaction.authorizations.count
        guard count <= limits.authorizationCountMax else {
            throw .tooManyAuthorizations(count, limit: limits.authorizationCountMax)
        }
    }

    /// What the account decides. The pool asks again when it knows of a newer one.
    static func check(
        _ transaction: Transaction, _ sender: Address, _ account: SenderAccount,
        _ limits: PoolLimits
    ) throws(PoolRejection) {
        guard transaction.nonce >= account.nonce else {
            throw .nonceTooLow(transaction.nonce, account: account.nonce)
        }
        guard transaction.nonce - account.nonce <= limits.nonceDistanceMax else {
            throw .nonceTooFar(
                transaction.nonce, account: account.nonce, distanceMax: limits.nonceDistanceMax)
        }
        guard account.code != .contract else { throw .senderHasCode(sender) }
        let cost = transaction.costMax
        guard let cost, cost <= account.balance else {
            throw .funds(needed: cost, balance: account.balance)
        }
    }
}

extension Transaction {
    /// The holders whose authorizations could count on this chain, each once, in their order.
    fileprivate func recoveredAuthorities(chainID: UInt64) -> [Address] {
        var found: [Address] = []
        var seen: Set<Address> = []
        for authorization in authorizations
        where authorization.chainID.isZero || authorization.chainID == UInt256(chainID) {
            guard let authority = try? authorization.authority() else { continue }
            if seen.insert(authority).inserted { found.append(authority) }
        }
        return found
    }
}
