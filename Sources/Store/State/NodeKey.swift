import ChoraleBase

/// The hash of a node as a key of tables in memory.
///
/// A digest is as good as random already, so that eight of its bytes go through the process's seeded hash and
/// all of them are compared. Who would make tables slow has to find many digests that agree in 64 bits.
struct NodeKey: Hashable {
    private let first: UInt64
    private let second: UInt64
    private let third: UInt64
    private let fourth: UInt64

    init(_ hash: Bytes32) {
        let span = hash.storage.span
        first = span.loadLittleEndian(UInt64.self, at: 0)
        second = span.loadLittleEndian(UInt64.self, at: 8)
        third = span.loadLittleEndian(UInt64.self, at: 16)
        fourth = span.loadLittleEndian(UInt64.self, at: 24)
    }

    func hash(into hasher: inout Hasher) { hasher.combine(first) }
}
