import ChoraleBase
import Execution

extension StateDatabase {
    /// The layout of the rows, under `state_schema` in `meta` as four bytes, big-endian. Newer ones are
    /// refused.
    ///
    /// Its key is not that of `StoreSchema`: the two can tell whose database they have opened.
    static let schemaVersion: UInt32 = 1
    static let schemaKey = Array("state_schema".utf8)

    /// Opens the state in `directory`, creating both if needed.
    ///
    /// - Throws: `StoreOpenError`, whose description tells an operator what to do. What is refused is not
    ///   changed. An incomplete last write is not damage: the state before it is there.
    public static func open(
        directory: String, options: StateOptions = StateOptions()
    ) throws(StoreOpenError) -> StateDatabase {
        try RocksStore.prepare(directory)
        let files: StateFiles
        do throws(RocksError) {
            files = try StateFiles(directory: directory, options: options.database)
        } catch {
            throw StoreOpenError(error, directory: directory)
        }
        do throws(StoreOpenError) {
            try checkSchema(files, directory)
            let head = try head(files, directory)
            StoreHolder.announce(directory: directory)
            let database = StateDatabase(
                files, directory: directory, options: options, head: head)
            try database.checkRoot()
            return database
        } catch {
            files.close()
            throw error
        }
    }

    private static func checkSchema(
        _ files: StateFiles, _ directory: String
    ) throws(StoreOpenError) {
        guard let value = try meta(schemaKey, files, directory) else {
            let batch = TableBatch()
            let version = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: schemaVersion >> $0) }
            files.put(.meta, schemaKey.span, version, in: batch)
            do throws(RocksError) {
                try files.write(batch, sync: true)
            } catch {
                throw StoreOpenError(error, directory: directory)
            }
            return
        }
        guard value.count == 4 else {
            throw .corrupt(
                directory: directory,
                detail: "the schema version has \(value.count) bytes instead of 4")
        }
        let found = value.reduce(0) { $0 << 8 | UInt32($1) }
        guard found <= schemaVersion else {
            throw .newerSchema(directory: directory, found: found, supported: schemaVersion)
        }
    }

    private static func head(
        _ files: StateFiles, _ directory: String
    ) throws(StoreOpenError) -> StateHead? {
        guard let value = try meta(StateHead.key, files, directory) else { return nil }
        guard let head = StateHead(bytes: value) else {
            throw .corrupt(
                directory: directory,
                detail: "the head has \(value.count) bytes instead of \(StateHead.size)")
        }
        return head
    }

    private static func meta(
        _ key: [UInt8], _ files: StateFiles, _ directory: String
    ) throws(StoreOpenError) -> [UInt8]? {
        do throws(RocksError) {
            guard let value = try files.value(.meta, key.span) else { return nil }
            // A row of `meta` is short; whatever it is instead, its size tells.
            return Array(value.bytes.prefix(StateHead.size + 1))
        } catch {
            throw StoreOpenError(error, directory: directory)
        }
    }

    /// Sees that the head's root is there and is what it should be: the cheapest sign of a directory that
    /// was copied in part, or is someone else's.
    private func checkRoot() throws(StoreOpenError) {
        guard let head, head.stateRoot != Trie.emptyRoot else { return }
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
