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

private func text(_ string: String) -> [UInt8] { Array(string.utf8) }

private func hex(_ bytes: [UInt8]) -> String { "0x" + Hex.encode(bytes) }

@Suite struct WitnessFormTests {
    static let parent = MadeChain.header(number: 7)
    static let child = MadeChain.header(number: 8, parent: parent)
    static let sample = Witness(
        headers: [parent.encoded, child.encoded], codes: [[0x60, 0x00], [5]],
        nodes: [[1], [0xC1, 0x80], []])

    @Test func canonicalBytesAreSaidToBe() throws {
        let forms: [([UInt8], WitnessForm.Container)] = [
            (Self.sample.rlp(), .rlp), (Self.sample.ssz, .ssz), (Self.sample.json, .json),
        ]
        for (bytes, container) in forms {
            let document = try WitnessDocument(bytes)
            #expect(parts(document.witness) == parts(Self.sample))
            #expect(document.form.container == container)
            #expect(document.form.size == bytes.count)
            #expect(document.form.headerOrder == .oldestFirst)
            #expect(document.form.isCanonical, "\(document.form)")
        }
    }

    @Test func listsAndKeysOfRLP() throws {
        let three = try WitnessDocument(Self.sample.rlp(hasKeys: false)).form
        #expect(three.listCount == 3)
        #expect(three.keys == .absent)
        #expect(!three.isCanonical)
        let four = try WitnessDocument(Self.sample.rlp()).form
        #expect(four.listCount == 4)
        #expect(four.keys == .list(count: 0))
        // [[], [], [], [0x05, 0x06]]
        let keys = try WitnessDocument([0xC6, 0xC0, 0xC0, 0xC0, 0xC2, 5, 6])
        #expect(keys.form.keys == .list(count: 2))
        // A header as bytes: [["c0"], [], []]
        let wrapped = try WitnessDocument([0xC5, 0xC2, 0x81, 0xC0, 0xC0, 0xC0])
        #expect(wrapped.form.headerEncoding == .wrapped)
        #expect(parts(wrapped.witness) == [[[0xC0]], [], []])
    }

    @Test func headersInAnyOrder() throws {
        let newest = Witness(
            headers: [Self.child.encoded, Self.parent.encoded], codes: [], nodes: [])
        #expect(try WitnessDocument(newest.rlp()).form.headerOrder == .newestFirst)
        let third = MadeChain.header(number: 9, parent: Self.child).encoded
        let mixed = Witness(
            headers: [Self.child.encoded, Self.parent.encoded, third], codes: [], nodes: [])
        #expect(try WitnessDocument(mixed.rlp()).form.headerOrder == .unordered)
        let none = Witness(headers: [[0xC0], third], codes: [], nodes: [])
        #expect(try WitnessDocument(none.rlp()).form.headerOrder == .none)
        #expect(mixed.headerNumbers == [8, 7, 9])
    }

    @Test func hexadecimalOfRLPAndSSZ() throws {
        for (bytes, container) in [
            (Self.sample.rlp(), WitnessForm.Container.rlp), (Self.sample.ssz, .ssz),
        ] {
            let digits = Hex.encode(bytes)
            for (form, hexCase, unprefixed) in [
                ("0x" + digits, WitnessForm.HexCase.lower, 0), (digits, .lower, 1),
                ("  0x\(digits.uppercased())\r\n", .upper, 0), ("\"0x\(digits)\"\n", .lower, 0),
                ("0X" + digits.prefix(80) + digits.dropFirst(80).uppercased(), .mixed, 0),
            ] {
                let document = try WitnessDocument(text(form))
                #expect(parts(document.witness) == parts(Self.sample))
                #expect(document.form.container == container)
                #expect(document.form.isHexText)
                #expect(document.form.hexCase == hexCase)
                #expect(document.form.unprefixedCount == unprefixed)
                #expect(document.form.size == form.utf8.count)
            }
            #expect(throws: WitnessError.hex(position: digits.count)) {
                try WitnessDocument(text("0x" + digits.dropLast(2) + "0g"))
            }
        }
    }

    static let unknown: [[UInt8]] = [
        [], [0], [0x20], text("hello"), text("0x"), text("0xf"), text("[1]"), text("0x00"),
        [12, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], text("\"\""), [UInt8](repeating: 0x20, count: 5000),
    ]

    @Test(arguments: unknown) func whatIsNone(_ bytes: [UInt8]) {
        #expect(throws: WitnessError.unknownForm(first: Array(bytes.prefix(8)))) {
            try WitnessDocument(bytes)
        }
    }

    // MARK: JSON

    static let nodes = "[\"0x01\",\"0xc180\",\"0x\"]"
    static let codes = "[\"0x6000\",\"0x05\"]"
    static let headers = "[\"\(hex(parent.encoded))\",\"\(hex(child.encoded))\"]"
    static let plain = "\"state\":\(nodes),\"codes\":\(codes),\"headers\":\(headers)"

    /// reth, Nethermind, Erigon, Nimbus: byte strings, with keys.
    @Test func keysInJSON() throws {
        let document = try WitnessDocument(
            text("{\(Self.plain),\"keys\":[\"0x00\",\"0x01\",\"0x02\"]}"))
        #expect(parts(document.witness) == parts(Self.sample))
        #expect(document.form.keys == .list(count: 3))
        #expect(document.form.listCount == 4)
        #expect(document.form.headerEncoding == .rlp)
        #expect(!document.form.isCanonical)
        let null = try WitnessDocument(text("{\(Self.plain),\"keys\":null}"))
        #expect(null.form.keys == .null)
    }

    /// reth until 2025: objects from hashes to bytes.
    @Test func mapsInJSON() throws {
        let map = "{\"0xaa\":\"0x01\",\"0xbb\":\"0xc180\",\"0xcc\":\"0x\"}"
        let names = "{\"0x6000\":{},\"0x05\":null}"
        let document = try WitnessDocument(
            text("{\"state\":\(map),\"codes\":\(names),\"headers\":\(Self.headers)}"))
        #expect(parts(document.witness) == parts(Self.sample))
        #expect(document.form.nodes == .byHash)
        #expect(document.form.codes == .byBytes)
    }

    @Test func envelopes() throws {
        let bare = try WitnessDocument(text("{\(Self.plain)}"))
        #expect(bare.form.envelope == .none)
        let answer = try WitnessDocument(
            text("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\(Self.plain)}}"))
        #expect(answer.form.envelope == .answer)
        #expect(parts(answer.witness) == parts(Self.sample))
        let member = try WitnessDocument(text("{\"block\":\"0x\",\"witness\":{\(Self.plain)}}"))
        #expect(member.form.envelope == .witnessMember)
        #expect(parts(member.witness) == parts(Self.sample))
        let blob = hex(Self.sample.rlp(hasKeys: false))
        let status = try WitnessDocument(
            text("{\"id\":1,\"result\":{\"status\":\"VALID\",\"witness\":\"\(blob)\"}}"))
        #expect(status.form.envelope == .witnessMember)
        #expect(status.form.container == .rlp)
        #expect(status.form.listCount == 3)
        #expect(status.form.isHexText)
        #expect(parts(status.witness) == parts(Self.sample))
    }

    static let refused: [(String, WitnessError)] = [
        ("{}", .json(member: "state")),
        ("{\"state\":[]}", .json(member: "headers")),
        ("{\"state\":[],\"state\":[],\"headers\":[]}", .json(member: "state")),
        (
            "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}",
            .answer("no such method")
        ),
        ("{\"state\":[\"0x0\"],\"headers\":[]}", .hex(position: 13)),
        ("{\"state\":[\"0xgg\"],\"headers\":[]}", .hex(position: 13)),
        ("{\"state\":[\"0x\\u0030\"],\"headers\":[]}", .hex(position: 13)),
        ("{\"state\":[5],\"headers\":[]}", .json(member: "\"")),
        ("{\"state\":[],\"headers\":[]", .json(member: ",")),
        ("{\"state\":[],\"headers\":[]} x", .json(member: "end")),
        ("{\"state\":[],\"headers\":[{}]}", .json(member: "logsBloom")),
    ]

    @Test(arguments: refused) func refuses(_ string: String, _ error: WitnessError) {
        #expect(throws: error) { try WitnessDocument(text(string)) }
    }

    /// Deep nesting, in what is passed over as in what is looked at, is refused and not followed.
    @Test func depthIsBounded() {
        for open in ["{\"x\":", "[", "{\"result\":", "{\"witness\":"] {
            let deep = "{\"x\":" + String(repeating: open, count: 100_000)
            #expect(throws: WitnessError.self) { try WitnessDocument(text(deep)) }
            let inside = String(repeating: open, count: 100_000)
            #expect(throws: WitnessError.self) { try Witness(json: text(inside)) }
        }
    }

    @Test func truncatedAndChangedTextNeverTraps() {
        let whole = text(
            "{\"jsonrpc\":\"2.0\",\"result\":{\(Self.plain),\"keys\":[\"0x00\"]},\"id\":1}")
        for count in whole.indices {
            #expect(throws: WitnessError.self) { try WitnessDocument(Array(whole.prefix(count))) }
        }
        for index in whole.indices where index % 3 == 0 || index < 60 {
            for value in text("\"\\{}[],:0gx") + [0, 0x1F, 0xFF] {
                var changed = whole
                changed[index] = value
                _ = try? WitnessDocument(changed)
            }
        }
    }

    @Test func runsOfDigitsEndWhereTheyEnd() {
        var random = DeterministicRandom(seed: 5)
        for count in [0, 1, 2, 7, 8, 9, 15, 16, 17, 100, 8191, 8192, 8193, 20_001] {
            var digits: [UInt8] = []
            for _ in 0..<count {
                digits.append(text("0123456789abcdef")[Int(random.next() & 15)])
            }
            let whole = text("xx") + digits + text("\"aa")
            var bytes: [UInt8] = [0xEE]
            let run = Hex.decodeRun(whole.span, from: 2, into: &bytes)
            #expect(run.digitCount == count / 2 * 2)
            #expect(Hex.encode(bytes.dropFirst()).utf8.elementsEqual(digits.prefix(count / 2 * 2)))
            #expect(bytes[0] == 0xEE)
        }
    }
}

/// Headers that follow one another, and nothing else.
enum MadeChain {
    static func header(
        number: UInt64, parent: Header? = nil, stateRoot: Bytes32 = .zero
    ) -> Header {
        Header(
            parentHash: parent?.hash ?? .zero, ommersHash: Header.emptyOmmersHash,
            coinbase: .zero, stateRoot: stateRoot, transactionsRoot: Trie.emptyRoot,
            receiptsRoot: Trie.emptyRoot,
            bloom: [UInt8](repeating: 0, count: Header.bloomSize), difficulty: .zero,
            number: number, gasLimit: 30_000_000, gasUsed: 0, timestamp: 12 * number,
            extraData: [], mixHash: .zero, nonce: 0, baseFeePerGas: UInt256(7),
            withdrawalsRoot: Trie.emptyRoot)
    }
}

@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct WitnessFormVectors {
    /// The four-list file of go-ethereum's own sample program.
    @Test func theSampleOfGeth() throws {
        let path = try #require(Fixtures.root).appendingPathComponent(
            "real/incomplete/1192c3_witness.rlp")
        let bytes = [UInt8](try Data(contentsOf: path))
        let form = try WitnessDocument(bytes).form
        #expect(form.container == .rlp)
        #expect(form.listCount == 4)
        #expect(form.keys == .list(count: 0))
        #expect(form.headerEncoding == .rlp)
        let again = try WitnessDocument(text(hex(bytes)))
        #expect(again.witness.bytes == bytes)
    }

    @Test func engineExamplesAreOfTwoForms() throws {
        var counts: [String: Int] = [:]
        for line in try Fixtures.lines("engine/stateless.jsonl.gz") {
            let params = try line["request"]["params"].array
            let digits = try #require(params.last).string
            let form = try WitnessDocument(text(digits)).form
            #expect(form.container == .rlp && form.isHexText)
            counts["\(form.listCount) \(form.headerOrder)", default: 0] += 1
        }
        #expect(counts["4 newestFirst"] == nil && counts["3 oldestFirst"] == nil)
        #expect(try #require(counts["3 newestFirst"]) > 0)
    }

    /// Official SSZ inputs: the witness inside is the one that stands beside.
    @Test func statelessInputs() throws {
        for line in try Fixtures.lines("zkevm/last-blocks.jsonl.gz") {
            let input = try line["statelessInputBytes"].hex
            let document = try WitnessDocument(input)
            #expect(document.form.container == .statelessInput)
            #expect(document.form.schemaID == nil)
            #expect(try document.witness.nodes.count == line["witness"]["state"].array.count)
            let whole = try StatelessInput(input)
            #expect(whole.chainID == 1 && whole.publicKeysSize == 0)
            #expect(parts(whole.witness) == parts(document.witness))
            // The block beside it begins with the same fields, and ends with its transactions.
            let bytes = try line["block"].hex
            var block = try RLPReader.item(bytes.span).list(itemCountMax: 4)
            let header = try block.required(in: bytes.span)
            var fields = try header.list(itemCountMax: 32)
            #expect(try fields.bytes32(bytes.span) == whole.payload.parentHash)
            _ = try fields.bytes32(bytes.span)
            #expect(try fields.address(bytes.span) == whole.payload.feeRecipient)
            #expect(try fields.bytes32(bytes.span) == whole.payload.stateRoot)
            let hash = Keccak256.hash(bytes.span.extracting(header.encoding))
            #expect(hash == whole.blockHash)
            var transactions = try block.required(in: bytes.span).list(itemCountMax: 1000)
            var count = 0
            while try transactions.next(in: bytes.span) != nil { count += 1 }
            #expect(count == whole.payload.transactions.count)
            #expect(whole.accessList != nil && whole.versionedHashes.count <= 9)
            for end in stride(from: 0, to: 1200, by: 7) {
                #expect(throws: WitnessError.self) {
                    try StatelessInput(Array(input.prefix(end)))
                }
            }
            // The later encoding: two bytes before everything.
            let later = try WitnessDocument([0x15, 0x01] + input)
            #expect(later.form.schemaID == 0x1501)
            #expect(parts(later.witness) == parts(document.witness))
        }
    }

    /// A real witness comes out of every form as it went in.
    @Test(arguments: Fixtures.files(in: "real")) func realWitnesses(_ path: String) throws {
        let witness = try StatelessCase(path: path).witness.canonical()
        for bytes in [
            witness.rlp(), witness.rlp(hasKeys: false), witness.ssz, witness.json,
            text(hex(witness.rlp())), text(hex(witness.ssz)),
        ] {
            let document = try WitnessDocument(bytes)
            #expect(parts(document.witness) == parts(witness))
            #expect(document.witness.canonical().json == witness.json)
        }
        #expect(try WitnessDocument(witness.json).form.isCanonical)
    }

    /// 17 MB, either way. A bound on the order of magnitude: the numbers are printed.
    @Test func largeJSON() throws {
        var nodes: [[UInt8]] = []
        let real = try StatelessCase(path: "real/mainnet-23879620.json.gz").witness
        while nodes.reduce(0, { $0 + $1.count }) < 17_000_000 {
            nodes += real.nodes.map { real[$0] }
        }
        let witness = Witness(headers: [], codes: [], nodes: nodes)
        let clock = ContinuousClock()
        var json: [UInt8] = []
        var decoded: WitnessDocument?
        var (encodeTime, decodeTime) = (Duration.seconds(9), Duration.seconds(9))
        for _ in 0..<5 {
            encodeTime = min(encodeTime, clock.measure { json = witness.json })
            decodeTime = min(
                decodeTime, try clock.measure { decoded = try WitnessDocument(json) })
        }
        #expect(try parts(#require(decoded).witness) == parts(witness))
        print("JSON of \(json.count) bytes: encode \(encodeTime), decode \(decodeTime)")
        #expect(encodeTime < .seconds(1) && decodeTime < .seconds(1))
    }
}
