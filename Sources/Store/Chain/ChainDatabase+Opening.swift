public import ChoraleBase
import ChoraleTypes
import Execution

extension ChainDatabase {
    /// The layout of the rows, as four bytes, big-endian. Newer ones are refused.
    static let schemaVersion: UInt32 = 1

    /// Opens the chain in `directory`, creating both if needed.
    ///
    /// - Parameter network: the digest of its genesis. A database of another network is refused.
    /// - Throws: `StoreOpenError`, whose description tells an operator what to do. What is refused is not
    ///   changed. An incomplete last write is not damage: the height before it is there.
    public static func open(
        directory: String, network: Bytes32, options: ChainStoreOptions = ChainStoreOptions()
    ) throws(StoreOpenError) -> ChainDatabase {
        try RocksStore.prepare(directory)
        let files: ChainFiles
        do throws(RocksError) {
            files = try ChainFiles(directory: directory, options: options.state.database)
        } catch {
            throw StoreOpenError(error, directory: directory)
        }
        let head: ChainHead?
        do throws(StoreOpenError) {
            try identify(files, directory, network)
            head = try Self.head(files, directory)
        } catch {
            files.close()
            throw error
        }
        StoreHolder.announce(directory: directory)
        let database = ChainDatabase(files, directory: directory, options: options, head: head)
        try database.checkRoot()
        return database
    }

    /// Sees that the database is of a known layout and of this network; stamps a new one.
    private static func identify(
        _ files: ChainFiles, _ directory: String, _ network: Bytes32
    ) throws(StoreOpenError) {
        guard let schema = try meta(ChainKey.schema, files, directory) else {
            let batch = TableBatch()
            var version: [UInt8] = []
            version.appendBigEndian(schemaVersion)
            files.put(.meta, ChainKey.schema.span, version, in: batch)
            files.put(.meta, ChainKey.network.span, network.bytes, in: batch)
            do throws(RocksError) {
                return try files.write(batch, sync: true)
            } catch {
                throw StoreOpenError(error, directory: directory)
            }
        }
        guard schema.count == 4 else {
            throw .corrupt(
                directory: directory,
                detail: "the schema version has \(schema.count) bytes instead of 4")
        }
        let found = schema.span.loadBigEndian(UInt32.self, at: 0)
        guard found <= schemaVersion else {
            throw .newerSchema(directory: directory, found: found, supported: schemaVersion)
        }
        guard let owner = try meta(ChainKey.network, files, directory).flatMap({ Bytes32($0) })
        else {
            throw .corrupt(directory: directory, detail: "it does not say of which network it is")
        }
        guard owner == network else {
            throw .otherNetwork(directory: directory, found: owner, expected: network)
        }
    }

    private static func meta(
        _ key: [UInt8], _ files: ChainFiles, _ directory: String
    ) throws(StoreOpenError) -> [UInt8]? {
        do throws(RocksError) {
            return try ChainRows(files).value(.meta, key)
        } catch {
            throw StoreOpenError(error, directory: directory)
        }
    }

    private static func head(
        _ files: ChainFiles, _ directory: String
    ) throws(StoreOpenError) -> ChainHead? {
        do throws(RocksError) {
            return try ChainRows(files).head()
        } catch {
            throw StoreOpenError(error, directory: directory)
        }
    }

    /// Sees that the head's root is there and is what it should be: the cheapest sign of a directory that
    /// was copied in part.
    private func checkRoot() throws(StoreOpenError) {
        guard let head = stateHead, head.stateRoot != Trie.emptyRoot else { return }
        var detail = "the root 0x\(head.stateRoot) of block \(head.blockNumber) is missing"
        do throws(SourceFailure) {
            var root: [UInt8] = []
            if try appendNode(head.stateRoot, to: &root) { return }
        } catch {
            detail = "\(error)"
        }
        close()
        throw .corrupt(directory: directory, detail: detail)
    }
}
