import ChoraleBase
import Crypto
public import Execution

extension ChainReader {
    /// The state after a block, from the flat rows of this moment and what they were before.
    ///
    /// Its `blockHash` answers for the 256 blocks before the next. It holds a snapshot: let go of it soon.
    ///
    /// - Throws: ``ChainReadError/pruned(height:oldest:)`` when the reverse diffs do not reach back so far,
    ///   ``ChainReadError/unavailable(_:)`` for a height that is not there yet.
    public func state(after height: UInt64) throws(ChainReadError) -> any StateReader {
        let (snapshot, head) = try snapshot(height)
        guard height >= head.oldestState else {
            throw .pruned(height: height, oldest: head.oldestState)
        }
        return FlatState(snapshot, height: height, head: head.height, codes, state)
    }

    /// Executes a committed block again to gather what that needs; nil for the first, which none comes
    /// before, and for one that is not there yet.
    ///
    /// - Throws: ``ChainReadError/pruned(height:oldest:)`` when the parent's tries are not kept.
    public func witness(
        of height: UInt64, rules: ChainRules
    ) throws(ChainReadError) -> Witness? {
        guard let last = try head(), height > 0, height <= last.height else { return nil }
        let (snapshot, head) = try snapshot(height)
        guard height > head.oldestTrie else {
            throw .pruned(height: height, oldest: head.oldestTrie + 1)
        }
        let payload: [UInt8]
        var ancestors: [UInt64: [UInt8]] = [:]
        do throws(RocksError) {
            payload = try snapshot.rows { rows throws(RocksError) in
                try rows.part(height, .payload)
            }
            let oldest = height > 256 ? height - 256 : 0
            for number in max(oldest, head.oldestBlock)..<height {
                ancestors[number] = try snapshot.rows { rows throws(RocksError) in
                    try rows.part(number, .header)
                }
            }
        } catch {
            throw .unavailable(error.message)
        }
        do {
            let block = try Block(payload.span)
            let source = SnapshotNodes(snapshot, codes, state, options)
            return try WitnessBuilder(rules: rules).build(
                block, size: payload.count, ancestors: ancestors, from: source
            ).witness
        } catch {
            throw .unavailable("block \(height) could not be executed again: \(error)")
        }
    }

    /// A snapshot in which a height is the last, or below it, and a state is kept.
    func snapshot(_ height: UInt64) throws(ChainReadError) -> (ChainSnapshot, ChainHead) {
        do throws(RocksError) {
            let snapshot = try gate.snapshot()
            let head = try snapshot.rows { rows throws(RocksError) in try rows.head() }
            guard let head, height <= head.height else {
                throw RocksError(message: "there is no height \(height) yet")
            }
            guard head.stateRoot != nil else { throw RocksError(message: Self.noState) }
            return (snapshot, head)
        } catch {
            throw error.message == Self.noState ? .stateless : .unavailable(error.message)
        }
    }

    private static let noState = "no state is kept"
}

/// A state from the flat rows.
private final class FlatState: StateReader {
    private let snapshot: ChainSnapshot
    private let height: UInt64
    private let head: UInt64
    private let codes: CodeCache
    private let options: StateOptions
    /// Of the storages of accounts that were asked for.
    private var incarnations: [Address: (key: Bytes32, incarnation: UInt64?)] = [:]

    init(
        _ snapshot: ChainSnapshot, height: UInt64, head: UInt64, _ codes: CodeCache,
        _ options: StateOptions
    ) {
        self.snapshot = snapshot
        self.height = height
        self.head = head
        self.codes = codes
        self.options = options
    }

    func account(at address: Address) throws(StateError) -> Account? {
        let key = Keccak256.hash(address.storage.span)
        guard let bytes = try flat(.account, key.bytes), !bytes.isEmpty else {
            incarnations[address] = (key, nil)
            return nil
        }
        guard let flat = FlatAccount(bytes) else { throw .accountMalformed(address) }
        incarnations[address] = (key, flat.incarnation)
        return flat.account
    }

    func storage(
        at slot: UInt256, of address: Address, _ account: Account
    ) throws(StateError) -> UInt256 {
        if incarnations[address] == nil { _ = try self.account(at: address) }
        guard let (key, incarnation) = incarnations[address], let incarnation else { return .zero }
        let row = ChainKey.slot(key, incarnation, Keccak256.hash(slot.bytes32.storage.span))
        guard let bytes = try flat(.slot, row), !bytes.isEmpty else { return .zero }
        guard let word = UInt256(rlp: bytes.span) else {
            throw .slotMalformed(address, slot: slot)
        }
        return word
    }

    func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        do throws(SourceFailure) {
            if let code = try snapshot.code(hash, codes, options) { return code }
        } catch {
            throw .source(error)
        }
        throw .codeMissing(hash)
    }

    func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        guard number <= height, height - number < 256 else { throw .blockHashMissing(number) }
        do throws(RocksError) {
            let names = try snapshot.rows { rows throws(RocksError) in
                try rows.names(at: number)
            }
            if let names { return names.hash }
        } catch {
            throw .source(error.sourceFailure)
        }
        throw .blockHashMissing(number)
    }

    private func flat(_ family: ChainFamily, _ key: [UInt8]) throws(StateError) -> [UInt8]? {
        do throws(RocksError) {
            return try snapshot.rows { rows throws(RocksError) in
                try rows.flat(family, key, after: height, head: head)
            }
        } catch {
            throw .source(error.sourceFailure)
        }
    }
}

/// The tries of a snapshot.
final class SnapshotNodes: TrieNodeSource, CodeSource {
    private let snapshot: ChainSnapshot
    private let codes: CodeCache
    private let options: StateOptions
    private var nodes: NodeCache

    init(
        _ snapshot: ChainSnapshot, _ codes: CodeCache, _ state: StateOptions,
        _ options: ChainReader.Options
    ) {
        self.snapshot = snapshot
        self.codes = codes
        self.options = state
        nodes = NodeCache(sizeMax: options.nodeCacheSizeMax)
    }

    func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) throws(SourceFailure) -> Bool {
        if nodes.append(hash, to: &bytes) { return true }
        let node: [UInt8]?
        do throws(RocksError) {
            node = try snapshot.rows { rows throws(RocksError) in
                var node: [UInt8] = []
                return try rows.node(hash, sizeMax: options.nodeSizeMax, to: &node) == nil
                    ? nil : node
            }
        } catch {
            throw error.sourceFailure
        }
        guard let node else { return false }
        if options.verifiesHashes {
            let found = Keccak256.hash(node)
            guard found == hash else { throw .mismatch(hash, found: found) }
        }
        nodes.insert(hash, node.span)
        bytes += node
        return true
    }

    func code(_ hash: Bytes32) throws(SourceFailure) -> Code? {
        try snapshot.code(hash, codes, options)
    }
}

extension ChainSnapshot {
    fileprivate func code(
        _ hash: Bytes32, _ codes: CodeCache, _ options: StateOptions
    ) throws(SourceFailure) -> Code? {
        if let code = codes.code(hash) { return code }
        let bytes: [UInt8]?
        do throws(RocksError) {
            bytes = try rows { rows throws(RocksError) in try rows.value(.code, hash.bytes) }
        } catch {
            throw error.sourceFailure
        }
        return try codes.checked(hash, bytes, options)
    }
}
