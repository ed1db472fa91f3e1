import ChoraleBase
import Execution

extension TransactionPool {
    /// Takes a transaction in, or throws and leaves everything as it was.
    mutating func add(
        _ candidate: PoolCandidate, isLocal: Bool, now: MonotonicInstant,
        into outputs: inout [Output]
    ) throws(PoolRejection) {
        guard transactions[candidate.hash] == nil else { throw .known }
        let account = try currentAccount(candidate)
        try check(candidate, account)
        let queue = slots[candidate.sender].flatMap { senders[$0] }
        let replaced = queue?.position(of: candidate.transaction.nonce).entry
        if let replaced { try checkReplacement(candidate.transaction, of: replaced) }
        guard let cost = candidate.transaction.costMax else {
            throw .funds(needed: nil, balance: account.balance)
        }
        let entry = PooledTransaction(
            candidate, cost: cost, sequence: nextSequence, arrival: now, isLocal: isLocal)
        if let queue { try checkSender(entry, queue, replaced: replaced) }
        try checkDelegation(entry, queue, account, isReplacement: replaced != nil)
        try checkAuthorities(entry, replaced: replaced)

        let wasLocal = queue?.isLocal ?? false
        if let replaced { _ = remove(replaced) }
        insert(entry, account, isLocal: wasLocal || isLocal)
        let evicted: [PooledTransaction]
        do throws(PoolRejection) {
            evicted = try makeRoom(for: entry)
        } catch {
            if let replaced { insert(replaced, account, isLocal: wasLocal) }
            setLocal(candidate.sender, wasLocal)
            throw error
        }
        nextSequence += 1
        arrivals.append(entry)
        if let replaced {
            counters.dropped[.replaced, default: 0] += 1
            outputs.append(.dropped(replaced.hash, .replaced))
        }
        for victim in evicted { report(victim, .evicted, into: &outputs) }
        outputs.append(
            .accepted(
                entry.hash, isPending: isPending(entry.hash), replaced: replaced?.hash))
        arrivals.compact(transactions)
    }

    // MARK: Rules

    /// The sender's account after ``head``, as far as anybody has said.
    private func currentAccount(
        _ candidate: PoolCandidate
    ) throws(PoolRejection) -> SenderAccount {
        // Kept up to date by every block.
        if let slot = slots[candidate.sender], let queue = senders[slot] { return queue.account }
        guard candidate.readAt < head.number else { return candidate.account }
        guard head.number - candidate.readAt <= UInt64(limits.headLagMax) else {
            throw .stale(readAt: candidate.readAt, head: head.number)
        }
        var account = candidate.account
        for changes in recent where changes.number > candidate.readAt {
            if let update = changes.accounts[candidate.sender] { account.apply(update) }
        }
        return account
    }

    private func check(
        _ candidate: PoolCandidate, _ account: SenderAccount
    ) throws(PoolRejection) {
        let transaction = candidate.transaction
        guard transaction.gasLimit <= head.gasLimit else {
            throw .gasAboveBlock(limit: transaction.gasLimit, block: head.gasLimit)
        }
        // The rules may have changed since the worker looked.
        if candidate.readAt != head.number {
            do throws(TransactionFault) {
                try transaction.check(at: head.fork, chainID: chainID)
            } catch {
                throw .fault(error)
            }
        }
        try PoolCandidate.check(transaction, candidate.sender, account, limits)
    }

    /// geth's rule (`list.Add`): both fees rise by the percentage, and by something.
    private func checkReplacement(
        _ new: Transaction, of old: PooledTransaction
    ) throws(PoolRejection) {
        let maxFee = Self.bumped(old.transaction.maxFeePerGas, limits.replacementBumpPercent)
        let tip = Self.bumped(old.transaction.maxPriorityFeePerGas, limits.replacementBumpPercent)
        guard let maxFee, let tip, new.maxFeePerGas >= maxFee, new.maxPriorityFeePerGas >= tip
        else {
            throw .replacement(
                .init(
                    maxFee: new.maxFeePerGas, maxFeeNeeded: maxFee ?? .max,
                    tip: new.maxPriorityFeePerGas, tipNeeded: tip ?? .max))
        }
    }

    /// The least that replaces a fee; nil where that passes 2²⁵⁶.
    private static func bumped(_ fee: UInt256, _ percent: UInt64) -> UInt256? {
        let product = fee.multipliedFullWidth(by: UInt256(100 + percent))
        guard product.high.isZero, fee < .max else { return nil }
        let bumped = product.low.quotientAndRemainder(dividingBy: UInt256(100)).quotient
        return max(bumped, fee &+ .one)
    }

    private func checkSender(
        _ entry: PooledTransaction, _ queue: SenderQueue, replaced: PooledTransaction?
    ) throws(PoolRejection) {
        let count = queue.entries.count - (replaced == nil ? 0 : 1)
        guard count < limits.senderCountMax else {
            throw .senderFull(count: count, limit: limits.senderCountMax)
        }
        let size = queue.charge - (replaced?.charge ?? 0) + entry.charge
        guard size <= limits.senderBytesMax else {
            throw .senderBytes(size, limit: limits.senderBytesMax)
        }
        let others = queue.cost &- (replaced?.cost ?? .zero)
        let (needed, overflow) = others.addingReportingCarry(entry.cost)
        guard !overflow, needed <= queue.account.balance else {
            throw .fundsTogether(
                needed: overflow ? nil : needed, balance: queue.account.balance, count: count)
        }
    }

    /// geth's `checkDelegationLimit`: an account that runs the code of another can be emptied by anybody's
    /// transaction, and with it all of its own become worthless at once. So there is only one.
    private func checkDelegation(
        _ entry: PooledTransaction, _ queue: SenderQueue?, _ account: SenderAccount,
        isReplacement: Bool
    ) throws(PoolRejection) {
        guard account.code == .delegation || authorities[entry.sender] != nil else { return }
        guard !isReplacement else { return }
        guard queue == nil else { throw .delegated(entry.sender) }
        guard entry.nonce == account.nonce else {
            throw .delegatedGap(entry.nonce, account: account.nonce)
        }
    }

    /// geth's `validateAuth`: the same the other way round.
    private func checkAuthorities(
        _ entry: PooledTransaction, replaced: PooledTransaction?
    ) throws(PoolRejection) {
        for authority in entry.authorities {
            var count = slots[authority].flatMap { senders[$0]?.entries.count } ?? 0
            // One that authorises itself counts once it is in.
            if authority == entry.sender, replaced == nil { count += 1 }
            guard count <= 1 else { throw .authorityReserved(authority, count: count) }
        }
    }

    // MARK: Room

    /// Drops what is worth less than the entry, which is in, until everything fits.
    ///
    /// - Returns: what was dropped.
    /// - Throws: when that does not suffice; nothing is dropped then, and the entry is out again.
    private mutating func makeRoom(
        for entry: PooledTransaction
    ) throws(PoolRejection) -> [PooledTransaction] {
        guard bytes > limits.bytesMax else { return [] }
        guard let slot = slots[entry.sender], let queue = senders[slot] else { return [] }
        let rank = queue.rank(
            at: queue.position(of: entry.nonce).index, baseFee: head.baseFee)
        var victims: [(entry: PooledTransaction, account: SenderAccount, isLocal: Bool)] = []
        while bytes > limits.bytesMax {
            guard let lowest = ranks.lowest, lowest.rank.isWorth(lessThan: rank),
                // What cannot run drops nothing that can, not even where that is not local.
                rank.isPending || !lowest.rank.isPending,
                victims.count < limits.evictionCountMax,
                let queue = senders[lowest.slot], let last = queue.entries.last, last !== entry
            else {
                // What is lowest but for the entry is what it had to be worth more than.
                _ = remove(entry)
                let lowest = ranks.lowest?.rank
                for victim in victims.reversed() {
                    insert(victim.entry, victim.account, isLocal: victim.isLocal)
                }
                if victims.count == limits.evictionCountMax {
                    throw .poolFullForLarge(entry.charge, evictionCount: victims.count)
                }
                if !rank.isPending, lowest?.isPending == true {
                    throw .poolFullForQueued(entry.nonce, account: queue.account.nonce)
                }
                throw .poolFull(tip: rank.tip.wei, lowest: lowest?.tip.wei ?? 0)
            }
            victims.append((last, queue.account, queue.isLocal))
            _ = remove(last)
        }
        return victims.map(\.entry)
    }

    // MARK: Tables

    /// Puts an entry into every table; where it stands in line follows.
    mutating func insert(_ entry: PooledTransaction, _ account: SenderAccount, isLocal: Bool) {
        let slot: Int
        if let known = slots[entry.sender] {
            slot = known
        } else {
            slot = freeSlots.popLast() ?? senders.count
            if slot == senders.count { senders.append(nil) }
            senders[slot] = SenderQueue(address: entry.sender, account: account)
            slots[entry.sender] = slot
        }
        senders[slot]?.insert(entry)
        transactions[entry.hash] = entry
        for authority in entry.authorities { authorities[authority, default: 0] += 1 }
        bytes += entry.charge
        if senders[slot]?.isLocal == true { localBytes += entry.charge }
        setLocal(entry.sender, isLocal)
        refresh(slot)
    }

    /// Takes an entry out of every table. Nothing happens when it is not there.
    mutating func remove(_ entry: PooledTransaction) -> Bool {
        guard transactions[entry.hash] === entry, let slot = slots[entry.sender],
            senders[slot]?.remove(entry.nonce) != nil
        else { return false }
        transactions[entry.hash] = nil
        for authority in entry.authorities {
            let count = authorities[authority, default: 1] - 1
            authorities[authority] = count > 0 ? count : nil
        }
        bytes -= entry.charge
        if senders[slot]?.isLocal == true { localBytes -= entry.charge }
        refresh(slot)
        return true
    }

    /// Makes a sender one of this node's users, as long as those have room, or not.
    private mutating func setLocal(_ sender: Address, _ wanted: Bool) {
        guard let slot = slots[sender], let queue = senders[slot] else { return }
        let others = localBytes - (queue.isLocal ? queue.charge : 0)
        let isLocal = wanted && others + queue.charge <= limits.localBytesMax
        localBytes = others + (isLocal ? queue.charge : 0)
        guard isLocal != queue.isLocal else { return }
        senders[slot]?.isLocal = isLocal
        refresh(slot)
    }

    /// Puts a sender where it belongs after something of it has changed; forgets one without transactions.
    mutating func refresh(_ slot: Int) {
        let before = senders[slot]?.runCount ?? 0
        senders[slot]?.countRun()
        guard let queue = senders[slot] else { return }
        pendingCount += queue.runCount - before
        guard !queue.entries.isEmpty else {
            slots[queue.address] = nil
            senders[slot] = nil
            freeSlots.append(slot)
            ranks.remove(slot)
            return
        }
        ranks.set(slot, queue.rank(at: queue.entries.count - 1, baseFee: head.baseFee))
    }

    mutating func report(
        _ entry: PooledTransaction, _ reason: Drop, into outputs: inout [Output]
    ) {
        counters.dropped[reason, default: 0] += 1
        outputs.append(.dropped(entry.hash, reason))
    }
}
