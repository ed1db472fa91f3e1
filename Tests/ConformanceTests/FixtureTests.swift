import ChoraleBase
import Codec
import Execution
import Testing

@testable import Conformance

/// Files that say something wrong: an error that names the place, never a passed test.
@Suite struct FixtureTests {
    private func document(_ text: String) throws -> FixtureValue {
        try FixtureFile.document(Array(text.utf8))
    }

    private let account = """
        {"0x00000000000000000000000000000000000000aa": {"balance": "0x10", "nonce": "0x01",
         "code": "0x6001", "storage": {"0x01": "0x02", "0x03": "0x00"}}}
        """

    @Test func statesAreRead() throws {
        let state = try MemoryState(document(account))
        let entry = try #require(state.entries[Address(UInt256(0xAA))])
        #expect(entry.balance == UInt256(16))
        #expect(entry.nonce == 1)
        #expect(entry.code == [0x60, 1])
        // A slot with zero is none.
        #expect(entry.storage == [UInt256(1): UInt256(2)])
    }

    @Test(arguments: [
        (#"{"0xaa": {"balance": "0x1"}}"#, "0xaa: 1 bytes instead of 20"),
        (
            #"{"0x00000000000000000000000000000000000000aa": {}}"#,
            "0x00000000000000000000000000000000000000aa: `balance` is not there"
        ),
        (
            #"{"0x00000000000000000000000000000000000000aa": {"balance": "0xzz"}}"#,
            "0x00000000000000000000000000000000000000aa.balance: `0xzz` is no number below 2^256"
        ),
        ("[]", "an array instead of an object"),
    ])
    func faultsNameTheirPlace(_ text: String, _ expected: String) throws {
        let value = try document(text)
        #expect {
            try MemoryState(value)
        } throws: { "\($0)" == expected }
    }

    /// The smallest state test there is: plain ether to an account, of an unsigned transaction.
    private func transfer(hash: String, exception: String = "") -> String {
        """
        {"env": {"currentCoinbase": "0x0000000000000000000000000000000000000001",
          "currentDifficulty": "0x0", "currentRandom": "0x0", "currentGasLimit": "0x989680",
          "currentNumber": "1", "currentTimestamp": "0x3e8", "currentBaseFee": "0x0a"},
         "pre": {"0x00000000000000000000000000000000000000aa": {"balance": "0xf4240"}},
         "transaction": {"data": ["0x"], "gasLimit": ["0x5208"], "gasPrice": "0x0a", "nonce": "0x00",
          "sender": "0x00000000000000000000000000000000000000aa",
          "to": "0x00000000000000000000000000000000000000bb", "value": ["0x01"]},
         "post": {"Cancun": [{"hash": "\(hash)", \(exception)
          "indexes": {"data": 0, "gas": 0, "value": 0}, "logs":
          "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"}]}}
        """
    }

    @Test func unsignedTransactionsRun() throws {
        let wrong = String(repeating: "0", count: 64)
        let first = StateTest(name: "t", try document(transfer(hash: "0x" + wrong))).run()
        let result = try #require(first.first)
        #expect(first.count == 1)
        let root = try #require(result.stateRoot)
        #expect(result.fault == "state root 0x\(root), expected 0x\(wrong)")
        #expect(result.gasUsed == 21_000)

        // The balances of three accounts, by hand.
        let state = MemoryState()
        state.entries[Address(UInt256(0xAA))] = .init(
            nonce: 1, balance: UInt256(1_000_000 - 210_000 - 1))
        state.entries[Address(UInt256(0xBB))] = .init(balance: UInt256(1))
        #expect(try state.root() == root)

        let right = StateTest(name: "t", try document(transfer(hash: "0x\(root)"))).run()
        #expect(right.map(\.fault) == [nil])
    }

    @Test func whatMustBeRefusedAndIsTakenFails() throws {
        let exception = #""expectException": "TransactionException.NONCE_IS_MAX","#
        let text = transfer(hash: "0x" + String(repeating: "0", count: 64), exception: exception)
        let results = StateTest(name: "t", try document(text)).run()
        #expect(
            results.map(\.fault) == [
                "taken, although it must be refused: TransactionException.NONCE_IS_MAX"
            ])
    }

    @Test func unknownForksFail() throws {
        let text = transfer(hash: "0x").replacing("Cancun", with: "Verkle")
        let fault = try #require(StateTest(name: "t", try document(text)).run().first?.fault)
        #expect(fault.hasPrefix("unknown fork `Verkle`"))
    }

    @Test func rulesByName() {
        #expect(Networks.rules("Nowhere", chainID: 1) == nil)
        let rules = Networks.rules("CancunToPragueAtTime15k", chainID: 5)
        #expect(rules?.chainID == 5)
        #expect(rules?.epoch(at: 14_999).fork == .cancun)
        #expect(rules?.epoch(at: 15_000).fork == .prague)
        #expect(Networks.rules("BPO1ToBPO2AtTime15k", chainID: 1)?.epoch(at: 0).blobs == .bpo1)
    }
}
