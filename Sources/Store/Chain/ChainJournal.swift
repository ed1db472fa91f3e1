import ChoraleBase

/// Nodes that the state before a height had and the one after it has not, for when no kept state needs them.
///
/// A node has a row for every place where it stands in a trie. In the trie of accounts it stands in one
/// place at a time, since what lies below it names a part of the accounts' hashes: so which row goes is
/// known when the node does. Tries of storage may share nodes with others; there any of the node's rows
/// will do, and it is chosen when it is deleted.
struct NodeDeaths {
    /// Rows of the trie of accounts.
    var accountNodes: [(hash: Bytes32, birth: UInt64)] = []
    /// Nodes of storage, once for each place where they stood.
    var storageNodes: [Bytes32] = []
    /// Roots of whole tries of storage.
    var subtries: [Bytes32] = []

    init() {}

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            12 + 40 * accountNodes.count + 32 * (storageNodes.count + subtries.count))
        for count in [accountNodes.count, storageNodes.count, subtries.count] {
            bytes.appendBigEndian(UInt32(count))
        }
        for (hash, birth) in accountNodes { bytes.append(hash, birth) }
        for hash in storageNodes { bytes.append(contentsOf: hash.storage.span) }
        for hash in subtries { bytes.append(contentsOf: hash.storage.span) }
        return bytes
    }

    init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= 12 else { return nil }
        let counts = (0..<3).map { Int(bytes.loadBigEndian(UInt32.self, at: 4 * $0)) }
        guard bytes.count == 12 + 40 * counts[0] + 32 * (counts[1] + counts[2]) else { return nil }
        var position = 12
        for _ in 0..<counts[0] { accountNodes.append(Self.pair(bytes, &position)) }
        for _ in 0..<counts[1] { storageNodes.append(Self.hash(bytes, &position)) }
        for _ in 0..<counts[2] { subtries.append(Self.hash(bytes, &position)) }
    }

    fileprivate static func hash(_ bytes: Span<UInt8>, _ position: inout Int) -> Bytes32 {
        var storage = [32 of UInt8](repeating: 0)
        for index in 0..<32 { storage[index] = bytes[position + index] }
        position += 32
        return Bytes32(storage: storage)
    }

    fileprivate static func pair(_ bytes: Span<UInt8>, _ position: inout Int) -> (Bytes32, UInt64) {
        let first = hash(bytes, &position)
        defer { position += 8 }
        return (first, bytes.loadBigEndian(UInt64.self, at: position))
    }

    static func hashes(_ bytes: Span<UInt8>) -> [Bytes32]? {
        guard bytes.count.isMultiple(of: 32) else { return nil }
        var position = 0
        return (0..<bytes.count / 32).map { _ in hash(bytes, &position) }
    }
}

/// Flat rows that a height has changed, for when its reverse diff goes.
struct FlatChanges {
    /// Keys of accounts.
    var accounts: [[UInt8]] = []
    /// Keys of slots.
    var slots: [[UInt8]] = []
    /// Whole storages whose rows nothing has touched since.
    var storages: [(account: Bytes32, incarnation: UInt64)] = []

    private static let slotKeySize = 72

    init() {}

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            12 + 32 * accounts.count + Self.slotKeySize * slots.count + 40 * storages.count)
        for count in [accounts.count, slots.count, storages.count] {
            bytes.appendBigEndian(UInt32(count))
        }
        for key in accounts { bytes += key }
        for key in slots { bytes += key }
        for (account, incarnation) in storages { bytes.append(account, incarnation) }
        return bytes
    }

    init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= 12 else { return nil }
        let counts = (0..<3).map { Int(bytes.loadBigEndian(UInt32.self, at: 4 * $0)) }
        let size = 12 + 32 * counts[0] + Self.slotKeySize * counts[1] + 40 * counts[2]
        guard bytes.count == size else { return nil }
        var position = 12
        func take(_ count: Int) -> [UInt8] {
            defer { position += count }
            return bytes.extracting(position..<position + count).copied()
        }
        for _ in 0..<counts[0] { accounts.append(take(32)) }
        for _ in 0..<counts[1] { slots.append(take(Self.slotKeySize)) }
        for _ in 0..<counts[2] { storages.append(NodeDeaths.pair(bytes, &position)) }
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ hash: Bytes32, _ number: UInt64) {
        append(contentsOf: hash.storage.span)
        appendBigEndian(number)
    }
}
