import ChoraleBase

/// Finds the parts of SSZ containers and lists: ranges, nothing is copied.
enum SSZReader {
    /// Where the fields of a container lie whose fixed part has fields of these sizes; those of 4 bytes
    /// are offsets of what has no fixed size, the others give the range of the field itself.
    static func fields(
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

    static func byteLists(
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
