// The state while a block runs: what was read, what has changed, and how to undo it.
//
// Accounts and slots are numbered as they are first named; records are found through a hash index
// and never removed. Naming is not reading: an access list warms slots that nobody may ever read.
//
// 1. What a record says before it is loaded is not the state. (`load`)
// 2. Every change that a revert must undo is in the journal, with what was there before. (`revert`)
// 3. Between transactions the journal is empty, nothing is warm, and no account is marked as created
//    or destroyed. (`endTransaction`)
//
// Specification: yellow paper 4.1, 6.1; EIP-161, 1153, 2200, 2929, 3529, 6780.

import ChoraleBase

/// The number of an account in a ``WorldState``.
struct AccountID: BitwiseCopyable, Hashable, Sendable {
    let rawValue: Int32
    init(_ index: Int) { rawValue = Int32(truncatingIfNeeded: index) }
    @inline(__always) var index: Int { Int(rawValue) }
}

/// The number of a slot of any account.
struct SlotID: BitwiseCopyable, Hashable, Sendable {
    let rawValue: Int32
    init(_ index: Int) { rawValue = Int32(truncatingIfNeeded: index) }
    @inline(__always) var index: Int { Int(rawValue) }

    /// The end of a chain of slots.
    static let none = SlotID(-1)
}

struct AccountRecord: BitwiseCopyable {
    /// The address as a word.
    let address: UInt256
    var balance = UInt256.zero
    var nonce: UInt64 = 0
    var codeHash = Account.emptyCodeHash
    /// Position in ``WorldState/codes``; negative when the code is not at hand.
    var code: Int32 = -1
    var isLoaded = false
    /// Transactions in which the account is warm, was created, is to be destroyed: the one that runs,
    /// or an earlier one, which means no.
    var warmIn: UInt32 = 0
    var createdIn: UInt32 = 0
    var destroyedIn: UInt32 = 0
    /// Whether it is not there any more if it is empty, although it was before the block: it was
    /// touched (EIP-161) or destroyed since.
    var isGoneWhenEmpty = false
    /// Whether its storage was destroyed in this block, so that slots that were not read are zero.
    var isStorageCleared = false
    var firstSlot = SlotID.none

    // Before the block.
    var existed = false
    var nonceBefore: UInt64 = 0
    var balanceBefore = UInt256.zero
    var codeHashBefore = Account.emptyCodeHash
    var storageRootBefore = UInt256.zero

    init(address: UInt256) { self.address = address }

    /// Neither nonce, balance nor code (EIP-161).
    @inline(__always)
    var isEmpty: Bool { nonce == 0 && balance.isZero && codeHash == Account.emptyCodeHash }
}

struct SlotRecord: BitwiseCopyable {
    let key: UInt256
    let account: AccountID
    /// The next slot of the same account.
    let next: SlotID
    var isLoaded = false
    var warmIn: UInt32 = 0
    var value = UInt256.zero
    /// At the start of the transaction, as far as the slot is warm in it.
    var original = UInt256.zero
    /// Before the block.
    var before = UInt256.zero

    init(key: UInt256, account: AccountID, next: SlotID) {
        self.key = key
        self.account = account
        self.next = next
    }
}

/// Accounts, storage, logs and refunds, with what is needed to take changes back.
struct WorldState: ~Copyable {
    let reader: any StateReader
    /// Codes that accounts of this block have.
    var codes: [Code] = [.empty]

    var accounts = Arena<AccountRecord>(capacity: 256)
    private var accountIndex = HashIndex(capacity: 256)
    var slots = Arena<SlotRecord>(capacity: 1024)
    private var slotIndex = HashIndex(capacity: 1024)

    var transient = TransientStorage()
    var journal = Arena<JournalEntry>(capacity: 1024)
    var logs = LogArena()
    /// Counter of refunds; a part of a transaction may leave it below zero.
    var refund: Int64 = 0
    /// Number of the transaction that runs, from 1 on.
    var transaction: UInt32 = 1
    /// Accounts that were marked to be destroyed; of some it may have been reverted since.
    var destroyed: [AccountID] = []
    /// What transactions changed, where somebody wants to know.
    var accessRecord: AccessRecord?
    /// What was read, in order: so that it can be forgotten.
    private(set) var loads = StateLoads()

    init(reader: any StateReader) { self.reader = reader }

    // MARK: Accounts

    /// The number of an account; nothing is read.
    @inline(__always)
    mutating func account(_ address: UInt256) -> AccountID {
        let hash = HashSeed.hash(address)
        if let found = accountIndex.find(hash, { accounts[$0].address == address }) {
            return AccountID(found)
        }
        return add(address, hash)
    }

    @inline(never)
    private mutating func add(_ address: UInt256, _ hash: UInt64) -> AccountID {
        let number = accounts.count
        accounts.append(AccountRecord(address: address))
        accountIndex.insert(hash, number) { HashSeed.hash(accounts[$0].address) }
        return AccountID(number)
    }

    /// Makes sure that the account's record says what the state does.
    @inline(__always)
    mutating func load(_ id: AccountID) throws(StateError) {
        if !accounts[id.index].isLoaded { try read(id) }
    }

    @inline(never)
    private mutating func read(_ id: AccountID) throws(StateError) {
        let found = try reader.account(at: Address(accounts[id.index].address))
        var record = accounts[id.index]
        record.isLoaded = true
        record.storageRootBefore = Self.emptyRoot
        if let found {
            record.existed = true
            record.nonce = found.nonce
            record.nonceBefore = found.nonce
            record.balance = found.balance
            record.balanceBefore = found.balance
            record.codeHash = UInt256(found.codeHash)
            record.codeHashBefore = record.codeHash
            record.storageRootBefore = UInt256(found.storageRoot)
        }
        if record.codeHash == Account.emptyCodeHash { record.code = 0 }
        accounts[id.index] = record
        loads.items.append(.account(id))
    }

    static let emptyRoot = UInt256(Trie.emptyRoot)

    /// The account's code.
    mutating func code(of id: AccountID) throws(StateError) -> Code {
        try load(id)
        let position = accounts[id.index].code
        if position >= 0 { return codes[Int(position)] }
        let record = accounts[id.index]
        let code = try reader.code(record.codeHash.bytes32, of: Address(record.address))
        codes.append(code)
        accounts[id.index].code = Int32(codes.count - 1)
        loads.items.append(.code(id))
        return code
    }

    /// Whether the account has storage that is not empty, as far as creating it anew is concerned.
    ///
    /// What the block itself wrote does not count: only code writes storage.
    func hasStorage(_ id: AccountID) -> Bool {
        let record = accounts[id.index]
        return !record.isStorageCleared && record.storageRootBefore != Self.emptyRoot
    }

    // MARK: Slots

    /// The number of a slot; nothing is read.
    @inline(__always)
    mutating func slot(_ key: UInt256, of account: AccountID) -> SlotID {
        let hash = HashSeed.hash(
            key, UInt64(truncatingIfNeeded: account.index) &* 0x9E37_79B9_7F4A_7C15)
        let found = slotIndex.find(hash) {
            slots[$0].key == key && slots[$0].account == account
        }
        if let found { return SlotID(found) }
        return add(key, account, hash)
    }

    @inline(never)
    private mutating func add(_ key: UInt256, _ account: AccountID, _ hash: UInt64) -> SlotID {
        let number = slots.count
        slots.append(
            SlotRecord(key: key, account: account, next: accounts[account.index].firstSlot))
        accounts[account.index].firstSlot = SlotID(number)
        slotIndex.insert(hash, number) {
            HashSeed.hash(
                slots[$0].key,
                UInt64(truncatingIfNeeded: slots[$0].account.index) &* 0x9E37_79B9_7F4A_7C15)
        }
        return SlotID(number)
    }

    /// Makes sure that the slot's record says what the state does. Its account is loaded.
    @inline(__always)
    mutating func load(_ id: SlotID) throws(StateError) {
        if !slots[id.index].isLoaded { try read(id) }
    }

    @inline(never)
    private mutating func read(_ id: SlotID) throws(StateError) {
        let slot = slots[id.index]
        try load(slot.account)
        let record = accounts[slot.account.index]
        var value = UInt256.zero
        if !record.isStorageCleared, record.storageRootBefore != Self.emptyRoot {
            let before = Account(
                nonce: record.nonceBefore, balance: record.balanceBefore,
                storageRoot: record.storageRootBefore.bytes32,
                codeHash: record.codeHashBefore.bytes32)
            value = try reader.storage(at: slot.key, of: Address(record.address), before)
        }
        slots[id.index].isLoaded = true
        slots[id.index].value = value
        slots[id.index].original = value
        slots[id.index].before = value
        loads.items.append(.slot(id))
    }

    /// Forgets what was read since: whoever wants it reads it again.
    ///
    /// For a transaction that was tried and is not in the block, whose reading is no part of the block's.
    mutating func unload(since mark: StateLoads.Mark) {
        while loads.items.count > mark.count {
            switch loads.items.removeLast() {
            case .account(let id): accounts[id.index].isLoaded = false
            case .slot(let id): slots[id.index].isLoaded = false
            case .code(let id): accounts[id.index].code = -1
            }
        }
    }
}

/// What was read of a state.
struct StateLoads {
    enum Item: BitwiseCopyable {
        case account(AccountID)
        case slot(SlotID)
        /// The code of an account as it was before the block.
        case code(AccountID)
    }

    struct Mark: BitwiseCopyable {
        fileprivate let count: Int
    }

    fileprivate(set) var items: [Item] = []

    var mark: Mark { Mark(count: items.count) }
}
