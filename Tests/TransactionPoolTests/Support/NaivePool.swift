import ChoraleBase
import Execution

@testable import TransactionPool

/// The pool's rules in the plainest form: one list, searched and sorted anew for every question.
struct NaivePool {
    struct Entry {
        let transaction: Transaction
        let hash: Bytes32
        let sender: Address
        let authorities: [Address]
        let sequence: Int
        let arrival: MonotonicInstant

        var cost: UInt256 { transaction.costMax! }
    }

    var limits: PoolLimits
    var head: PoolHead
    var entries: [Entry] = []
    var accounts: [Address: SenderAccount] = [:]
    /// Senders that had room among the local ones.
    var local: Set<Address> = []
    var sequence = 0

    func of(_ sender: Address) -> [Entry] {
        entries.filter { $0.sender == sender }.sorted {
            $0.transaction.nonce < $1.transaction.nonce
        }
    }

    func run(_ sender: Address) -> [Entry] {
        var next = accounts[sender]!.nonce
        return of(sender).filter {
            guard $0.transaction.nonce == next else { return false }
            next += 1
            return true
        }
    }

    var bytes: Int { entries.reduce(0) { $0 + $1.transaction.charge } }

    var pending: Set<Bytes32> {
        Set(Set(entries.map(\.sender)).flatMap { run($0) }.map(\.hash))
    }

    func tip(_ transaction: Transaction) -> Int {
        let (fee, base) = (Int(transaction.maxFeePerGas.l0), Int(head.baseFee.l0))
        return min(Int(transaction.maxPriorityFeePerGas.l0), fee - base)
    }

    /// Local, could run, lowest tip so far, arrival; compared one after the other.
    func worth(_ entry: Entry) -> [Int] {
        let queue = of(entry.sender)
        let before = queue.filter { $0.transaction.nonce <= entry.transaction.nonce }
        return [
            local.contains(entry.sender) ? 1 : 0,
            run(entry.sender).contains { $0.hash == entry.hash } ? 1 : 0,
            before.map { tip($0.transaction) }.min()!, -entry.sequence,
        ]
    }

    /// The selection as a list.
    var selected: [Bytes32] {
        var rest = Dictionary(
            uniqueKeysWithValues: Set(entries.map(\.sender)).map { ($0, run($0)) })
        var found: [Bytes32] = []
        while true {
            let heads = rest.values.compactMap(\.first).filter { tip($0.transaction) >= 0 }
            let best = heads.max {
                (tip($0.transaction), -$0.sequence) < (tip($1.transaction), -$1.sequence)
            }
            guard let best else { return found }
            found.append(best.hash)
            rest[best.sender]?.removeFirst()
        }
    }

    /// Adds; false when it is refused.
    mutating func add(_ candidate: PoolCandidate, isLocal: Bool, now: MonotonicInstant) -> Bool {
        let (new, sender) = (candidate.transaction, candidate.sender)
        let queue = of(sender)
        let account = queue.isEmpty ? candidate.account : accounts[sender]!
        guard !entries.contains(where: { $0.hash == candidate.hash }) else { return false }
        guard new.gasLimit <= head.gasLimit, new.nonce >= account.nonce,
            new.nonce <= account.nonce + limits.nonceDistanceMax, account.code != .contract,
            let cost = new.costMax, cost <= account.balance
        else { return false }
        let old = queue.first { $0.transaction.nonce == new.nonce }
        if let old {
            for (fee, before) in [
                (new.maxFeePerGas.l0, old.transaction.maxFeePerGas.l0),
                (new.maxPriorityFeePerGas.l0, old.transaction.maxPriorityFeePerGas.l0),
            ] {
                guard fee > before, fee >= before * (100 + limits.replacementBumpPercent) / 100
                else { return false }
            }
        }
        let others = queue.filter { $0.transaction.nonce != new.nonce }
        guard others.count < limits.senderCountMax,
            others.reduce(new.charge, { $0 + $1.transaction.charge }) <= limits.senderBytesMax
                || queue.isEmpty,
            others.reduce(cost, { $0 &+ $1.cost }) <= account.balance
        else { return false }
        let isReserved = entries.contains { $0.authorities.contains(sender) }
        if account.code == .delegation || isReserved, old == nil {
            guard queue.isEmpty, new.nonce == account.nonce else { return false }
        }
        for authority in candidate.authorities {
            let waiting = of(authority).count + (authority == sender && old == nil ? 1 : 0)
            guard waiting <= 1 else { return false }
        }

        var next = self
        next.accounts[sender] = account
        next.entries.removeAll { $0.hash == old?.hash }
        let entry = Entry(
            transaction: new, hash: candidate.hash, sender: sender,
            authorities: candidate.authorities, sequence: sequence, arrival: now)
        next.entries.append(entry)
        next.sequence += 1
        next.settleLocal(sender, isLocal || local.contains(sender))
        let worth = next.worth(entry)
        while next.bytes > limits.bytesMax {
            // Of each sender its last.
            let last = Set(next.entries.map(\.sender)).map { next.of($0).last! }
            let victim = last.min {
                next.worth($0).lexicographicallyPrecedes(next.worth($1))
            }!
            let price = next.worth(victim)
            guard price.prefix(3).lexicographicallyPrecedes(worth.prefix(3)),
                worth[1] == 1 || price[1] == 0
            else { return false }
            next.entries.removeAll { $0.hash == victim.hash }
            next.forget()
        }
        self = next
        return true
    }

    mutating func settleLocal(_ sender: Address, _ wanted: Bool) {
        let total = entries.filter { local.contains($0.sender) || $0.sender == sender }
            .reduce(0) { $0 + $1.transaction.charge }
        if wanted, total <= limits.localBytesMax {
            local.insert(sender)
        } else {
            local.remove(sender)
        }
    }

    /// A sender without transactions is nobody.
    mutating func forget() { local.formIntersection(entries.map(\.sender)) }

    mutating func advance(_ changes: [Address: SenderAccount], head: PoolHead) {
        self.head = head
        for (address, account) in changes where !of(address).isEmpty {
            accounts[address] = account
            entries.removeAll { $0.sender == address && $0.transaction.nonce < account.nonce }
            if account.code == .contract { entries.removeAll { $0.sender == address } }
            while of(address).reduce(UInt256.zero, { $0 &+ $1.cost }) > account.balance {
                let last = of(address).last!.hash
                entries.removeAll { $0.hash == last }
            }
        }
        entries.removeAll { $0.transaction.gasLimit > head.gasLimit }
        forget()
    }

    mutating func expire(_ now: MonotonicInstant) {
        entries.removeAll { $0.arrival.advanced(by: limits.lifetime) <= now }
        forget()
    }
}
