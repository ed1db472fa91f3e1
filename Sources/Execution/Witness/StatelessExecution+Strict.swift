import ChoraleBase
import Crypto

extension StatelessExecution {
    /// Says that every entry of a witness was needed once.
    ///
    /// Compares numbers first: entries are hashed anew only to say which is the first too many.
    func requireUsed(
        _ witness: Witness, _ state: TrieState<WitnessStore>, _ number: UInt64
    ) throws(StatelessFailure) {
        do throws(WitnessError) {
            try Self.requireOnce(.nodes, witness.nodes, witness.bytes, state.resolvedNodes)
            try Self.requireOnce(.codes, witness.codes, witness.bytes, state.resolvedCodes)
        } catch {
            throw .witness(error)
        }
        // The headers are a chain that ends at the parent, so those too many are the oldest.
        let needed = Int(number - min(state.oldestBlockHash ?? .max, number - 1))
        let count = witness.headers.count - needed
        guard count > 0 else { return }
        let isOldestFirst = witness.headerOrder != .newestFirst
        let first = witness.headers[isOldestFirst ? 0 : needed]
        throw .witness(
            .unused(
                .headers, count: count,
                first: Keccak256.hash(witness.bytes.span.extracting(first))))
    }

    private static func requireOnce(
        _ part: WitnessPart, _ parts: [Range<Int>], _ bytes: [UInt8], _ used: Set<Bytes32>
    ) throws(WitnessError) {
        guard parts.count != used.count else { return }
        var unused: [Bytes32] = []
        var repeated: [Bytes32] = []
        var seen: Set<Bytes32> = []
        for hash in Keccak256.hashes(of: parts, in: bytes.span) {
            if !seen.insert(hash).inserted {
                repeated.append(hash)
            } else if !used.contains(hash) {
                unused.append(hash)
            }
        }
        if let first = unused.first { throw .unused(part, count: unused.count, first: first) }
        if let first = repeated.first {
            throw .repeated(part, count: repeated.count, first: first)
        }
    }
}
