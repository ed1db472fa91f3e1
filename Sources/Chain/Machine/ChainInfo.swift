public import ChoraleBase
public import ChoraleTypes
public import Consensus
import Execution
import OrderedCollections
import TransactionPool

/// A chain as operators see it.
public struct ChainInfo: Sendable {
    public var chainID: UInt64
    public var genesisID: Bytes32
    /// Committed last.
    public var head: ChainStatus
    public var blockHash: Bytes32
    public var stateRoot: Bytes32
    /// Of the head, in milliseconds since 1970.
    public var headTime: Int64
    /// The height that is agreed on, and where agreement is.
    public var consensus: ConsensusStatus
    /// Of the height that is agreed on.
    public var validatorCount: Int
    /// nil for an observer.
    public var validator: ValidatorIndex?
    public var keepsState: Bool
    /// The last height whose block was committed by more than two thirds: every signature of a commit is
    /// of a validator that has executed the block itself, with the roots withheld.
    public var safe: UInt64
    public var finalized: UInt64
    /// The highest that a peer is known to have.
    public var highest: UInt64
    /// nil when it is not behind.
    public var sync: SyncInfo?
    /// nil when the chain has begun.
    public var download: DownloadInfo?
    /// What others can begin at: the last that this node can serve; nil while there is none.
    public var checkpoint: CheckpointID?
    public var last: CommitReport?
    public var poolCount: Int
    public var poolPending: Int
    public var evidenceCount: Int
    /// Validators that were taken out for good.
    public var slashedCount: Int
    public var peerCount: Int
    public var isSigning: Bool
    public var counters: ChainCounters

    /// How far the download of a checkpoint's state is.
    public struct DownloadInfo: Hashable, Sendable {
        public enum Phase: String, CaseIterable, Sendable {
            case opening, asking, downloading, finishing, failed
        }

        public var checkpoint: CheckpointID
        public var phase: Phase
        /// Of the accounts, in 0...1.
        public var share: Double
        /// At the speed since it began; nil while nothing has come.
        public var secondsLeft: Double?
        /// Since the process began, as are the others.
        public var accountCount: UInt64
        public var slotCount: UInt64
        public var codeCount: UInt64
        /// Of keys, values and codes, in bytes.
        public var size: UInt64
        /// Peers that have come to that height.
        public var sourceCount: Int
    }

    public struct SyncInfo: Sendable {
        public var from: UInt64
        public var to: UInt64
        /// At the speed since it began; nil while nothing has come.
        public var secondsLeft: Double?
    }
}

/// What a chain holds for others, each within ``ChainLimits``.
public struct ChainHoldings: Hashable, Sendable {
    /// Of the height that is agreed on, and their bodies in bytes.
    public var blockCount: Int
    public var blockSize: Int
    /// Blocks that came to be imported, in bytes.
    public var syncSize: Int
    /// Ranges that somebody must be asked for.
    public var rangeCount: Int
    /// Questions that were not answered to the end.
    public var requestCount: Int
    public var verificationCount: Int
    /// Transactions that are being checked, in bytes.
    public var candidateSize: Int
    public var evidenceCount: Int
    public var voteCount: Int
    /// What waits until records are on the disk.
    public var heldOutputCount: Int
}

extension Chain {
    public var holdings: ChainHoldings {
        ChainHoldings(
            blockCount: blocks.count, blockSize: heldSize, syncSize: sync.size,
            rangeCount: sync.open.count, requestCount: requests.count,
            verificationCount: verificationCount, candidateSize: candidatesSize,
            evidenceCount: evidence.count, voteCount: consensus.voteCount,
            heldOutputCount: journal.heldCount)
    }

    public func info(now: MonotonicInstant) -> ChainInfo {
        ChainInfo(
            chainID: parameters.rules.chainID, genesisID: parameters.genesisID, head: status,
            blockHash: head.header.hash, stateRoot: head.header.stateRoot,
            headTime: head.time.milliseconds, consensus: consensus.status,
            validatorCount: head.rotation.validators.count,
            validator: configuration.localKey.flatMap { head.rotation.validators.index(of: $0) },
            keepsState: configuration.keepsState, safe: head.height, finalized: head.height,
            highest: max(highest, head.height),
            sync: syncInfo(now: now), download: downloadInfo(now: now), checkpoint: checkpoint,
            last: lastReport, poolCount: pool.count,
            poolPending: pool.pendingCount, evidenceCount: evidence.count,
            slashedCount: head.registry.slashed.count,
            peerCount: peers.count,
            isSigning: configuration.localKey != nil && !journal.hasFailed, counters: counters)
    }

    private func syncInfo(now: MonotonicInstant) -> ChainInfo.SyncInfo? {
        guard let started = sync.startedAt, let target = sync.target else { return nil }
        let done = head.height - started.height
        var secondsLeft: Double?
        if done > 0, target >= head.height {
            let elapsed = started.1.duration(to: now)
            secondsLeft =
                Double(elapsed.wholeMilliseconds) / 1000 / Double(done)
                * Double(target - head.height)
        }
        return .init(from: started.height, to: target, secondsLeft: secondsLeft)
    }
}

extension ChainInfo.DownloadInfo.Phase {
    init(_ phase: CheckpointSync.Phase) {
        self =
            switch phase {
            case .opening: .opening
            case .asking: .asking
            case .downloading: .downloading
            case .finishing: .finishing
            case .failed: .failed
            }
    }
}
