import CRocksDB
import ChoraleTypes

/// What RocksDB's C API said, as it said it.
struct RocksError: Error, Equatable {
    /// For example `IO error: No space left on device: While appending to file: …`.
    let message: String

    /// RocksDB has no error codes in its C API, but the texts of `Status` are stable: the class of
    /// the error, a colon, and what happened to which file.
    enum Kind: Equatable {
        case diskFull
        case corrupt
        case locked
        case other
    }

    var kind: Kind {
        if Self.fullDiskTexts.contains(where: contains) { return .diskFull }
        if Self.lockTexts.contains(where: contains) { return .locked }
        if message.hasPrefix("Corruption: ") { return .corrupt }
        // A file that the manifest lists, or that CURRENT names, is missing: that is damage too.
        if contains("No such file or directory"), Self.fileNames.contains(where: contains) {
            return .corrupt
        }
        return .other
    }

    private static let fullDiskTexts = ["No space left on device", "Disk quota exceeded"]
    private static let lockTexts = ["While lock file:", "lock hold by current process"]
    private static let fileNames = [".sst", ".ldb", "/MANIFEST-"]

    private func contains(_ text: String) -> Bool {
        // Without Foundation: a search over the bytes.
        let haystack = Array(message.utf8)
        let needle = Array(text.utf8)
        guard haystack.count >= needle.count else { return false }
        return (0...haystack.count - needle.count).contains { start in
            haystack[start..<start + needle.count].elementsEqual(needle)
        }
    }

    /// The error of an opening: of damage in the log of writes RocksDB does not say in which file it is.
    func namingLogs(in directory: String) -> RocksError {
        guard kind == .corrupt, !contains("/"), let names = try? FileSystem.names(in: directory)
        else { return self }
        let logs = names.filter { $0.hasSuffix(".log") }.sorted()
        guard !logs.isEmpty else { return self }
        return RocksError(
            message: message + ", in "
                + logs.map { directory + "/" + $0 }.joined(separator: " or "))
    }

    /// The failure a caller of the store sees.
    ///
    /// - Parameter directory: the database, to say whose disk is full.
    func failure(in directory: String) -> StoreFailure {
        switch kind {
        case .diskFull: .diskFull(path: directory)
        case .corrupt: .corrupt(message)
        case .locked, .other: .inputOutput(message)
        }
    }
}

/// Calls a function of RocksDB that reports errors through its last argument.
///
/// - Parameter body: makes the call, passing on the pointer it is given.
func check<Result>(
    _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) throws(RocksError) -> Result {
    var text: UnsafeMutablePointer<CChar>?
    let result = body(&text)
    guard let text else { return result }
    defer { rocksdb_free(text) }
    throw RocksError(message: String(cString: text))
}
