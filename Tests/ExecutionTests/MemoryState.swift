import ChoraleBase
import Codec
import Crypto
import TestSupport

@testable import Execution

/// A whole state in memory, which knows of every account that it has none.
final class MemoryState: StateReader {
    struct Entry: Equatable {
        var nonce: UInt64
        var balance: UInt256
        var code: [UInt8]
        var storage: [UInt256: UInt256]
    }

    var entries: [Address: Entry] = [:]
    var codes: [Bytes32: Code] = [:]
    var blockHashes: [UInt64: Bytes32] = [:]

    init() {}

    /// From the form that fixtures have.
    init(_ fixture: JSON) throws {
        for name in fixture.keys {
            let account = try fixture[name]
            var storage: [UInt256: UInt256] = [:]
            let slots = try account["storage"]
            for key in slots.keys {
                let value = try slots[key].word
                if !value.isZero { storage[try JSON(key).word] = value }
            }
            entries[Address(try JSON(name).word)] = Entry(
                nonce: try account["nonce"].word.l0, balance: try account["balance"].word,
                code: try account["code"].hex, storage: storage)
        }
        for entry in entries.values where !entry.code.isEmpty {
            codes[Keccak256.hash(entry.code)] = Code(entry.code)
        }
    }

    func account(at address: Address) -> Account? {
        guard let entry = entries[address] else { return nil }
        // The root matters only in whether it is that of no storage.
        return Account(
            nonce: entry.nonce, balance: entry.balance,
            storageRoot: entry.storage.isEmpty ? Trie.emptyRoot : .zero,
            codeHash: Keccak256.hash(entry.code))
    }

    func storage(at slot: UInt256, of address: Address, _ account: Account) -> UInt256 {
        entries[address]?.storage[slot] ?? .zero
    }

    func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        guard let code = codes[hash] else { throw .codeMissing(hash) }
        return code
    }

    func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        guard let hash = blockHashes[number] else { throw .blockHashMissing(number) }
        return hash
    }

    // MARK: Changes

    func apply(_ changes: [AccountChange]) {
        for change in changes {
            guard let account = change.account else {
                entries[change.address] = nil
                continue
            }
            var entry =
                entries[change.address]
                ?? Entry(nonce: 0, balance: .zero, code: [], storage: [:])
            entry.nonce = account.nonce
            entry.balance = account.balance
            if let code = change.code {
                entry.code = code.bytes
                codes[Keccak256.hash(entry.code)] = code
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
    func root() throws -> Bytes32 {
        var trie = Trie()
        for (address, entry) in entries {
            var storage = Trie()
            for (key, value) in entry.storage {
                var writer = RLPWriter()
                writer.bytes(value.minimalBytes)
                try storage.set(
                    Keccak256.hash(key.bytes32.storage.span).storage.span, to: writer.bytes,
                    from: NoTrieNodes())
            }
            var writer = RLPWriter()
            let list = writer.beginList()
            writer.integer(entry.nonce)
            writer.bytes(entry.balance.minimalBytes)
            writer.bytes(storage.root().storage.span)
            writer.bytes(Keccak256.hash(entry.code).storage.span)
            writer.endList(list)
            try trie.set(
                Keccak256.hash(address.storage.span).storage.span, to: writer.bytes,
                from: NoTrieNodes())
        }
        return trie.root()
    }

    /// The first account that is not as in `other`; empty where all are.
    func difference(from other: MemoryState) -> String {
        for address in Set(other.entries.keys).union(entries.keys).sorted()
        where entries[address] != other.entries[address] {
            return " at \(address):\n\(String(describing: entries[address]))\nbut should be\n"
                + String(describing: other.entries[address])
        }
        return ""
    }
}

extension JSON {
    /// A number in hexadecimal with or without leading zeros.
    var word: UInt256 {
        get throws {
            var digits = Array(try string.dropFirst(2))
            if !digits.count.isMultiple(of: 2) { digits.insert("0", at: 0) }
            let bytes = try Hex.decode(String(digits))
            guard let word = UInt256(bigEndian: bytes.span) else {
                throw RLPError.wrongSize(found: bytes.count, expected: 32)
            }
            return word
        }
    }
}
