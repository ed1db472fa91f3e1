public import ChoraleBase
public import ChoraleTypes
import Crypto
public import Execution

/// A chain's store in memory: for simulations and tests, which have many nodes and no disk.
///
/// What was written without a sync is lost by ``crash()``, as with the machine's power.
public final class MemoryChainStore: ChainStore {
    private struct Contents {
        var head: [UInt8]?
        var blocks: [StoredBlock] = []
        var heights: [Bytes32: UInt64] = [:]
        var nodes: [Bytes32: [UInt8]] = [:]
        var codes: [Bytes32: Code] = [:]
        var candidates: [(id: Bytes32, contents: [UInt8])] = []
    }

    private var contents = Contents()
    private var synced = Contents()
    /// Fails every write when set: a disk that is full.
    public var failure: StoreFailure?

    public init() {}

    /// The state of a genesis, as `BlockProcessor.genesisWrite` takes it.
    public static func genesisState(
        _ state: StateStore, header: Header
    ) -> ExecutionWrite {
        ExecutionWrite(
            header: header, stateRoot: state.root, transactionHashes: [], receipts: [],
            changes: [], newNodes: state.nodes.map { ($0.key, $0.value) })
    }

    /// Adds the codes of a genesis, which are no changes of any block.
    public func add(codes: [Bytes32: Code]) {
        contents.codes.merge(codes) { $1 }
        synced.codes.merge(codes) { $1 }
    }

    public var head: [UInt8]? { contents.head }

    public func write(_ write: BlockWrite, sync: Bool) throws(StoreFailure) {
        if let failure { throw failure }
        contents.head = write.head
        contents.candidates = []
        contents.blocks.append(write.block)
        contents.heights[write.block.blockID] = write.block.height
        if let execution = write.execution {
            for (hash, encoding) in execution.newNodes { contents.nodes[hash] = encoding }
            for case let code? in execution.changes.map(\.code) {
                contents.codes[Keccak256.hash(code.bytes)] = code
            }
        }
        if sync { synced = contents }
    }

    public func sync() throws(StoreFailure) {
        if let failure { throw failure }
        synced = contents
    }

    public func keep(candidate id: Bytes32, _ block: [UInt8]) throws(StoreFailure) {
        if let failure { throw failure }
        guard !contents.candidates.contains(where: { $0.id == id }) else { return }
        if contents.candidates.count >= BlockCandidates.countMax {
            contents.candidates.removeFirst()
        }
        contents.candidates.append((id, block))
        synced = contents
    }

    public func candidates() throws(StoreFailure) -> [[UInt8]] {
        contents.candidates.map(\.contents)
    }

    /// Forgets what was not synced.
    public func crash() { contents = synced }

    public func block(at height: UInt64) throws(StoreFailure) -> StoredBlock? {
        guard let first = contents.blocks.first?.height, height >= first,
            height - first < UInt64(contents.blocks.count)
        else { return nil }
        return contents.blocks[Int(height - first)]
    }

    public func height(of blockID: Bytes32) throws(StoreFailure) -> UInt64? {
        contents.heights[blockID]
    }

    public func appendNode(
        _ hash: Bytes32, to bytes: inout [UInt8]
    ) throws(SourceFailure) -> Bool {
        guard let node = contents.nodes[hash] else { return false }
        bytes.append(contentsOf: node)
        return true
    }

    public func code(_ hash: Bytes32) throws(SourceFailure) -> Code? { contents.codes[hash] }
}
