public import Chain
public import ChoraleBase
import Codec
import Execution

extension ChainReader {
    /// Accounts of the state after a height, in the order of the hashes of their addresses.
    ///
    /// - Parameters:
    ///   - last: the highest hash that is wanted.
    ///   - sizeMax: bytes of keys and values, at most; there is one entry at least, if any.
    /// - Throws: ``ChainReadError/pruned(height:oldest:)`` when the height's tries are not kept.
    public func accounts(
        after height: UInt64, from first: Bytes32, through last: Bytes32 = StateRange.highest,
        sizeMax: Int
    ) throws(ChainReadError) -> StateRange {
        let (nodes, root) = try tries(after: height)
        return try range(nodes, root, from: first, through: last, sizeMax: sizeMax)
    }

    /// Words of an account's storage, in the order of the hashes of their slots; none for an account that
    /// is not there.
    ///
    /// - Parameters:
    ///   - account: hash of the address.
    ///   - sizeMax: as of ``accounts(after:from:through:sizeMax:)``.
    public func slots(
        of account: Bytes32, after height: UInt64, from first: Bytes32, sizeMax: Int
    ) throws(ChainReadError) -> StateRange {
        let (nodes, root) = try tries(after: height)
        let found = try range(nodes, root, from: account, through: account, sizeMax: 1)
        let storage = found.entries.first.flatMap { Account(rlp: $0.value.span)?.storageRoot }
        return try range(
            nodes, storage ?? Trie.emptyRoot, from: first, through: StateRange.highest,
            sizeMax: sizeMax)
    }

    /// The tries after a height, with the root of its state.
    func tries(
        after height: UInt64
    ) throws(ChainReadError) -> (SnapshotNodes, Bytes32) {
        let (snapshot, head) = try snapshot(height)
        guard height >= head.oldestTrie else {
            throw .pruned(height: height, oldest: head.oldestTrie)
        }
        do {
            let header = try snapshot.rows { rows throws(RocksError) in
                try rows.part(height, .header)
            }
            let root = try Header(header.span).stateRoot
            return (SnapshotNodes(snapshot, codes, state, options), root)
        } catch {
            throw .unavailable("the header of height \(height): \(error)")
        }
    }

    private func range(
        _ nodes: SnapshotNodes, _ root: Bytes32, from first: Bytes32, through last: Bytes32,
        sizeMax: Int
    ) throws(ChainReadError) -> StateRange {
        do throws(StateRange.Failure) {
            return try StateRange(
                of: root, from: first, through: last, sizeMax: sizeMax, in: nodes)
        } catch {
            throw .unavailable(error.detail)
        }
    }
}
