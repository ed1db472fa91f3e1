public import ChoraleBase
public import Codec

/// Ether that leaves the beacon chain for an account (EIP-4895).
public struct Withdrawal: Hashable, Sendable {
    public var index: UInt64
    public var validatorIndex: UInt64
    public var address: Address
    /// In gwei.
    public var amount: UInt64

    public init(index: UInt64, validatorIndex: UInt64, address: Address, amount: UInt64) {
        self.index = index
        self.validatorIndex = validatorIndex
        self.address = address
        self.amount = amount
    }

    init(_ item: RLPItem, _ input: Span<UInt8>) throws(RLPError) {
        var fields = try item.list(itemCountMax: 4)
        index = try fields.uint64(input)
        validatorIndex = try fields.uint64(input)
        address = try fields.address(input)
        amount = try fields.uint64(input)
        try fields.finish()
    }

    public var encoded: [UInt8] {
        var writer = RLPWriter()
        let list = writer.beginList()
        writer.integer(index)
        writer.integer(validatorIndex)
        writer.address(address)
        writer.integer(amount)
        writer.endList(list)
        return writer.bytes
    }
}

/// A block of the execution layer.
public struct Block: Hashable, Sendable {
    public var header: Header
    public var transactions: [Transaction]
    /// Headers of side blocks; none since the merge.
    public var ommers: [Header]
    /// nil before Shanghai.
    public var withdrawals: [Withdrawal]?

    public init(
        header: Header, transactions: [Transaction], ommers: [Header] = [],
        withdrawals: [Withdrawal]?
    ) {
        self.header = header
        self.transactions = transactions
        self.ommers = ommers
        self.withdrawals = withdrawals
    }
}

extension Block {
    /// Who signed each transaction, recovered several at once.
    ///
    /// - Returns: nil when a signature is none, and where there is only one thread: execution then recovers
    ///   each as its turn comes, and says which is wrong unless something before it is.
    public func senders(_ parallel: any ParallelMap) -> [Address]? {
        guard parallel.width > 1, transactions.count > 1 else { return nil }
        let transactions = transactions
        let found = parallel.map(transactions.count) { try? transactions[$0].sender() }
        let senders = found.compactMap(\.self)
        return senders.count == transactions.count ? senders : nil
    }
}

/// Why bytes are no block.
public enum BlockError: Error, Hashable, Sendable {
    case rlp(RLPError)
    /// The transaction at this place.
    case transaction(Int, TransactionError)
}

extension Block {
    /// Decodes a whole block: header, transactions, ommers, and withdrawals from Shanghai on.
    public init(_ input: Span<UInt8>) throws(BlockError) {
        var ranges: [Range<Int>] = []
        do throws(RLPError) {
            var parts = try RLPReader.item(input).list(itemCountMax: 4)
            header = try Header(parts.required(in: input), input)
            // Legacy transactions are lists in the block's list, the others byte strings.
            ranges = try parts.list(input, itemCountMax: Transaction.itemCountMax) {
                (reader, input) throws(RLPError) in
                let item = try reader.required(in: input)
                return item.kind == .list ? item.encoding : item.payload
            }
            ommers = try parts.list(input, itemCountMax: 16) {
                (reader, input) throws(RLPError) in
                try Header(reader.required(in: input), input)
            }
            if parts.position < parts.end {
                withdrawals = try parts.list(input, itemCountMax: Transaction.itemCountMax) {
                    (reader, input) throws(RLPError) in
                    try Withdrawal(reader.required(in: input), input)
                }
            }
            try parts.finish()
        } catch {
            throw .rlp(error)
        }
        transactions = []
        transactions.reserveCapacity(ranges.count)
        for range in ranges {
            do throws(TransactionError) {
                transactions.append(try Transaction(input.extracting(range)))
            } catch {
                throw .transaction(transactions.count, error)
            }
        }
    }

    public var encoded: [UInt8] {
        var writer = RLPWriter()
        let block = writer.beginList()
        header.write(to: &writer)
        let list = writer.beginList()
        for transaction in transactions {
            let bytes = transaction.encoded
            if transaction.kind == .legacy {
                writer.encoded(bytes.span)
            } else {
                writer.bytes(bytes)
            }
        }
        writer.endList(list)
        let side = writer.beginList()
        for ommer in ommers { ommer.write(to: &writer) }
        writer.endList(side)
        if let withdrawals {
            let list = writer.beginList()
            for withdrawal in withdrawals { writer.encoded(withdrawal.encoded.span) }
            writer.endList(list)
        }
        writer.endList(block)
        return writer.bytes
    }
}

extension Trie {
    /// The root of a list: entry i stands at the RLP of i, as in a header's roots.
    public static func root(ofList items: [[UInt8]]) -> Bytes32 {
        var trie = Trie()
        for (index, item) in items.enumerated() {
            var key = RLPWriter()
            key.integer(UInt64(index))
            // Nothing is read from a source and no limit is near, so nothing can fail.
            do {
                try trie.set(key.bytes.span, to: item, from: NoTrieNodes())
            } catch {
                preconditionFailure("a trie built from nothing misses no node: \(error)")
            }
        }
        return trie.root()
    }
}
