import ChoraleBase

/// Storage that lasts for one transaction (EIP-1153).
struct TransientStorage: ~Copyable {
    private struct Slot: BitwiseCopyable {
        let key: UInt256
        let account: AccountID
        var value = UInt256.zero
    }

    private var slots = Arena<Slot>(capacity: 64)
    private var index = HashIndex(capacity: 64)

    subscript(number: Int) -> UInt256 {
        @inline(__always) get { slots[number].value }
        @inline(__always) set { slots[number].value = newValue }
    }

    /// The word of a slot, zero where none was written.
    @inline(__always)
    func value(_ key: UInt256, of account: AccountID) -> UInt256 {
        guard slots.count > 0, let found = find(key, account) else { return .zero }
        return slots[found].value
    }

    /// The number of a slot.
    mutating func slot(_ key: UInt256, of account: AccountID) -> Int {
        if let found = find(key, account) { return found }
        let number = slots.count
        slots.append(Slot(key: key, account: account))
        index.insert(Self.hash(key, account), number) {
            Self.hash(slots[$0].key, slots[$0].account)
        }
        return number
    }

    mutating func removeAll() {
        guard slots.count > 0 else { return }
        slots.truncate(to: 0)
        index.removeAll()
    }

    @inline(__always)
    private func find(_ key: UInt256, _ account: AccountID) -> Int? {
        index.find(Self.hash(key, account)) {
            slots[$0].key == key && slots[$0].account == account
        }
    }

    @inline(__always)
    private static func hash(_ key: UInt256, _ account: AccountID) -> UInt64 {
        HashSeed.hash(key, UInt64(truncatingIfNeeded: account.index) &* 0x9E37_79B9_7F4A_7C15)
    }
}
