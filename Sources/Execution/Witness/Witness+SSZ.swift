import ChoraleBase

extension Witness {
    /// From SSZ: `ExecutionWitness` of EIP-8025, three lists of byte lists: state, codes, headers.
    ///
    /// - Parameter range: where it lies in `bytes`; nil for all of them.
    public init(
        ssz bytes: [UInt8], in range: Range<Int>? = nil, limits: Limits = Limits()
    ) throws(WitnessError) {
        let range = range ?? 0..<bytes.count
        guard range.count <= limits.sizeMax else {
            throw .tooLarge(range.count, limit: limits.sizeMax)
        }
        let input = bytes.span
        let lists = try Self.fields(input, range, sizes: [4, 4, 4])
        let nodes = try Self.byteLists(input, lists[0], limits.nodeCountMax, .nodes)
        let codes = try Self.byteLists(input, lists[1], limits.codeCountMax, .codes)
        let headers = try Self.byteLists(input, lists[2], limits.headerCountMax, .headers)
        self.init(bytes: bytes)
        (self.headers, self.codes, self.nodes) = (headers, codes, nodes)
    }

    /// From the whole input of a stateless execution of EIP-8025: request, witness, chain
    /// configuration of 8 bytes, public keys. The rest is not looked at.
    public init(
        statelessInput bytes: [UInt8], limits: Limits = Limits()
    ) throws(WitnessError) {
        let fields = try Self.fields(bytes.span, 0..<bytes.count, sizes: [4, 4, 8, 4])
        try self.init(ssz: bytes, in: fields[1], limits: limits)
    }

    /// `ExecutionWitness` of EIP-8025.
    public var ssz: [UInt8] {
        var output: [UInt8] = []
        var offset = 12
        for parts in [nodes, codes, headers] {
            output.appendLittleEndian(UInt32(offset))
            offset += parts.reduce(0) { $0 + 4 + $1.count }
        }
        output.reserveCapacity(offset)
        for parts in [nodes, codes, headers] {
            var offset = 4 * parts.count
            for part in parts {
                output.appendLittleEndian(UInt32(offset))
                offset += part.count
            }
            for part in parts { output.append(contentsOf: bytes.span.extracting(part)) }
        }
        return output
    }

    // MARK: Parts

    /// Where the fields of a container lie whose fixed part has fields of these sizes; those of 4 bytes
    /// are offsets of what has no fixed size, the others give the range of the field itself.
    private static func fields(
        _ input: Span<UInt8>, _ range: Range<Int>, sizes: [Int]
    ) throws(WitnessError) -> [Range<Int>] {
        let fixedSize = sizes.reduce(0, +)
        guard range.count >= fixedSize else { throw .ssz(offset: range.lowerBound) }
        var starts: [Int] = []
        var position = range.lowerBound
        for size in sizes {
            if size == 4 {
                starts.append(Int(input.loadLittleEndian(UInt32.self, at: position)))
            }
            position += size
        }
        guard starts.first == fixedSize else { throw .ssz(offset: range.lowerBound) }
        var fields: [Range<Int>] = []
        var index = 0
        position = range.lowerBound
        for size in sizes {
            if size == 4 {
                let end = index + 1 < starts.count ? starts[index + 1] : range.count
                guard starts[index] <= end, end <= range.count else {
                    throw .ssz(offset: position)
                }
                fields.append(range.lowerBound + starts[index]..<range.lowerBound + end)
                index += 1
            } else {
                fields.append(position..<position + size)
            }
            position += size
        }
        return fields
    }

    private static func byteLists(
        _ input: Span<UInt8>, _ range: Range<Int>, _ countMax: Int, _ part: WitnessPart
    ) throws(WitnessError) -> [Range<Int>] {
        guard !range.isEmpty else { return [] }
        guard range.count >= 4 else { throw .ssz(offset: range.lowerBound) }
        let first = Int(input.loadLittleEndian(UInt32.self, at: range.lowerBound))
        guard first > 0, first.isMultiple(of: 4), first <= range.count else {
            throw .ssz(offset: range.lowerBound)
        }
        let count = first / 4
        guard count <= countMax else { throw .tooMany(part, limit: countMax) }
        var parts: [Range<Int>] = []
        parts.reserveCapacity(count)
        var start = first
        for index in 0..<count {
            let next = range.lowerBound + 4 * (index + 1)
            let end =
                index + 1 < count
                ? Int(input.loadLittleEndian(UInt32.self, at: next)) : range.count
            guard start <= end, end <= range.count else { throw .ssz(offset: next - 4) }
            parts.append(range.lowerBound + start..<range.lowerBound + end)
            start = end
        }
        return parts
    }
}
