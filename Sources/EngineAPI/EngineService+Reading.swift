public import ChoraleBase
public import Execution

/// A block that the forkchoice has chosen, or has left, for whoever keeps transactions that wait.
public struct EngineBranchBlock: Sendable {
    public var block: Block
    public var hash: Bytes32
    /// Of its transactions, in order.
    public var transactionHashes: [Bytes32]
    /// Against the state before it.
    public var changes: [AccountChange]
}

/// A new head.
public struct EngineHeadChange: Sendable {
    /// Blocks that are canonical no more, the highest first.
    public var dropped: [EngineBranchBlock]
    /// Blocks that are now, the lowest first.
    public var added: [EngineBranchBlock]
}

/// Who is told what becomes of blocks. Called from within a call of the engine, which it must not call.
public protocol EngineObserver: AnyObject {
    /// A block that is not final was found valid.
    func inserted(_ block: Block, _ hash: Bytes32)
    /// It is final now, or dropped.
    func removed(_ number: UInt64, _ hash: Bytes32)
    /// The forkchoice is another, or was confirmed.
    func chose(head: Bytes32, safe: Bytes32, finalized: Bytes32, _ change: EngineHeadChange)
}

/// The canonical chain up to the head: what is final, and the blocks of the tree above.
extension EngineService {
    public var headNumber: UInt64 { headHeader.number }
    public var finalNumber: UInt64 { state.base.head.number }

    /// The number of the safe block; nil while none was named.
    public func safeNumber() throws(SourceFailure) -> UInt64? {
        guard safe != .zero else { return nil }
        if let entry = state.tree[safe] { return entry.number }
        return try state.base.block(safe)?.header.number
    }

    public func canonicalNumber(of hash: Bytes32) throws(SourceFailure) -> UInt64? {
        if let entry = state.tree[hash] {
            return state.tree.ancestor(of: head, at: entry.number)?.hash == hash
                ? entry.number : nil
        }
        return try state.base.block(hash)?.header.number
    }

    public func canonicalHeader(
        at number: UInt64
    ) throws(SourceFailure) -> (header: Header, hash: Bytes32)? {
        if let entry = state.tree.ancestor(of: head, at: number) {
            return (entry.block.header, entry.hash)
        }
        return try state.base.header(at: number).map { ($0.header, $0.hash) }
    }

    public func canonicalBlock(
        at number: UInt64
    ) throws(SourceFailure) -> (block: Block, hash: Bytes32)? {
        if let entry = state.tree.ancestor(of: head, at: number) {
            return (entry.block, entry.hash)
        }
        guard let (hash, _) = try state.base.header(at: number),
            let block = try state.base.block(hash)
        else { return nil }
        return (block, hash)
    }

    public func canonicalReceipts(at number: UInt64) throws(SourceFailure) -> [Receipt]? {
        if let entry = state.tree.ancestor(of: head, at: number) { return entry.receipts }
        return try state.base.receipts(at: number)
    }

    /// Where a transaction is.
    public func canonicalLocation(
        of transaction: Bytes32
    ) throws(SourceFailure) -> (number: UInt64, index: Int)? {
        var next = state.tree[head]
        while let entry = next {
            if let index = entry.transactionHashes.firstIndex(of: transaction) {
                return (entry.number, index)
            }
            next = state.tree[entry.parent]
        }
        return try state.base.location(of: transaction)
    }

    /// The state after a canonical block, to be let go of before the next call that changes something; nil where
    /// there is no such block, or its state is not kept.
    public func canonicalState(
        after number: UInt64
    ) throws(SourceFailure) -> (any StateReader)? {
        if number < state.base.head.number { return try state.base.state(after: number) }
        guard let (header, hash) = try canonicalHeader(at: number) else { return nil }
        let hashes = try ancestorHashes(of: hash)
        return TrieState(
            root: header.stateRoot, source: state, blockHashes: hashes, records: false)
    }

    /// The witness of a canonical block that is not final, if it was made with the block.
    public func heldWitness(of number: UInt64) -> [UInt8]? {
        state.tree.ancestor(of: head, at: number)?.witness
    }

    /// The parts of the branches of two heads that they do not share.
    func change(to new: Bytes32) -> EngineHeadChange {
        var change = EngineHeadChange(dropped: [], added: [])
        var (old, next) = (state.tree[head], state.tree[new])
        while old?.hash != next?.hash {
            if let one = old, one.number >= next?.number ?? 0 {
                change.dropped.append(EngineBranchBlock(one))
                old = state.tree[one.parent]
            } else if let one = next {
                change.added.append(EngineBranchBlock(one))
                next = state.tree[one.parent]
            }
        }
        change.added.reverse()
        return change
    }

    /// Adds a block that was valid in another run, whose ancestors are there.
    ///
    /// - Returns: whether it is valid still.
    public func restore(_ block: Block) -> Bool {
        let payload = WaitingPayload(block: block, size: block.encoded.count, requests: nil)
        let status = try? validate(block.header.hash, payload, withWitness: false)
        return status?.status == .valid
    }

    /// Chooses as in another run, where the blocks are there.
    ///
    /// - Returns: whether they are.
    public func restore(head: Bytes32, safe: Bytes32, finalized: Bytes32) -> Bool {
        guard state.tree[head] != nil || state.base.head.hash == head else { return false }
        return (try? choose(head, safe: safe, finalized: finalized)) != nil
    }

    private func ancestorHashes(of hash: Bytes32) throws(SourceFailure) -> [UInt64: Bytes32] {
        var hashes: [UInt64: Bytes32] = [:]
        var next = hash
        while hashes.count < 256, let entry = state.tree[next] {
            hashes[entry.number] = entry.hash
            next = entry.parent
        }
        var number = state.base.head.number
        while hashes.count < 256, let (hash, _) = try state.base.header(at: number) {
            hashes[number] = hash
            guard number > 0 else { break }
            number -= 1
        }
        return hashes
    }
}

extension EngineBranchBlock {
    fileprivate init(_ entry: BlockTree.Entry) {
        self.init(
            block: entry.block, hash: entry.hash, transactionHashes: entry.transactionHashes,
            changes: entry.changes)
    }
}
