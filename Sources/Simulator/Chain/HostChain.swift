import PeerIdentity
import Operations
import Chain
import ChoraleBase
import ChoraleTypes
import Consensus
import Crypto
import ExecutorAgent
import Node
import PartVerification

/// The chain's half of a host: blocks and state on a disk, a validator's files, and the threads that work on
/// them. It outlives the nodes that run there.
final class HostChain {
    let parameters: ChainParameters
    /// Whether the state is kept.
    let keepsState: Bool
    /// nil: whoever runs there only follows.
    let files: ValidatorFiles?
    let store: MemoryChainStore
    /// Where an empty store begins.
    let checkpoint: CheckpointID?
    /// Nil while no node runs.
    private var thread: ChainProcessor<MemoryChainStore>?
    /// Nil also while there is no height.
    var processor: BlockProcessor<MemoryChainStore>? { thread?.blocks }
    /// Adjusts what each node is started with.
    var change: (inout ChainConfiguration) -> Void = { _ in }
    /// Whether operations are executed here.
    var executes = false
    /// What is done wrong here on purpose.
    var partFault: PartConfiguration.Fault?
    var executorFault: ExecutorConfiguration.Fault?
    /// The executor's enclave.
    var attester: (any EnclaveAttester)?
    /// Whoever signs and builds here lies.
    var liar: Liar?
    /// Changes what is answered to peers that download a state, for one who lies.
    var tamper: ((ChainTask, [UInt8]) -> [UInt8]?)?
    /// When the two threads are done with what they have.
    var taskFreeAt: MonotonicInstant = .zero
    var journalFreeAt: MonotonicInstant = .zero

    init(
        _ parameters: ChainParameters, store: MemoryChainStore, keepsState: Bool,
        files: ValidatorFiles?, checkpoint: CheckpointID? = nil
    ) {
        self.checkpoint = checkpoint
        self.parameters = parameters
        self.store = store
        self.keepsState = keepsState
        self.files = files
    }

    var publicKey: Bytes32? { files?.key.publicKey }

    /// What is on the disk; zero for the genesis.
    var height: UInt64 { processor?.head.height ?? 0 }

    /// Opens what is on the disk, as a program that starts does.
    func open() -> ChainStart {
        let thread: ChainProcessor<MemoryChainStore>
        let head: ChainHead
        do {
            thread = try ChainProcessor(
                parameters, store: store, .init(keepsState: keepsState, key: files?.key),
                checkpoint: checkpoint)
            head = try thread.head()
        } catch {
            preconditionFailure("a store that this program wrote: \(error)")
        }
        self.thread = thread
        taskFreeAt = .zero
        journalFreeAt = .zero
        let key = files.flatMap {
            SigningKeyBytes(scheme: .ed25519, bytes: $0.key.publicKey.bytes)
        }
        var configuration = ChainConfiguration(
            parameters: parameters, localKey: key, keepsState: keepsState)
        if thread.blocks == nil { configuration.checkpoint = checkpoint }
        change(&configuration)
        var start = ChainStart(
            configuration: configuration, head: head, recovery: files?.recovery)
        start.earliest = store.earliest ?? 0
        start.checkpoint = thread.checkpoint
        return start
    }

    /// What a node that starts here is told of operations, if the chain has any.
    func addOperations(to configuration: inout NodeConfiguration, _ start: ChainStart) {
        guard !parameters.operations.kinds.isEmpty else { return }
        var parts = PartConfiguration(
            network: parameters.network, parameters: parameters.operations,
            localKey: start.configuration.localKey, localPeer: configuration.identity.peerID,
            blockInterval: parameters.blockInterval)
        parts.fault = partFault
        configuration.parts = parts
        guard executes else { return }
        var executor = ExecutorConfiguration(
            network: parameters.network, parameters: parameters.operations,
            key: configuration.identity)
        executor.fault = executorFault
        executor.attester = attester
        configuration.executor = executor
        configuration.roles.insert(.executor)
    }

    func perform(_ task: ChainTask) -> ChainAnswer? {
        guard let thread else { return nil }
        if let tamper, task.isReading, case .served(let id, let bytes?) = thread.perform(task) {
            return .served(id, tamper(task, bytes))
        }
        guard let liar, let processor else { return thread.perform(task) }
        return liar.answer(task, processor)
    }

    func kill() {
        thread = nil
        files?.kill()
        liar?.forgetOrders()
    }

    func crash(random: inout DeterministicRandom) {
        thread = nil
        store.crash()
        files?.crash(random: &random)
        liar?.forgetOrders()
    }

    /// What a thread takes for a task, about as `chorale bench` finds it for small blocks.
    static func duration(of task: ChainTask) -> Duration {
        switch task {
        case .readCandidates: .microseconds(100)
        // With a sync.
        case .build, .judge, .assemble, .buildPayload: .milliseconds(3)
        case .signOrder: .microseconds(100)
        case .commit: .milliseconds(2)
        case .importBlocks(let blocks): .milliseconds(1 + blocks.count)
        case .readBlocks, .readCommitments: .milliseconds(1)
        case .checkTransaction: .microseconds(200)
        // Half a megabyte at most, read or checked.
        case .readCheckpoint, .readState: .milliseconds(5)
        case .download: .milliseconds(10)
        }
    }

    /// What a sync and the signatures behind it take.
    static func duration(of order: JournalOrder) -> Duration {
        order.needsSync || !order.requests.isEmpty ? .milliseconds(1) : .microseconds(20)
    }
}
