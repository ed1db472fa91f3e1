public import ChoraleBase
public import Execution

/// A transaction in the pool, with what is known of it.
///
/// A class although it never changes: the table by hash, the sender's queue, selections and answers to
/// calls share it, where copies would take its kilobytes several times.
public final class PooledTransaction: Sendable {
    public let transaction: Transaction
    public let hash: Bytes32
    public let sender: Address
    /// Of its encoding, in bytes.
    public let size: Int
    /// Whose accounts it lets run other code (EIP-7702), without those whose signature is none.
    public let authorities: [Address]
    /// Number in order of arrival.
    public let sequence: UInt64
    public let arrival: MonotonicInstant
    public let isLocal: Bool
    /// The most that it may cost its sender, in wei.
    let cost: UInt256
    /// Bytes that it takes in memory, at most.
    public let charge: Int

    init(
        _ candidate: PoolCandidate, cost: UInt256, sequence: UInt64, arrival: MonotonicInstant,
        isLocal: Bool
    ) {
        transaction = candidate.transaction
        hash = candidate.hash
        sender = candidate.sender
        size = candidate.size
        authorities = candidate.authorities
        self.sequence = sequence
        self.arrival = arrival
        self.isLocal = isLocal
        self.cost = cost
        charge = candidate.transaction.charge
    }

    public var nonce: UInt64 { transaction.nonce }

    /// What the proposer gets a gas at this base fee.
    func tip(at baseFee: UInt256) -> Tip {
        Tip(transaction, baseFee: baseFee)
    }
}

extension Transaction {
    /// Bytes that it takes in memory, the pool's tables included.
    ///
    /// Not the size of its encoding: an authorization of 27 encoded bytes takes 136 in memory, so that
    /// a flood of them would be five times as large as what it was charged with.
    var charge: Int {
        var charge = Self.chargeBase + data.count
        for entry in accessList {
            charge += MemoryLayout<AccessListEntry>.stride
            if !entry.slots.isEmpty { charge += 32 + entry.slots.count * Bytes32.size }
        }
        charge += blobHashes.count * Bytes32.size
        // Each with its authority and its entry in the table of those.
        charge += authorizations.count * (MemoryLayout<Authorization>.stride + 20 + 64)
        return charge
    }

    /// The object, headers of its arrays, and its entries in three tables that may be half empty.
    private static let chargeBase = MemoryLayout<Transaction>.stride + 768
}

/// Wei a gas that a proposer gets; below zero where the base fee is above all that is offered.
///
/// In 64 bits, which is 9 ether a gas: what is beyond is not told apart.
struct Tip: Comparable, Hashable, Sendable {
    let wei: Int64

    static let max = Tip(wei: .max)

    init(wei: Int64) { self.wei = wei }

    init(_ transaction: Transaction, baseFee: UInt256) {
        guard transaction.maxFeePerGas >= baseFee else {
            let missing = baseFee &- transaction.maxFeePerGas
            wei = -Int64(clamping: missing.uint64 ?? .max)
            return
        }
        let tip = min(transaction.maxPriorityFeePerGas, transaction.maxFeePerGas &- baseFee)
        wei = Int64(clamping: tip.uint64 ?? .max)
    }

    static func < (lhs: Self, rhs: Self) -> Bool { lhs.wei < rhs.wei }
}
