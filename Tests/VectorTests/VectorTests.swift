import TestSupport
import Testing

/// Checks one vector file and returns how many cases it held.
///
/// A checker records failures with `#expect`, and throws when the file has not the shape it expects.
/// A file it cannot use in full must say so: cases that are left out for a reason do not count.
typealias VectorChecker = @Sendable (_ path: String) throws -> Int

/// Who reads which file.
///
/// A file of these folders that nobody reads and nobody excludes with a reason fails the suite, so
/// that a new upstream file cannot be overlooked.
enum VectorRegistry {
    static let folders = ["libp2p", "crypto", "snappy"]

    /// One line for each area. Two areas that claim the same file are a mistake, and trap.
    static let checkers: [String: VectorChecker] = [
        CryptoVectors.checkers,
        Libp2pVectors.checkers,
        NoiseVectors.checkers,
        SnappyVectors.checkers,
        Libp2pIdentityVectors.checkers,
        GossipsubVectors.checkers,
    ].reduce(into: [:]) { all, area in
        all.merge(area) { _, _ in preconditionFailure("two checkers for one vector file") }
    }

    static let excluded: [String: String] = [
        "crypto/blake3.json": "BLAKE3 is not used by this node",
        "libp2p/discv5-wire.json": "discv5 is a later issue; this node has no UDP discovery yet",
    ]

    static let files: [String] = folders.flatMap { Vectors.files(in: $0) }
}

@Suite("Vector files") struct VectorFileTests {
    @Test(.enabled(if: Vectors.root != nil, Comment(rawValue: Vectors.absence)))
    func folderIsNotEmpty() {
        #expect(VectorRegistry.files.count > 40)
    }

    /// One test for each file on disk.
    @Test(
        .enabled(if: Vectors.root != nil, Comment(rawValue: Vectors.absence)),
        arguments: VectorRegistry.files)
    func isReadOrExcluded(_ path: String) throws {
        if VectorRegistry.excluded[path] != nil {
            #expect(VectorRegistry.checkers[path] == nil, "excluded, and yet read")
            return
        }
        let checker = try #require(
            VectorRegistry.checkers[path], "nobody reads this file, and no reason is listed")
        let cases = try checker(path)
        #expect(cases > 0, "a file without a case checks nothing")
    }

    @Test(
        .enabled(if: Vectors.root != nil, Comment(rawValue: Vectors.absence)),
        arguments: VectorRegistry.checkers.keys.sorted() + VectorRegistry.excluded.keys.sorted())
    func isOnDisk(_ path: String) {
        #expect(VectorRegistry.files.contains(path), "listed, and not there")
    }
}
