public import ChoraleBase
public import Execution

/// What a committed block, or several, means for the pool.
public struct PoolAdvance: Sendable {
    /// An account as it is now.
    public struct AccountUpdate: Hashable, Sendable {
        public var address: Address
        public var nonce: UInt64
        /// In wei.
        public var balance: UInt256
        /// nil when the code is what it was.
        public var code: Account.CodeKind?

        public init(
            address: Address, nonce: UInt64, balance: UInt256, code: Account.CodeKind? = nil
        ) {
            self.address = address
            self.nonce = nonce
            self.balance = balance
            self.code = code
        }

        /// From what executing the block gave.
        public init(_ change: AccountChange) {
            address = change.address
            nonce = change.account?.nonce ?? 0
            balance = change.account?.balance ?? .zero
            if let code = change.code {
                self.code = code.kind
            } else if change.account?.hasNoCode ?? true {
                code = Account.CodeKind.none
            } else {
                code = nil
            }
        }
    }

    public var head: PoolHead
    /// Hashes of the blocks' transactions.
    public var included: [Bytes32]
    /// Every account whose nonce, balance or code is not what it was at the head before.
    public var accounts: [AccountUpdate]

    public init(head: PoolHead, included: [Bytes32], accounts: [AccountUpdate]) {
        self.head = head
        self.included = included
        self.accounts = accounts
    }
}

/// Accounts that a block has changed, for candidates that were read before it.
struct RecentChanges {
    let number: UInt64
    let accounts: [Address: PoolAdvance.AccountUpdate]
}

extension SenderAccount {
    mutating func apply(_ update: PoolAdvance.AccountUpdate) {
        nonce = update.nonce
        balance = update.balance
        if let code = update.code { self.code = code }
    }
}

extension TransactionPool {
    /// Follows the chain. Nothing is put back: what is committed is final.
    mutating func advance(_ change: PoolAdvance, into outputs: inout [Output]) {
        // Blocks that were known already, after a restart.
        guard change.head.number > head.number else { return }
        let before = head
        head = change.head
        recent.append(
            RecentChanges(
                number: head.number,
                accounts: Dictionary(
                    change.accounts.map { ($0.address, $0) }, uniquingKeysWith: { $1 })))
        if recent.count > limits.headLagMax { recent.removeFirst() }

        let included = Set(change.included)
        for update in change.accounts {
            guard let slot = slots[update.address] else { continue }
            senders[slot]?.account.apply(update)
            settle(slot, included, into: &outputs)
        }
        // Of senders whose account did not come along: no correct block has any.
        for hash in change.included {
            guard let entry = transactions[hash], remove(entry) else { continue }
            report(entry, .included, into: &outputs)
        }
        if head.fork != before.fork || head.gasLimit < before.gasLimit {
            dropUnruly(isNewFork: head.fork != before.fork, into: &outputs)
        }
        if head.baseFee != before.baseFee { reorder() }
        arrivals.compact(transactions)
    }

    /// Drops what the account's nonce, code or balance does not allow any more.
    private mutating func settle(
        _ slot: Int, _ included: Set<Bytes32>, into outputs: inout [Output]
    ) {
        guard let queue = senders[slot] else { return }
        for entry in queue.entries where entry.nonce < queue.account.nonce {
            _ = removeUnsettled(entry, slot)
            report(
                entry, included.contains(entry.hash) ? .included : .nonceUsed, into: &outputs)
        }
        // The highest nonces first: what is before them can still run.
        for entry in (senders[slot]?.entries ?? []).reversed() {
            guard let queue = senders[slot] else { break }
            if queue.account.code == .contract {
                _ = removeUnsettled(entry, slot)
                report(entry, .senderHasCode, into: &outputs)
            } else if queue.cost > queue.account.balance {
                _ = removeUnsettled(entry, slot)
                report(entry, .unfunded, into: &outputs)
            } else {
                break
            }
        }
        refresh(slot)
    }

    /// Takes an entry out of a queue that is not in order yet, which ``refresh(_:)`` has to follow.
    private mutating func removeUnsettled(_ entry: PooledTransaction, _ slot: Int) -> Bool {
        guard senders[slot]?.remove(entry.nonce) != nil else { return false }
        transactions[entry.hash] = nil
        for authority in entry.authorities {
            let count = authorities[authority, default: 1] - 1
            authorities[authority] = count > 0 ? count : nil
        }
        bytes -= entry.charge
        if senders[slot]?.isLocal == true { localBytes -= entry.charge }
        return true
    }

    /// Drops what the next block's fork or gas limit forbids. Forks are rare, and gas limits fall slowly.
    private mutating func dropUnruly(isNewFork: Bool, into outputs: inout [Output]) {
        for slot in senders.indices {
            for entry in senders[slot]?.entries ?? [] {
                let fits = entry.transaction.gasLimit <= head.gasLimit
                // Looks at every byte of data, so only where it can come out otherwise.
                let isAllowed =
                    !isNewFork
                    || (try? entry.transaction.check(at: head.fork, chainID: chainID)) != nil
                guard !fits || !isAllowed, remove(entry) else { continue }
                report(entry, .rules, into: &outputs)
            }
        }
    }

    /// Tips are what the base fee leaves of them. O(transactions), some milliseconds for a full pool.
    private mutating func reorder() {
        let (queues, baseFee) = (senders, head.baseFee)
        ranks.reorder { slot in
            guard let queue = queues[slot] else {
                preconditionFailure("a sender that stands in line is there")
            }
            return queue.rank(at: queue.entries.count - 1, baseFee: baseFee)
        }
    }

    /// Drops what has waited too long.
    mutating func expire(_ now: MonotonicInstant, into outputs: inout [Output]) {
        while let first = arrivals.first, first.advanced(by: limits.lifetime) <= now {
            let (hash, sequence) = arrivals.removeFirst()
            guard let entry = transactions[hash], entry.sequence == sequence, remove(entry) else {
                continue
            }
            report(entry, .expired, into: &outputs)
        }
        arrivals.compact(transactions)
    }
}
