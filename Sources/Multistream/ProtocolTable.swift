/// The protocols a listener supports.
///
/// A value of one shared array: every connection of a node holds the same table. Names are compared
/// byte for byte, because two different byte sequences can be equal as Swift strings.
public struct ProtocolTable: Equatable, Sendable {
    private struct Entry: Equatable, Sendable {
        let text: [UInt8]
        let name: String
    }

    /// Sorted by their bytes, without duplicates.
    private let entries: [Entry]

    /// - Parameter names: in any order; repeated names count once.
    /// - Precondition: each name passes ``Multistream/check(_:)``.
    public init(_ names: [String]) {
        var entries = names.map { name in
            precondition((try? Multistream.check(name)) != nil, "not a protocol name: \(name)")
            return Entry(text: Array(name.utf8), name: name)
        }
        entries.sort { $0.text.lexicographicallyPrecedes($1.text) }
        var unique: [Entry] = []
        for entry in entries where unique.last?.text != entry.text { unique.append(entry) }
        self.entries = unique
    }

    /// The names in byte order.
    public var names: [String] { entries.map(\.name) }

    /// The supported name with exactly these bytes.
    ///
    /// - Complexity: O(log n) comparisons.
    func name(of text: [UInt8]) -> String? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            let candidate = entries[middle]
            if candidate.text == text { return candidate.name }
            if candidate.text.lexicographicallyPrecedes(text) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return nil
    }
}
