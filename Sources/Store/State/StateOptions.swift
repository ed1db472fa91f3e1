import Execution

/// How much memory, files and disk a state may use, and what is checked.
///
/// The defaults are for a node that executes blocks of a chain as large as Ethereum's: about 200 MiB.
public struct StateOptions: Hashable, Sendable {
    /// Those of the database itself.
    ///
    /// - `writeBufferSizeMax`: 24 MiB, the new nodes of a few large blocks. As much again while they are written to
    ///   tables.
    /// - `cacheSizeMax`: 64 MiB of blocks, indexes and filters. A node that is read again is in
    ///   ``nodeCacheSizeMax``; this is for what leads to the others.
    /// - `openFileCountMax`: 512, tables of 64 MiB for 32 GiB of state.
    /// - `freeSpaceMin`: 512 MiB, what merging the tables of the upper levels may need at once.
    public var database: StoreOptions
    /// Nodes kept in memory, in bytes with what finding them takes.
    ///
    /// 64 MiB are some 100,000 nodes: the top five levels of any trie, and what the last blocks used.
    public var nodeCacheSizeMax = 64 << 20
    /// Codes kept in memory with their jump targets, in bytes.
    public var codeCacheSizeMax = 64 << 20
    /// Bytes of the largest node that is read or written.
    public var nodeSizeMax = Trie.Limits.state.nodeSizeMax
    /// Bytes of the largest code that is read or written: EIP-170. A genesis may have larger ones.
    public var codeSizeMax = 24_576
    /// Whether what is read from the disk is hashed, and refused unless that gives its key.
    ///
    /// RocksDB's checksums find what a disk has done to a block. They do not find a value that was
    /// written under another's key, by a bug of ours or by whoever can write the files, nor a bit that
    /// memory lost after the check. A wrong account that is only read leaves the state's root as it is,
    /// so that nothing else would find it. Costs a Keccak-256 a node that comes from the disk, and
    /// nothing for one that comes from memory.
    public var verifiesHashes = true

    public init() {
        database = StoreOptions()
        database.writeBufferSizeMax = 24 << 20
        database.cacheSizeMax = 64 << 20
        database.openFileCountMax = 512
        database.writeAheadLogSizeMax = 64 << 20
        database.freeSpaceMin = 512 << 20
    }
}
