import ChoraleBase

/// What became of a transaction.
public struct TransactionOutcome: Sendable {
    /// Whether its message was neither reverted nor failed.
    public var succeeded: Bool
    public var gasUsed: UInt64
    public var logs: [Log]
}

/// What became of a transaction whose changes can still be undone.
struct TransactionAttempt {
    /// How its message ended.
    let status: MessageResult.Status
    let gasUsed: UInt64
    /// Gas that was given back for storage that was cleared.
    let gasRefunded: UInt64

    var succeeded: Bool { status == .succeeded }
}

/// What a block has left when a transaction comes.
public struct BlockAllowance: Hashable, Sendable {
    public var gas: UInt64
    public var blobGas: UInt64

    public init(gas: UInt64, blobGas: UInt64) {
        self.gas = gas
        self.blobGas = blobGas
    }
}

extension Machine {
    /// Runs one transaction, whose changes then last.
    ///
    /// - Throws: ``ExecutionError/rejected(_:)`` when the transaction cannot be here; the state is
    ///   then as it was.
    ///
    /// Specification: yellow paper 6; EIP-1559, 2930, 3529, 3607, 3651, 4844, 7623, 7702.
    mutating func execute(
        _ transaction: Transaction, sender: Address, allowance: BlockAllowance
    ) throws(ExecutionError) -> TransactionOutcome {
        let attempt = try attempt(transaction, sender: sender, allowance: allowance)
        return TransactionOutcome(
            succeeded: attempt.succeeded, gasUsed: attempt.gasUsed, logs: settle())
    }

    /// Makes what was attempted last. Returns its logs.
    mutating func settle() -> [Log] {
        let logs = state.logs.take()
        state.endTransaction()
        return logs
    }

    /// Runs one transaction, whose changes can still be undone.
    mutating func attempt(
        _ transaction: Transaction, sender: Address, allowance: BlockAllowance
    ) throws(ExecutionError) -> TransactionAttempt {
        let senderID = state.account(sender.word)
        do throws(TransactionRejection) {
            try check(transaction, allowance)
        } catch {
            throw .rejected(error)
        }
        let rejection: TransactionRejection?
        do throws(StateError) {
            rejection = try self.rejection(of: transaction, senderID)
        } catch {
            throw .state(error)
        }
        if let rejection { throw .rejected(rejection) }
        do throws(StateError) {
            return try perform(transaction, sender, senderID)
        } catch {
            throw .state(error)
        }
    }

    // MARK: Checks

    /// What the block's own numbers decide.
    private func check(
        _ transaction: Transaction, _ allowance: BlockAllowance
    ) throws(TransactionRejection) {
        do throws(TransactionFault) {
            try transaction.check(at: fork, chainID: block.chainID)
        } catch {
            throw .fault(error)
        }
        guard transaction.gasLimit <= allowance.gas else {
            throw .blockGas(limit: transaction.gasLimit, available: allowance.gas)
        }
        guard transaction.blobGas <= allowance.blobGas else {
            throw .blobGas(used: transaction.blobGas, available: allowance.blobGas)
        }
        guard transaction.maxFeePerGas >= block.baseFee else {
            throw .maxFeeBelowBaseFee(maxFee: transaction.maxFeePerGas, baseFee: block.baseFee)
        }
        if transaction.kind == .blob, transaction.maxFeePerBlobGas < block.blobBaseFee {
            throw .maxBlobFeeBelowBaseFee(
                maxFee: transaction.maxFeePerBlobGas, baseFee: block.blobBaseFee)
        }
    }

    /// What the sender's account decides.
    private mutating func rejection(
        of transaction: Transaction, _ sender: AccountID
    ) throws(StateError) -> TransactionRejection? {
        try state.load(sender)
        let record = state.accounts[sender.index]
        guard record.nonce == transaction.nonce else {
            return .nonce(found: transaction.nonce, expected: record.nonce)
        }
        let needed = transaction.costMax
        guard let needed, needed <= record.balance else {
            return .funds(needed: needed, balance: record.balance)
        }
        if record.codeHash != Account.emptyCodeHash {
            guard fork >= .prague, try state.code(of: sender).delegate != nil else {
                return .senderHasCode
            }
        }
        return nil
    }

    // MARK: Execution

    /// Runs a transaction of which everything has been checked: the sender's account is loaded, has the
    /// transaction's nonce, and can pay.
    mutating func perform(
        _ transaction: Transaction, _ sender: Address, _ senderID: AccountID
    ) throws(StateError) -> TransactionAttempt {
        let intrinsic = transaction.intrinsicGas(at: fork)
        let priority = min(
            transaction.maxPriorityFeePerGas, transaction.maxFeePerGas &- block.baseFee)
        let gasPrice = block.baseFee &+ priority

        // Nothing passes 2²⁵⁶: the sender has what this costs at most.
        let fee =
            UInt256(transaction.gasLimit) &* gasPrice
            &+ UInt256(transaction.blobGas) &* block.blobBaseFee
        let balance = state.accounts[senderID.index].balance
        state.setBalance(senderID, balance &- fee)
        state.setNonce(senderID, transaction.nonce + 1)

        self.transaction = TransactionContext(
            origin: sender.word, gasPrice: gasPrice, blobHashes: transaction.blobHashes)
        warmFirst(transaction, senderID)
        var refund = try delegate(transaction.authorizations)
        let gas = Int64(clamping: transaction.gasLimit - intrinsic.initial)
        let result = try begin(transaction, senderID, gas)
        let succeeded = result.status == .succeeded
        if succeeded { refund += state.refund }

        var used = transaction.gasLimit - UInt64(result.gas)
        // Never below zero for a whole transaction: each decrease takes back an increase.
        let refunded = min(used / 5, UInt64(max(refund, 0)))
        used -= refunded
        used = max(used, intrinsic.floor)

        let rest = UInt256(transaction.gasLimit - used) &* gasPrice
        state.setBalance(senderID, state.accounts[senderID.index].balance &+ rest)
        let coinbase = state.account(block.coinbase.word)
        try state.load(coinbase)
        state.touch(coinbase)
        state.setBalance(
            coinbase, state.accounts[coinbase.index].balance &+ UInt256(used) &* priority)
        return TransactionAttempt(status: result.status, gasUsed: used, gasRefunded: refunded)
    }

    /// What is warm from the start (EIP-2929, 2930, 3651).
    private mutating func warmFirst(_ transaction: Transaction, _ sender: AccountID) {
        _ = state.warm(sender)
        if let to = transaction.to { _ = state.warm(state.account(to.word)) }
        if fork >= .shanghai { _ = state.warm(state.account(block.coinbase.word)) }
        for entry in transaction.accessList {
            let account = state.account(entry.address.word)
            _ = state.warm(account)
            for slot in entry.slots { _ = state.warm(state.slot(UInt256(slot), of: account)) }
        }
    }

    /// Lets accounts run the code of others as their holders have signed (EIP-7702).
    ///
    /// - Returns: what is refunded for accounts that were there already.
    private mutating func delegate(
        _ authorizations: [Transaction.Authorization]
    ) throws(StateError) -> Int64 {
        var refund: Int64 = 0
        for authorization in authorizations {
            guard
                authorization.chainID.isZero
                    || authorization.chainID == UInt256(block.chainID),
                authorization.nonce < .max, let authority = try? authorization.authority()
            else { continue }
            let account = state.account(authority.word)
            _ = state.warm(account)
            let code = try state.code(of: account)
            guard code.size == 0 || code.delegate != nil,
                state.accounts[account.index].nonce == authorization.nonce
            else { continue }
            if !state.accounts[account.index].isEmpty { refund += 25_000 - 12_500 }
            let isCleared = authorization.address == .zero
            state.setCode(account, isCleared ? .empty : .delegating(to: authorization.address))
            state.setNonce(account, authorization.nonce + 1)
        }
        return refund
    }

    private mutating func begin(
        _ transaction: Transaction, _ sender: AccountID, _ gas: Int64
    ) throws(StateError) -> MessageResult {
        if let to = transaction.to {
            return try call(
                to: state.account(to.word), from: sender, value: transaction.value,
                input: transaction.data.span, gas: gas)
        }
        return try create(
            from: sender, nonce: transaction.nonce, value: transaction.value,
            initcode: transaction.data.span, gas: gas)
    }
}

extension Transaction {
    /// Gas of the blobs it carries.
    public var blobGas: UInt64 { UInt64(blobHashes.count) * BlobSchedule.gasPerBlob }

    /// The most that the sender may have to pay, in wei; nil when it passes 2²⁵⁶.
    public var costMax: UInt256? {
        let gas = UInt256(gasLimit).multipliedFullWidth(by: maxFeePerGas)
        let blobs = UInt256(blobGas).multipliedFullWidth(by: maxFeePerBlobGas)
        let (fees, first) = gas.low.addingReportingCarry(blobs.low)
        let (sum, second) = fees.addingReportingCarry(value)
        return gas.high.isZero && blobs.high.isZero && !first && !second ? sum : nil
    }
}
