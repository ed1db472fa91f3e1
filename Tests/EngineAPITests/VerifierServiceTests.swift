import ChoraleBase
import Codec
import JSONRPC
import Testing

@testable import EngineAPI
@testable import Execution

/// The final blocks of an engine as a chain that others decide.
private final class FinalChain: CommittedChain {
    private let base: MemoryEngineBase
    /// The lowest block after which tries are kept.
    var oldestTrie: UInt64 = 0
    /// What every read ends with, if it is to fail.
    var failure: SourceFailure?
    private(set) var trieReads = 0

    init(_ base: MemoryEngineBase) { self.base = base }

    private func check() throws(SourceFailure) { if let failure { throw failure } }

    func height() throws(SourceFailure) -> UInt64 {
        try check()
        return base.head.number
    }

    func number(of hash: Bytes32) throws(SourceFailure) -> UInt64? {
        try check()
        return base.block(hash)?.header.number
    }

    func block(at number: UInt64) throws(SourceFailure) -> (block: Block, hash: Bytes32)? {
        try check()
        guard let (hash, _) = base.header(at: number), let block = base.block(hash) else {
            return nil
        }
        return (block, hash)
    }

    func header(at number: UInt64) throws(SourceFailure) -> (header: Header, hash: Bytes32)? {
        try check()
        return base.header(at: number).map { ($0.header, $0.hash) }
    }

    func tries(after number: UInt64) throws(SourceFailure) -> MemoryEngineBase? {
        try check()
        trieReads += 1
        return number < oldestTrie ? nil : base
    }

    func witness(of number: UInt64) throws(SourceFailure) -> Witness? {
        try check()
        return nil
    }
}

/// A node whose own consensus decides, asked for a second opinion.
@Suite struct VerifierServiceTests {
    private let engine: TestEngine
    private let chain: FinalChain
    private let verifier: VerifierService<FinalChain>
    /// Final, blocks 1 to 3; and one above them that is not.
    private var committed: [TestEngine.Made] = []
    private let next: TestEngine.Made

    init() throws {
        engine = try TestEngine()
        for nonce in 0..<3 as Range<UInt64> {
            let made = try engine.make([TestEngine.sender.transaction(nonce)])
            #expect(try engine.take(made) == "VALID")
            #expect(try engine.choose(made.hash, finalized: made.hash) == "VALID")
            committed.append(made)
        }
        next = try engine.make([TestEngine.sender.transaction(3)], withWitness: true)
        chain = FinalChain(engine.service.state.base)
        verifier = VerifierService(
            chain, rules: engine.rules, version: .init(version: "1", commit: "00000000"))
    }

    private func call(_ method: String, _ params: [JSONValue]) throws -> JSONValue {
        let request: JSONObject = [
            "jsonrpc": .string("2.0"), "id": .integer(1), "method": .string(method),
            "params": .array(params),
        ]
        return try verifier.answer(RPCRequest(.object(request)))
    }

    private func status(_ params: [JSONValue]) throws -> String? {
        try call("engine_newPayloadV4", params)["status"]?.string
    }

    @Test func whatIsCommittedIsValidWithoutExecution() throws {
        for made in committed { #expect(try status(made.params) == "VALID") }
        #expect(chain.trieReads == 0)
    }

    @Test func whatIsNotIsExecutedOnItsParent() throws {
        let answer = try call("engine_newPayloadWithWitnessV4", next.params)
        #expect(answer["status"]?.string == "VALID")
        #expect(answer["latestValidHash"]?.string == "0x\(next.hash)")
        // The same witness as that of whoever built the block.
        #expect(answer["witness"]?.string == next.answer["witness"]?.string)
        // Nothing of it is kept.
        #expect(try chain.height() == 3)
        #expect(try chain.number(of: next.hash) == nil)
    }

    /// Also beside the chain: whether it is canonical is not asked.
    @Test func aSiblingOfACommittedBlockIsJudged() throws {
        let sibling = try engine.make(on: committed[2].hash, randao: 9)
        #expect(try status(sibling.params) == "VALID")
    }

    @Test(arguments: ["stateRoot", "receiptsRoot", "gasUsed"])
    func wrongResultsAreInvalid(name: String) throws {
        let value: JSONValue =
            name == "gasUsed" ? .string("0x1") : .string("0x" + String(repeating: "7", count: 64))
        let unnamed = next.changed { $0[name] = value }
        let told = try call("engine_newPayloadV4", unnamed)
        let reason = try #require(told["validationError"]?.string)
        let hash = try #require(reason.firstMatch(of: /is (0x[0-9a-f]{64})/)?.1)
        let params = next.changed {
            $0[name] = value
            $0["blockHash"] = .string(String(hash))
        }
        let answer = try call("engine_newPayloadV4", params)
        #expect(answer["status"]?.string == "INVALID")
        #expect(answer["latestValidHash"]?.string == "0x\(committed[2].hash)")
        #expect(answer["validationError"]?.string?.isEmpty == false)
    }

    /// What this node cannot know it does not claim.
    @Test func withoutTheParentsStateThereIsNoVerdict() throws {
        chain.oldestTrie = 4
        let answer = try call("engine_newPayloadV4", next.params)
        #expect(answer["status"]?.string == "SYNCING")
        #expect(answer["latestValidHash"] == .null)
        // What is committed is so nonetheless.
        #expect(try status(committed[0].params) == "VALID")
    }

    @Test func aDiskThatFailsIsNoFaultOfTheBlock() throws {
        chain.failure = .damaged("a checksum")
        let error = try #require(throws: RPCError.self) { try status(next.params) }
        #expect(error.code == -32_603)
        #expect(error.data?["err"]?.string?.contains("a checksum") == true)
    }

    @Test func nothingIsChosenOrBuilt() throws {
        let state = TestEngine.state(next.hash)
        for (method, params) in [
            ("engine_forkchoiceUpdatedV3", [state]), ("engine_forkchoiceUpdatedV1", []),
            ("engine_forkchoiceUpdatedWithWitnessV3", [state]),
            ("engine_getPayloadV4", [.string("0x0011223344556677")]),
        ] as [(String, [JSONValue])] {
            let error = try #require(throws: RPCError.self) { try call(method, params) }
            #expect(error == .consensusDecides)
        }
        // What is listed is answered, and what is refused is not listed.
        let names = VerifierService<FinalChain>.capabilities
        #expect(!names.contains { $0.contains("forkchoice") || $0.contains("getPayloadV") })
        for name in names where !EngineCalls.isStateless(name) {
            let error = try #require(throws: RPCError.self) { try call(name, []) }
            #expect(error.code == -32_602, "\(name)")
        }
        let unknown = try #require(throws: RPCError.self) { try call("engine_newPayloadV5", []) }
        #expect(unknown.code == -32_601)
    }

    @Test func bodiesAreThoseOfTheChain() throws {
        let range = try call("engine_getPayloadBodiesByRangeV1", [.string("0x2"), .string("0x9")])
        #expect(range.array?.count == 2)
        let hashes: JSONValue = .array([
            .string("0x\(committed[0].hash)"), .string("0x\(next.hash)"),
        ])
        let found = try call("engine_getPayloadBodiesByHashV1", [hashes])
        #expect(found.array?.first?["transactions"] == committed[0].payload["transactions"])
        #expect(found.array?.last == .null)
        // The largest numbers there are.
        let most = "0xffffffffffffffff"
        let none = try call("engine_getPayloadBodiesByRangeV1", [.string(most), .string("0x400")])
        #expect(none.array == [])
        let error = try #require(throws: RPCError.self) {
            try call("engine_getPayloadBodiesByRangeV1", [.string("0x1"), .string(most)])
        }
        #expect(error.code == -38_004)
    }
}
