import ChoraleBase
import Codec
import Execution
import JSONRPC

extension EngineService {
    func bodiesByHash(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        guard let values = params?.array, values.count == 1 else {
            throw .parameters("`engine_getPayloadBodiesByHashV1` takes an array of hashes")
        }
        let hashes = try EngineValue(values[0], name: "hashes").array
        guard hashes.count <= limits.bodyCountMax else {
            throw .tooLargeRequest(UInt64(hashes.count), limit: limits.bodyCountMax)
        }
        var bodies: [JSONValue] = []
        for hash in hashes { bodies.append(Self.body(try validBlock(try hash.digest))) }
        return .array(bodies)
    }

    func bodiesByRange(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        guard let values = params?.array, values.count == 2 else {
            throw .parameters("`engine_getPayloadBodiesByRangeV1` takes a start and a count")
        }
        let start = try EngineValue(values[0], name: "start").uint64
        let count = try EngineValue(values[1], name: "count").uint64
        guard start >= 1, count >= 1 else {
            throw .parameters("`start` and `count` are at least 1")
        }
        guard count <= limits.bodyCountMax else {
            throw .tooLargeRequest(count, limit: limits.bodyCountMax)
        }
        let latest = headHeader.number
        guard start <= latest else { return .array([]) }
        var bodies: [JSONValue] = []
        for number in start...min(latest, start - 1 + count) {
            bodies.append(Self.body(try canonicalBlock(number)))
        }
        return .array(bodies)
    }

    private func canonicalBlock(_ number: UInt64) throws(RPCError) -> Block? {
        if let entry = state.tree.ancestor(of: head, at: number) { return entry.block }
        return try read { () throws(SourceFailure) in
            guard let (hash, _) = try state.base.header(at: number) else { return nil }
            return try state.base.block(hash)
        }
    }

    private static func body(_ block: Block?) -> JSONValue {
        guard let block else { return .null }
        return .object([
            "transactions": .array(block.transactions.map { .data($0.encoded) }),
            "withdrawals": block.withdrawals.map { .array($0.map(\.json)) } ?? .null,
        ])
    }
}
