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
        for hash in resolvedCodes {
            guard let code = source.code(hash) else { throw .codeMissing(hash) }
            codes.append { bytes in
                code.withSpan { bytes.append(contentsOf: $0) }
                return true
            }
        }
        var nodes = SortedParts()
        var missing: Bytes32?
        forEachResolvedNode { hash in
            if !nodes.append({ source.appendNode(hash, to: &$0) }) { missing = hash }
        }
        if let missing { throw .trie(.missing(missing)) }

        var witness = Witness(headers: headers, codes: [], nodes: [])
        witness.codes = codes.sorted(into: &witness.bytes)
        witness.nodes = nodes.sorted(into: &witness.bytes)
        return witness
    }
}

/// Byte strings that are to be sorted, in one buffer.
private struct SortedParts {
    private struct Part {
        /// The first eight bytes, big-endian: what nearly all comparisons end with.
        let prefix: UInt64
        let range: Range<Int>
    }

    private var bytes: [UInt8] = []
    private var parts: [Part] = []

    /// Adds what `write` appends, if it returns true.
    @discardableResult
    mutating func append(_ write: (inout [UInt8]) -> Bool) -> Bool {
        let start = bytes.count
        guard write(&bytes) else { return false }
        var prefix: UInt64 = 0
        for offset in 0..<8 {
            prefix = prefix << 8
            if start + offset < bytes.count { prefix |= UInt64(bytes[start + offset]) }
        }
        parts.append(Part(prefix: prefix, range: start..<bytes.count))
        return true
    }

    /// Appends the parts in their order, none twice. Returns where they are.
    consuming func sorted(into output: inout [UInt8]) -> [Range<Int>] {
        let bytes = bytes
        parts.sort {
            $0.prefix != $1.prefix
                ? $0.prefix < $1.prefix
                : bytes[$0.range].lexicographicallyPrecedes(bytes[$1.range])
        }
        output.reserveCapacity(output.count + bytes.count)
        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(parts.count)
        var last: Part?
        for part in parts {
            // Equal ones stand side by side.
            if let last, last.prefix == part.prefix, bytes[last.range] == bytes[part.range] {
                continue
            }
            let start = output.count
            output.append(contentsOf: bytes.span.extracting(part.range))
            ranges.append(start..<output.count)
            last = part
        }
        return ranges
    }
}
