import ChoraleBase

/// Reads the rows of a chain: as they are now, for the owner, or in a snapshot.
struct ChainRows {
    let files: ChainFiles
    private let read: OpaquePointer
    private let readPrefix: OpaquePointer

    init(_ files: ChainFiles, read: OpaquePointer? = nil, readPrefix: OpaquePointer? = nil) {
        self.files = files
        self.read = read ?? files.settings.read
        self.readPrefix = readPrefix ?? files.settings.readPrefix
    }

    func value(_ family: ChainFamily, _ key: [UInt8]) throws(RocksError) -> [UInt8]? {
        guard let value = try files.value(family, key.span, read) else { return nil }
        return Array(value.bytes)
    }

    func number(_ family: ChainFamily, _ key: [UInt8]) throws(RocksError) -> UInt64? {
        guard let value = try value(family, key) else { return nil }
        guard let number = ChainKey.number(value.span) else {
            throw RocksError(message: "Corruption: a height has \(value.count) bytes, not 8")
        }
        return number
    }

    func head() throws(RocksError) -> ChainHead? {
        guard let value = try value(.meta, ChainKey.head) else { return nil }
        guard let head = ChainHead(value.span) else {
            throw RocksError(message: "Corruption: the head has \(value.count) bytes")
        }
        return head
    }

    /// Hash of the execution block and name of the consensus block at a height.
    func names(at height: UInt64) throws(RocksError) -> (hash: Bytes32, id: Bytes32)? {
        guard let value = try value(.block, ChainKey.block(height, .names)) else { return nil }
        guard value.count == 64, let hash = Bytes32(value[..<32]), let id = Bytes32(value[32...])
        else { throw RocksError(message: "Corruption: names of block \(height)") }
        return (hash, id)
    }

    /// Appends the node with this hash and gives the birth of its latest row; nil when there is none.
    ///
    /// - Throws: also for one with more than `sizeMax` bytes.
    func node(
        _ hash: Bytes32, sizeMax: Int, to output: inout [UInt8]
    ) throws(RocksError) -> UInt64? {
        let cursor = files.cursor(.node, readPrefix)
        guard try cursor.seek(hash.storage.span) else { return nil }
        guard let birth = Self.birth(cursor.key, of: hash) else { return nil }
        let value = cursor.value
        guard value.count <= sizeMax else {
            throw RocksError(
                message: "Corruption: node 0x\(hash) has \(value.count) bytes, not \(sizeMax)")
        }
        output.append(contentsOf: value)
        return birth
    }

    /// A row of a node that is not among `taken`.
    func row(
        ofNode hash: Bytes32, except taken: Set<UInt64>
    ) throws(RocksError) -> (birth: UInt64, encoding: [UInt8])? {
        let cursor = files.cursor(.node, readPrefix)
        var isThere = try cursor.seek(hash.storage.span)
        while isThere, let birth = Self.birth(cursor.key, of: hash) {
            if !taken.contains(birth) { return (birth, Array(cursor.value)) }
            isThere = try cursor.next()
        }
        return nil
    }

    private static func birth(
        _ key: UnsafeBufferPointer<UInt8>, of hash: Bytes32
    ) -> UInt64? {
        let key = Span(_unsafeElements: key)
        guard key.count == 40, key.extracting(..<32).isEqual(to: hash.storage.span) else {
            return nil
        }
        return ~key.loadBigEndian(UInt64.self, at: 32)
    }

    /// A row of the flat state as it was after a height; empty or nil for none.
    func flat(
        _ family: ChainFamily, _ key: [UInt8], after height: UInt64, head: UInt64
    ) throws(RocksError) -> [UInt8]? {
        if height < head {
            // The first change above the height knows what was there before it.
            let cursor = files.cursor(.history, readPrefix)
            let from = ChainKey.history(key, height + 1)
            if try cursor.seek(from.span), cursor.key.count == from.count,
                cursor.key.prefix(from.count - 8).elementsEqual(from.prefix(from.count - 8))
            {
                return Array(cursor.value)
            }
        }
        return try value(family, key)
    }
}
