import ChoraleBase
import Codec
import Execution

/// What calling contracts needs of a node's JSON-RPC.
extension ChainClient {
    /// What became of a transaction.
    struct ReceiptSummary: Equatable {
        struct Log: Equatable {
            var address: Address
            var topics: [Bytes32]
            var data: [UInt8]
        }

        var block: UInt64
        var succeeded: Bool
        var gasUsed: UInt64
        var logs: [Log]
    }

    private func bytes(_ method: String, _ value: JSONValue?) throws(CallError) -> [UInt8] {
        guard let text = value?.string, text.hasPrefix("0x"), let bytes = try? Hex.decode(text)
        else { throw malformed(method) }
        return bytes
    }

    private func message(
        from sender: Address?, to recipient: Address, value: UInt256, data: [UInt8]
    ) -> JSONValue {
        var message: JSONObject = [
            "to": .string("\(recipient)"), "data": .string("0x" + Hex.encode(data)),
        ]
        if let sender { message["from"] = .string("\(sender)") }
        if !value.isZero { message["value"] = .string("\(value)") }
        return .object(message)
    }

    /// - Throws: `refused` when the call would fail.
    func estimateGas(
        from sender: Address, to recipient: Address, value: UInt256, data: [UInt8]
    ) throws(CallError) -> UInt64 {
        let method = "eth_estimateGas"
        return try uint64(
            method,
            call(method, message(from: sender, to: recipient, value: value, data: data)))
    }

    /// What a contract answers, on top of the last block.
    func ask(_ contract: Address, _ data: [UInt8]) throws(CallError) -> [UInt8] {
        let method = "eth_call"
        return try bytes(
            method,
            call(
                method, message(from: nil, to: contract, value: .zero, data: data),
                .string("latest")))
    }

    /// How many transactions of an account are in blocks.
    func includedCount(of address: Address) throws(CallError) -> UInt64 {
        let method = "eth_getTransactionCount"
        return try uint64(method, call(method, .string("\(address)"), .string("latest")))
    }

    /// - Returns: nil while it is in no block.
    func receipt(of hash: Bytes32) throws(CallError) -> ReceiptSummary? {
        let method = "eth_getTransactionReceipt"
        let receipt = try call(method, .string("0x\(hash)"))
        guard receipt != .null else { return nil }
        var logs: [ReceiptSummary.Log] = []
        for log in receipt["logs"]?.array ?? [] {
            let topics = (log["topics"]?.array ?? []).map {
                $0.string.flatMap(Bytes32.init(hexText:))
            }
            guard let address = log["address"]?.string.flatMap(Address.init(text:)),
                !topics.contains(nil)
            else { throw malformed(method) }
            logs.append(
                ReceiptSummary.Log(
                    address: address, topics: topics.compactMap(\.self),
                    data: try bytes(method, log["data"])))
        }
        return ReceiptSummary(
            block: try uint64(method, receipt["blockNumber"]),
            succeeded: try uint64(method, receipt["status"]) == 1,
            gasUsed: try uint64(method, receipt["gasUsed"]), logs: logs)
    }
}
