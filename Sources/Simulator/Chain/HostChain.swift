import Chain
import ChoraleBase
import ChoraleTypes
import Consensus
import Crypto
import Node

/// The chain's half of a host: blocks and state on a disk, a validator's files, and the threads that work on
/// them. It outlives the nodes that run there.
final class HostChain {
    let parameters: ChainParameters
    /// Whether the state is kept.
    let keepsState: Bool
    /// nil: whoever runs there only follows.
    let files: ValidatorFiles?
    let store: MemoryChainStore
    /// Nil while no node runs.
    private(set) var processor: BlockProcessor<MemoryChainStore>?
    /// Adjusts what each node is started with.
    var change: (inout ChainConfiguration) -> Void = { _ in }
    /// Whoever signs and builds here lies.
    var liar: Liar?
    /// When the two threads are done with what they have.
    var taskFreeAt: MonotonicInstant = .zero
    var journalFreeAt: MonotonicInstant = .zero

    init(
        _ parameters: ChainParameters, store: MemoryChainStore, keepsState: Bool,
        files: ValidatorFiles?
    ) {
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
        let processor: BlockProcessor<MemoryChainStore>
        do {
            processor = try BlockProcessor(
                parameters, store: store, keepsState: keepsState, key: files?.key)
        } catch {
            preconditionFailure("a store that this program wrote: \(error)")
        }
        self.processor = processor
        taskFreeAt = .zero
        journalFreeAt = .zero
        let key = files.flatMap {
            SigningKeyBytes(scheme: .ed25519, bytes: $0.key.publicKey.bytes)
        }
        var configuration = ChainConfiguration(
            parameters: parameters, localKey: key, keepsState: keepsState)
        change(&configuration)
        return ChainStart(
            configuration: configuration, head: processor.head, recovery: files?.recovery)
    }

    func perform(_ task: ChainTask) -> ChainAnswer? {
        guard let processor else { return nil }
        guard let liar else { return processor.perform(task) }
        return liar.answer(task, processor)
    }

    func kill() {
        processor = nil
        files?.kill()
        liar?.forgetOrders()
    }

    func crash(random: inout DeterministicRandom) {
        processor = nil
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
        case .readBlocks: .milliseconds(1)
        case .checkTransaction: .microseconds(200)
        }
    }

    /// What a sync and the signatures behind it take.
    static func duration(of order: JournalOrder) -> Duration {
        order.needsSync || !order.requests.isEmpty ? .milliseconds(1) : .microseconds(20)
    }
}
