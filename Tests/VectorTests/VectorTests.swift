import TestSupport
import Testing

/// Checks one vector file and returns how many cases it held.
///
/// A checker records failures with `#expect`, and throws when the file has not the shape it expects.
typealias VectorChecker = @Sendable (_ path: String) throws -> Int

/// Who reads which file.
///
/// A file of these folders that nobody reads and nobody excludes with a reason fails the suite, so
/// that a new upstream file cannot be overlooked.
enum VectorRegistry {
    static let folders = ["libp2p", "crypto", "snappy"]

    static let checkers: [String: VectorChecker] = [:]

    static let excluded: [String: String] = [
        "libp2p/discv5-wire.json": "discv5 is a later issue; this node has no UDP discovery yet"
    ]

    static let files: [String] = folders.flatMap { Vectors.files(in: $0) }
}

@Suite("Vector files") struct VectorFileTests {
    @Test(.enabled(if: Vectors.root != nil, Comment(rawValue: Vectors.absence)))
    func folderIsNotEmpty() {
        #expect(VectorRegistry.files.count > 40)
    }
}
