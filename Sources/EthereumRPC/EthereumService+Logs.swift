import ChoraleBase
import Codec
import Execution
import JSONRPC

extension EthereumService {
    /// Specification: Ethereum execution APIs, `eth_getLogs`.
    func logs(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let value = try RPCParameters(params, ["filter"]).required(0)
        let filter = try LogFilter(value, limits)
        guard let numbers = try range(value) else { return .array([]) }
        var answer: [JSONValue] = []
        var size = 0
        for number in numbers {
            let found = try read { () throws(ChainFailure) in try chain.header(at: number) }
            guard let (header, _) = found, filter.mayMatch(header.bloom) else { continue }
            let (block, receipts) = try read { () throws(ChainFailure) in
                (try chain.block(at: number), try chain.receipts(at: number))
            }
            guard let block, let receipts else { continue }
            var logIndex = 0
            for (index, receipt) in receipts.enumerated()
            where index < block.block.transactions.count {
                for log in receipt.logs {
                    defer { logIndex += 1 }
                    guard filter.matches(log) else { continue }
                    size += log.data.count + 32 * log.topics.count
                    guard answer.count < limits.logCountMax, size <= limits.logSizeMax else {
                        throw tooMany(answer.count, size, number)
                    }
                    let hash = block.block.transactions[index].hash
                    answer.append(.object(block.log(log, logIndex, transaction: hash, index)))
                }
            }
        }
        return .array(answer)
    }

    private func tooMany(_ count: Int, _ size: Int, _ number: UInt64) -> RPCError {
        let what =
            count >= limits.logCountMax
            ? "more than \(limits.logCountMax) logs" : "more than \(limits.logSizeMax) bytes"
        return RPCError(
            code: -32005,
            message: "query returned \(what): they reach to block \(number); ask for fewer blocks")
    }

    /// The blocks that are meant; nil for none.
    private func range(_ value: RPCValue) throws(RPCError) -> ClosedRange<UInt64>? {
        if let hash = value["blockHash"] {
            guard value["fromBlock"] == nil, value["toBlock"] == nil else {
                throw .parameters(
                    "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
            }
            let reference = BlockReference.hash(try hash.digest())
            guard let number = try chain.number(of: reference) else {
                throw .server("unknown block")
            }
            return number...number
        }
        let latest = try latest()
        func number(_ member: String) throws(RPCError) -> UInt64? {
            guard let value = value[member] else { return latest }
            let reference = try BlockReference(value, allowsHash: false)
            // Blocks that are not there yet have no logs yet.
            if case .number(let number) = reference { return number }
            return try chain.number(of: reference)
        }
        guard let from = try number("fromBlock"), let to = try number("toBlock") else {
            return nil
        }
        guard from <= to else { throw .parameters("invalid block range params: \(from) > \(to)") }
        guard from <= latest else { return nil }
        let last = min(to, latest)
        guard last - from < limits.logBlockCountMax else {
            throw RPCError(
                code: -32005,
                message: "block range too large: \(last - from + 1) blocks, "
                    + "\(limits.logBlockCountMax) at most")
        }
        return from...last
    }
}

/// Which logs are wanted.
struct LogFilter {
    /// Any when empty.
    private var addresses: [Address] = []
    /// By position, any when empty.
    private var topics: [[Bytes32]] = []
    /// What the bloom must have, as its bits: of each list, one.
    private var blooms: [[[Int]]] = []

    init(_ value: RPCValue, _ limits: EthereumLimits) throws(RPCError) {
        _ = try value.object()
        if let address = value["address"] {
            if address.json.array == nil {
                addresses = [try address.address()]
            } else {
                for entry in try address.array(countMax: limits.logAlternativesMax) {
                    addresses.append(try entry.address())
                }
            }
        }
        for entry in try value["topics"]?.array(countMax: 4) ?? [] {
            var alternatives: [Bytes32] = []
            if entry.json.array != nil {
                for topic in try entry.array(countMax: limits.logAlternativesMax) {
                    guard topic.json != .null else {
                        // As geth: null in a list makes all of the list mean anything.
                        alternatives = []
                        break
                    }
                    alternatives.append(try topic.digest())
                }
            } else if entry.json != .null {
                alternatives = [try entry.digest()]
            }
            topics.append(alternatives)
        }
        blooms = [
            addresses.map { Self.bits(Bloom([Log(address: $0, topics: [], data: [])]), nil) }
        ]
        let nobody = Bloom([Log(address: .zero, topics: [], data: [])])
        for alternatives in topics {
            blooms.append(
                alternatives.map {
                    Self.bits(Bloom([Log(address: .zero, topics: [$0], data: [])]), nobody)
                })
        }
    }

    /// The bits of one bloom that another does not have.
    private static func bits(_ bloom: Bloom, _ other: Bloom?) -> [Int] {
        (0..<8 * Header.bloomSize).filter {
            let mask = UInt8(1) << UInt8($0 % 8)
            return bloom.bytes[$0 / 8] & mask != 0 && (other?.bytes[$0 / 8] ?? 0) & mask == 0
        }
    }

    /// Whether a block with this bloom may have such logs.
    func mayMatch(_ bloom: [UInt8]) -> Bool {
        blooms.allSatisfy { alternatives in
            alternatives.isEmpty
                || alternatives.contains { bits in
                    bits.allSatisfy { bloom[$0 / 8] & UInt8(1) << UInt8($0 % 8) != 0 }
                }
        }
    }

    func matches(_ log: Log) -> Bool {
        guard addresses.isEmpty || addresses.contains(log.address) else { return false }
        // A position that is named, also by null, has to be there.
        guard topics.count <= log.topics.count else { return false }
        return zip(topics, log.topics).allSatisfy { $0.isEmpty || $0.contains($1) }
    }
}
