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
        var ancestors: [UInt64: [UInt8]] = [:]
        var checkpoints: [UInt64: [UInt8]] = [:]
        var download: Download?
    }

    /// A state on its way.
    struct Download {
        var marks: [[UInt8]: [UInt8]] = [:]
        var accounts: [Bytes32: Account] = [:]
        var slots: [Bytes32: [Bytes32: UInt256]] = [:]
    }

    private var contents = Contents()
    private var synced = Contents()
    /// Heights whose states are kept, in tests of who is asked for older ones.
    public var stateCountMax: UInt64?
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
        contents.download = nil
        for (index, header) in write.ancestors.enumerated() {
            contents.ancestors[write.block.height - 1 - UInt64(index)] = header
        }
        if CheckpointID.isCheckpoint(write.block.height) {
            contents.checkpoints[write.block.height] = write.head
        }
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

    /// Writes everything to the disk, as a system does now and then.
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

    public var earliest: UInt64? { contents.blocks.first?.height }

    public func header(at height: UInt64) throws(StoreFailure) -> [UInt8]? {
        if let block = try block(at: height) {
            return (try? Block(block.payload.span))?.header.encoded
        }
        return contents.ancestors[height]
    }

    public func checkpoint(at height: UInt64) throws(StoreFailure) -> [UInt8]? {
        guard let last = contents.blocks.last?.height,
            height + (stateCountMax ?? .max / 2) > last
        else { return nil }
        return contents.checkpoints[height]
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

extension MemoryChainStore: DownloadStore {
    public func downloadMarks() throws(StoreFailure) -> [DownloadMark]? {
        contents.download.map { download in
            download.marks.sorted { $0.key.lexicographicallyPrecedes($1.key) }
                .map { DownloadMark(key: $0.key, value: $0.value) }
        }
    }

    public func beginDownload(_ marks: [DownloadMark]) throws(StoreFailure) {
        if let failure { throw failure }
        precondition(contents.head == nil, "a state is downloaded into an empty store")
        var download = Download()
        for mark in marks { download.marks[mark.key] = mark.value }
        contents.download = download
        contents.nodes = [:]
        contents.codes = [:]
        synced = contents
    }

    public func add(_ part: StatePart) throws(StoreFailure) {
        if let failure { throw failure }
        for (key, account) in part.accounts { contents.download?.accounts[key] = account }
        for slots in part.slots {
            for (key, word) in slots.words {
                contents.download?.slots[slots.account, default: [:]][key] = word
            }
        }
        for code in part.codes { contents.codes[Keccak256.hash(code)] = Code(code) }
        for mark in part.marks { contents.download?.marks[mark.key] = mark.value }
        for key in part.gone { contents.download?.marks.removeValue(forKey: key) }
    }

    public func hasCode(_ hash: Bytes32) throws(StoreFailure) -> Bool {
        contents.codes[hash] != nil
    }

    public func finishDownload() throws(StoreFailure) -> Bytes32 {
        if let failure { throw failure }
        guard let download = contents.download else {
            throw .corrupt("the end of a download that was not begun")
        }
        var nodes: [Bytes32: [UInt8]] = [:]
        var trie = TrieBuilder()
        for (key, account) in download.accounts.sorted(by: { $0.key < $1.key }) {
            var storage = TrieBuilder()
            for (slot, word) in (download.slots[key] ?? [:]).sorted(by: { $0.key < $1.key }) {
                storage.add(slot, word.rlp) { nodes[$0] = $1 }
            }
            var account = account
            account.storageRoot = storage.finish { nodes[$0] = $1 }
            trie.add(key, account.rlp) { nodes[$0] = $1 }
        }
        contents.nodes = nodes
        return trie.finish { contents.nodes[$0] = $1 }
    }
}
