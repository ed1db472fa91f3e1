import ChoraleBase

/// What a block touched, and what each of its transactions changed: the shape of EIP-7928.
///
/// An index says when: 0 for the system calls before the transactions, 1 for the first transaction, and
/// one more than there are transactions for withdrawals and the system calls at the end.
public struct BlockAccessList: Hashable, Sendable {
    public struct Change<Value: Hashable & Sendable>: Hashable, Sendable {
        public var index: UInt32
        /// After it.
        public var value: Value
    }

    public struct SlotChanges: Hashable, Sendable {
        public var slot: UInt256
        /// In order of their indices.
        public var changes: [Change<UInt256>]
    }

    public struct AccountAccess: Hashable, Sendable {
        public var address: Address
        /// In order of slots.
        public var storageChanges: [SlotChanges] = []
        /// Slots that were looked at and that no transaction changed, in order.
        public var storageReads: [UInt256] = []
        public var balanceChanges: [Change<UInt256>] = []
        public var nonceChanges: [Change<UInt64>] = []
        public var codeChanges: [Change<[UInt8]>] = []
    }

    /// In order of addresses.
    public var accounts: [AccountAccess]
}

/// Changes as they are noted at the end of each transaction.
struct AccessRecord {
    struct Entry {
        let kind: JournalEntry.Kind
        let item: Int32
        let index: UInt32
        let value: UInt256
        let code: Int32
    }

    /// Index of what runs.
    var index: UInt32 = 0
    fileprivate(set) var entries: [Entry] = []
}

extension WorldState {
    /// Notes what the transaction that ends has changed, from the journal: the first entry of each
    /// item has what was there before it.
    mutating func noteChanges() {
        guard var record = accessRecord else { return }
        var seen: Set<UInt64> = []
        for position in 0..<journal.count {
            let entry = journal[position]
            let item = Int(entry.index)
            let after: UInt256
            switch entry.kind {
            case .balance: after = accounts[item].balance
            case .nonce: after = UInt256(accounts[item].nonce)
            case .code: after = accounts[item].codeHash
            case .storage: after = slots[item].value
            case .accountWarmed, .slotWarmed, .created, .destroyed, .touched, .transient: continue
            }
            let key = UInt64(entry.kind.rawValue) << 32 | UInt64(UInt32(bitPattern: entry.index))
            guard seen.insert(key).inserted, after != entry.before else { continue }
            record.entries.append(
                AccessRecord.Entry(
                    kind: entry.kind, item: entry.index, index: record.index, value: after,
                    code: entry.kind == .code ? accounts[item].code : -1))
        }
        accessRecord = record
    }

    /// Everything that was touched, if it was recorded.
    borrowing func accessList() -> BlockAccessList? {
        guard let record = accessRecord else { return nil }
        var positions: [Int: Int] = [:]
        var list: [BlockAccessList.AccountAccess] = []
        for index in 0..<accounts.count where accounts[index].isLoaded {
            positions[index] = list.count
            list.append(.init(address: Address(accounts[index].address)))
        }
        var slotChanges: [Int: [BlockAccessList.Change<UInt256>]] = [:]
        for entry in record.entries {
            let item = Int(entry.item)
            guard entry.kind != .storage else {
                slotChanges[item, default: []].append(.init(index: entry.index, value: entry.value))
                continue
            }
            guard let position = positions[item] else { continue }
            switch entry.kind {
            case .balance:
                list[position].balanceChanges.append(.init(index: entry.index, value: entry.value))
            case .nonce:
                list[position].nonceChanges.append(
                    .init(index: entry.index, value: entry.value.l0))
            default:
                let code = entry.code >= 0 ? codes[Int(entry.code)].bytes : []
                list[position].codeChanges.append(.init(index: entry.index, value: code))
            }
        }
        for index in 0..<slots.count where slots[index].isLoaded {
            guard let position = positions[slots[index].account.index] else { continue }
            if let changes = slotChanges[index] {
                list[position].storageChanges.append(
                    .init(slot: slots[index].key, changes: changes))
            } else {
                list[position].storageReads.append(slots[index].key)
            }
        }
        for position in list.indices {
            list[position].storageChanges.sort { $0.slot < $1.slot }
            list[position].storageReads.sort()
        }
        list.sort { $0.address < $1.address }
        return BlockAccessList(accounts: list)
    }
}
