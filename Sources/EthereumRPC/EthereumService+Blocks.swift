import ChoraleBase
import Codec
import Execution
import JSONRPC
import TransactionPool

// Blocks, transactions and receipts.

extension EthereumService {
    func block(_ method: Method, _ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(params, ["block", "hydratedTransactions"])
        let reference = try reference(method, params)
        let isFull = try params.optional(1)?.bool() ?? false
        guard let block = try found(reference) else { return .null }
        if reference == .tag(.pending) { return block.pendingSuccessor(chain.rules) }
        return try block.json(isFull: isFull)
    }

    func blockTransactionCount(
        _ method: Method, _ params: JSONValue?
    ) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(params, ["block"])
        let reference = try reference(method, params)
        if reference == .tag(.pending) { return .quantity(0) }
        guard let block = try found(reference) else { return .null }
        return .quantity(block.block.transactions.count)
    }

    func blockReceipts(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(params, ["block"])
        let reference = try BlockReference(params.required(0))
        guard reference != .tag(.pending), let block = try found(reference),
            let receipts = try receipts(of: block)
        else { return .null }
        return .array(try block.receipts(receipts, chain.rules))
    }

    func transaction(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let hash = try RPCParameters(params, ["hash"]).required(0).digest()
        if let (block, index) = try located(hash) { return .object(try block.transaction(index)) }
        // Asked for second: what has just been included has left the pool.
        guard let pooled = chain.pooled(hash) else { return .null }
        return .object(
            pooled.transaction.json(hash: pooled.hash, sender: pooled.sender, place: nil))
    }

    func receipt(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let hash = try RPCParameters(params, ["hash"]).required(0).digest()
        guard let (block, index) = try located(hash), let receipts = try receipts(of: block),
            index < receipts.count
        else { return .null }
        var logIndex = 0
        for receipt in receipts[..<index] { logIndex += receipt.logs.count }
        return .object(
            try block.receipt(
                index, receipts[index],
                gasBefore: index > 0 ? receipts[index - 1].cumulativeGasUsed : 0,
                firstLog: logIndex, chain.rules))
    }

    /// As clients have agreed on it: state, codes and headers, and an error for what has no parent.
    func witness(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let reference = try BlockReference(RPCParameters(params, ["block"]).required(0))
        guard reference != .tag(.pending) else {
            throw .server("the pending block has no witness")
        }
        guard let number = try chain.number(of: reference) else {
            throw .headerNotFound(reference)
        }
        guard number > 0 else { throw .server("the genesis block has no witness") }
        guard
            let witness = try read({ () throws(ChainFailure) in
                try chain.witness(of: number)
            })
        else { throw RPCError(.pruned(number: number, oldest: nil)) }
        func parts(_ ranges: [Range<Int>]) -> JSONValue {
            .array(ranges.map { .data(Array(witness[$0])) })
        }
        return .object([
            "state": parts(witness.nodes), "codes": parts(witness.codes),
            "headers": parts(witness.headers),
        ])
    }

    // MARK: Looking up

    private func reference(
        _ method: Method, _ params: RPCParameters
    ) throws(RPCError) -> BlockReference {
        let value = try params.required(0)
        switch method {
        case .blockByHash, .transactionCountByHash: return .hash(try value.digest())
        default: return try BlockReference(value, allowsHash: false)
        }
    }

    private func found(_ reference: BlockReference) throws(RPCError) -> ChainBlock? {
        guard let number = try chain.number(of: reference) else { return nil }
        return try read { () throws(ChainFailure) in try chain.block(at: number) }
    }

    private func located(_ hash: Bytes32) throws(RPCError) -> (ChainBlock, Int)? {
        try read { () throws(ChainFailure) in
            guard let (number, index) = try chain.location(of: hash),
                let block = try chain.block(at: number),
                index < block.block.transactions.count
            else { return nil }
            return (block, index)
        }
    }

    private func receipts(of block: ChainBlock) throws(RPCError) -> [Receipt]? {
        try read { () throws(ChainFailure) in
            try chain.receipts(at: block.block.header.number)
        }
    }
}
