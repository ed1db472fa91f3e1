import ChoraleBase
public import Execution

/// Why a transaction was not taken into the pool. Where a rule compares, both sides are given.
public enum PoolRejection: Error, Hashable, Sendable {
    // MARK: What anybody can see
    /// Encoded bytes.
    case tooLarge(Int, limit: Int)
    case malformed(TransactionError)
    /// No key has made the signature.
    case signature(TransactionError)
    case fault(TransactionFault)

    // MARK: What this node does not take
    /// Blobs do not travel in this network (EIP-4844).
    case blobs
    /// A legacy transaction that is valid on every chain (before EIP-155).
    case unprotected
    case gasAboveBlock(limit: UInt64, block: UInt64)
    case tipTooLow(UInt256, needed: UInt64)
    case tooManyAuthorizations(Int, limit: Int)

    // MARK: What the sender's account decides
    case nonceTooLow(UInt64, account: UInt64)
    case nonceTooFar(UInt64, account: UInt64, distanceMax: UInt64)
    /// The sender's code is no delegation (EIP-3607).
    case senderHasCode(Address)
    /// nil for a cost of 2²⁵⁶ or more.
    case funds(needed: UInt256?, balance: UInt256)
    /// All of the sender's transactions together; nil for 2²⁵⁶ or more.
    case fundsTogether(needed: UInt256?, balance: UInt256, count: Int)

    // MARK: What else is in the pool
    case known
    case replacement(Shortfall)
    case senderFull(count: Int, limit: Int)
    case senderBytes(Int, limit: Int)
    /// The account runs the code of another, or is about to: its balance can go without its nonce.
    case delegated(Address)
    /// As ``delegated(_:)``, and the nonce is not the account's.
    case delegatedGap(UInt64, account: UInt64)
    /// Somebody whose account the transaction would let run other code has several waiting.
    case authorityReserved(Address, count: Int)
    /// Tips in wei a gas at the next block's base fee. Nothing that is worth less could be dropped.
    case poolFull(tip: Int64, lowest: Int64)
    /// Bytes that it takes. More than this many small ones are not dropped for a large one.
    case poolFullForLarge(Int, evictionCount: Int)
    /// The nonce leaves a gap, and there is room only for what could run.
    case poolFullForQueued(UInt64, account: UInt64)

    // MARK: What this node could not tell
    /// The account was read too long ago: blocks.
    case stale(readAt: UInt64, head: UInt64)
    case state(StateError)
    /// As many as may be at once are being checked.
    case overloaded(waiting: Int)

    /// What replacing a transaction takes, in wei a gas.
    public struct Shortfall: Hashable, Sendable {
        public var maxFee: UInt256
        public var maxFeeNeeded: UInt256
        public var tip: UInt256
        public var tipNeeded: UInt256
    }
}

extension PoolRejection {
    /// What whoever sent it is to be thought of, in gossip.
    public enum Verdict: Hashable, Sendable {
        /// Wrong whatever anybody's state is: whoever relays it checks nothing.
        case reject
        /// Wrong here and now, and maybe right for others.
        case ignore
    }

    public var verdict: Verdict {
        switch self {
        case .tooLarge, .malformed, .signature: .reject
        case .fault(let fault):
            switch fault {
            case .chainID, .nonceMax, .priorityAboveMax, .costOverflow, .noBlobs, .blobVersion,
                .noAuthorizations:
                .reject
            // At the time of a fork, nodes need not agree on these.
            case .typeNotYet, .intrinsicGas, .floorGas, .initcodeTooLarge, .gasAboveCap,
                .tooManyBlobs:
                .ignore
            }
        case .blobs, .unprotected, .gasAboveBlock, .tipTooLow, .tooManyAuthorizations,
            .nonceTooLow, .nonceTooFar, .senderHasCode, .funds, .fundsTogether, .known,
            .replacement, .senderFull, .senderBytes, .delegated, .delegatedGap,
            .authorityReserved, .poolFull, .poolFullForLarge, .poolFullForQueued, .stale, .state,
            .overloaded:
            .ignore
        }
    }

    /// The case by itself, as counters and metrics name it.
    public enum Reason: String, CaseIterable, Hashable, Sendable {
        case tooLarge, malformed, signature, fault, blobs, unprotected, gasAboveBlock, tipTooLow
        case tooManyAuthorizations, nonceTooLow, nonceTooFar, senderHasCode, funds, fundsTogether
        case known, replacement, senderFull, senderBytes, delegated, delegatedGap
        case authorityReserved, poolFull, poolFullForLarge, poolFullForQueued, stale, state
        case overloaded
    }

    public var reason: Reason {
        switch self {
        case .tooLarge: .tooLarge
        case .malformed: .malformed
        case .signature: .signature
        case .fault: .fault
        case .blobs: .blobs
        case .unprotected: .unprotected
        case .gasAboveBlock: .gasAboveBlock
        case .tipTooLow: .tipTooLow
        case .tooManyAuthorizations: .tooManyAuthorizations
        case .nonceTooLow: .nonceTooLow
        case .nonceTooFar: .nonceTooFar
        case .senderHasCode: .senderHasCode
        case .funds: .funds
        case .fundsTogether: .fundsTogether
        case .known: .known
        case .replacement: .replacement
        case .senderFull: .senderFull
        case .senderBytes: .senderBytes
        case .delegated: .delegated
        case .delegatedGap: .delegatedGap
        case .authorityReserved: .authorityReserved
        case .poolFull: .poolFull
        case .poolFullForLarge: .poolFullForLarge
        case .poolFullForQueued: .poolFullForQueued
        case .stale: .stale
        case .state: .state
        case .overloaded: .overloaded
        }
    }
}

// Sentences for people. They begin as geth's do, because wallets look for its words.
extension PoolRejection: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tooLarge(let size, let limit):
            "oversized data: the transaction has \(size) bytes, more than \(limit)"
        case .malformed(let error): "\(error)"
        case .signature(let error): "invalid sender: \(error)"
        case .fault(let fault): Self.description(of: fault)
        case .blobs:
            "transaction type not supported: this network carries no blobs (EIP-4844, type 3)"
        case .unprotected:
            "only replay-protected (EIP-155) transactions allowed over RPC: sign for this chain"
        case .gasAboveBlock(let limit, let block):
            "exceeds block gas limit: gas limit \(limit) is above the block's, \(block)"
        case .tipTooLow(let tip, let needed):
            "transaction underpriced: tip \(tip.decimal) is below \(needed) wei a gas"
        case .tooManyAuthorizations(let count, let limit):
            "\(count) authorizations are more than \(limit) that this node relays (EIP-7702)"
        case .nonceTooLow(let nonce, let account):
            "nonce too low: next nonce \(account), tx nonce \(nonce)"
        case .nonceTooFar(let nonce, let account, let distance):
            "nonce too high: next nonce \(account), tx nonce \(nonce) is more than \(distance) away"
        case .senderHasCode(let address):
            "sender not an eoa: \(address) has code that is no delegation (EIP-3607, 7702)"
        case .funds(let needed, let balance):
            "insufficient funds for gas * price + value: balance \(balance.decimal), needed "
                + (needed?.decimal ?? "2^256 or more")
        case .fundsTogether(let needed, let balance, let count):
            "insufficient funds for gas * price + value: balance \(balance.decimal), needed "
                + (needed?.decimal ?? "2^256 or more") + " with the \(count) that wait already"
        case .known: "already known"
        case .replacement(let shortfall):
            "replacement transaction underpriced: max fee \(shortfall.maxFee.decimal) and tip "
                + "\(shortfall.tip.decimal), needed \(shortfall.maxFeeNeeded.decimal) and "
                + "\(shortfall.tipNeeded.decimal)"
        case .senderFull(let count, let limit):
            "account limit exceeded: \(count) transactions of the sender wait, \(limit) at most"
        case .senderBytes(let size, let limit):
            "account limit exceeded: \(size) bytes of the sender, \(limit) at most"
        case .delegated(let address):
            "in-flight transaction limit reached for delegated accounts: \(address) has one waiting"
        case .delegatedGap(let nonce, let account):
            "gapped-nonce tx from delegated accounts: next nonce \(account), tx nonce \(nonce)"
        case .authorityReserved(let address, let count):
            "authority already reserved: \(address) has \(count) transactions waiting, 1 at most"
        case .poolFull(let tip, let lowest):
            "txpool is full: tip \(tip) wei a gas is not above \(lowest), the lowest that waits"
        case .poolFullForLarge(let size, let count):
            "txpool is full: \(count) that are worth less do not make room for its \(size) bytes"
        case .poolFullForQueued(let nonce, let account):
            "txpool is full: next nonce \(account), tx nonce \(nonce) would have to wait"
        case .stale(let readAt, let head):
            "the sender's account was read at block \(readAt), too long before block \(head): send again"
        case .state(let error): "\(error)"
        case .overloaded(let count):
            "\(count) transactions are being checked already: send again"
        }
    }

    private static func description(of fault: TransactionFault) -> String {
        switch fault {
        case .intrinsicGas: "intrinsic gas too low: \(fault)"
        case .floorGas: "insufficient gas for floor data gas cost: \(fault)"
        case .typeNotYet: "transaction type not supported: \(fault)"
        case .chainID: "invalid chain id for signer: \(fault)"
        case .nonceMax: "nonce has max value: \(fault)"
        case .priorityAboveMax: "max priority fee per gas higher than max fee per gas: \(fault)"
        case .initcodeTooLarge: "max initcode size exceeded: \(fault)"
        case .gasAboveCap: "transaction gas limit too high: \(fault)"
        case .costOverflow, .noBlobs, .tooManyBlobs, .blobVersion, .noAuthorizations: "\(fault)"
        }
    }
}
