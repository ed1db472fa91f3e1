import ChoraleBase
import Codec

extension TrieState {
    /// The witness of everything that was read through this state, ``apply(_:order:)`` included, in
    /// canonical order.
    ///
    /// Taken from the same execution that gave the result: reading is what the state does anyway, so
    /// recording costs the copies made here.
    ///
    /// - Parameter ancestors: encodings of headers by their number, at least from the parent of the
    ///   block down to the oldest whose hash was asked for.
    public func witness(
        parent: UInt64, ancestors: [UInt64: [UInt8]]
    ) throws(StateError) -> Witness {
        var headers: [[UInt8]] = []
        for number in min(oldestBlockHash ?? parent, parent)...parent {
            guard let header = ancestors[number] else { throw .blockHashMissing(number) }
            headers.append(header)
        }
        var codes: [Code] = []
        for hash in resolvedCodes { codes.append(try source.neededCode(hash)) }
        let codeSize = codes.reduce(0) { $0 + $1.size }
        let nodeSize = tries.resolvedPlaces.reduce(0) { $0 + $1.count }

        var witness = Witness(headers: headers, codes: [], nodes: [])
        witness.bytes.reserveCapacity(witness.bytes.count + codeSize + nodeSize)
        // Different hashes, different codes.
        let sorted = codes.sorted { first, second in
            first.withSpan { first in second.withSpan { first.precedes($0) } }
        }
        for code in sorted { witness.codes.append(code.withSpan { witness.append($0) }) }
        witness.nodes = SortedParts(tries.resolvedPlaces, of: tries.bytes)
            .copied(into: &witness.bytes)
        return witness
    }
}

extension Span<UInt8> {
    /// Whether these bytes come before others in canonical order.
    fileprivate func precedes(_ other: Span<UInt8>) -> Bool {
        for index in 0..<Swift.min(count, other.count) where self[index] != other[index] {
            return self[index] < other[index]
        }
        return count < other.count
    }
}

/// Parts of a buffer in the order of their bytes, none twice.
private struct SortedParts {
    private struct Part: BitwiseCopyable {
        /// The first eight bytes, big-endian: what nearly all comparisons end with.
        let prefix: UInt64
        let place: TrieBytes
    }

    private let bytes: [UInt8]
    private var parts: [Part] = []

    init(_ places: [TrieBytes], of bytes: [UInt8]) {
        self.bytes = bytes
        let span = bytes.span
        parts.reserveCapacity(places.count)
        for place in places {
            var prefix: UInt64 = 0
            if place.count >= 8 {
                prefix = span.loadBigEndian(UInt64.self, at: place.start)
            } else {
                for offset in 0..<place.count {
                    prefix |= UInt64(span[place.start + offset]) << UInt64(56 - 8 * offset)
                }
            }
            parts.append(Part(prefix: prefix, place: place))
        }
        parts.sort { first, second in
            guard first.prefix == second.prefix else { return first.prefix < second.prefix }
            let other = bytes.span.extracting(second.place.range)
            return bytes.span.extracting(first.place.range).precedes(other)
        }
    }

    /// Appends the parts. Returns where they are.
    func copied(into output: inout [UInt8]) -> [Range<Int>] {
        let span = bytes.span
        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(parts.count)
        var last: Part?
        for part in parts {
            let bytes = span.extracting(part.place.range)
            // Equal ones stand side by side.
            if let last, last.prefix == part.prefix,
                span.extracting(last.place.range).isEqual(to: bytes)
            {
                continue
            }
            let start = output.count
            output.append(contentsOf: bytes)
            ranges.append(start..<output.count)
            last = part
        }
        return ranges
    }
}
