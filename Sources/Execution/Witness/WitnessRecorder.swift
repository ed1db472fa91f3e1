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
        var codes = SortedParts()
        var found: [UInt8] = []
        for hash in resolvedCodes {
            let code = try source.neededCode(hash)
            let start = found.count
            code.withSpan { found.append(contentsOf: $0) }
            codes.append(TrieBytes(start: start, count: found.count - start))
        }
        codes.end(found)

        var nodes = SortedParts()
        let (tries, dropped) = recorded
        for trie in tries { nodes.append(trie.resolvedPlaces, in: trie.bytes) }
        found = []
        for hash in dropped {
            let start = found.count
            let isThere: Bool
            do throws(SourceFailure) {
                isThere = try source.appendNode(hash, to: &found)
            } catch {
                throw .source(error)
            }
            guard isThere else { throw .trie(.missing(hash)) }
            nodes.append(TrieBytes(start: start, count: found.count - start))
        }
        nodes.end(found)

        var witness = Witness(headers: headers, codes: [], nodes: [])
        witness.bytes.reserveCapacity(witness.bytes.count + codes.size + nodes.size)
        witness.codes = codes.sorted(into: &witness.bytes)
        witness.nodes = nodes.sorted(into: &witness.bytes)
        return witness
    }
}

/// Byte strings in several buffers, to be sorted.
private struct SortedParts {
    private struct Part {
        /// The first eight bytes, big-endian: what nearly all comparisons end with.
        var prefix: UInt64
        let buffer: Int32
        let place: TrieBytes
    }

    private var buffers: [[UInt8]] = []
    private var parts: [Part] = []
    /// Parts from here on are in a buffer that ``end(_:)`` will bring.
    private var open = 0
    /// Bytes of all parts, those that are there twice counted twice.
    private(set) var size = 0

    /// A part of the buffer that ends next.
    mutating func append(_ place: TrieBytes) {
        parts.append(Part(prefix: 0, buffer: Int32(buffers.count), place: place))
        size += place.count
    }

    /// The buffer of the parts since the last.
    mutating func end(_ buffer: [UInt8]) {
        let span = buffer.span
        for index in open..<parts.count {
            let place = parts[index].place
            if place.count >= 8 {
                parts[index].prefix = span.loadBigEndian(UInt64.self, at: place.start)
                continue
            }
            for offset in place.range {
                let shift = UInt64(56 - 8 * (offset - place.start))
                parts[index].prefix |= UInt64(span[offset]) << shift
            }
        }
        open = parts.count
        buffers.append(buffer)
    }

    mutating func append(_ places: [TrieBytes], in buffer: [UInt8]) {
        parts.reserveCapacity(parts.count + places.count)
        for place in places { append(place) }
        end(buffer)
    }

    /// Appends the parts in their order, none twice. Returns where they are.
    func sorted(into output: inout [UInt8]) -> [Range<Int>] {
        let sorted = parts.sorted {
            $0.prefix != $1.prefix
                ? $0.prefix < $1.prefix : bytes($0).lexicographicallyPrecedes(bytes($1))
        }
        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(sorted.count)
        var last: Part?
        for part in sorted {
            // Equal ones stand side by side.
            if let last, last.prefix == part.prefix, bytes(last) == bytes(part) { continue }
            let start = output.count
            output.append(contentsOf: bytes(part))
            ranges.append(start..<output.count)
            last = part
        }
        return ranges
    }

    private func bytes(_ part: Part) -> ArraySlice<UInt8> {
        buffers[Int(part.buffer)][part.place.range]
    }
}
