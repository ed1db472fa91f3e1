import ChoraleBase
import Codec
import Execution
import JSONRPC

extension EngineService {
    func bodiesByHash(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        var bodies: [JSONValue] = []
        for hash in try PayloadBodies.hashes(params, countMax: limits.bodyCountMax) {
            bodies.append(PayloadBodies.json(try validBlock(hash)))
        }
        return .array(bodies)
    }

    func bodiesByRange(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let range = try PayloadBodies.range(
            params, latest: headHeader.number, countMax: limits.bodyCountMax)
        guard let range else { return .array([]) }
        var bodies: [JSONValue] = []
        for number in range { bodies.append(PayloadBodies.json(try canonicalBlock(number))) }
        return .array(bodies)
    }

    private func canonicalBlock(_ number: UInt64) throws(RPCError) -> Block? {
        if let entry = state.tree.ancestor(of: head, at: number) { return entry.block }
        return try read { () throws(SourceFailure) in
            guard let (hash, _) = try state.base.header(at: number) else { return nil }
            return try state.base.block(hash)
        }
    }

}

/// The parameters of the calls for bodies, and their answers.
enum PayloadBodies {
    static func hashes(_ params: JSONValue?, countMax: Int) throws(RPCError) -> [Bytes32] {
        guard let values = params?.array, values.count == 1 else {
            throw .parameters("`engine_getPayloadBodiesByHashV1` takes an array of hashes")
        }
        let hashes = try EngineValue(values[0], name: "hashes").array
        guard hashes.count <= countMax else {
            throw .tooLargeRequest(UInt64(hashes.count), limit: countMax)
        }
        var digests: [Bytes32] = []
        for hash in hashes { digests.append(try hash.digest) }
        return digests
    }

    /// - Returns: numbers up to the latest; nil for none.
    static func range(
        _ params: JSONValue?, latest: UInt64, countMax: Int
    ) throws(RPCError) -> ClosedRange<UInt64>? {
        guard let values = params?.array, values.count == 2 else {
            throw .parameters("`engine_getPayloadBodiesByRangeV1` takes a start and a count")
        }
        let start = try EngineValue(values[0], name: "start").uint64
        let count = try EngineValue(values[1], name: "count").uint64
        guard start >= 1, count >= 1 else {
            throw .parameters("`start` and `count` are at least 1")
        }
        guard count <= countMax else { throw .tooLargeRequest(count, limit: countMax) }
        guard start <= latest else { return nil }
        // Both are 64 bits, and the sum need not be.
        return start...start + min(latest - start, count - 1)
    }

    static func json(_ block: Block?) -> JSONValue {
        guard let block else { return .null }
        return .object([
            "transactions": .array(block.transactions.map { .data($0.encoded) }),
            "withdrawals": block.withdrawals.map { .array($0.map(\.json)) } ?? .null,
        ])
    }
}
