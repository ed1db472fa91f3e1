import ChoraleBase
import Codec
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

/// A block with its witness, and what must come out.
struct StatelessCase {
    let name: String
    let rules: ChainRules
    let block: [UInt8]
    let witness: Witness
    let expect: JSON
    let updateFirstNeeded: Bool

    init(_ json: JSON) throws {
        name = try json["name"].string
        let network = try json["network"].string
        let fork = try json["fork"].string
        let chainID = try json["chainId"].uint64
        let epochs: [String: (Fork, BlobSchedule)] = [
            "shanghai": (.shanghai, .cancun), "cancun": (.cancun, .cancun),
            "prague": (.prague, .prague), "osaka": (.osaka, .prague), "bpo1": (.osaka, .bpo1),
            "bpo2": (.osaka, .bpo2),
        ]
        let (rule, blobs) = try #require(epochs[fork])
        rules = ChainRules.named(network) ?? .always(rule, blobs: blobs, chainID: chainID)
        block = try json["block"].hex
        let parts = try json["witness"]
        witness = Witness(
            headers: try parts["headers"].array.map { try $0.hex },
            codes: try parts["codes"].array.map { try $0.hex },
            nodes: try parts["state"].array.map { try $0.hex })
        expect = try json["expect"]
        updateFirstNeeded = try json.optional("updateFirstNeeded")?.bool ?? false
    }

    func verdict(
        _ mode: StatelessExecution.Mode = .compatible,
        order: Trie.ChangeOrder = .updatesFirst
    ) throws(StatelessFailure) -> StatelessVerdict {
        let execution = StatelessExecution(rules: rules, mode: mode, order: order)
        return try execution.verdict(block.span, witness)
    }

    /// What is wrong with the verdict; nil if it is as expected.
    func fault() throws -> String? {
        let isValid = try expect["status"].string == "VALID"
        do {
            let roots = try verdict().roots
            guard isValid else { return "\(name): taken, against \(expect.value)" }
            guard try roots.stateRoot.bytes == expect["stateRoot"].hex,
                try roots.receiptsRoot.bytes == expect["receiptsRoot"].hex,
                try roots.gasUsed == expect["gasUsed"].uint64
            else { return "\(name): other roots" }
            return nil
        } catch {
            return isValid ? "\(name): \(error)" : nil
        }
    }
}

@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct StatelessTests {
    @Test(arguments: [("fixtures", 72), ("stress", 80), ("damaged", 82)])
    func cases(_ name: String, _ count: Int) throws {
        let path = "witness/\(name).jsonl.gz"
        var tally = Tally(path)
        for line in try Fixtures.lines(path) {
            let fault = try StatelessCase(line).fault()
            tally.count(fault == nil)
            if let fault { Issue.record("\(fault)") }
        }
        tally.report()
        #expect(tally.passed + tally.failed == count)
    }

    static let real = Fixtures.files(in: "real")

    @Test func everyRealBlockIsThere() { #expect(Self.real.count == 7) }

    @Test(arguments: real) func realBlock(_ path: String) throws {
        let fault = try StatelessCase(Fixtures.json(path)).fault()
        var tally = Tally(path)
        tally.count(fault == nil)
        tally.report()
        if let fault { Issue.record("\(fault)") }
    }

    /// Its witness lacks the proof that an account does not exist.
    @Test func theIncompleteBlock() throws {
        let sample = try StatelessCase(Fixtures.json("real/incomplete/hoodi-1151683.json.gz"))
        #expect {
            try sample.verdict()
        } throws: { error in
            guard case StatelessFailure.incomplete(.trie(.missing)) = error else { return false }
            return true
        }
    }

    /// The order of changes decides which nodes are needed, as the fixtures say of each case.
    @Test func deletionsFirstNeedsMore() throws {
        var failed = 0
        for line in try Fixtures.lines("witness/stress.jsonl.gz") {
            let sample = try StatelessCase(line)
            do {
                let roots = try sample.verdict(order: .deletionsFirst).roots
                #expect(try roots.stateRoot.bytes == sample.expect["stateRoot"].hex)
                #expect(!sample.updateFirstNeeded, "\(sample.name)")
            } catch {
                #expect(sample.updateFirstNeeded, "\(sample.name): \(error)")
                failed += 1
            }
        }
        #expect(failed == 9)
    }
}
