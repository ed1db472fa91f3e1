public import ChoraleTypes

/// What every store must answer, as data: the same rows are run against RocksDB and against the
/// simulator's store.
public struct StoreContractRow: Sendable, CustomStringConvertible {
    public let description: String
    public let steps: [(request: StoreRequest, reply: StoreReply)]

    init(_ description: String, _ steps: (StoreRequest, StoreReply)...) {
        self.description = description
        self.steps = steps.map { (request: $0.0, reply: $0.1) }
    }

    /// The first step that an `execute` function answers differently, for the failure's message.
    public func mismatch(_ execute: (StoreRequest) -> StoreReply) -> String? {
        for (index, step) in steps.enumerated() {
            let reply = execute(step.request)
            if reply != step.reply {
                return "step \(index): \(step.request)\n  answered \(reply)\n  not \(step.reply)"
            }
        }
        return nil
    }
}

public enum StoreContract {
    public static let rows = [
        StoreContractRow(
            "an absent key has no value",
            (.get(.peer, key: [1]), .value(nil))),
        StoreContractRow(
            "a value can be read after it was put, and an empty one is not absent",
            (write([.put(.peer, key: [1], value: [2, 3])]), .written),
            (write([.put(.peer, key: [2], value: [])]), .written),
            (.get(.peer, key: [1]), .value([2, 3])),
            (.get(.peer, key: [2]), .value([]))),
        StoreContractRow(
            "an empty key is a key",
            (write([.put(.dht, key: [], value: [9])]), .written),
            (.get(.dht, key: []), .value([9])),
            (scan(.dht, from: [], to: nil), .rows([row([], [9])], more: false)),
            (write([.delete(.dht, key: [])]), .written),
            (.get(.dht, key: []), .value(nil))),
        StoreContractRow(
            "a second put replaces the first",
            (write([.put(.peer, key: [1], value: [1])]), .written),
            (write([.put(.peer, key: [1], value: [2])]), .written),
            (.get(.peer, key: [1]), .value([2])),
            (scan(.peer, from: [], to: nil), .rows([row([1], [2])], more: false))),
        StoreContractRow(
            "deleting removes, and removing what is absent is no error",
            (write([.put(.peer, key: [1], value: [1])]), .written),
            (write([.delete(.peer, key: [1])]), .written),
            (write([.delete(.peer, key: [1])]), .written),
            (.get(.peer, key: [1]), .value(nil))),
        StoreContractRow(
            "families are separate",
            (
                write([.put(.witness, key: [1], value: [1]), .put(.chunk, key: [1], value: [2])]),
                .written
            ),
            (write([.deleteRange(.witness, from: [], to: [0xFF])]), .written),
            (.get(.witness, key: [1]), .value(nil)),
            (.get(.chunk, key: [1]), .value([2])),
            (.get(.dht, key: [1]), .value(nil))),
        StoreContractRow(
            "the writes of a batch happen in order",
            (
                write([
                    .put(.dht, key: [1], value: [1]), .put(.dht, key: [2], value: [1]),
                    .deleteRange(.dht, from: [1], to: [3]), .put(.dht, key: [2], value: [2]),
                    .put(.dht, key: [3], value: [3]), .delete(.dht, key: [3]),
                ]), .written
            ),
            (scan(.dht, from: [], to: nil), .rows([row([2], [2])], more: false))),
        StoreContractRow(
            "an empty batch is written",
            (write([]), .written), (.write([], sync: true), .written)),
        StoreContractRow(
            "a range delete takes its start and leaves its end",
            (write((0..<5).map { .put(.chunk, key: [7, $0], value: [$0]) }), .written),
            (write([.deleteRange(.chunk, from: [7, 1], to: [7, 3])]), .written),
            (
                scan(.chunk, from: [], to: nil),
                .rows([row([7, 0], [0]), row([7, 3], [3]), row([7, 4], [4])], more: false)
            )),
        StoreContractRow(
            "a range that ends at or before its start is empty",
            (write([.put(.chunk, key: [5], value: [5])]), .written),
            (write([.deleteRange(.chunk, from: [5], to: [5])]), .written),
            (write([.deleteRange(.chunk, from: [6], to: [4])]), .written),
            (.get(.chunk, key: [5]), .value([5])),
            (scan(.chunk, from: [5], to: [5]), .rows([], more: false)),
            (scan(.chunk, from: [6], to: [4]), .rows([], more: false))),
        StoreContractRow(
            "keys are in order as unsigned bytes, a prefix first",
            (
                write(
                    [[0x80], [0x7F, 0xFF], [0xFF], [0x7F], [0], []].map {
                        .put(.peer, key: $0, value: [1])
                    }), .written
            ),
            (
                scan(.peer, from: [], to: nil),
                .rows(
                    [[], [0], [0x7F], [0x7F, 0xFF], [0x80], [0xFF]].map { row($0, [1]) },
                    more: false)
            )),
        StoreContractRow(
            "a scan takes its start and leaves its end",
            (write((1..<6).map { .put(.peer, key: [$0], value: [$0]) }), .written),
            (scan(.peer, from: [2], to: [4]), .rows([row([2], [2]), row([3], [3])], more: false)),
            (scan(.peer, from: [5], to: nil), .rows([row([5], [5])], more: false)),
            (scan(.peer, from: [6], to: nil), .rows([], more: false))),
        StoreContractRow(
            "a scan that stops at its number of rows says whether there is more",
            (write((1..<5).map { .put(.peer, key: [$0], value: []) }), .written),
            (
                scan(.peer, from: [], to: nil, rowCountMax: 3),
                .rows([row([1], []), row([2], []), row([3], [])], more: true)
            ),
            (
                scan(.peer, from: [2], to: nil, rowCountMax: 3),
                .rows([row([2], []), row([3], []), row([4], [])], more: false)
            ),
            (
                scan(.peer, from: [], to: [4], rowCountMax: 3),
                .rows([row([1], []), row([2], []), row([3], [])], more: false)
            )),
        StoreContractRow(
            "a scan that stops at its size counts keys and values and returns one row at least",
            (write((1..<5).map { .put(.peer, key: [$0], value: [1, 2, 3]) }), .written),
            (
                scan(.peer, from: [], to: nil, sizeMax: 8),
                .rows([row([1], [1, 2, 3]), row([2], [1, 2, 3])], more: true)
            ),
            (
                scan(.peer, from: [], to: nil, sizeMax: 7),
                .rows([row([1], [1, 2, 3])], more: true)
            ),
            (
                scan(.peer, from: [], to: nil, sizeMax: 0),
                .rows([row([1], [1, 2, 3])], more: true)
            ),
            (
                scan(.peer, from: [4], to: nil, sizeMax: 0),
                .rows([row([4], [1, 2, 3])], more: false)
            ),
            (
                scan(.peer, from: [], to: nil, rowCountMax: 0),
                .rows([row([1], [1, 2, 3])], more: true)
            )),
    ]

    static func write(_ writes: [StoreWrite]) -> StoreRequest { .write(writes, sync: false) }

    static func scan(
        _ family: ColumnFamily,
        from: [UInt8],
        to: [UInt8]?,
        rowCountMax: Int = 1000,
        sizeMax: Int = 1 << 20
    ) -> StoreRequest {
        .scan(family, from: from, to: to, rowCountMax: rowCountMax, sizeMax: sizeMax)
    }

    static func row(_ key: [UInt8], _ value: [UInt8]) -> StoreRow {
        StoreRow(key: key, value: value)
    }
}
