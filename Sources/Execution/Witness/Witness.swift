import ChoraleBase

/// What executing one block needs of the state before it: headers, codes and trie nodes, none of them
/// trusted.
///
/// All bytes lie in one buffer, where they were decoded from; the parts are ranges of it.
public struct Witness: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Bytes of a whole witness. Blocks of 60 million gas come to 20 MB at worst.
        public var sizeMax: Int
        /// Headers: BLOCKHASH reaches back 256 blocks.
        public var headerCountMax: Int
        /// Codes: each costs 2600 gas to touch.
        public var codeCountMax: Int
        /// Trie nodes, as a whole witness of the smallest would have.
        public var nodeCountMax: Int

        public init(
            sizeMax: Int = 64 << 20, headerCountMax: Int = 256, codeCountMax: Int = 1 << 16,
            nodeCountMax: Int = 1 << 20
        ) {
            self.sizeMax = sizeMax
            self.headerCountMax = headerCountMax
            self.codeCountMax = codeCountMax
            self.nodeCountMax = nodeCountMax
        }
    }

    public internal(set) var bytes: [UInt8]
    /// RLP of ancestors' headers, oldest or newest first.
    public var headers: [Range<Int>] = []
    public var codes: [Range<Int>] = []
    /// Trie nodes of accounts and storage, in any order.
    public var nodes: [Range<Int>] = []

    public init() { bytes = [] }

    /// With ranges of `bytes` to be set.
    init(bytes: [UInt8]) { self.bytes = bytes }

    public init(headers: [[UInt8]], codes: [[UInt8]], nodes: [[UInt8]]) {
        bytes = []
        self.headers = headers.map { append($0) }
        self.codes = codes.map { append($0) }
        self.nodes = nodes.map { append($0) }
    }

    mutating func append(_ part: [UInt8]) -> Range<Int> { append(part.span) }

    mutating func append(_ part: Span<UInt8>) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: part)
        return start..<bytes.count
    }

    /// Bytes of all parts together.
    public var size: Int {
        [headers, codes, nodes].reduce(0) { $1.reduce($0) { $0 + $1.count } }
    }

    /// One part's bytes.
    public subscript(part: Range<Int>) -> [UInt8] { Array(bytes[part]) }

    /// The parts sorted by their bytes, none twice, headers oldest first: the same for everyone who
    /// found the same things necessary.
    ///
    /// - Complexity: O(n log n) comparisons, and one copy of the bytes.
    public func canonical() -> Witness {
        let numbers = headerNumbers
        let ancestors = headers.indices.sorted {
            (numbers[$0] ?? 0, $0) < (numbers[$1] ?? 0, $1)
        }
        var canonical = Witness(bytes: [])
        canonical.bytes.reserveCapacity(size)
        func take(_ parts: [Range<Int>]) -> [Range<Int>] {
            var taken: [Range<Int>] = []
            for (index, part) in parts.enumerated() {
                if index > 0, bytes[part] == bytes[parts[index - 1]] { continue }
                taken.append(canonical.append(bytes.span.extracting(part)))
            }
            return taken
        }
        canonical.headers = take(ancestors.map { headers[$0] })
        canonical.codes = take(sorted(codes))
        canonical.nodes = take(sorted(nodes))
        return canonical
    }

    private func sorted(_ parts: [Range<Int>]) -> [Range<Int>] {
        // Most differ in their first bytes, so these are compared as one number.
        let bytes = bytes.span
        func prefix(_ part: Range<Int>) -> UInt64 {
            var value: UInt64 = 0
            for offset in 0..<min(8, part.count) {
                value |= UInt64(bytes[part.lowerBound + offset]) << UInt64(56 - 8 * offset)
            }
            return value
        }
        let keyed = parts.map { (prefix: prefix($0), part: $0) }
        return keyed.sorted {
            guard $0.prefix == $1.prefix else { return $0.prefix < $1.prefix }
            return self.bytes[$0.part].lexicographicallyPrecedes(self.bytes[$1.part])
        }.map(\.part)
    }
}
