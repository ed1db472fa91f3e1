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

    mutating func append(_ part: [UInt8]) -> Range<Int> {
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
    public func canonical() -> Witness {
        func sorted(_ parts: [Range<Int>]) -> [[UInt8]] {
            var result: [[UInt8]] = []
            for part in parts.map({ self[$0] }).sorted(by: { $0.lexicographicallyPrecedes($1) })
            where result.last != part { result.append(part) }
            return result
        }
        let ancestors = headers.map { (number: (try? Header(self[$0].span))?.number, range: $0) }
            .enumerated()
            .sorted { ($0.element.number ?? 0, $0.offset) < ($1.element.number ?? 0, $1.offset) }
            .map { self[$0.element.range] }
        return Witness(headers: ancestors, codes: sorted(codes), nodes: sorted(nodes))
    }
}
