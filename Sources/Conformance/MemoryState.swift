package import ChoraleBase
import Codec
import Crypto
package import Execution

/// A whole state in memory, flat: every account, code and slot by its name.
///
/// Nothing can be missing from it: what it has not, is not.
package final class MemoryState: StateReader {
    package typealias Entry = StateStore.Entry

    package var entries: [Address: Entry] = [:] {
        didSet { codeHashes = [:] }
    }
    package private(set) var codes: [Bytes32: Code] = [:]
    package var blockHashes: [UInt64: Bytes32] = [:]
    private var codeHashes: [Address: Bytes32] = [:]

    package init() {}

    /// From the form that fixtures and genesis files have: addresses with `balance`, and `nonce`,
    /// `code` and `storage` where there is any.
    package init(_ fixture: FixtureValue) throws(FixtureError) {
        for (name, account) in try fixture.members {
            var entry = Entry()
            entry.balance = try account["balance"].word
            if let nonce = account.optional("nonce") { entry.nonce = try nonce.uint64 }
            if let code = account.optional("code") { entry.code = try code.bytes }
            if let storage = account.optional("storage") {
                for (key, value) in try storage.members {
                    let slot = try FixtureValue(.string(key), path: value.path).word
                    let word = try value.word
                    if !word.isZero { entry.storage[slot] = word }
                }
            }
            let address = try FixtureValue(.string(name), path: account.path).address
            guard entries.updateValue(entry, forKey: address) == nil else {
                throw account.error("the account is there twice")
            }
        }
        for entry in entries.values where !entry.code.isEmpty { add(Code(entry.code)) }
    }

    package func add(_ code: Code) { codes[Keccak256.hash(code.bytes)] = code }

    // MARK: Reading

    package func account(at address: Address) -> Account? {
        guard let entry = entries[address] else { return nil }
        // The root matters only in whether it is that of no storage.
        return Account(
            nonce: entry.nonce, balance: entry.balance,
            storageRoot: entry.storage.isEmpty ? Trie.emptyRoot : .zero,
            codeHash: codeHash(address, entry))
    }

    private func codeHash(_ address: Address, _ entry: Entry) -> Bytes32 {
        guard !entry.code.isEmpty else { return Account.emptyCodeHashBytes }
        if let known = codeHashes[address] { return known }
        let hash = Keccak256.hash(entry.code)
        codeHashes[address] = hash
        return hash
    }

    package func storage(at slot: UInt256, of address: Address, _ account: Account) -> UInt256 {
        entries[address]?.storage[slot] ?? .zero
    }

    package func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        guard let code = codes[hash] else { throw .codeMissing(hash) }
        return code
    }

    package func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        guard let hash = blockHashes[number] else { throw .blockHashMissing(number) }
        return hash
    }

    // MARK: Changes

    package func apply(_ changes: [AccountChange]) {
        for change in changes {
            guard let account = change.account else {
                entries[change.address] = nil
                continue
            }
            var entry = entries[change.address] ?? Entry()
            entry.nonce = account.nonce
            entry.balance = account.balance
            if let code = change.code {
                entry.code = code.bytes
                add(code)
            } else if account.codeHash == Account.emptyCodeHashBytes {
                entry.code = []
            }
            if change.isStorageCleared { entry.storage = [:] }
            for slot in change.slots {
                entry.storage[slot.key] = slot.value.isZero ? nil : slot.value
            }
            entries[change.address] = entry
        }
    }

    /// The state's root, from nothing but the accounts.
    package func root() throws(StateError) -> Bytes32 { try StateStore(entries).root }

    /// The first account that is not as in `other`; nil where all are.
    package func difference(from other: MemoryState) -> String? {
        let address = Set(other.entries.keys).union(entries.keys).sorted().first {
            entries[$0] != other.entries[$0]
        }
        guard let address else { return nil }
        let (found, expected) = (entries[address], other.entries[address])
        guard let found else { return "\(address) is gone" }
        guard let expected else { return "\(address) should not be there" }
        if found.nonce != expected.nonce {
            return "\(address) has nonce \(found.nonce), expected \(expected.nonce)"
        }
        if found.balance != expected.balance {
            return "\(address) has balance \(found.balance), expected \(expected.balance)"
        }
        if found.code != expected.code { return "\(address) has other code" }
        let slot = Set(found.storage.keys).union(expected.storage.keys).sorted().first {
            found.storage[$0] != expected.storage[$0]
        }
        guard let slot else { return "\(address)" }
        return "\(address) slot \(slot) is \(found.storage[slot] ?? .zero), "
            + "expected \(expected.storage[slot] ?? .zero)"
    }
}
