import ChoraleBase

/// One change, with what was there before it.
struct JournalEntry: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        case accountWarmed, slotWarmed
        case balance, nonce, code
        case created, destroyed, touched
        case storage, transient
    }

    let kind: Kind
    /// Number of the account, slot or transient slot.
    let index: Int32
    /// For code: where it was in the list of codes.
    var position: Int32 = 0
    var before = UInt256.zero
}

extension WorldState {
    /// A moment to which the state can be taken back.
    struct Checkpoint: BitwiseCopyable {
        fileprivate let journal: Int
        fileprivate let logs: LogArena.Mark
        fileprivate let refund: Int64
    }

    @inline(__always)
    var checkpoint: Checkpoint {
        Checkpoint(journal: journal.count, logs: logs.mark, refund: refund)
    }

    /// Undoes every change since, the last first.
    mutating func revert(to checkpoint: Checkpoint) {
        while journal.count > checkpoint.journal { undo(journal.removeLast()) }
        logs.truncate(to: checkpoint.logs)
        refund = checkpoint.refund
    }

    private mutating func undo(_ entry: JournalEntry) {
        let index = Int(entry.index)
        switch entry.kind {
        case .accountWarmed: accounts[index].warmIn = 0
        case .slotWarmed: slots[index].warmIn = 0
        case .balance: accounts[index].balance = entry.before
        case .nonce: accounts[index].nonce = entry.before.l0
        case .code:
            accounts[index].codeHash = entry.before
            accounts[index].code = entry.position
        case .created: accounts[index].createdIn = 0
        case .destroyed: accounts[index].destroyedIn = 0
        case .touched: accounts[index].isGoneWhenEmpty = false
        case .storage: slots[index].value = entry.before
        case .transient: transient[index] = entry.before
        }
    }

    // MARK: Warmth

    /// Makes the account warm. Returns whether it was cold.
    @inline(__always)
    mutating func warm(_ id: AccountID) -> Bool {
        guard accounts[id.index].warmIn != transaction else { return false }
        accounts[id.index].warmIn = transaction
        journal.append(JournalEntry(kind: .accountWarmed, index: id.rawValue))
        return true
    }

    /// Makes the slot warm. Returns whether it was cold.
    @inline(__always)
    mutating func warm(_ id: SlotID) -> Bool {
        guard slots[id.index].warmIn != transaction else { return false }
        slots[id.index].warmIn = transaction
        // Writing needs warmth, so a cold slot has the value it had when the transaction began.
        slots[id.index].original = slots[id.index].value
        journal.append(JournalEntry(kind: .slotWarmed, index: id.rawValue))
        return true
    }

    // MARK: Accounts. Each is loaded.

    @inline(__always)
    mutating func setBalance(_ id: AccountID, _ balance: UInt256) {
        let before = accounts[id.index].balance
        guard before != balance else { return }
        journal.append(JournalEntry(kind: .balance, index: id.rawValue, before: before))
        accounts[id.index].balance = balance
    }

    mutating func setNonce(_ id: AccountID, _ nonce: UInt64) {
        let before = UInt256(accounts[id.index].nonce)
        journal.append(JournalEntry(kind: .nonce, index: id.rawValue, before: before))
        accounts[id.index].nonce = nonce
    }

    mutating func setCode(_ id: AccountID, _ code: Code) {
        let record = accounts[id.index]
        journal.append(
            JournalEntry(
                kind: .code, index: id.rawValue, position: record.code, before: record.codeHash))
        if code.size == 0 {
            accounts[id.index].code = 0
        } else {
            codes.append(code)
            accounts[id.index].code = Int32(codes.count - 1)
        }
        accounts[id.index].codeHash = code.hash
    }

    /// Moves ether; the sender has it.
    mutating func transfer(_ value: UInt256, from sender: AccountID, to recipient: AccountID) {
        touch(recipient)
        guard !value.isZero, sender != recipient else { return }
        setBalance(sender, accounts[sender.index].balance &- value)
        setBalance(recipient, accounts[recipient.index].balance &+ value)
    }

    /// Notes that an account that is in the state although it is empty was touched (EIP-161).
    @inline(__always)
    mutating func touch(_ id: AccountID) {
        let record = accounts[id.index]
        guard record.existed, record.isEmpty, !record.isGoneWhenEmpty else { return }
        journal.append(JournalEntry(kind: .touched, index: id.rawValue))
        accounts[id.index].isGoneWhenEmpty = true
    }

    func wasCreated(_ id: AccountID) -> Bool { accounts[id.index].createdIn == transaction }

    mutating func markCreated(_ id: AccountID) {
        journal.append(JournalEntry(kind: .created, index: id.rawValue))
        accounts[id.index].createdIn = transaction
    }

    mutating func markDestroyed(_ id: AccountID) {
        guard accounts[id.index].destroyedIn != transaction else { return }
        journal.append(JournalEntry(kind: .destroyed, index: id.rawValue))
        accounts[id.index].destroyedIn = transaction
        destroyed.append(id)
    }

    // MARK: Storage

    /// Writes a slot that is loaded and warm.
    @inline(__always)
    mutating func setSlot(_ id: SlotID, _ value: UInt256) {
        let before = slots[id.index].value
        guard before != value else { return }
        journal.append(JournalEntry(kind: .storage, index: id.rawValue, before: before))
        slots[id.index].value = value
    }

    @inline(__always)
    mutating func setTransient(_ key: UInt256, of account: AccountID, _ value: UInt256) {
        let index = transient.slot(key, of: account)
        journal.append(
            JournalEntry(kind: .transient, index: Int32(index), before: transient[index]))
        transient[index] = value
    }

    // MARK: Transactions

    /// Makes the transaction's changes last: destroys what it destroyed and forgets how to undo it.
    mutating func endTransaction() {
        for id in destroyed where accounts[id.index].destroyedIn == transaction { clear(id) }
        destroyed.removeAll(keepingCapacity: true)
        if accessRecord != nil { noteChanges() }
        journal.truncate(to: 0)
        transient.removeAll()
        refund = 0
        transaction += 1
    }

    /// As if the transaction had never been: its changes undone, and what it read forgotten.
    ///
    /// - Parameter mark: of what had been read before it.
    mutating func abandonTransaction(_ mark: StateLoads.Mark) {
        while journal.count > 0 { undo(journal.removeLast()) }
        _ = logs.take()
        destroyed.removeAll(keepingCapacity: true)
        transient.removeAll()
        refund = 0
        transaction += 1
        unload(since: mark)
    }

    private mutating func clear(_ id: AccountID) {
        accounts[id.index].nonce = 0
        accounts[id.index].balance = .zero
        accounts[id.index].codeHash = Account.emptyCodeHash
        accounts[id.index].code = 0
        accounts[id.index].isStorageCleared = true
        accounts[id.index].isGoneWhenEmpty = true
        var slot = accounts[id.index].firstSlot
        while slot != .none {
            slots[slot.index].value = .zero
            slots[slot.index].isLoaded = true
            slot = slots[slot.index].next
        }
    }
}
