import ChoraleBase
import Codec
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

private func decoded(_ bytes: [UInt8]) throws(TransactionError) -> Transaction {
    try Transaction(bytes.span)
}

@Suite struct TransactionTests {
    /// The example of EIP-155: key 0x46…46, chain 1.
    @Test func theExampleOfEIP155() throws {
        let transaction = Transaction(
            kind: .legacy, chainID: .one, nonce: 9,
            maxPriorityFeePerGas: UInt256(20_000_000_000), maxFeePerGas: UInt256(20_000_000_000),
            gasLimit: 21_000, to: Address(storage: .init(repeating: 0x35)),
            value: UInt256(1_000_000_000_000_000_000), data: [], yParity: 0,
            r: try word("28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"),
            s: try word("67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"))
        #expect(
            transaction.signingHash.description
                == "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53")
        #expect(
            try transaction.sender().description == "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")
        let again = try decoded(transaction.encoded)
        #expect(again == transaction)
    }

    private func word(_ hex: String) throws -> UInt256 {
        let bytes = try Hex.decode(hex)
        let value = UInt256(bigEndian: bytes.span)
        return try #require(value)
    }

    static let samples: [Transaction] = Transaction.Kind.allCases.map { kind in
        var transaction = Transaction(
            kind: kind, chainID: UInt256(7), nonce: 3, maxPriorityFeePerGas: UInt256(5),
            maxFeePerGas: kind == .legacy || kind == .accessList ? UInt256(5) : UInt256(9),
            gasLimit: 100_000, to: Address(storage: .init(repeating: 2)), value: UInt256(77),
            data: [0, 1, 2], yParity: 1, r: UInt256(5), s: UInt256(6))
        if kind != .legacy {
            transaction.accessList = [
                .init(address: .zero, slots: [.zero, Bytes32(storage: .init(repeating: 9))]),
                .init(address: Address(storage: .init(repeating: 1)), slots: []),
            ]
        }
        if kind == .blob {
            transaction.maxFeePerBlobGas = UInt256(3)
            transaction.blobHashes = [Bytes32(storage: .init(repeating: 1))]
        }
        if kind == .setCode {
            transaction.authorizations = [
                .init(
                    chainID: .zero, address: .zero, nonce: 1, yParity: 1, r: UInt256(8),
                    s: UInt256(9))
            ]
        }
        return transaction
    }

    @Test(arguments: samples) func everyTypeRoundTrips(_ transaction: Transaction) throws {
        let bytes = transaction.encoded
        #expect(try decoded(bytes) == transaction)
        for count in 0..<bytes.count {
            #expect(throws: TransactionError.self) { try decoded(Array(bytes.prefix(count))) }
        }
        #expect(throws: TransactionError.self) { try decoded(bytes + [0]) }
    }

    /// No input but the canonical one gives a transaction, whatever byte of it is changed.
    @Test(arguments: samples) func whatDecodesIsWhatWasEncoded(_ transaction: Transaction) throws {
        let bytes = transaction.encoded
        for index in bytes.indices {
            for flip: UInt8 in [1, 0x80, 0xFF] {
                var changed = bytes
                changed[index] ^= flip
                guard let other = try? decoded(changed) else { continue }
                #expect(other.encoded == changed)
            }
        }
    }

    @Test func unknownTypesAreNamed() {
        #expect(throws: TransactionError.unknownType(5)) { try decoded([5, 0xC0]) }
        #expect(throws: TransactionError.unknownType(0)) { try decoded([0, 0xC0]) }
        #expect(throws: TransactionError.empty) { try decoded([]) }
    }
}

/// Ethereum's transaction tests and real blocks, where the fixtures are at hand.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct BlockVectors {
    static let forks: [String: Fork] = [
        "London": .london, "Paris": .paris, "Shanghai": .shanghai, "Cancun": .cancun,
        "Prague": .prague, "Osaka": .osaka,
    ]

    @Test func transactions() throws {
        let file = try Fixtures.json("basic/TransactionTests.json.gz")
        #expect(!file.keys.isEmpty)
        for name in file.keys {
            let bytes = try file[name]["txbytes"].hex
            let results = try file[name]["result"]
            for forkName in results.keys {
                let fork = try #require(Self.forks[forkName])
                let expected = try results[forkName]
                do {
                    let transaction = try decoded(bytes)
                    try transaction.check(at: fork, chainID: 1)
                    let sender = try transaction.sender()
                    guard expected.optional("exception") == nil else {
                        Issue.record("\(name), \(forkName): taken, against \(expected.value)")
                        continue
                    }
                    #expect(try transaction.hash.bytes == expected["hash"].hex, "\(name)")
                    #expect(try sender.storage.span.copied() == expected["sender"].hex, "\(name)")
                    let gas = try expected["intrinsicGas"].string
                    #expect(
                        transaction.intrinsicGas(at: fork).initial
                            == UInt64(gas.dropFirst(2), radix: 16), "\(name)")
                } catch {
                    #expect(
                        expected.optional("exception") != nil, "\(name), \(forkName): \(error)")
                }
            }
        }
    }

    /// Private keys and the addresses of their holders.
    ///
    /// The file's signatures "of the empty string" are of a digest that is written down nowhere; none of
    /// the usual ones gives their signers.
    @Test func keysAndAddresses() throws {
        let rows = try Fixtures.json("basic/BasicTests-keyaddrtest.json").array
        #expect(!rows.isEmpty)
        for row in rows {
            let bytes = try row["key"].hex
            #expect(try Keccak256.hash(Array(row["seed"].string.utf8)).bytes == bytes)
            let key = try Secp256k1.PrivateKey(SecretBytes(copying: bytes))
            let address = Address(key.publicKey)
            #expect(try address.description == "0x" + row["addr"].string)
        }
    }

    @Test(arguments: Fixtures.files(in: "real")) func realBlocks(_ path: String) throws {
        let file = try Fixtures.json(path)
        let bytes = try file["block"].hex
        let block = try Block(bytes.span)
        #expect(block.encoded == bytes)
        let expected = try file["expect"]
        #expect(try block.header.hash.bytes == expected["blockHash"].hex)
        #expect(try block.transactions.count == expected["txs"].int)
        let root = Trie.root(ofList: block.transactions.map(\.encoded))
        #expect(root == block.header.transactionsRoot)
        let withdrawals = try #require(block.withdrawals)
        #expect(Trie.root(ofList: withdrawals.map(\.encoded)) == block.header.withdrawalsRoot)
        for transaction in block.transactions { _ = try transaction.sender() }
        let headers = try file["witness"]["headers"].array
        let parent = try #require(headers.last).hex
        let header = try Header(parent.span)
        #expect(header.encoded == parent)
        #expect(header.hash == block.header.parentHash)
    }
}
