import ChoraleBase
import Crypto
import Execution
import TestSupport
import Testing

@testable import Chain

/// The contracts of a genesis, run in blocks.
@Suite struct SystemContractTests {
    static let key = try! Secp256k1.PrivateKey(
        SecretBytes(copying: [UInt8](repeating: 0x46, count: 32)))
    static let ether = UInt256(1_000_000_000_000_000_000)
    static let gwei = UInt256(1_000_000_000)

    static func pairs(_ accounts: [GenesisAccount]) -> [Address: StateStore.Entry] {
        Dictionary(uniqueKeysWithValues: accounts.map { ($0.address, $0.entry) })
    }

    /// Codes and addresses are those of the official tests' genesis states.
    @Test(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
    func areThoseOfTheOfficialTests() throws {
        let official = try Fixtures.json("system-contracts.json")["prague"]
        let ours = Self.pairs(SystemContracts.accounts)
        for name in [
            "000f3df6d732807ef1319fb7b8bb8522d0beac02", "0000f90827f1c53a10cb7a02335b175320002935",
            "00000961ef480eb55e80d19ad83579a64c007002", "0000bbddc7ce488642fb579f8b00f3a590007251",
        ] {
            let entry = try #require(ours[SystemContracts.address(name)])
            let code = try official["0x" + name]["code"].string
            #expect("0x" + Hex.encode(entry.code) == code)
            #expect(entry.nonce == 1)
        }
        #expect(ours.count == 5)
    }

    /// A block after a genesis with the contracts, with these calls of the deposit contract.
    static func block(
        _ calls: [(data: [UInt8], value: UInt256)]
    ) throws -> (requests: [[UInt8]], succeeded: [Bool], gas: [UInt64]) {
        var entries = pairs(SystemContracts.accounts)
        entries[Address(key.publicKey)] = .init(balance: UInt256(0, 0, 1 << 40, 0))
        let store = try StateStore(entries)
        var rules = ChainRules.always(.prague, blobs: .prague, chainID: 1337)
        rules.depositContract = DepositContract.address
        let genesis = Header.genesis(
            fork: .prague, stateRoot: store.root, gasLimit: 30_000_000, timestamp: 1000,
            baseFeePerGas: gwei)
        let attributes = BlockAttributes(timestamp: 1001, gasLimitTarget: 30_000_000)
        var builder = try BlockBuilder(
            after: genesis, attributes, rules,
            state: TrieState(root: store.root, source: store, blockHashes: [0: genesis.hash]))
        for (index, call) in calls.enumerated() {
            let transaction = Transaction(
                kind: .dynamicFee, chainID: UInt256(1337), nonce: UInt64(index),
                maxPriorityFeePerGas: .zero, maxFeePerGas: gwei, gasLimit: 200_000,
                to: DepositContract.address, value: call.value, data: call.data
            ).signed(by: key)
            let refusal = try builder.add(transaction, sender: try transaction.sender())
            #expect(refusal == nil)
        }
        let built = try builder.finish(ancestors: [0: genesis.encoded])
        // Valid for whoever executes it from its witness.
        let verdict = try StatelessExecution(rules: rules, mode: .strict).verdict(
            built.block, size: built.block.encoded.count, built.witness, senders: built.senders)
        #expect(verdict.roots.stateRoot == built.block.header.stateRoot)
        return (
            built.outcome.requests, built.outcome.receipts.map(\.succeeded),
            built.outcome.receipts.map(\.cumulativeGasUsed)
        )
    }

    static let validatorKey = (1...32).map { UInt8($0) } + [UInt8](repeating: 0, count: 16)
    static let credentials = [UInt8](repeating: 0, count: 12) + [UInt8](repeating: 0xFE, count: 20)
    static let signature = (0..<96).map { UInt8(200 - $0) }

    @Test func aBlockNeedsTheContractsAndHasNoRequestsByItself() throws {
        let (requests, _, _) = try Self.block([])
        #expect(requests.isEmpty)
    }

    @Test func depositsBecomeRequestsOfEIP6110() throws {
        let call = Self.validatorKey + Self.credentials
        let (requests, succeeded, gas) = try Self.block([
            (call, Self.ether << 5), (call + Self.signature, Self.ether &+ Self.gwei),
        ])
        #expect(succeeded == [true, true])
        // The largest part is the count's first write.
        #expect(gas[0] < 80_000)
        let amounts: [[UInt8]] = [
            // 32 · 10^9 and 10^9 + 1, little-endian.
            [0x00, 0x40, 0x59, 0x73, 0x07, 0, 0, 0], [0x01, 0xCA, 0x9A, 0x3B, 0, 0, 0, 0],
        ]
        let first = call + amounts[0] + [UInt8](repeating: 0, count: 96 + 8)
        let second = call + amounts[1] + Self.signature + [1, 0, 0, 0, 0, 0, 0, 0]
        #expect(requests == [[0] + first + second])
    }

    static let refused: [(name: String, data: [UInt8], value: UInt256)] = [
        ("no data", [], ether),
        ("a byte missing", Array((validatorKey + credentials).dropLast()), ether),
        ("a byte more", validatorKey + credentials + [0], ether),
        ("a signature a byte short", validatorKey + credentials + signature.dropLast(), ether),
        ("a signature a byte long", validatorKey + credentials + signature + [0], ether),
        (
            "a key that goes on",
            [UInt8](repeating: 1, count: 33) + [UInt8](repeating: 0, count: 15) + credentials, ether
        ),
        ("a key with a last byte", [UInt8](repeating: 0, count: 47) + [1] + credentials, ether),
        ("nothing", validatorKey + credentials, .zero),
        ("a gwei less than an ether", validatorKey + credentials, ether &- gwei),
        ("a wei more", validatorKey + credentials, ether &+ .one),
        ("2^64 gwei", validatorKey + credentials, gwei << 64),
    ]

    @Test(arguments: refused.indices) func whatIsNoDepositIsReverted(index: Int) throws {
        let row = Self.refused[index]
        let (requests, succeeded, _) = try Self.block([
            (row.data, row.value), (Self.validatorKey + Self.credentials, Self.ether),
        ])
        #expect(succeeded == [false, true], "\(row.name)")
        // The one behind it is the first that counts.
        let deposit = try #require(requests.first)
        #expect(requests.count == 1 && deposit.count == 1 + 192)
        #expect(deposit.suffix(8) == [0, 0, 0, 0, 0, 0, 0, 0])
    }
}
