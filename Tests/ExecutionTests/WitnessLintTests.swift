import ChoraleBase
import Codec
import Conformance
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

private func names(_ lint: WitnessLint) -> [String] { lint.findings.map(\.deviation.name) }

/// What a lint says of a witness by itself.
@Suite struct WitnessLintTests {
    static let grandparent = MadeChain.header(number: 6)
    static let parent = MadeChain.header(number: 7, parent: grandparent)
    static let child = MadeChain.header(number: 8, parent: parent)
    /// A leaf, in canonical RLP.
    static let leaf: [UInt8] = [0xC4, 0x82, 0x20, 0x11, 0x05]
    static let leaf2: [UInt8] = [0xC4, 0x82, 0x20, 0x22, 0x05]

    static func witness(
        headers: [Header] = [parent], codes: [[UInt8]] = [], nodes: [[UInt8]] = []
    ) -> Witness {
        Witness(headers: headers.map(\.encoded), codes: codes, nodes: nodes)
    }

    @Test func nothingToSay() throws {
        let witness = Self.witness(
            headers: [Self.grandparent, Self.parent], codes: [[1], [2]],
            nodes: [Self.leaf, Self.leaf2])
        for bytes in [witness.rlp(), witness.ssz, witness.json] {
            let document = try WitnessDocument(bytes)
            #expect(WitnessLint(document.witness, document.form).findings.isEmpty)
        }
    }

    @Test func orderAndRepetition() throws {
        let witness = Self.witness(
            codes: [[2], [1], [1]], nodes: [Self.leaf2, Self.leaf, Self.leaf2])
        let lint = WitnessLint(witness, nil)
        let hashes = [Self.leaf, Self.leaf2, [1]].map { Keccak256.hash($0) }
        #expect(
            lint.findings.map(\.deviation) == [
                .unsorted(.init(part: .nodes, count: 1, size: 5, first: 1, hash: hashes[0])),
                .repeated(.init(part: .nodes, count: 1, size: 5, first: 2, hash: hashes[1])),
                .unsorted(.init(part: .codes, count: 1, size: 1, first: 1, hash: hashes[2])),
                .repeated(.init(part: .codes, count: 1, size: 1, first: 2, hash: hashes[2])),
            ])
        #expect(lint.isVerifiable && !lint.isCanonical)
        let clients = lint.findings[0].writers.map(\.client)
        #expect(clients == ["reth", "geth", "Nimbus"])
        #expect(
            lint.findings[0].description
                == "warning: 1 node is not in lexicographic order, the first at 1, 0x\(hashes[0])")
        #expect(WitnessLint(witness.canonical(), nil).findings.isEmpty)
    }

    /// Entries that are no nodes, each for another reason.
    static let entries: [([UInt8], String)] = [
        ([], "empty"), ([0x80], "empty-node"), ([0x05], "not-a-node"),
        ([0xC3, 1, 2, 3], "not-a-node"), ([0xFF], "not-a-node"),
        ([0xC2, 0x81, 0x05], "non-canonical-node"),
        ([0xF8, 0x02, 1, 2], "non-canonical-node"),
        ([0xC2, 1, 2, 3], "non-canonical-node"),
    ]

    @Test(arguments: entries) func strangeEntries(_ entry: [UInt8], _ name: String) {
        #expect(names(WitnessLint(Self.witness(nodes: [entry]), nil)) == [name])
    }

    @Test func codes() {
        let large = [UInt8](repeating: 0, count: 24_577)
        let lint = WitnessLint(Self.witness(codes: [[], large]), nil)
        #expect(names(lint) == ["empty", "oversize-code"])
        #expect(lint.findings[0].writers.map(\.client) == ["reth", "Erigon"])
    }

    @Test func headers() {
        #expect(names(WitnessLint(Self.witness(headers: []), nil)) == ["no-headers"])
        let newest = WitnessLint(Self.witness(headers: [Self.child, Self.parent]), nil)
        #expect(newest.findings.map(\.deviation) == [.headersNewestFirst(count: 2)])
        #expect(newest.isVerifiable)
        let gap = WitnessLint(Self.witness(headers: [Self.grandparent, Self.child]), nil)
        #expect(gap.findings.map(\.deviation) == [.headerGap(at: 1, number: 8, after: 6)])
        #expect(!gap.isVerifiable)
        var stranger = Self.child
        stranger.parentHash = .zero
        let unlinked = WitnessLint(Self.witness(headers: [Self.parent, stranger]), nil)
        #expect(
            unlinked.findings.map(\.deviation) == [
                .headerNotLinked(at: 1, parentHash: .zero, expected: Self.parent.hash)
            ])
        let unordered = Self.witness(headers: [Self.parent, Self.child, Self.grandparent])
        #expect(names(WitnessLint(unordered, nil)) == ["headers-unordered"])
        let malformed = Witness(
            headers: [[0xC0], Self.parent.encoded], codes: [], nodes: [])
        #expect(
            WitnessLint(malformed, nil).findings.map(\.deviation) == [
                .malformedHeader(at: 0, .missingItem)
            ])
        var many = [Self.grandparent]
        while many.count < 257 {
            many.append(MadeChain.header(number: 6 + UInt64(many.count), parent: many.last))
        }
        #expect(
            WitnessLint(Self.witness(headers: many), nil).findings.map(\.deviation) == [
                .tooManyHeaders(257, limit: 256)
            ])
    }

    @Test func form() throws {
        func found(_ text: String) throws -> [String] {
            let document = try WitnessDocument(Array(text.utf8))
            return names(WitnessLint(document.witness, document.form))
        }
        let header = "0x" + Hex.encode(Self.parent.encoded)
        let code = "0x" + Hex.encode([0xAB])
        func json(
            codes: String = "[\"\(code)\"]", keys: String = "", headers: String? = nil
        ) -> String {
            "{\"state\":[],\"codes\":\(codes),\"headers\":\(headers ?? "[\"\(header)\"]")\(keys)}"
        }
        #expect(try found(json()) == [])
        #expect(try found(json(keys: ",\"keys\":null")) == ["keys-null"])
        #expect(try found(json(keys: ",\"keys\":[]")) == ["keys"])
        #expect(try found(json(keys: ",\"keys\":[\"0x00\"]")) == ["keys"])
        #expect(try found(json(codes: "null")) == ["list-missing"])
        #expect(try found(json(codes: "{\"\(code)\":\"\(code)\"}")) == ["map"])
        #expect(try found(json(codes: "[\"0xAB\"]")) == ["hex-case"])
        #expect(try found(json(codes: "[\"ab\"]")) == ["hex-unprefixed"])
        #expect(try found("{\"result\":\(json())}") == ["envelope"])
        let rlp = Self.witness().rlp(hasKeys: false)
        #expect(try found("0x" + Hex.encode(rlp)) == ["three-lists", "hex-text"])
        let large = Self.witness(codes: [[UInt8](repeating: 1, count: 2000)])
        #expect(
            WitnessLint(large, try WitnessDocument(large.ssz).form, sizeMax: 1000)
                .findings.map(\.deviation) == [
                    .oversize(large.size, limit: 1000)
                ])
    }

    /// Every deviation says something, in one line, without the compiler's words.
    @Test func sentences() {
        let entries = WitnessDeviation.Entries(
            part: .nodes, count: 3, size: 99, first: 1, hash: .zero)
        let headers = WitnessDeviation.Entries(
            part: .headers, count: 1, size: 500, first: 0, hash: .zero)
        let place = TriePlace(account: .zero, path: [1, 10])
        let all: [WitnessDeviation] = [
            .threeLists, .keys(count: 2), .keysNull, .headersAsObjects(count: 1),
            .headersWrapped(count: 2), .map(.nodes, .byHash), .map(.codes, .byBytes),
            .listMissing(.codes), .hexCase(.upper), .hexCase(.mixed), .unprefixedHex(count: 1),
            .hexText(size: 5), .envelope(.answer), .envelope(.witnessMember),
            .oversize(2, limit: 1), .unsorted(entries), .repeated(entries), .empty(entries),
            .emptyNode(entries), .notNode(entries, nil), .notNode(entries, .truncated),
            .nonCanonicalNode(entries, .lengthNotMinimal), .oversizeCode(entries, limit: 24_576),
            .noHeaders, .tooManyHeaders(257, limit: 256), .malformedHeader(at: 0, .missingItem),
            .headersNewestFirst(count: 2), .headersUnordered,
            .headerGap(at: 1, number: 9, after: 7),
            .headerNotLinked(at: 1, parentHash: .zero, expected: .zero),
            .wrongParent(found: .zero, number: 7, expected: .zero), .unused(entries),
            .unused(headers), .unusedStorageRoots(entries), .unreachable(entries),
            .createdCodes(entries), .missingNode(.zero, place, .account(.zero)),
            .missingNode(.zero, TriePlace(account: nil, path: []), .storage(.zero, slot: .one)),
            .missingNode(.zero, nil, .change), .missingCode(.zero, .zero), .missingHeader(5),
            .malformedNode(.zero, .path, .code(.zero)),
            .blockNotExecuted(.gas(2, limit: 1)),
        ]
        #expect(Set(all.map(\.name)).count == 36)
        for deviation in all {
            let sentence = deviation.description
            #expect(!sentence.contains("\n") && !sentence.contains("Execution."))
            #expect(!sentence.contains("Entries") && !sentence.contains("Optional"))
            #expect(sentence.count > 15)
            for writer in deviation.writers { #expect(writer.description.count > 10) }
        }
    }
}

/// What a lint says of real witnesses when it has the block.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct WitnessLintVectors {
    static func lint(_ sample: StatelessCase, _ witness: Witness? = nil) throws -> WitnessLint {
        let block = try Block(sample.block.span)
        return WitnessLint(
            witness ?? sample.witness, nil,
            .init(block, size: sample.block.count, StatelessExecution(rules: sample.rules)))
    }

    static func sample() throws -> StatelessCase {
        try StatelessCase(path: "real/mainnet-25134887.json.gz")
    }

    /// What is known of the real witnesses, which clients of 2024 to 2026 wrote: their habits show.
    static let habits: [String: [String]] = [
        "hoodi-1265656": ["empty-node", "unused-storage-roots nodes 4"],
        "mainnet-18884864": ["unused codes 1"],
        "mainnet-19426587": ["unused nodes 4", "created-codes codes 1"],
        "mainnet-20852412": ["empty", "unused codes 1"],
        "mainnet-23879620": ["empty", "unused codes 1"],
        "mainnet-24628607": ["empty-node", "empty", "unused-storage-roots nodes 13"],
        "mainnet-25134887": ["unused-storage-roots nodes 3"],
    ]

    @Test(arguments: Fixtures.files(in: "real")) func realWitnesses(_ path: String) throws {
        let sample = try StatelessCase(path: path)
        let lint = try Self.lint(sample, sample.witness.canonical())
        let found = lint.findings.map { finding in
            switch finding.deviation {
            case .unused(let entries), .unusedStorageRoots(let entries),
                .createdCodes(let entries):
                "\(finding.deviation.name) \(entries.part) \(entries.count)"
            default: finding.deviation.name
            }
        }
        if let known = Self.habits[sample.name] { #expect(found == known) }
        #expect(lint.isVerifiable)
    }

    /// Whatever is taken away, it is named, with the place where it belongs and what needed it.
    @Test func whatIsMissingIsNamed() throws {
        let sample = try Self.sample()
        let whole = sample.witness.canonical()
        let hashes = WitnessHashes(whole)
        var needs: [String: Int] = [:]
        for index in stride(from: 0, to: whole.nodes.count, by: 13) {
            var without = whole
            without.nodes.remove(at: index)
            let lint = try Self.lint(sample, without)
            guard case .missingNode(let hash, let place, let need) = lint.findings.first?.deviation
            else {
                Issue.record("node \(index): \(lint.findings)")
                continue
            }
            #expect(hash == hashes.nodes[index])
            let found = try #require(place)
            // The place is where the address or the slot that was asked for leads.
            switch need {
            case .account(let address):
                needs["account", default: 0] += 1
                #expect(found.account == nil)
                #expect(
                    Keccak256.hash(address.storage.span).description
                        .hasPrefix(Hex.encode(found.path).nibbles))
            case .storage(let address, let slot):
                needs["storage", default: 0] += 1
                #expect(found.account == Keccak256.hash(address.storage.span))
                #expect(
                    Keccak256.hash(slot.bytes32.storage.span).description
                        .hasPrefix(Hex.encode(found.path).nibbles))
            case .change, .code, nil: needs["other", default: 0] += 1
            }
        }
        #expect(try #require(needs["account"]) > 5 && #require(needs["storage"]) > 5)
        for index in whole.codes.indices {
            var without = whole
            without.codes.remove(at: index)
            let lint = try Self.lint(sample, without)
            guard case .missingCode(let hash, .some) = lint.findings.first?.deviation else {
                Issue.record("code \(index): \(lint.findings)")
                continue
            }
            #expect(hash == hashes.codes[index])
        }
    }

    @Test func missingHeadersAreNamed() throws {
        let sample = try StatelessCase(path: "real/hoodi-1265656.json.gz")
        var without = sample.witness.canonical()
        #expect(without.headers.count == 6)
        let oldest = try #require(without.headerNumbers.first ?? nil)
        without.headers.removeFirst()
        let lint = try Self.lint(sample, without)
        #expect(lint.findings.first?.deviation == .missingHeader(oldest))
        without.headers.removeLast()
        #expect(names(try Self.lint(sample, without)).first == "wrong-parent")
    }

    /// Entries of every kind that nobody needs.
    @Test func whatIsTooMuchIsNamed() throws {
        let sample = try Self.sample()
        let minimal = try Self.minimal(sample)
        #expect(try Self.lint(sample, minimal).findings.isEmpty)

        let extra = Witness(
            headers: minimal.headers.map { minimal[$0] },
            codes: minimal.codes.map { minimal[$0] } + [[0xFE, 0xFE], []],
            nodes: minimal.nodes.map { minimal[$0] } + [WitnessLintTests.leaf, [0x80]])
        let found = try names(Self.lint(sample, extra.canonical()))
        #expect(Set(found) == ["empty", "empty-node", "unreachable", "unused"])
    }

    static func minimal(_ sample: StatelessCase) throws -> Witness {
        try WitnessBuilder(rules: sample.rules).minimal(
            sample.witness, for: try Block(sample.block.span), size: sample.block.count
        ).witness
    }

    /// Damaged witnesses: each that must be refused has an error, each that must be taken has none.
    @Test func damagedWitnesses() throws {
        var kinds: [String: Int] = [:]
        for line in try FixtureFile.lines(Fixtures.data("witness/damaged.jsonl.gz")) {
            let sample = try StatelessCase(line)
            guard (try? Block(sample.block.span)) != nil else { continue }
            let lint = try Self.lint(sample)
            let isValid = sample.expected != nil
            let mutation = try line["mutation"].string
            #expect(
                lint.isVerifiable == isValid, "\(sample.name) \(mutation): \(lint.findings)")
            for finding in lint.findings { kinds[finding.deviation.name, default: 0] += 1 }
        }
        #expect(kinds.count > 8, "\(kinds.sorted { $0.key < $1.key })")
    }

    /// The sample of go-ethereum from when it left out absent accounts.
    @Test func theIncompleteBlock() throws {
        let sample = try StatelessCase(path: "real/incomplete/hoodi-1151683.json.gz")
        let lint = try Self.lint(sample)
        let finding = try #require(lint.findings.first)
        guard case .missingNode(_, .some(let place), .account) = finding.deviation else {
            Issue.record("\(finding)")
            return
        }
        #expect(place.account == nil)
        #expect(finding.writers.map(\.client) == ["geth"])
    }
}

extension String {
    /// Of hexadecimal of nibbles, one a byte, the second digit of each.
    fileprivate var nibbles: String {
        String(enumerated().filter { $0.offset % 2 == 1 }.map(\.element))
    }
}
