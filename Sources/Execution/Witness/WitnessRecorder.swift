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
        var codes: [[UInt8]] = []
        for hash in resolvedCodes {
            guard let code = source.code(hash) else { throw .codeMissing(hash) }
            codes.append(code.bytes)
        }
        var nodes: [[UInt8]] = []
        for hash in resolvedNodes {
            guard let node = source.withNode(hash, { $0.copied() }) else {
                throw .trie(.missing(hash))
            }
            nodes.append(node)
        }
        codes.sort { $0.lexicographicallyPrecedes($1) }
        nodes.sort { $0.lexicographicallyPrecedes($1) }
        return Witness(headers: headers, codes: codes, nodes: nodes)
    }
}
