public import ChoraleBase
public import ChoraleTypes
public import Codec
import Consensus
public import Crypto
import Execution
import OrderedCollections
public import TransactionPool

/// Builds, judges and applies blocks: the half of a chain that takes time, and waits for a disk.
///
/// One thread owns it. Every task is answered; what it answers depends on the store, the tasks and their
/// order alone.
///
/// A block is executed once here: judging it (or building it) gives the changes, and committing it
/// writes them. Full and stateless validators judge in the same way, from block and witness and
/// nothing else, with the two roots withheld (mechanisms row 2.2), so that no block is valid for one
/// and invalid for the other. What differs is what is written.
public final class BlockProcessor<Store: ChainStore> {
    public let parameters: ChainParameters
    public let store: Store
    /// Whether the state is kept, and not only blocks.
    public let keepsState: Bool
    /// What the chain has come to.
    public internal(set) var head: ChainHead

    let key: Ed25519.PrivateKey?
    let poolLimits: PoolLimits
    let stateless: StatelessExecution
    /// Blocks of the height after the head that were executed.
    var prepared: [Bytes32: Prepared] = [:]
    /// Encodings of the headers that BLOCKHASH may ask for, by number.
    var ancestors: [UInt64: [UInt8]] = [:]
    var ancestorHashes: [UInt64: Bytes32] = [:]
    /// Executions since the start, for whoever wants to know that each block has one.
    public internal(set) var executionCount: UInt64 = 0

    /// Blocks of one height whose execution is kept: one a round, and the last few rounds.
    let preparedMax = 4

    /// What executing a block gave.
    struct Prepared {
        let header: Header
        let transactions: [Transaction]
        let senders: [Address]?
        let outcome: BlockOutcome
        let newNodes: [(hash: Bytes32, encoding: [UInt8])]
        let facts: BlockFacts
    }

    /// Why there is nothing to go on from.
    public enum OpenError: Error, Sendable {
        /// There is not even a genesis.
        case empty
        case headMalformed(SSZError)
        case store(StoreFailure)
        /// The head is of another chain.
        case otherNetwork
    }

    /// - Parameters:
    ///   - key: of the validator that proposes; nil for whoever does not.
    public init(
        _ parameters: ChainParameters, store: Store, keepsState: Bool, key: Ed25519.PrivateKey?,
        poolLimits: PoolLimits = PoolLimits(),
        parallel: any ParallelMap = SequentialMap()
    ) throws(OpenError) {
        guard let record = store.head else { throw .empty }
        let head: ChainHead
        do throws(SSZError) {
            head = try ChainHead(ssz: record.span)
        } catch {
            throw .headMalformed(error)
        }
        self.parameters = parameters
        self.store = store
        self.keepsState = keepsState
        self.key = key
        self.poolLimits = poolLimits
        self.head = head
        var stateless = StatelessExecution(
            rules: parameters.rules, mode: .strict, parallel: parallel)
        stateless.keepsNodes = keepsState
        self.stateless = stateless
        do throws(StoreFailure) {
            try loadAncestors()
        } catch {
            throw .store(error)
        }
    }

    /// What an empty store begins with.
    ///
    /// - Parameter state: that of the genesis, whole; nil where no state is kept.
    public static func genesisWrite(
        _ parameters: ChainParameters, state: ExecutionWrite?
    ) throws(ValidatorSet.ListError) -> BlockWrite {
        let head = try ChainHead(parameters)
        let block = Block(header: parameters.genesisHeader, transactions: [], withdrawals: [])
        return BlockWrite(
            block: StoredBlock(
                height: 0, blockID: parameters.genesisID, blockHash: parameters.genesisHeader.hash,
                block: [], payload: block.encoded, commit: []), execution: state,
            head: head.sszEncoded())
    }

    /// Of the blocks that this validator makes: the address that it is registered with.
    var feeRecipient: Address {
        key.flatMap { SigningKeyBytes(scheme: .ed25519, bytes: $0.publicKey.bytes) }
            .flatMap { head.registry.entries[$0]?.address } ?? .zero
    }

    public func perform(_ task: ChainTask) -> ChainAnswer {
        switch task {
        case .readCandidates:
            return .candidates(readCandidates())
        case .build(let order):
            return build(order)
        case .signOrder(let order):
            return signOrder(order)
        case .assemble(let order, let built, let peer):
            return assemble(order, built, from: peer)
        case .buildPayload(let id, let order, let transactions):
            return .payloadBuilt(id, buildPayload(order, transactions))
        case .judge(let order):
            return .judged(
                blockID: order.contents.block.id, height: order.contents.block.header.height,
                judge(order))
        case .commit(let contents, let commit):
            return self.commit(contents, commit)
        case .importBlocks(let blocks):
            return importBlocks(blocks)
        case .readBlocks(let id, let first, let count, let sizeMax):
            return .blocks(id, readBlocks(from: first, count: count, sizeMax: sizeMax))
        case .readCheckpoint(let id, let request):
            return .served(id, store.answer(request)?.sszEncoded())
        case .readState(let id, let request):
            return .served(id, store.answer(request)?.sszEncoded())
        case .download:
            preconditionFailure("a store with a head has it all")
        case .checkTransaction(let id, let encoding):
            return .transactionChecked(id, candidate(encoding))
        case .readCommitments(let height):
            return .commitments(height: height, readCommitments(at: height))
        }
    }

    // MARK: Ancestors

    func loadAncestors() throws(StoreFailure) {
        let header = head.header
        remember(header)
        var number = header.number
        while number > 0, ancestors.count < AncestorHeaders.countMax {
            number -= 1
            guard let encoding = try store.header(at: number),
                let header = try? Header(encoding.span)
            else { return }
            remember(header)
        }
    }

    func remember(_ header: Header) {
        ancestors[header.number] = header.encoded
        ancestorHashes[header.number] = header.hash
        let count = UInt64(AncestorHeaders.countMax)
        if header.number >= count {
            ancestors.removeValue(forKey: header.number - count)
            ancestorHashes.removeValue(forKey: header.number - count)
        }
    }

    func state() -> TrieState<Store> {
        TrieState(root: head.header.stateRoot, source: store, blockHashes: ancestorHashes)
    }

    // MARK: Transactions

    func candidate(_ encoding: [UInt8]) -> Result<PoolCandidate, PoolRejection> {
        guard keepsState else {
            return .failure(.state(.source(.unavailable("this node keeps no state"))))
        }
        do throws(PoolRejection) {
            let reader = TrieState(
                root: head.header.stateRoot, source: store, blockHashes: [:], records: false)
            return .success(
                try PoolCandidate(
                    encoding.span, chainID: parameters.rules.chainID, head: poolHead,
                    limits: poolLimits, state: reader))
        } catch {
            return .failure(error)
        }
    }
}
