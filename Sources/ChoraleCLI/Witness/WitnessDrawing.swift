import ChoraleBase
import Codec
import Execution

/// A witness's shape as bars and as JSON.
struct WitnessDrawing {
    private let shape: WitnessShape
    private let hasBlock: Bool
    private let countMax: Int

    /// Characters of the longest bar.
    private static let barLength = 32

    /// - Parameter countMax: accounts that are listed.
    init(_ shape: WitnessShape, hasBlock: Bool, countMax: Int) {
        self.shape = shape
        self.hasBlock = hasBlock
        self.countMax = countMax
    }

    private var parts: [(name: String, amount: WitnessShape.Amount)] {
        [
            ("account nodes", shape.accountNodes), ("storage nodes", shape.storageNodes),
            ("codes", shape.codes), ("headers", shape.headers), ("in no trie", shape.strayNodes),
            ("repeated", shape.repeated),
        ]
    }

    private var listed: ArraySlice<WitnessShape.AccountShape> { shape.accounts.prefix(countMax) }

    // MARK: For people

    var lines: [String] {
        let total = shape.total
        var lines = partLines(total)
        guard countMax > 0, !shape.accounts.isEmpty else { return lines }
        lines.append("")
        lines.append(
            "\(shape.accounts.count) accounts, the longest way to one \(shape.accountDepth) nodes")
        var table = Table("ACCOUNT", "STORAGE", "NODES", "DEPTH", "CODE", "")
        let longest = listed.map(\.size).max() ?? 0
        for account in listed where account.size > 0 {
            let name = account.address.map { "\($0)" } ?? "hash 0x\(account.key)".prefix(42) + "…"
            table.add(
                name, Human.bytes(UInt64(account.storage.size)), "\(account.storage.count)",
                "\(account.storageDepth)", Human.bytes(UInt64(account.code.size)),
                Self.bar(account.size, of: longest))
        }
        lines += table.lines
        let rest = shape.accounts.dropFirst(listed.count { $0.size > 0 })
        if !rest.isEmpty {
            let size = rest.reduce(0) { $0 + $1.size }
            lines.append(
                "and \(rest.count) more, with \(Human.bytes(UInt64(size))) of storage and code")
        }
        return lines
    }

    private func partLines(_ total: WitnessShape.Amount) -> [String] {
        var table =
            hasBlock ? Table("", "ENTRIES", "SIZE", "NEEDED", "") : Table("", "ENTRIES", "SIZE", "")
        let longest = parts.map(\.amount.size).max() ?? 0
        for (name, amount) in parts where amount.count > 0 {
            add(name, amount, Self.bar(amount.size, of: longest), to: &table)
        }
        add("together", total, "", to: &table)
        return table.lines
    }

    private func add(
        _ name: String, _ amount: WitnessShape.Amount, _ bar: String, to table: inout Table
    ) {
        let size = Human.bytes(UInt64(amount.size))
        guard hasBlock else { return table.add(name, "\(amount.count)", size, bar) }
        let share = amount.size == 0 ? 0 : 100 * Double(amount.usedSize) / Double(amount.size)
        table.add(name, "\(amount.count)", size, "\(Human.decimal(share)) %", bar)
    }

    /// Eighths of a character make small differences visible.
    static func bar(_ size: Int, of longest: Int) -> String {
        guard longest > 0, size > 0 else { return "" }
        let eighths = max(Int(Double(size) / Double(longest) * Double(8 * barLength)), 1)
        let ends = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        return String(repeating: "█", count: eighths / 8) + ends[eighths % 8]
    }

    // MARK: For programs

    var object: JSONValue {
        let accounts = listed.map { account in
            JSONValue.object([
                "address": JSONValue(account.address?.description),
                "hash": .string("0x\(account.key)"), "depth": JSONValue(account.depth),
                "storage": Self.object(account.storage),
                "storageDepth": JSONValue(account.storageDepth),
                "code": Self.object(account.code),
            ])
        }
        return .object([
            "total": Self.object(shape.total), "accountNodes": Self.object(shape.accountNodes),
            "storageNodes": Self.object(shape.storageNodes), "codes": Self.object(shape.codes),
            "headers": Self.object(shape.headers), "strayNodes": Self.object(shape.strayNodes),
            "repeated": Self.object(shape.repeated),
            "accountCount": JSONValue(shape.accounts.count),
            "accountDepth": JSONValue(shape.accountDepth), "accounts": .array(accounts),
        ])
    }

    private static func object(_ amount: WitnessShape.Amount) -> JSONValue {
        .object([
            "entries": JSONValue(amount.count), "bytes": JSONValue(amount.size),
            "neededEntries": JSONValue(amount.usedCount), "neededBytes": JSONValue(amount.usedSize),
        ])
    }
}
