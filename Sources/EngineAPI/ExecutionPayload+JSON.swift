public import ChoraleBase
public import Codec
public import Execution

extension ExecutionPayload {
    /// What consensus clients send of a block.
    public init(_ block: Block) {
        let header = block.header
        self.init(
            parentHash: header.parentHash, feeRecipient: header.coinbase,
            stateRoot: header.stateRoot, receiptsRoot: header.receiptsRoot,
            logsBloom: header.bloom, prevRandao: header.mixHash, blockNumber: header.number,
            gasLimit: header.gasLimit, gasUsed: header.gasUsed, timestamp: header.timestamp,
            extraData: header.extraData, baseFeePerGas: header.baseFeePerGas ?? .zero,
            transactions: block.transactions.map(\.encoded), withdrawals: block.withdrawals,
            blobGasUsed: header.blobGasUsed, excessBlobGas: header.excessBlobGas)
    }

    /// As calls have it, with the members of its fork.
    public func json(blockHash: Bytes32) -> JSONObject {
        var object: JSONObject = [
            "parentHash": .data(parentHash), "feeRecipient": .data(feeRecipient),
            "stateRoot": .data(stateRoot), "receiptsRoot": .data(receiptsRoot),
            "logsBloom": .data(logsBloom), "prevRandao": .data(prevRandao),
            "blockNumber": .quantity(blockNumber), "gasLimit": .quantity(gasLimit),
            "gasUsed": .quantity(gasUsed), "timestamp": .quantity(timestamp),
            "extraData": .data(extraData), "baseFeePerGas": .string("\(baseFeePerGas)"),
            "blockHash": .data(blockHash),
            "transactions": .array(transactions.map { .data($0) }),
        ]
        if let withdrawals { object["withdrawals"] = .array(withdrawals.map(\.json)) }
        if let blobGasUsed { object["blobGasUsed"] = .quantity(blobGasUsed) }
        if let excessBlobGas { object["excessBlobGas"] = .quantity(excessBlobGas) }
        return object
    }
}

extension Withdrawal {
    var json: JSONValue {
        .object([
            "index": .quantity(index), "validatorIndex": .quantity(validatorIndex),
            "address": .data(address), "amount": .quantity(amount),
        ])
    }
}

extension JSONValue {
    static func quantity(_ value: UInt64) -> JSONValue { .string("0x" + String(value, radix: 16)) }

    static func data(_ bytes: [UInt8]) -> JSONValue { .string("0x" + Hex.encode(bytes)) }

    static func data(_ digest: Bytes32) -> JSONValue { .string("0x\(digest)") }

    static func data(_ address: Address) -> JSONValue {
        .data(address.storage.span.copied())
    }
}
