import ChoraleBase
import Crypto
import Execution
import Testing

@testable import ChoraleCLI

/// What a load counts. Sending and following are tested on the program (Tests/Program/load_tests.py).
@Suite struct LoadTests {
    static func hash(_ number: Int) -> Bytes32 { SHA256.hash([UInt8(number)]) }

    @Test func accountsTakeTurnsAndWaitForTheirBlocks() {
        var ledger = LoadLedger(nonces: [5, 0])
        var lines: [[UInt64]] = [[], []]
        var count = 0
        while let (sender, nonce) = ledger.next() {
            lines[sender].append(nonce)
            ledger.taken(Self.hash(count), sender: sender, at: Double(count))
            count += 1
        }
        #expect(lines == [Array(5..<21), Array(0..<16)])
        #expect(ledger.sent == 32 && ledger.waiting == 32 && ledger.included == 0)
        // The first and the third are in a block, with one that somebody else sent.
        ledger.block([Self.hash(0), Self.hash(2), Self.hash(200)], gasUsed: 63_000, at: 100)
        #expect(ledger.included == 2 && ledger.waiting == 30 && ledger.gasUsed == 63_000)
        #expect(ledger.latencies == [100, 98])
        // Seen twice, they count once.
        ledger.block([Self.hash(0)], gasUsed: 1, at: 200)
        #expect(ledger.included == 2 && ledger.blocks == 2)
        let next = ledger.next()
        #expect(next?.sender == 0 && next?.nonce == 21)
    }

    @Test func whatTheNodeDoesNotHaveIsLost() {
        var ledger = LoadLedger(nonces: [0, 0])
        for number in 0..<4 {
            _ = ledger.next()
            ledger.taken(Self.hash(number), sender: number % 2, at: 0)
        }
        ledger.block([Self.hash(1)], gasUsed: 0, at: 9000)
        #expect(ledger.stuck(at: 10_000).isEmpty)
        // The other account made progress.
        #expect(ledger.stuck(at: 10_001) == [0])
        ledger.synchronise(0, nonce: 1, at: 10_001)
        #expect(ledger.lost == 1 && ledger.waiting == 2)
        #expect(ledger.stuck(at: 10_001).isEmpty)
        // Its next one takes the place of the one that was lost; late news of that changes nothing.
        ledger.block([Self.hash(2)], gasUsed: 0, at: 10_002)
        #expect(ledger.included == 1)
        let turns = [ledger.next(), ledger.next()].map { $0.map { [UInt64($0.sender), $0.nonce] } }
        #expect(turns == [[0, 1], [1, 2]])
    }

    @Test func refusalsAreCountedByReasonWithinABound() {
        var ledger = LoadLedger(nonces: [0])
        for number in 0..<100 { ledger.refused("reason \(number)") }
        ledger.refused("reason 0")
        #expect(ledger.refusals.count == 33)
        #expect(ledger.refusals["reason 0"] == 2 && ledger.refusals["other"] == 68)
        #expect(ledger.refused == 101)
    }

    @Test func percentilesAreNearestRanks() {
        var ledger = LoadLedger(nonces: Array(repeating: 0, count: 20))
        #expect(ledger.percentile(50) == nil)
        for number in 0..<100 {
            guard let (sender, _) = ledger.next() else { break }
            ledger.taken(Self.hash(number), sender: sender, at: 0)
        }
        for number in 0..<100 {
            ledger.block([Self.hash(number)], gasUsed: 0, at: Double(100 - number))
        }
        #expect([1, 50, 90, 99, 100].map { ledger.percentile($0) } == [1, 50, 90, 99, 100])
    }

    @Test func readsAddressesOfServers() {
        let rows: [(String, String?)] = [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545/"),
            ("HTTP://node", "http://node:80/"), ("http://[::1]:1/a?b", "http://[::1]:1/a?b"),
            ("http://[::1]", "http://[::1]:80/"), ("http://a/b:c", "http://a:80/b:c"),
            ("https://a", nil), ("a:1", nil), ("http://", nil), ("http://:1", nil),
            ("http://a:", nil), ("http://a:0", nil), ("http://a:65536", nil), ("http://a:+1", nil),
            ("http://[::1", nil), ("http://[::1]x", nil), ("http://u@a", nil),
            ("http://a/\r\nX: y", nil), ("http://a b", nil),
        ]
        for (text, expected) in rows {
            #expect(HTTPAddress(text)?.description == expected, "\(text)")
        }
    }

    @Test func readsQuantities() {
        #expect(UInt256(quantity: "0x0") == .zero)
        #expect(UInt256(quantity: "0xf1") == UInt256(241))
        #expect(UInt256(quantity: "0x" + String(repeating: "f", count: 64)) == .max)
        for text in ["", "0x", "1", "0xg", "0x" + String(repeating: "f", count: 65), "0x-1"] {
            #expect(UInt256(quantity: text) == nil, "\(text)")
        }
    }

    @Test func readsAccountsAndChecksTheirAddresses() throws {
        let key = String(repeating: "46", count: 32)
        let address = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"
        let accounts = try LoadAccounts.parse(
            "- name: a\n  address: \"\(address)\"\n  privateKey: \"0x\(key)\"\n- privateKey: \(key)",
            "f")
        #expect(accounts.map(\.name) == ["a", address.lowercased()])
        #expect(accounts.allSatisfy { $0.address.description == address.lowercased() })
        for (text, words) in [
            (
                "- address: \"0x00\"\n  privateKey: \"0x\(key)\"",
                "f line 1: the key is that of 0x9d8a"
            ),
            ("- name: a\n", "f line 1: the account has no usable privateKey"),
            ("- privateKey: \"0x" + String(repeating: "ff", count: 32) + "\"", "no usable"),
            ("a: b", "f line 1: expected a list of records"),
        ] {
            do throws(Failure) {
                _ = try LoadAccounts.parse(text, "f")
                Issue.record("\(text) was read")
            } catch {
                #expect(error.message.contains(words), "\(error)")
                #expect(!error.message.contains(key))
            }
        }
    }
}
