import ChoraleBase
import Crypto
import Execution

/// A whole state in memory: dictionaries of accounts, slots and codes, and no tries.
final class FlatState: StateReader {
    var accounts: [Address: Account] = [:]
    var slots: [Address: [UInt256: UInt256]] = [:]
    var codes: [Bytes32: Code] = [:]
    var blockHashes: [UInt64: Bytes32] = [:]

    init() {}

    init(_ load: Load) {
        accounts[Address(UInt256(Load.sender))] = Account(balance: UInt256(1 << 60, 0, 0, 0))
        for account in load.accounts {
            let address = Address(UInt256(account.address))
            let hash = Keccak256.hash(account.code)
            codes[hash] = Code(account.code, hash: hash)
            // The root matters only in whether it is that of no storage.
            accounts[address] = Account(
                nonce: 1, storageRoot: account.storage.isEmpty ? Trie.emptyRoot : .zero,
                codeHash: hash)
            for (slot, value) in account.storage {
                slots[address, default: [:]][UInt256(slot)] = UInt256(value)
            }
        }
    }

    func account(at address: Address) -> Account? { accounts[address] }

    func storage(at slot: UInt256, of address: Address, _ account: Account) -> UInt256 {
        slots[address]?[slot] ?? .zero
    }

    func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        guard let code = codes[hash] else { throw .codeMissing(hash) }
        return code
    }

    func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        guard let hash = blockHashes[number] else { throw .blockHashMissing(number) }
        return hash
    }
}

/// Notes what is read of another state, so that it can be read again from a ``FlatState``.
final class CopyingState: StateReader {
    private let original: any StateReader
    let copy = FlatState()

    init(_ original: any StateReader) { self.original = original }

    func account(at address: Address) throws(StateError) -> Account? {
        let account = try original.account(at: address)
        copy.accounts[address] = account
        return account
    }

    func storage(
        at slot: UInt256, of address: Address, _ account: Account
    ) throws(StateError) -> UInt256 {
        let value = try original.storage(at: slot, of: address, account)
        copy.slots[address, default: [:]][slot] = value
        return value
    }

    func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        let code = try original.code(hash, of: address)
        copy.codes[hash] = code
        return code
    }

    func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        let hash = try original.blockHash(number)
        copy.blockHashes[number] = hash
        return hash
    }
}
