import ChoraleBase
public import ChoraleTypes
import Codec
public import Crypto
import Execution
public import TransactionPool

/// The thread of a chain that may have to be downloaded first: a ``BlockProcessor`` once there is a height.
public final class ChainProcessor<Store: DownloadStore> {
    /// What the processor of blocks is made with.
    public struct Options {
        public var keepsState: Bool
        /// Of the validator that proposes; nil for whoever does not.
        public var key: Ed25519.PrivateKey?
        public var poolLimits = PoolLimits()

        public init(keepsState: Bool, key: Ed25519.PrivateKey?) {
            self.keepsState = keepsState
            self.key = key
        }
    }

    public let parameters: ChainParameters
    public let store: Store
    private let options: Options
    /// nil until there is a height.
    public private(set) var blocks: BlockProcessor<Store>?
    private let downloader: StateDownloader<Store>?

    /// - Parameter checkpoint: where an empty store begins; not looked at when there is a height.
    /// - Throws: ``BlockProcessor/OpenError/empty`` for an empty store without one.
    public init(
        _ parameters: ChainParameters, store: Store, _ options: Options,
        checkpoint: CheckpointID?
    ) throws(BlockProcessor<Store>.OpenError) {
        self.parameters = parameters
        self.store = store
        self.options = options
        if store.head == nil, let checkpoint {
            downloader = StateDownloader(
                checkpoint, parameters, store, keepsState: options.keepsState)
        } else {
            downloader = nil
            blocks = try Self.open(parameters, store, options)
        }
    }

    private static func open(
        _ parameters: ChainParameters, _ store: Store, _ options: Options
    ) throws(BlockProcessor<Store>.OpenError) -> BlockProcessor<Store> {
        try BlockProcessor(
            parameters, store: store, keepsState: options.keepsState, key: options.key,
            poolLimits: options.poolLimits)
    }

    /// What the chain has come to; that of the genesis until there is a height.
    ///
    /// - Throws: for a genesis without validators.
    public func head() throws(ValidatorSet.ListError) -> ChainHead {
        if let blocks { return blocks.head }
        return try ChainHead(parameters)
    }

    /// The last checkpoint that is here; nil when there is none.
    public var checkpoint: CheckpointID? {
        guard let height = blocks?.head.height else { return nil }
        let last = height - height % CheckpointID.interval
        guard CheckpointID.isCheckpoint(last), let record = try? store.checkpoint(at: last),
            let head = try? ChainHead(ssz: record.span)
        else { return nil }
        return CheckpointID(head)
    }

    public func perform(_ task: ChainTask) -> ChainAnswer {
        if let blocks { return blocks.perform(task) }
        switch task {
        case .download(let task):
            guard let downloader else { preconditionFailure("a store with a head has it all") }
            return .download(finished(downloader.perform(task)))
        case .readBlocks(let id, _, _, _): return .blocks(id, [])
        case .readCheckpoint(let id, _), .readState(let id, _): return .served(id, nil)
        case .checkTransaction(let id, _):
            return .transactionChecked(
                id, .failure(.state(.source(.unavailable("the chain is not there yet")))))
        case .buildPayload(let id, _, _): return .payloadBuilt(id, nil)
        case .readCommitments(let height): return .commitments(height: height, nil)
        case .readCandidates, .build, .signOrder, .assemble, .judge, .commit, .importBlocks:
            preconditionFailure("nothing is agreed on before there is a height")
        }
    }

    private func finished(_ answer: DownloadAnswer) -> DownloadAnswer {
        guard case .finished = answer else { return answer }
        do throws(BlockProcessor<Store>.OpenError) {
            blocks = try Self.open(parameters, store, options)
            return answer
        } catch {
            return .damaged("the checkpoint that was written: \(error)")
        }
    }
}
