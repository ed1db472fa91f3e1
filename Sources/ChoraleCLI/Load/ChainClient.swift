import ChoraleBase
import Codec
import Execution

/// The few calls of a node's JSON-RPC that a load needs, and whoever signs transactions.
final class ChainClient {
    /// What the node said no to.
    struct Refusal: Error, Hashable {
        let code: Int
        let message: String
    }

    enum CallError: Error {
        case refused(Refusal)
        case failed(Failure)

        var failure: Failure {
            switch self {
            case .refused(let refusal): Failure("the node refused: \(refusal.message)")
            case .failed(let failure): failure
            }
        }
    }

    struct BlockSummary: Equatable {
        var number: UInt64
        var gasUsed: UInt64
        var baseFee: UInt256
        var transactions: [Bytes32]
    }

    /// Asks one thing and gives its result.
    typealias Asking = (_ method: String, _ parameters: [JSONValue]) throws(CallError) -> JSONValue

    /// Who is asked, for messages.
    private let name: String
    private let asking: Asking

    /// Asks over HTTP.
    convenience init(_ address: HTTPAddress) {
        let http = HTTPClient(address)
        var count = 0
        self.init(name: "\(address)") { method, parameters throws(CallError) in
            count += 1
            return try Self.post(method, parameters, count, http)
        }
    }

    /// Asks somebody else.
    init(name: String, asking: @escaping Asking) {
        self.name = name
        self.asking = asking
    }

    private static func post(
        _ method: String, _ parameters: [JSONValue], _ number: Int, _ http: HTTPClient
    ) throws(CallError) -> JSONValue {
        let request = JSONValue.object([
            "jsonrpc": .string("2.0"), "id": JSONValue(number), "method": .string(method),
            "params": .array(parameters),
        ])
        let answer: JSONValue
        do throws(Failure) {
            let bytes = try http.post(Array(request.text.utf8))
            do throws(JSONError) {
                answer = try JSONValue(parsing: bytes)
            } catch {
                throw Failure("\(http.address): the answer is no JSON: \(error)")
            }
        } catch {
            throw .failed(error)
        }
        if let error = answer["error"], error != .null {
            let message = Table.printable(String((error["message"]?.string ?? "").prefix(200)))
            throw .refused(Refusal(code: error["code"]?.int ?? 0, message: message))
        }
        guard let result = answer["result"] else {
            throw .failed(Failure("\(http.address): the answer to \(method) has no result"))
        }
        return result
    }

    func call(_ method: String, _ parameters: JSONValue...) throws(CallError) -> JSONValue {
        try asking(method, parameters)
    }

    func malformed(_ method: String) -> CallError {
        .failed(Failure("\(name): the answer to \(method) is not what it must be"))
    }

    func quantity(_ method: String, _ value: JSONValue?) throws(CallError) -> UInt256 {
        guard let text = value?.string, let number = UInt256(quantity: text) else {
            throw malformed(method)
        }
        return number
    }

    func uint64(_ method: String, _ value: JSONValue?) throws(CallError) -> UInt64 {
        guard let number = try quantity(method, value).uint64 else { throw malformed(method) }
        return number
    }

    func chainID() throws(CallError) -> UInt64 { try uint64("eth_chainId", call("eth_chainId")) }

    func blockNumber() throws(CallError) -> UInt64 {
        try uint64("eth_blockNumber", call("eth_blockNumber"))
    }

    func balance(of address: Address) throws(CallError) -> UInt256 {
        let method = "eth_getBalance"
        return try quantity(
            method, call(method, .string("\(address)"), .string("latest")))
    }

    /// The next nonce, transactions that wait included.
    func nonce(of address: Address) throws(CallError) -> UInt64 {
        let method = "eth_getTransactionCount"
        return try uint64(method, call(method, .string("\(address)"), .string("pending")))
    }

    /// - Returns: the transaction's hash, as the node has it.
    func send(_ encoding: [UInt8]) throws(CallError) -> Bytes32 {
        let method = "eth_sendRawTransaction"
        let answer = try call(method, .string("0x" + Hex.encode(encoding)))
        guard let hash = answer.string.flatMap(Bytes32.init(hexText:)) else {
            throw malformed(method)
        }
        return hash
    }

    /// - Returns: nil when the node does not have it.
    func block(_ number: UInt64) throws(CallError) -> BlockSummary? {
        let method = "eth_getBlockByNumber"
        let name = "0x" + String(number, radix: 16)
        let block = try call(method, .string(name), .bool(false))
        guard block != .null else { return nil }
        var hashes: [Bytes32] = []
        for item in block["transactions"]?.array ?? [] {
            guard let hash = item.string.flatMap(Bytes32.init(hexText:)) else {
                throw malformed(method)
            }
            hashes.append(hash)
        }
        return BlockSummary(
            number: try uint64(method, block["number"]),
            gasUsed: try uint64(method, block["gasUsed"]),
            baseFee: try quantity(method, block["baseFeePerGas"]), transactions: hashes)
    }

    /// The contract that an included transaction created; nil when there is no receipt, or no contract.
    func contract(of hash: Bytes32) throws(CallError) -> Address? {
        let receipt = try call("eth_getTransactionReceipt", .string("0x\(hash)"))
        guard let text = receipt["contractAddress"]?.string,
            let bytes = try? Hex.decode(text)
        else { return nil }
        return Address(bytes.span)
    }
}

extension Bytes32 {
    init?(hexText text: String) {
        guard text.utf8.count == 66, text.hasPrefix("0x"), let bytes = try? Hex.decode(text) else {
            return nil
        }
        self.init(bytes)
    }
}

extension UInt256 {
    /// A quantity of JSON-RPC: hexadecimal behind `0x`.
    init?(quantity text: String) {
        guard text.hasPrefix("0x"), (3...66).contains(text.utf8.count) else { return nil }
        var digits = text.dropFirst(2)
        if !digits.utf8.count.isMultiple(of: 2) { digits = "0" + digits }
        let padding = String(repeating: "0", count: 64 - digits.utf8.count)
        guard let bytes = try? Hex.decode(padding + digits) else { return nil }
        self.init(bigEndian: bytes.span)
    }
}
