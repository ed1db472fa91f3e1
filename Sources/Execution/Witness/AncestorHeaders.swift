public import ChoraleBase
import Codec
import Crypto

/// The headers of a witness, as the chain that ends at a block's parent.
public struct AncestorHeaders: Sendable {
    /// BLOCKHASH reaches back so far.
    public static let countMax = 256

    public let parent: Header
    /// Of every header that is there; not of what the oldest calls its parent.
    public let hashes: [UInt64: Bytes32]

    /// Accepts the oldest first or the newest first. Each header's hash has to be the parent's hash of
    /// the next, and the newest's that of the block.
    public init(_ witness: Witness, parentHash: Bytes32) throws(WitnessError) {
        guard !witness.headers.isEmpty else { throw .noHeaders }
        guard witness.headers.count <= Self.countMax else {
            throw .tooMany(.headers, limit: Self.countMax)
        }
        let bytes = witness.bytes.span
        var headers: [(header: Header, hash: Bytes32)] = []
        for (index, part) in witness.headers.enumerated() {
            let encoding = bytes.extracting(part)
            do throws(RLPError) {
                headers.append((try Header(encoding), Keccak256.hash(encoding)))
            } catch {
                throw .header(index, error)
            }
        }
        let isAscending = headers[headers.count - 1].hash == parentHash
        guard isAscending || headers[0].hash == parentHash else {
            throw .parentMissing(parentHash)
        }
        if !isAscending { headers.reverse() }
        var hashes: [UInt64: Bytes32] = [:]
        for (index, entry) in headers.enumerated() {
            hashes[entry.header.number] = entry.hash
            guard index > 0 else { continue }
            let older = headers[index - 1]
            // The order of the witness is what a reader can look at.
            let place = isAscending ? index - 1 : headers.count - 1 - index
            guard entry.header.parentHash == older.hash,
                entry.header.number == older.header.number &+ 1
            else { throw .headersNotLinked(place) }
        }
        parent = headers[headers.count - 1].header
        self.hashes = hashes
    }
}
