import ChoraleBase

/// What a block has done to one account.
public struct AccountChange: Hashable, Sendable {
    public struct Slot: Hashable, Sendable {
        public var key: UInt256
        public var value: UInt256

        public init(key: UInt256, value: UInt256) {
            self.key = key
            self.value = value
        }
    }

    public var address: Address
    /// The account as it is now, its storage root that of before; nil when it is not there any more.
    public var account: Account?
    /// Whether the account, or its nonce, balance or code, is not as before.
    public var isChanged: Bool
    /// Whether all storage of before is gone. The slots are then all that there are.
    public var isStorageCleared: Bool
    /// Those whose word is not as before, in order of their keys.
    public var slots: [Slot]
    /// The code, where the block has set it.
    public var code: Code?

    public init(
        address: Address, account: Account?, isChanged: Bool, isStorageCleared: Bool,
        slots: [Slot], code: Code? = nil
    ) {
        self.address = address
        self.account = account
        self.isChanged = isChanged
        self.isStorageCleared = isStorageCleared
        self.slots = slots
        self.code = code
    }

    public static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.address == rhs.address && lhs.account == rhs.account && lhs.isChanged == rhs.isChanged
            && lhs.isStorageCleared == rhs.isStorageCleared && lhs.slots == rhs.slots
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(address)
        hasher.combine(account)
    }
}

extension WorldState {
    /// The net changes since the block began, in order of addresses.
    borrowing func changes() -> [AccountChange] {
        var changes: [AccountChange] = []
        for index in 0..<accounts.count where accounts[index].isLoaded {
            if let change = change(of: index) { changes.append(change) }
        }
        changes.sort { $0.address < $1.address }
        return changes
    }

    private borrowing func change(of index: Int) -> AccountChange? {
        let record = accounts[index]
        var slots: [AccountChange.Slot] = []
        var next = record.firstSlot
        while next != .none {
            let slot = self.slots[next.index]
            let before = record.isStorageCleared ? .zero : slot.before
            if slot.isLoaded, slot.value != before {
                slots.append(.init(key: slot.key, value: slot.value))
            }
            next = slot.next
        }
        slots.sort { $0.key < $1.key }

        let isThere = !record.isEmpty || (record.existed && !record.isGoneWhenEmpty)
        let isChanged =
            isThere != record.existed || record.nonce != record.nonceBefore
            || record.balance != record.balanceBefore
            || record.codeHash != record.codeHashBefore
        let clears = record.isStorageCleared && record.storageRootBefore != Self.emptyRoot
        guard isChanged || clears || !slots.isEmpty else { return nil }
        let isNewCode = record.codeHash != record.codeHashBefore && record.code > 0
        return AccountChange(
            address: Address(record.address),
            account: isThere
                ? Account(
                    nonce: record.nonce, balance: record.balance,
                    storageRoot: record.storageRootBefore.bytes32,
                    codeHash: record.codeHash.bytes32) : nil,
            isChanged: isChanged, isStorageCleared: record.isStorageCleared, slots: slots,
            code: isNewCode ? codes[Int(record.code)] : nil)
    }
}
