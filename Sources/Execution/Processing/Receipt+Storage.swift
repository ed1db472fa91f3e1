import ChoraleBase
public import Codec

extension Receipt {
    /// A block's receipts as a store keeps them: without their blooms, which the logs give again.
    public static func stored(_ receipts: [Receipt]) -> [UInt8] {
        var writer = RLPWriter()
        let list = writer.beginList()
        for receipt in receipts {
            let fields = writer.beginList()
            writer.integer(UInt64(receipt.kind.rawValue))
            writer.integer(receipt.succeeded ? 1 : 0)
            writer.integer(receipt.cumulativeGasUsed)
            let logs = writer.beginList()
            for log in receipt.logs { log.write(to: &writer) }
            writer.endList(logs)
            writer.endList(fields)
        }
        writer.endList(list)
        return writer.bytes
    }

    /// What ``stored(_:)`` has made.
    public static func list(stored bytes: Span<UInt8>) throws(RLPError) -> [Receipt] {
        var items = try RLPReader.item(bytes).list(itemCountMax: Transaction.itemCountMax)
        var receipts: [Receipt] = []
        while let item = try items.next(in: bytes) {
            receipts.append(try Receipt(stored: item, bytes))
        }
        return receipts
    }

    private init(stored item: RLPItem, _ input: Span<UInt8>) throws(RLPError) {
        var fields = try item.list(itemCountMax: 4)
        let number = try fields.uint64(input)
        guard let value = UInt8(exactly: number), let kind = Transaction.Kind(rawValue: value)
        else { throw .wrongSize(found: Int(clamping: number), expected: 1) }
        self.kind = kind
        succeeded = try fields.uint64(input) != 0
        cumulativeGasUsed = try fields.uint64(input)
        logs = try fields.list(input, itemCountMax: Transaction.itemCountMax) {
            (reader, input) throws(RLPError) in
            var log = try reader.required(in: input).list(itemCountMax: 3)
            let address = try log.address(input)
            let topics = try log.list(input, itemCountMax: 4) {
                (reader, input) throws(RLPError) in try reader.bytes32(input)
            }
            let data = try log.bytes(input)
            try log.finish()
            return Log(address: address, topics: topics, data: data)
        }
        try fields.finish()
    }
}
