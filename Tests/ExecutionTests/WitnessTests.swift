import ChoraleBase
import Codec
import Conformance
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

private func parts(_ witness: Witness) -> [[[UInt8]]] {
    [witness.headers, witness.codes, witness.nodes].map { $0.map { witness[$0] } }
}

@Suite struct WitnessEncodingTests {
    static let header: [UInt8] = [0xC3, 1, 2, 3]
    static let sample = Witness(
        headers: [header, header], codes: [[0x60, 0x00], [5]], nodes: [[1], [0xC1, 0x80], []])

    @Test func everyFormRoundTrips() throws {
        let sample = Self.sample
        for hasKeys in [false, true] {
            let again = try Witness(rlp: sample.rlp(hasKeys: hasKeys))
            #expect(parts(again) == parts(sample))
        }
        #expect(try parts(Witness(ssz: sample.ssz)) == parts(sample))
        #expect(try parts(Witness(json: sample.json)) == parts(sample))
        let empty = Witness()
        #expect(try parts(Witness(rlp: empty.rlp())) == parts(empty))
        #expect(try parts(Witness(ssz: empty.ssz)) == parts(empty))
        #expect(try parts(Witness(json: empty.json)) == parts(empty))
    }

    @Test func rlpIsExactlyThis() {
        let witness = Witness(headers: [Self.header], codes: [[5]], nodes: [[1, 2]])
        #expect(
            witness.rlp() == [
                0xCC, 0xC4, 0xC3, 1, 2, 3, 0xC1, 5, 0xC3, 0x82, 1, 2, 0xC0,
            ])
        #expect(witness.rlp(hasKeys: false).count == witness.rlp().count - 1)
    }

    /// Whatever is cut off, there is an error and no trap.
    @Test func truncationIsAnError() {
        for count in 0..<Self.sample.rlp().count {
            #expect(throws: WitnessError.self) {
                try Witness(rlp: Array(Self.sample.rlp().prefix(count)))
            }
        }
        for count in 0..<Self.sample.json.count {
            #expect(throws: WitnessError.self) {
                try Witness(json: Array(Self.sample.json.prefix(count)))
            }
        }
        // The last list of SSZ ends where the bytes do, so only its end may be cut.
        for count in 0..<12 {
            #expect(throws: WitnessError.self) {
                try Witness(ssz: Array(Self.sample.ssz.prefix(count)))
            }
        }
    }

    /// Any change of one byte decodes to something or is refused.
    @Test func changedBytesNeverTrap() {
        let forms: [([UInt8], ([UInt8]) throws -> Witness)] = [
            (Self.sample.rlp(), { try Witness(rlp: $0) }),
            (Self.sample.ssz, { try Witness(ssz: $0) }),
            (Self.sample.json, { try Witness(json: $0) }),
        ]
        for (bytes, decode) in forms {
            for index in bytes.indices {
                for value: UInt8 in [0, 1, 0x7F, 0x80, 0xC0, 0xF8, 0xFF] {
                    var changed = bytes
                    changed[index] = value
                    _ = try? decode(changed)
                }
            }
        }
    }

    @Test func limitsAreKept() {
        let limits = Witness.Limits(
            sizeMax: 1000, headerCountMax: 1, codeCountMax: 1, nodeCountMax: 1)
        let headers = Witness(headers: [Self.header, Self.header], codes: [], nodes: [])
        let codes = Witness(headers: [], codes: [[1], [2]], nodes: [])
        let nodes = Witness(headers: [], codes: [], nodes: [[1], [2]])
        for (witness, part) in [
            (headers, WitnessPart.headers), (codes, .codes), (nodes, .nodes),
        ] {
            let error = WitnessError.tooMany(part, limit: 1)
            #expect(throws: error) { try Witness(rlp: witness.rlp(), limits: limits) }
            #expect(throws: error) { try Witness(ssz: witness.ssz, limits: limits) }
            #expect(throws: error) { try Witness(json: witness.json, limits: limits) }
        }
        let large = Witness(headers: [], codes: [[UInt8](repeating: 0, count: 1000)], nodes: [])
        #expect(throws: WitnessError.self) { try Witness(rlp: large.rlp(), limits: limits) }
        #expect(throws: WitnessError.self) { try Witness(ssz: large.ssz, limits: limits) }
    }

    /// geth's answer: an envelope, headers as objects, keys null.
    @Test func theFormOfGeth() throws {
        let hash = "0x" + String(repeating: "0", count: 62) + "05"
        let text = """
            {"jsonrpc":"2.0","id":1,"result":{"headers":[{"parentHash":"\(hash)",
            "sha3Uncles":"\(hash)","miner":"0x00000000000000000000000000000000000000aa",
            "stateRoot":"\(hash)","transactionsRoot":"\(hash)","receiptsRoot":"\(hash)",
            "logsBloom":"0x\(String(repeating: "00", count: 256))","difficulty":"0x0",
            "number":"0x1e8480","gasLimit":"0x1c9c380","gasUsed":"0x0","timestamp":"0x5",
            "extraData":"0x","mixHash":"\(hash)","nonce":"0x0000000000000000",
            "baseFeePerGas":"0x7","hash":"\(hash)","requestsHash":null}],
            "codes":{"0x6000":{}},"state":{"0xc180":{}},"keys":null}}
            """
        let witness = try Witness(json: Array(text.utf8))
        #expect(witness[witness.codes[0]] == [0x60, 0])
        #expect(witness[witness.nodes[0]] == [0xC1, 0x80])
        let header = try Header(witness[witness.headers[0]].span)
        #expect(header.number == 2_000_000)
        #expect(header.baseFeePerGas == UInt256(7))
        #expect(header.stateRoot[31] == 5)
        #expect(header.requestsHash == nil)
    }

    @Test func canonicalFormIsSortedAndUnique() {
        let witness = Witness(headers: [], codes: [[2], [1], [2]], nodes: [[9], [3, 1], [3]])
        #expect(parts(witness.canonical()) == [[], [[1], [2]], [[3], [3, 1], [9]]])
    }
}

@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct WitnessVectors {
    /// Official examples hold each witness as JSON and inside an SSZ input.
    @Test func sszExamples() throws {
        let lines = try Fixtures.lines("zkevm/last-blocks.jsonl.gz")
        #expect(!lines.isEmpty)
        for line in lines {
            let expected = Witness(
                headers: try line["witness"]["headers"].array.map { try $0.hex },
                codes: try line["witness"]["codes"].array.map { try $0.hex },
                nodes: try line["witness"]["state"].array.map { try $0.hex })
            let input = try line["statelessInputBytes"].hex
            let found = try Witness(statelessInput: input)
            #expect(parts(found) == parts(expected))
            let encoded = expected.ssz
            #expect(input.firstRange(of: encoded) != nil)
        }
    }

    /// Of what was recorded every part is needed: without any one of them there is no verdict.
    @Test func everyRecordedPartIsNeeded() throws {
        let sample = try StatelessCase(path: "real/mainnet-25134887.json.gz")
        let block = try Block(sample.block.span)
        let ancestors = try AncestorHeaders(sample.witness, parentHash: block.header.parentHash)
        let store = WitnessStore(sample.witness, CodeCache())
        let state = TrieState(
            root: ancestors.parent.stateRoot, source: store, blockHashes: ancestors.hashes)
        let outcome = try BlockExecution.run(
            block, size: sample.block.count, after: ancestors.parent, sample.rules, reader: state)
        #expect(try state.apply(outcome.changes) == block.header.stateRoot)
        let recorded = try state.witness(
            parent: ancestors.parent.number,
            ancestors: [ancestors.parent.number: ancestors.parent.encoded])
        let senders = try block.transactions.map { try $0.sender() }
        let execution = StatelessExecution(rules: sample.rules, mode: .strict)
        func isTaken(_ witness: Witness) -> Bool {
            (try? execution.verdict(
                block, size: sample.block.count, witness, senders: senders)) != nil
        }
        #expect(isTaken(recorded))
        for index in recorded.nodes.indices {
            var without = recorded
            without.nodes.remove(at: index)
            #expect(!isTaken(without), "node \(index)")
        }
        for index in recorded.codes.indices {
            var without = recorded
            without.codes.remove(at: index)
            #expect(!isTaken(without), "code \(index)")
        }
        var extra = Witness(
            headers: recorded.headers.map { recorded[$0] },
            codes: recorded.codes.map { recorded[$0] },
            nodes: recorded.nodes.map { recorded[$0] } + [[0xC1, 0x80]])
        #expect(!isTaken(extra))
        extra.nodes.removeLast()
        #expect(isTaken(extra))
    }
}
