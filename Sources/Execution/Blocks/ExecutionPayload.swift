public import ChoraleBase
import Crypto

/// A block as consensus clients send it: the header's fields that cannot be computed, and the body.
///
/// Specification: Ethereum execution APIs, `ExecutionPayloadV1` to `V3`.
public struct ExecutionPayload: Hashable, Sendable {
    public var parentHash: Bytes32
    public var feeRecipient: Address
    /// Zero where the receiver shall compute it.
    public var stateRoot: Bytes32
    /// Zero where the receiver shall compute it.
    public var receiptsRoot: Bytes32
    /// 256 bytes.
    public var logsBloom: [UInt8]
    public var prevRandao: Bytes32
    public var blockNumber: UInt64
    public var gasLimit: UInt64
    public var gasUsed: UInt64
    public var timestamp: UInt64
    public var extraData: [UInt8]
    public var baseFeePerGas: UInt256
    /// Each as ``Transaction/encoded`` gives it.
    public var transactions: [[UInt8]]
    /// From Shanghai on.
    public var withdrawals: [Withdrawal]?
    /// From Cancun on, with the one that follows.
    public var blobGasUsed: UInt64?
    public var excessBlobGas: UInt64?

    public init(
        parentHash: Bytes32, feeRecipient: Address, stateRoot: Bytes32, receiptsRoot: Bytes32,
        logsBloom: [UInt8], prevRandao: Bytes32, blockNumber: UInt64, gasLimit: UInt64,
        gasUsed: UInt64, timestamp: UInt64, extraData: [UInt8], baseFeePerGas: UInt256,
        transactions: [[UInt8]], withdrawals: [Withdrawal]?, blobGasUsed: UInt64?,
        excessBlobGas: UInt64?
    ) {
        self.parentHash = parentHash
        self.feeRecipient = feeRecipient
        self.stateRoot = stateRoot
        self.receiptsRoot = receiptsRoot
        self.logsBloom = logsBloom
        self.prevRandao = prevRandao
        self.blockNumber = blockNumber
        self.gasLimit = gasLimit
        self.gasUsed = gasUsed
        self.timestamp = timestamp
        self.extraData = extraData
        self.baseFeePerGas = baseFeePerGas
        self.transactions = transactions
        self.withdrawals = withdrawals
        self.blobGasUsed = blobGasUsed
        self.excessBlobGas = excessBlobGas
    }
}

/// Why a payload is no block.
public enum PayloadError: Error, Hashable, Sendable {
    case bloomSize(Int)
    case extraDataSize(Int)
    /// The transaction at this place.
    case transaction(Int, TransactionError)
    /// The blobs that the consensus client knows are not those of the transactions, in their order.
    case versionedHashes
}

extension ExecutionPayload {
    /// The block that the payload stands for.
    ///
    /// - Parameters:
    ///   - parentBeaconRoot: from Cancun on.
    ///   - versionedHashes: of the blobs that belong to the block; nil before Cancun.
    ///   - requests: each its type and its data; nil before Prague.
    public func block(
        parentBeaconRoot: Bytes32? = nil, versionedHashes: [Bytes32]? = nil,
        requests: [[UInt8]]? = nil
    ) throws(PayloadError) -> Block {
        guard logsBloom.count == Header.bloomSize else { throw .bloomSize(logsBloom.count) }
        guard extraData.count <= Header.extraDataLengthMax else {
            throw .extraDataSize(extraData.count)
        }
        var decoded: [Transaction] = []
        decoded.reserveCapacity(transactions.count)
        for encoding in transactions {
            do throws(TransactionError) {
                decoded.append(try Transaction(encoding.span))
            } catch {
                throw .transaction(decoded.count, error)
            }
        }
        if let versionedHashes, versionedHashes != decoded.flatMap(\.blobHashes) {
            throw .versionedHashes
        }
        let header = Header(
            parentHash: parentHash, ommersHash: Header.emptyOmmersHash, coinbase: feeRecipient,
            stateRoot: stateRoot, transactionsRoot: Trie.root(ofList: transactions),
            receiptsRoot: receiptsRoot, bloom: logsBloom, difficulty: .zero, number: blockNumber,
            gasLimit: gasLimit, gasUsed: gasUsed, timestamp: timestamp, extraData: extraData,
            mixHash: prevRandao, nonce: 0, baseFeePerGas: baseFeePerGas,
            withdrawalsRoot: withdrawals.map { Trie.root(ofList: $0.map(\.encoded)) },
            blobGasUsed: blobGasUsed, excessBlobGas: excessBlobGas,
            parentBeaconRoot: parentBeaconRoot,
            requestsHash: requests.map { ExecutionRequests.hash($0) })
        return Block(
            header: header, transactions: decoded, ommers: [], withdrawals: withdrawals)
    }
}
