import ChoraleBase
import Codec
import Crypto
import Execution

/// Objects to start from; their types are made by decoding.
enum Template {
    static let block: Block = {
        var writer = RLPWriter()
        let block = writer.beginList()
        let header = writer.beginList()
        for size in [32, 32, 20, 32, 32, 32, 256] {
            writer.bytes([UInt8](repeating: 0, count: size))
        }
        for _ in 0..<6 { writer.bytes([]) }
        for size in [32, 8] { writer.bytes([UInt8](repeating: 0, count: size)) }
        writer.endList(header)
        for _ in 0..<2 { writer.endList(writer.beginList()) }
        writer.endList(block)
        guard let decoded = try? Block(writer.bytes.span) else { fatalError("no template") }
        return decoded
    }()

    static let transaction: Transaction = {
        var writer = RLPWriter()
        let list = writer.beginList()
        for _ in 0..<6 { writer.bytes([]) }
        for value in [27, 1, 1] as [UInt64] { writer.integer(value) }
        writer.endList(list)
        guard let decoded = try? Transaction(writer.bytes.span) else { fatalError("no template") }
        return decoded
    }()

    /// An authorization of some account that nobody knows the key of: any `r` that is a point's
    /// coordinate is a signature of someone.
    static func authorization(_ number: UInt64, to address: Address = Address(.one))
        -> Transaction.Authorization
    {
        Transaction.Authorization(
            chainID: .zero, address: address, nonce: 0, yParity: UInt8(number & 1),
            r: UInt256(number + 1), s: UInt256(number + 2))
    }

    static let key: Secp256k1.PrivateKey = {
        do {
            return try Secp256k1.PrivateKey(
                SecretBytes(copying: [UInt8](repeating: 0x42, count: 32)))
        } catch { fatalError("a secret in range: \(error)") }
    }()

    /// The account of the key.
    static let holder = Address(key.publicKey)
}

extension Transaction {
    /// Signs it with the key that every run has.
    mutating func sign() {
        let (signature, recoveryID) = Template.key.signRecoverable(digest: signingHash)
        yParity = recoveryID
        r = UInt256(bigEndian: signature.span.extracting(0..<32)) ?? .zero
        s = UInt256(bigEndian: signature.span.extracting(32..<64)) ?? .zero
    }
}

extension Transaction.Authorization {
    /// Signs it with the key that every run has.
    mutating func sign() {
        var writer = RLPWriter(appendingTo: [0x05])
        let list = writer.beginList()
        writer.bytes(chainID.minimalBytes)
        writer.bytes(address.storage.span)
        writer.integer(nonce)
        writer.endList(list)
        let digest = Keccak256.hash(writer.bytes)
        let (signature, recoveryID) = Template.key.signRecoverable(digest: digest)
        yParity = recoveryID
        r = UInt256(bigEndian: signature.span.extracting(0..<32)) ?? .zero
        s = UInt256(bigEndian: signature.span.extracting(32..<64)) ?? .zero
    }
}

/// One fork for ever, for every fork that has blocks here.
enum ChainOfForks {
    static let all: [ChainRules] = [
        .always(.shanghai, blobs: .cancun), .always(.cancun, blobs: .cancun),
        .always(.prague, blobs: .prague), .always(.osaka, blobs: .bpo2),
    ]
}

/// Trie nodes and codes in memory, by their hashes.
struct MemoryStore: TrieNodeSource, CodeSource {
    var nodes: [Bytes32: [UInt8]] = [:]
    var codes: [Bytes32: Code] = [:]

    func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
        guard let node = nodes[hash] else { return false }
        bytes.append(contentsOf: node)
        return true
    }

    func code(_ hash: Bytes32) -> Code? { codes[hash] }
}

/// A whole state as plain dictionaries: the truth that tries are compared with.
final class ModelState: StateReader {
    struct Entry: Hashable {
        var nonce: UInt64 = 0
        var balance = UInt256.zero
        var code: [UInt8] = []
        var storage: [UInt256: UInt256] = [:]
    }

    var entries: [Address: Entry] = [:]
    var codes: [Bytes32: Code] = [:]
    var blockHashes: [UInt64: Bytes32] = [:]

    init() {}

    func add(_ address: Address, _ entry: Entry) {
        entries[address] = entry
        if !entry.code.isEmpty { codes[Keccak256.hash(entry.code)] = Code(entry.code) }
    }

    func account(at address: Address) -> Account? {
        entries[address].map {
            // All that is asked of the root is whether it is that of no storage.
            Account(
                nonce: $0.nonce, balance: $0.balance,
                storageRoot: $0.storage.isEmpty ? Trie.emptyRoot : .zero,
                codeHash: Keccak256.hash($0.code))
        }
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

    func apply(_ changes: [AccountChange]) {
        for change in changes {
            guard let account = change.account else {
                entries[change.address] = nil
                continue
            }
            var entry = entries[change.address] ?? Entry()
            entry.nonce = account.nonce
            entry.balance = account.balance
            if let code = change.code {
                add(change.address, Entry(code: code.bytes))
                entry.code = code.bytes
            } else if account.codeHash == Account.emptyCodeHashBytes {
                entry.code = []
            }
            require(Keccak256.hash(entry.code) == account.codeHash, "a change without its code")
            if change.isStorageCleared { entry.storage = [:] }
            for slot in change.slots {
                entry.storage[slot.key] = slot.value.isZero ? nil : slot.value
            }
            entries[change.address] = entry
        }
    }

    /// The root, and every node with every code in a store.
    func build() -> (root: Bytes32, store: MemoryStore) {
        var store = MemoryStore(codes: codes)
        var accounts = Trie()
        // In any order: the trie does not depend on it.
        for (address, entry) in entries {
            var storage = Trie()
            for (slot, value) in entry.storage {
                var writer = RLPWriter()
                writer.bytes(value.minimalBytes)
                Self.set(&storage, Keccak256.hash(slot.bytes32.storage.span), writer.bytes)
            }
            storage.forEachNewNode { store.nodes[$0] = $1 }
            var writer = RLPWriter()
            let list = writer.beginList()
            writer.integer(entry.nonce)
            writer.bytes(entry.balance.minimalBytes)
            writer.bytes(storage.root().storage.span)
            writer.bytes(Keccak256.hash(entry.code).storage.span)
            writer.endList(list)
            Self.set(&accounts, Keccak256.hash(address.storage.span), writer.bytes)
        }
        accounts.forEachNewNode { store.nodes[$0] = $1 }
        return (accounts.root(), store)
    }

    private static func set(_ trie: inout Trie, _ key: Bytes32, _ value: [UInt8]) {
        do throws(TrieError) {
            try trie.set(key.storage.span, to: value, from: NoTrieNodes())
        } catch {
            fatalError("property broken: a trie without a source misses \(error)")
        }
    }
}
