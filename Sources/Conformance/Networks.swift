package import Execution

/// The rules that fixtures mean by the names of forks.
package enum Networks {
    /// The names of single forks, in order, as tests of one transaction use them.
    package static let forks: [(name: String, fork: Fork, blobs: BlobSchedule)] = [
        ("Paris", .paris, .cancun), ("Shanghai", .shanghai, .cancun),
        ("Cancun", .cancun, .cancun), ("Prague", .prague, .prague), ("Osaka", .osaka, .prague),
        ("BPO1", .osaka, .bpo1), ("BPO2", .osaka, .bpo2),
    ]

    /// A fork by name; upper and lower case are the same.
    package static func fork(_ name: String) -> (fork: Fork, blobs: BlobSchedule)? {
        let found = forks.first { $0.name.lowercased() == name.lowercased() }
        // What official fixtures call Paris, older ones call the merge.
        return found.map { ($0.fork, $0.blobs) }
            ?? (name == "Merge" ? (.paris, .cancun) : nil)
    }

    /// One fork, or `AToBAtTime15k`: A, and from second 15,000 on B.
    package static func rules(_ name: String, chainID: UInt64) -> ChainRules? {
        if let single = fork(name) {
            return .always(single.fork, blobs: single.blobs, chainID: chainID)
        }
        guard name.hasSuffix("AtTime15k"), let middle = name.firstRange(of: "To"),
            let before = fork(String(name[..<middle.lowerBound])),
            let after = fork(String(name[middle.upperBound...].dropLast("AtTime15k".count)))
        else { return nil }
        return ChainRules(
            chainID: chainID,
            epochs: [
                .init(start: 0, fork: before.fork, blobs: before.blobs),
                .init(start: 15_000, fork: after.fork, blobs: after.blobs),
            ])
    }
}
