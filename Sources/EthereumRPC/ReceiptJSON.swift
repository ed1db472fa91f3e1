import ChoraleBase
import Codec
import Execution
import JSONRPC

extension ChainBlock {
    /// All receipts of the block.
    func receipts(_ receipts: [Receipt], _ rules: ChainRules) throws(RPCError) -> [JSONValue] {
        var found: [JSONValue] = []
        var (gasBefore, firstLog) = (UInt64(0), 0)
        for (index, receipt) in receipts.enumerated() where index < block.transactions.count {
            found.append(
                .object(
                    try self.receipt(
                        index, receipt, gasBefore: gasBefore, firstLog: firstLog, rules)))
            gasBefore = receipt.cumulativeGasUsed
            firstLog += receipt.logs.count
        }
        return found
    }

    /// - Parameters:
    ///   - gasBefore: of the block's earlier transactions.
    ///   - firstLog: how many logs those have.
    func receipt(
        _ index: Int, _ receipt: Receipt, gasBefore: UInt64, firstLog: Int, _ rules: ChainRules
    ) throws(RPCError) -> JSONObject {
        let transaction = block.transactions[index]
        let hash = transaction.hash
        let sender = try sender(index)
        let header = block.header
        let created: JSONValue =
            transaction.to == nil
            ? .data(Address(creator: sender, nonce: transaction.nonce)) : .null
        var object: JSONObject = [
            "blockHash": .data(self.hash), "blockNumber": .quantity(header.number),
            "contractAddress": created,
            "cumulativeGasUsed": .quantity(receipt.cumulativeGasUsed),
            "effectiveGasPrice": .quantity(
                transaction.price(at: header.baseFeePerGas ?? .zero)),
            "from": .data(sender), "to": transaction.to.map { .data($0) } ?? .null,
            "gasUsed": .quantity(receipt.cumulativeGasUsed - gasBefore),
            "logs": .array(
                receipt.logs.enumerated().map {
                    .object(log($1, firstLog + $0, transaction: hash, index))
                }),
            "logsBloom": .data(Bloom(receipt.logs).bytes),
            "status": .quantity(receipt.succeeded ? 1 : 0), "transactionHash": .data(hash),
            "transactionIndex": .quantity(index),
            "type": .quantity(UInt64(transaction.kind.rawValue)),
        ]
        if transaction.kind == .blob {
            let context = BlockContext(header, rules)
            object["blobGasUsed"] = .quantity(transaction.blobGas)
            object["blobGasPrice"] = .quantity(context.blobBaseFee)
        }
        return object
    }

    /// - Parameter logIndex: in the block.
    func log(
        _ log: Log, _ logIndex: Int, transaction hash: Bytes32, _ index: Int
    ) -> JSONObject {
        [
            "address": .data(log.address), "topics": .array(log.topics.map { .data($0) }),
            "data": .data(log.data), "blockNumber": .quantity(block.header.number),
            "transactionHash": .data(hash), "transactionIndex": .quantity(index),
            "blockHash": .data(self.hash), "blockTimestamp": .quantity(block.header.timestamp),
            "logIndex": .quantity(logIndex), "removed": .bool(false),
        ]
    }
}
