import ChoraleBase
import Codec
import Execution
import JSONRPC

extension Header {
    /// As `eth_getBlockByNumber` names it; fields of later forks only where they are there.
    func json(hash: Bytes32) -> JSONObject {
        var object: JSONObject = [
            "number": .quantity(number), "hash": .data(hash), "parentHash": .data(parentHash),
            "nonce": .string("0x" + Hex.encode(nonce.bigEndianBytes)), "mixHash": .data(mixHash),
            "sha3Uncles": .data(ommersHash), "logsBloom": .data(bloom),
            "stateRoot": .data(stateRoot), "miner": .data(coinbase),
            "difficulty": .quantity(difficulty), "extraData": .data(extraData),
            "gasLimit": .quantity(gasLimit), "gasUsed": .quantity(gasUsed),
            "timestamp": .quantity(timestamp), "transactionsRoot": .data(transactionsRoot),
            "receiptsRoot": .data(receiptsRoot),
        ]
        if let baseFeePerGas { object["baseFeePerGas"] = .quantity(baseFeePerGas) }
        if let withdrawalsRoot { object["withdrawalsRoot"] = .data(withdrawalsRoot) }
        if let blobGasUsed { object["blobGasUsed"] = .quantity(blobGasUsed) }
        if let excessBlobGas { object["excessBlobGas"] = .quantity(excessBlobGas) }
        if let parentBeaconRoot { object["parentBeaconBlockRoot"] = .data(parentBeaconRoot) }
        if let requestsHash { object["requestsHash"] = .data(requestsHash) }
        return object
    }
}

extension UInt64 {
    fileprivate var bigEndianBytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: self >> UInt64(56 - 8 * $0)) }
    }
}

extension Withdrawal {
    fileprivate var json: JSONValue {
        .object([
            "index": .quantity(index), "validatorIndex": .quantity(validatorIndex),
            "address": .data(address), "amount": .quantity(amount),
        ])
    }
}

extension ChainBlock {
    func json(isFull: Bool) throws(RPCError) -> JSONValue {
        var object = block.header.json(hash: hash)
        object["size"] = .quantity(size)
        var transactions: [JSONValue] = []
        transactions.reserveCapacity(block.transactions.count)
        for index in block.transactions.indices {
            transactions.append(
                isFull
                    ? .object(try transaction(index)) : .data(block.transactions[index].hash))
        }
        object["transactions"] = .array(transactions)
        object["uncles"] = .array([])
        if let withdrawals = block.withdrawals {
            object["withdrawals"] = .array(withdrawals.map(\.json))
        }
        return .object(object)
    }

    /// What is known of the block that comes next: nothing of its transactions, which are chosen when it is
    /// made. As geth does, what cannot be known is null.
    func pendingSuccessor(_ rules: ChainRules) -> JSONValue {
        let parent = block.header
        var header = parent
        header.parentHash = hash
        header.number = parent.number + 1
        header.timestamp = parent.timestamp + 1
        header.gasUsed = 0
        header.baseFeePerGas = parent.baseFeePerGas.map { _ in parent.baseFeeOfNext }
        header.bloom = Bloom().bytes
        header.transactionsRoot = Trie.emptyRoot
        header.receiptsRoot = Trie.emptyRoot
        if parent.blobGasUsed != nil {
            header.blobGasUsed = 0
            header.excessBlobGas = parent.excessBlobGasOfNext(
                rules.epoch(at: header.timestamp))
        }
        var object = header.json(hash: .zero)
        for name in ["hash", "nonce", "miner", "logsBloom"] { object[name] = .null }
        object["size"] = .quantity(0)
        object["transactions"] = .array([])
        object["uncles"] = .array([])
        if parent.withdrawalsRoot != nil { object["withdrawals"] = .array([]) }
        return .object(object)
    }

    /// Who signed a transaction of the block.
    func sender(_ index: Int) throws(RPCError) -> Address {
        if let senders, index < senders.count { return senders[index] }
        do throws(TransactionError) {
            return try block.transactions[index].sender()
        } catch {
            throw .server("transaction \(index) of block \(block.header.number): \(error)")
        }
    }

    func transaction(_ index: Int) throws(RPCError) -> JSONObject {
        let transaction = block.transactions[index]
        return transaction.json(
            hash: transaction.hash, sender: try sender(index),
            place: .init(
                blockHash: hash, number: block.header.number, index: index,
                baseFee: block.header.baseFeePerGas ?? .zero))
    }
}

extension Transaction {
    /// Where a transaction was included.
    struct Place {
        let blockHash: Bytes32
        let number: UInt64
        let index: Int
        /// Of the block, in wei a gas.
        let baseFee: UInt256
    }

    /// - Parameter place: nil for one that waits.
    func json(hash: Bytes32, sender: Address, place: Place?) -> JSONObject {
        var object: JSONObject = [
            "blockHash": place.map { .data($0.blockHash) } ?? .null,
            "blockNumber": place.map { .quantity($0.number) } ?? .null,
            "transactionIndex": place.map { .quantity($0.index) } ?? .null,
            "from": .data(sender), "to": to.map { .data($0) } ?? .null,
            "gas": .quantity(gasLimit),
            "gasPrice": .quantity(place.map { price(at: $0.baseFee) } ?? maxFeePerGas),
            "hash": .data(hash), "input": .data(data), "nonce": .quantity(nonce),
            "value": .quantity(value), "type": .quantity(UInt64(kind.rawValue)),
            "v": .quantity(recoveryValue), "r": .quantity(r), "s": .quantity(s),
        ]
        if let chainID { object["chainId"] = .quantity(chainID) }
        guard kind != .legacy else { return object }
        object["yParity"] = .quantity(UInt64(yParity))
        object["accessList"] = .array(
            accessList.map {
                .object([
                    "address": .data($0.address),
                    "storageKeys": .array($0.slots.map { .data($0) }),
                ])
            })
        guard kind != .accessList else { return object }
        object["maxFeePerGas"] = .quantity(maxFeePerGas)
        object["maxPriorityFeePerGas"] = .quantity(maxPriorityFeePerGas)
        if kind == .blob {
            object["maxFeePerBlobGas"] = .quantity(maxFeePerBlobGas)
            object["blobVersionedHashes"] = .array(blobHashes.map { .data($0) })
        }
        if kind == .setCode {
            object["authorizationList"] = .array(authorizations.map(\.json))
        }
        return object
    }

    /// `v`: for the legacy type with the chain in it (EIP-155), for the others the parity.
    private var recoveryValue: UInt256 {
        guard kind == .legacy else { return UInt256(UInt64(yParity)) }
        guard let chainID else { return UInt256(27 + UInt64(yParity)) }
        return (chainID << 1) &+ UInt256(35 + UInt64(yParity))
    }
}

extension Transaction.Authorization {
    fileprivate var json: JSONValue {
        .object([
            "chainId": .quantity(chainID), "address": .data(address), "nonce": .quantity(nonce),
            "yParity": .quantity(UInt64(yParity)), "r": .quantity(r), "s": .quantity(s),
        ])
    }
}
