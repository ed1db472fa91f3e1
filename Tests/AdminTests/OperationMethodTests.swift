import ChoraleBase
import ChoraleTypes
import Codec
import Crypto

import Subproof
import Testing

@testable import Admin
@testable import ExecutorAgent
@testable import Node
@testable import Operations
@testable import PartVerification

/// What the admin socket says of operations.
@Suite struct OperationMethodTests {
    typealias Harness = DispatcherTests.Harness

    static let id = SHA256.hash([1])

    static func part(isCertified: Bool, isOnChain: Bool) -> OperationInfo.PartInfo {
        OperationInfo.PartInfo(
            proofType: 64, proofSize: 20_480, tranche: .second, votes: 31, asked: 32,
            isCertified: isCertified, verdict: isCertified ? true : nil, ownVerdict: false,
            isContested: true, level: isCertified ? .quorumVerified : .none, isOnChain: isOnChain)
    }

    static func info(_ outcome: OperationInfo.Outcome) throws -> OperationInfo {
        OperationInfo(
            operation: id, kind: 1,
            requester: try #require(ExecutionAddress([UInt8](repeating: 0xAB, count: 20))),
            requestedAt: 7, expiry: 307, fee: UInt128(1) << 90, outcome: outcome,
            executors: [.init(key: SHA256.hash([2]), turn: 8, isRefused: false)], progress: 400,
            commitment: .init(
                executor: SHA256.hash([2]), height: 9, outputHash: SHA256.hash([3]),
                outputSize: 52, outputRoot: nil, price: 12,
                parts: [
                    part(isCertified: true, isOnChain: true),
                    part(isCertified: true, isOnChain: false),
                    part(isCertified: false, isOnChain: false),
                ]), confirmation: .none, isDisputed: false)
    }

    static func result(_ lines: [String]) throws -> JSONValue {
        let line = try #require(lines.first)
        return try #require(try JSONValue(parsing: Array(line.utf8))["result"])
    }

    @Test func listsOperationsWithoutTheirParts() throws {
        let harness = Harness()
        let (id, command) = try #require(harness.command("chorale_operations"))
        guard case .operations = command else {
            Issue.record("\(command)")
            return
        }
        let lines = harness.reply(
            id,
            .operations([try Self.info(.open(.committed)), try Self.info(.settled(height: 20))])
        )
        let list = try #require(try Self.result(lines).array)
        #expect(list.map { $0["status"]?.string } == ["committed", "settled"])
        #expect(list.map { $0["endedAt"] } == [.null, .integer(20)])
        let first = list[0]
        #expect(first["operation"] == .string("0x\(Self.id)"))
        // Above what an integer of JSON holds.
        #expect(first["fee"] == .string("1237940039285380274899124224"))
        #expect(first["requester"]?.string == "0x" + String(repeating: "ab", count: 20))
        let commitment = try #require(first["commitment"])
        #expect(commitment["parts"] == nil)
        #expect(commitment["partCount"] == .integer(3))
        #expect(commitment["partsCertified"] == .integer(2))
        #expect(commitment["partsOnChain"] == .integer(1))
        #expect(commitment["outputRoot"] == .null)
    }

    @Test func showsOneWithItsParts() throws {
        let harness = Harness()
        let (id, command) = try #require(
            harness.command("chorale_operation", #"{"id":"0x\#(Self.id)"}"#))
        guard case .operation(Self.id) = command else {
            Issue.record("\(command)")
            return
        }
        let value = try Self.result(
            harness.reply(id, .operation(try Self.info(.open(.frozen)))))
        #expect(value["status"] == .string("frozen"))
        let parts = try #require(value["commitment"]?["parts"]?.array)
        #expect(parts.count == 3)
        #expect(parts[2]["part"] == .integer(2))
        #expect(parts[0]["verdict"] == .string("valid"))
        #expect(parts[2]["verdict"] == .null)
        #expect(parts[0]["ownVerdict"] == .string("reject"))
        #expect(parts[0]["tranche"] == .string("second"))
        #expect(parts[0]["level"] == .string("quorum_verified"))
    }

    @Test func refusesWhatIsNoOperation() throws {
        let error = try Harness().error(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_operation","params":{"id":"0x12"}}"#)
        #expect(error["code"] == .integer(-32602))
        #expect(error["data"]?["field"] == .string("id"))
    }

    @Test func assignmentsNeedAHeight() throws {
        let harness = Harness()
        let error = try harness.error(
            #"{"jsonrpc":"2.0","id":1,"method":"chorale_assignments","params":{}}"#)
        #expect(error["data"]?["field"] == .string("height"))
        let (id, command) = try #require(
            harness.command("chorale_assignments", #"{"height":9}"#))
        guard case .assignments(height: 9) = command else {
            Issue.record("\(command)")
            return
        }
        let value = try Self.result(
            harness.reply(
                id,
                .assignments([
                    AssignmentInfo(
                        operation: Self.id, part: 3,
                        validators: [ValidatorIndex(4), ValidatorIndex(0)], isOurs: true)
                ])))
        let first = try #require(value.array?.first)
        #expect(first["validators"] == .array([.integer(4), .integer(0)]))
        #expect(first["part"] == .integer(3))
        #expect(first["isOurs"] == .bool(true))
    }

    @Test func countsProofs() throws {
        let harness = Harness()
        var info = ProofsInfo(counters: PartCounters(), silentValidators: [], executor: nil)
        info.counters.votesPublished = 5
        info.counters.verificationTime = .milliseconds(1500)
        let plain = try Self.result(
            harness.reply(try harness.submit("chorale_proofs"), .proofs(info)))
        #expect(plain["executor"] == .null)
        #expect(plain["votesPublished"] == .integer(5))
        #expect(plain["verificationMs"]?.double == 1500)

        var executor = ExecutorInfo(key: Self.id)
        executor.bond = 32_000_000_000
        executor.jobs = [
            .init(operation: Self.id, rank: 1, state: "proving", proven: 2, parts: 5)
        ]
        info.executor = executor
        let executing = try Self.result(
            harness.reply(try harness.submit("chorale_proofs"), .proofs(info)))
        #expect(executing["executor"]?["bondGwei"] == .integer(32_000_000_000))
        #expect(executing["executor"]?["jobs"]?.array?.first?["state"] == .string("proving"))
    }
}
