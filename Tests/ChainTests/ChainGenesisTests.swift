import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import PeerIdentity
import Testing

@testable import Chain

@Suite struct ChainGenesisTests {
    static let keys = (1...3).map { seed in
        Ed25519.PrivateKey(seed: SecretBytes(copying: [UInt8](repeating: UInt8(seed), count: 32)))
            .publicKey
    }

    static let config = """
        NETWORK_NAME: "a test"
        GENESIS_TIME: 1767225600
        SECONDS_PER_SLOT: 2
        BLOCKS_PER_EPOCH: 8
        WITNESS_SIZE_MAX: 1048576
        N_PROVERS: 2

        """

    static let genesis = """
        {
          "config": {"chainId": 1337, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0},
          "timestamp": "0x6955b900",
          "gasLimit": "30000000",
          "baseFeePerGas": 7,
          "extraData": "0x63686f72616c65",
          "alloc": {
            "0x00000000000000000000000000000000000000a1": {"balance": "0xde0b6b3a7640000"},
            "00000000000000000000000000000000000000A2": {"balance": "1000000000000000000", "nonce": 3},
            "0x00000000000000000000000000000000000000a3": {
              "balance": 0, "nonce": "0x1", "code": "0x60006000fd",
              "storage": {"0x0": "0x2a", "0x01": "0x0000000000000000000000000000000000000000000000000000000000000000",
                "0x2": "7"}
            }
          }
        }
        """

    static let validators = keys.enumerated().map { index, key in
        """
        - index: \(index)
          name: validator-\(index)
          publicKey: "0x\(key)"
          stake: \(32_000_000_000 + index)
          feeRecipient: "0x00000000000000000000000000000000000000f\(index)"

        """
    }.joined()

    static func files(
        config: String = config, genesis: String = genesis, validators: String = validators
    ) -> [NetworkFile: [UInt8]] {
        [
            .config: Array(config.utf8), .genesis: Array(genesis.utf8),
            .validators: Array(validators.utf8),
        ]
    }

    @Test func saysWhatTheFilesSay() throws {
        let files = Self.files()
        let genesis = try ChainGenesis(files: files)
        #expect(genesis.name == "a test")
        #expect(genesis.time == 1_767_225_600)
        #expect(genesis.blockInterval == .seconds(2))
        #expect(genesis.epochLength == 8)
        #expect(genesis.witnessSizeMax == 1 << 20)
        #expect(genesis.rules.chainID == 1337)
        #expect(genesis.rules.epoch(at: genesis.time).fork == .prague)
        #expect(genesis.header.gasLimit == 30_000_000)
        #expect(genesis.header.baseFeePerGas == UInt256(7))
        #expect(genesis.header.extraData == Array("chorale".utf8))
        #expect(genesis.header.timestamp == genesis.time)
        #expect(genesis.header.requestsHash == SHA256.hash([]))
        #expect(genesis.validators.validators.map(\.key.bytes) == Self.keys.map(\.bytes))
        #expect(genesis.validators.totalStake == 96_000_000_003)
        #expect(
            genesis.feeRecipients.map(\.description).map { $0.suffix(2) } == ["f0", "f1", "f2"])
        #expect(genesis.digest == NetworkFile.digest(NetworkFile.allCases.map { files[$0]! }))
        #expect(genesis.network.bytes == Array(genesis.digest.bytes.prefix(4)))
        // By hand: SHA-256("chorale/genesis/1" ‖ digest ‖ block hash).
        let preimage =
            Array("chorale/genesis/1".utf8) + genesis.digest.bytes + genesis.blockHash.bytes
        #expect(genesis.blockID == SHA256.hash(preimage))
        #expect(
            genesis.beaconValue
                == Beacon.genesis(network: genesis.network, genesisID: genesis.blockID))
    }

    @Test func accountsAreThoseOfTheFileInItsOrder() throws {
        let genesis = try ChainGenesis(files: Self.files())
        let accounts = Array(genesis.accounts)
        #expect(genesis.accounts.count == 3)
        #expect(accounts.map { $0.address.description.suffix(2) } == ["a1", "a2", "a3"])
        let ether = UInt256(1_000_000_000_000_000_000)
        #expect(accounts.map(\.entry.balance) == [ether, ether, .zero])
        #expect(accounts.map(\.entry.nonce) == [0, 3, 1])
        #expect(accounts[2].entry.code == [0x60, 0, 0x60, 0, 0xFD])
        // A word of zero is no slot.
        let change = accounts[2].change
        #expect(change.slots.map(\.key) == [.zero, UInt256(2)])
        #expect(change.slots.map(\.value) == [UInt256(42), UInt256(7)])
        #expect(change.account?.storageRoot != Trie.emptyRoot)
        #expect(change.account?.codeHash == Keccak256.hash([0x60, 0, 0x60, 0, 0xFD]))
    }

    /// The trie of changes that come one by one has the same root and the same nodes.
    @Test(arguments: [0, 1, 2, 3, 17, 300]) func nodesAreThoseOfTheTrie(count: Int) throws {
        var random = DeterministicRandom(seed: UInt64(count))
        var alloc: [String] = []
        for index in 0..<count {
            let address =
                String(repeating: "0", count: 36)
                + Hex.encode([
                    UInt8(index >> 8), UInt8(index & 255),
                ])
            // Small storages whose tries have embedded nodes, and large ones.
            let slotCount = index % 5 == 0 ? random.next() % 40 : 0
            let slots = (0..<slotCount).map {
                "\"\($0)\": \"0x\(String(random.next() % 300, radix: 16))\""
            }
            let storage = slots.joined(separator: ",")
            alloc.append("\"\(address)\": {\"balance\": \(index), \"storage\": {\(storage)}}")
        }
        let text = "{" + alloc.joined(separator: ",") + "}"
        let bytes = Array(text.utf8)
        let accounts = try GenesisAccounts(bytes, in: 0..<bytes.count)
        var entries: [Address: StateStore.Entry] = [:]
        for account in accounts { entries[account.address] = account.entry }
        let store = try StateStore(entries)
        #expect(accounts.count == count)
        #expect(accounts.stateRoot == store.root)
        var nodes: [Bytes32: [UInt8]] = [:]
        accounts.forEachNode { nodes[$0] = $1 }
        #expect(nodes == store.nodes)
        // With the storage root of its own, every change alone leads there as well.
        let state = TrieState(root: Trie.emptyRoot, source: StateStore(), blockHashes: [:])
        #expect(try state.apply(accounts.map(\.change)) == store.root)
    }

    /// Computed once with py-trie's `HexaryTrie` and `rlp` from PyPI.
    @Test func rootAndHashArePinned() throws {
        let genesis = try ChainGenesis(files: Self.files())
        #expect("\(genesis.stateRoot)" == Self.pinnedRoot)
        #expect("\(genesis.blockHash)" == Self.pinnedHash)
    }

    static let pinnedRoot = "b9bfc9b1893301b7e54010b386d1312e1d604a5fd26ca56dd90beb2349e4014e"
    static let pinnedHash = "fd1689dfce9d6fa18cc673580466e2354907764af6efb213803f411036233e8d"

    // MARK: Refusals

    struct Refusal: Sendable, CustomStringConvertible {
        let file: NetworkFile
        let from: String
        let to: String
        let words: String

        init(_ file: NetworkFile, _ from: String, _ to: String, _ words: String) {
            (self.file, self.from, self.to, self.words) = (file, from, to, words)
        }

        var description: String { "\(file.rawValue): \(to)" }
    }

    static let refusals = [
        Refusal(
            .config, "GENESIS_TIME: 1767225600\n", "",
            "config.yaml: `GENESIS_TIME` is missing"),
        Refusal(
            .config, "SECONDS_PER_SLOT: 2", "SECONDS_PER_SLOT: 0",
            "config.yaml line 3: `SECONDS_PER_SLOT: 0` is not seconds from 1 to 3600"),
        Refusal(.config, ": 2\n", ": +2\n", "config.yaml line 3: `SECONDS_PER_SLOT: +2` is not"),
        Refusal(
            .config, "BLOCKS_PER_EPOCH: 8", "BLOCKS_PER_EPOCH: [8]",
            "config.yaml line 4: `BLOCKS_PER_EPOCH: a list or nothing` is not blocks"),
        Refusal(
            .config, "1048576", "1048576000", "line 5: `WITNESS_SIZE_MAX: 1048576000` is not"),
        Refusal(.config, "N_PROVERS", "N_PROOFS", "line 6: nothing is called `N_PROOFS`"),
        Refusal(.config, "\"a test\"", "{}", "config.yaml line 1: `{` means something"),
        Refusal(
            .config, "N_PROVERS: 2", "GENESIS_VALIDATORS: [\"0x\(keys[0])\"]",
            "validators.yaml: the list of public keys is another here"),
        Refusal(
            .config, "N_PROVERS: 2", "GENESIS_VALIDATORS: [\"0xabcd\"]",
            "line 6: `GENESIS_VALIDATORS: 0xabcd` is not a public key"),
        Refusal(
            .config, "1767225600", "1767225601",
            "genesis.json, `timestamp`: the time of block 0 is 1767225600 here and 1767225601"),
        Refusal(.genesis, "\"alloc\"", "\"allocs\"", "nothing is called `allocs`"),
        Refusal(
            .genesis, "\"gasLimit\": \"30000000\"", "\"timestamp\": 1",
            "the name `timestamp` occurs again"),
        Refusal(
            .genesis, "30000000", "4999",
            "genesis.json, `gasLimit`: `4999` is not a number of gas, at least 5000"),
        Refusal(
            .genesis, ", \"cancunTime\": 0, \"pragueTime\": 0", "",
            "`config`: the rules of the first block are those of Shanghai"),
        Refusal(
            .genesis, "\"pragueTime\": 0", "\"amsterdamTime\": 5",
            "`config.amsterdamTime` schedules a fork at 5 that is not known here"),
        Refusal(.genesis, "\"chainId\": 1337,", "", "`config.chainId` must be a number"),
        Refusal(
            .genesis, "0xde0b6b3a7640000", "-1",
            "`alloc.0x00000000000000000000000000000000000000a1.balance`: `-1` is not a number"),
        Refusal(
            .genesis, "\"balance\": \"0xde0b6b3a7640000\"", "",
            "`alloc.0x00000000000000000000000000000000000000a1`: `balance` is missing"),
        Refusal(.genesis, "\"nonce\": 3", "\"nonces\": 3", "nothing is called `nonces`"),
        Refusal(.genesis, "0x60006000fd", "0x60006000f", "a3.code`: `0x60006000f` is not bytes"),
        Refusal(.genesis, "\"0x01\"", "\"0x00\"", "a3.storage.0x00`: `0x0000000"),
        Refusal(
            .genesis, "00A2", "00a1",
            "`alloc`: 0x00000000000000000000000000000000000000a1 is there twice"),
        Refusal(.genesis, "00A2", "00A", "`alloc`: `00000000000000000000000000000000000000A` is"),
        Refusal(.genesis, "\"nonce\": 3}", "\"nonce\": 3]", "a2`: unexpected `]`"),
        Refusal(
            .genesis, "\"baseFeePerGas\": 7", "\"number\": 7", "`number`: `a number` is not zero"),
        Refusal(
            .genesis, "0x63686f72616c65", "0x" + String(repeating: "00", count: 33),
            "`extraData`"),
        Refusal(.validators, "index: 1", "index: 2", "line 6: `index: 2` is not 1, its place"),
        Refusal(
            .validators, "stake: 32000000001", "stake: 0", "line 9: `stake: 0` is not a number"),
        Refusal(.validators, "stake: 32000000001", "steak: 1", "line 9: nothing is called `steak`"),
        Refusal(
            .validators, "  stake: 32000000001\n", "", "validators.yaml line 6: `stake` is missing"),
        Refusal(
            .validators, "\(keys[1])", "\(keys[0])",
            "validators.yaml: validator 1 has the key of another"),
        Refusal(
            .validators, validators, "[]", "validators.yaml: a chain needs at least one validator"),
        Refusal(
            .validators, "00000000f1", "0000000f1", "line 10: `feeRecipient: 0x000000000000000000"),
        Refusal(.validators, "  name: validator-1", " name: validator-1", "line 7: indented"),
        Refusal(.validators, validators, "a: b", "line 1: expected a list of records"),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) throws {
        var texts: [NetworkFile: String] = [
            .config: Self.config, .genesis: Self.genesis, .validators: Self.validators,
        ]
        let text = try #require(texts[row.file])
        #expect(text.contains(row.from))
        texts[row.file] = text.replacing(row.from, with: row.to, maxReplacements: 1)
        do throws(GenesisError) {
            _ = try ChainGenesis(files: texts.mapValues { Array($0.utf8) })
            Issue.record("was taken")
        } catch {
            #expect("\(error)".contains(row.words), "\(error)")
            #expect(NetworkFile.allCases.contains { "\(error)".hasPrefix($0.rawValue) })
        }
    }

    @Test func everyFileIsNeeded() {
        for file in NetworkFile.allCases {
            var files = Self.files()
            files[file] = nil
            #expect(throws: GenesisError(file, .file, .missing)) { try ChainGenesis(files: files) }
        }
    }

    /// Whatever is cut off or changed, the answer is a value or an error, and a value of its own.
    @Test func truncatedAndChangedFilesAreRefusedOrOthers() throws {
        let whole = try ChainGenesis(files: Self.files())
        for file in NetworkFile.allCases {
            let bytes = Self.files()[file]!
            for end in stride(from: 0, to: bytes.count, by: 3) {
                var files = Self.files()
                files[file] = Array(bytes[..<end])
                if let other = try? ChainGenesis(files: files) {
                    #expect(other.digest != whole.digest)
                }
            }
            for position in bytes.indices {
                var files = Self.files()
                for value in [UInt8(0), 0x22, 0x5D, 0xFF, bytes[position] ^ 1] {
                    files[file]![position] = value
                    if let other = try? ChainGenesis(files: files) {
                        #expect((other.digest == whole.digest) == (value == bytes[position]))
                    }
                }
            }
        }
    }
}
