import ChoraleBase
import Execution

@testable import TransactionPool

/// A pool with senders whose accounts are kept here, and everything that it said.
final class PoolScene {
    static let chainID: UInt64 = 1337

    var pool: TransactionPool
    var accounts: [Address: SenderAccount] = [:]
    var outputs: [TransactionPool.Output] = []
    var now = MonotonicInstant.zero

    init(
        limits: PoolLimits = PoolLimits(), baseFee: UInt64 = 100, gasLimit: UInt64 = 30_000_000,
        fork: Fork = .prague
    ) {
        pool = TransactionPool(
            chainID: Self.chainID,
            head: PoolHead(
                number: 10, baseFee: UInt256(baseFee), gasLimit: gasLimit, fork: fork),
            limits: limits)
    }

    static func sender(_ number: Int) -> Address { Address(UInt256(UInt64(0x1000 + number))) }

    /// An account with a lot of money unless another is given.
    func account(_ sender: Address) -> SenderAccount {
        accounts[sender] ?? SenderAccount(nonce: 0, balance: UInt256(0, 0, 1, 0))
    }

    /// A transaction by hand; its hash is that of its fields, as nothing here is signed.
    static func transaction(
        nonce: UInt64, maxFee: UInt64 = 1000, tip: UInt64 = 10, gas: UInt64 = 21_000,
        value: UInt64 = 0, data: [UInt8] = [], from sender: Address = .zero,
        authorities: Int = 0
    ) -> Transaction {
        let authorization = Transaction.Authorization(
            chainID: .zero, address: .zero, nonce: 0, yParity: 0, r: .one, s: .one)
        return Transaction(
            kind: authorities > 0 ? .setCode : .dynamicFee, chainID: UInt256(chainID),
            nonce: nonce, maxPriorityFeePerGas: UInt256(tip), maxFeePerGas: UInt256(maxFee),
            gasLimit: gas, to: .zero, value: UInt256(value), data: data,
            authorizations: Array(repeating: authorization, count: authorities),
            // The sender as the signature: so that two senders' transactions differ.
            r: sender.word, s: .one)
    }

    func candidate(
        _ transaction: Transaction, from sender: Address, authorities: [Address] = [],
        readAt: UInt64? = nil, account: SenderAccount? = nil
    ) -> PoolCandidate {
        let encoding = transaction.encoded
        return PoolCandidate(
            transaction: transaction, hash: transaction.hash, size: encoding.count,
            sender: sender, authorities: authorities,
            account: account ?? self.account(sender), readAt: readAt ?? pool.head.number)
    }

    /// Adds a transaction. Returns why not; nil when it was taken.
    @discardableResult
    func add(
        _ sender: Address, _ nonce: UInt64, maxFee: UInt64 = 1000, tip: UInt64 = 10,
        gas: UInt64 = 21_000, value: UInt64 = 0, data: [UInt8] = [], isLocal: Bool = false,
        authorities: [Address] = [], readAt: UInt64? = nil, account: SenderAccount? = nil
    ) -> PoolRejection? {
        let transaction = Self.transaction(
            nonce: nonce, maxFee: maxFee, tip: tip, gas: gas, value: value, data: data,
            from: sender, authorities: authorities.count)
        return add(
            candidate(
                transaction, from: sender, authorities: authorities, readAt: readAt,
                account: account), isLocal: isLocal)
    }

    func add(_ candidate: PoolCandidate, isLocal: Bool = false) -> PoolRejection? {
        let start = outputs.count
        handle(.candidate(candidate, isLocal: isLocal))
        for case .rejected(_, let rejection) in outputs[start...] { return rejection }
        return nil
    }

    /// Commits a block that gives these senders another account.
    func advance(
        _ changes: [Address: SenderAccount] = [:], included: [Bytes32] = [],
        baseFee: UInt64? = nil, gasLimit: UInt64? = nil, fork: Fork? = nil, by blocks: UInt64 = 1
    ) {
        for (address, account) in changes { accounts[address] = account }
        var head = pool.head
        head.number += blocks
        if let baseFee { head.baseFee = UInt256(baseFee) }
        if let gasLimit { head.gasLimit = gasLimit }
        if let fork { head.fork = fork }
        let updates = changes.sorted { $0.key < $1.key }.map {
            PoolAdvance.AccountUpdate(
                address: $0.key, nonce: $0.value.nonce, balance: $0.value.balance,
                code: $0.value.code)
        }
        handle(.advanced(PoolAdvance(head: head, included: included, accounts: updates)))
    }

    func handle(_ input: TransactionPool.Input) {
        pool.handle(
            input, now: Now(instant: now, wall: WallTime(milliseconds: 0)), into: &outputs)
        checkInvariants()
    }

    /// What must hold after every input, from the tables themselves.
    func checkInvariants() {
        var bytes = 0
        var localBytes = 0
        var pending = 0
        var count = 0
        for queue in pool.senders.compactMap(\.self) {
            let nonces = queue.entries.map(\.nonce)
            precondition(zip(nonces, nonces.dropFirst()).allSatisfy { $0 < $1 }, "nonce order")
            precondition(nonces[0] >= queue.account.nonce, "a nonce that was used")
            let cost = queue.entries.reduce(UInt256.zero) { $0 &+ $1.cost }
            precondition(cost == queue.cost && cost <= queue.account.balance, "cost")
            let charge = queue.entries.reduce(0) { $0 + $1.charge }
            precondition(charge == queue.charge, "charge")
            bytes += charge
            if queue.isLocal { localBytes += charge }
            count += nonces.count
            var next = queue.account.nonce
            for nonce in nonces where nonce == next { next += 1 }
            precondition(queue.nextNonce == next, "the run")
            pending += queue.runCount
            for entry in queue.entries {
                precondition(pool.transactions[entry.hash] === entry, "the table by hash")
            }
        }
        precondition(bytes == pool.bytes && bytes <= pool.limits.bytesMax, "bytes")
        precondition(localBytes == pool.localBytes, "local bytes")
        precondition(localBytes <= pool.limits.localBytesMax, "local bytes are bounded")
        precondition(pending == pool.pendingCount, "pending")
        precondition(count == pool.count, "count")
        precondition(pool.ranks.count == pool.senderCount, "senders in line")
    }

    /// Everything that a selection gives, as sender and nonce.
    func selected(baseFee: UInt64? = nil) -> [String] {
        var selection = pool.selection(baseFee: baseFee.map { UInt256($0) })
        var found: [String] = []
        while let entry = selection.next() { found.append(Self.name(entry)) }
        return found
    }

    /// As in `3/0`: sender 3, nonce 0.
    static func name(_ entry: PooledTransaction) -> String {
        "\(Int(entry.sender.word.l0) - 0x1000)/\(entry.nonce)"
    }

    /// Names of all that are there, in order.
    var names: [String] { pool.transactions.values.map(Self.name).sorted() }

    var drops: [TransactionPool.Drop] {
        outputs.compactMap {
            if case .dropped(_, let reason) = $0 { reason } else { nil }
        }
    }
}
