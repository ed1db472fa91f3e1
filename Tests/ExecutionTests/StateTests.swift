import ChoraleBase
import Codec
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

/// Ethereum's state tests: one transaction on a given state.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct StateTests {
    static let files = Fixtures.files(in: "state")

    @Test func everyFileIsThere() { #expect(Self.files.count == 149) }

    @Test(arguments: files) func file(_ path: String) throws {
        let file = try Fixtures.json(path)
        var tally = Tally(path)
        for name in file.keys {
            let test = try file[name]
            for forkName in try test["post"].keys {
                for result in try test["post"][forkName].array {
                    let fault = try Self.fault(test, forkName, result)
                    tally.count(fault == nil)
                    if let fault {
                        let indexes = try result["indexes"].value
                        Issue.record("\(name) \(forkName) \(indexes): \(fault)")
                    }
                }
            }
        }
        tally.report()
        #expect(tally.passed + tally.failed > 0, "nothing was read")
    }

    static let forks: [String: (Fork, BlobSchedule)] = [
        "Shanghai": (.shanghai, .cancun), "Cancun": (.cancun, .cancun),
        "Prague": (.prague, .prague), "Osaka": (.osaka, .prague),
    ]

    /// What is wrong with how one test ran; nil if it passed.
    static func fault(_ test: JSON, _ forkName: String, _ result: JSON) throws -> String? {
        guard let (fork, schedule) = forks[forkName] else { return "unknown fork" }
        let state = try MemoryState(test["pre"])
        let block = try context(test, fork, schedule)
        // As the fixtures were made: the hash of a block is that of its number in decimal.
        for ancestor in block.number - min(block.number, 256)..<block.number {
            state.blockHashes[ancestor] = Keccak256.hash(Array("\(ancestor)".utf8))
        }
        var machine = Machine(reader: state, block: block)
        let bytes = try result["txbytes"].hex
        var logs: [Log] = []
        var refusal: (any Error)?
        do {
            let transaction = try Transaction(bytes.span)
            let sender = try transaction.sender()
            logs =
                try machine.execute(
                    transaction, sender: sender,
                    allowance: BlockAllowance(gas: block.gasLimit, blobGas: schedule.gasMax)
                ).logs
        } catch {
            refusal = error
        }
        let exception = result.optional("expectException")
        if let refusal, exception == nil { return "refused: \(refusal)" }
        if let refusal, let exception = try exception?.string,
            !BlockExceptions.match(exception, refusal)
        {
            return "refused for another reason than \(exception): \(refusal)"
        }
        if refusal == nil, let exception { return "taken, against \(try exception.string)" }
        if refusal == nil { state.apply(machine.state.changes()) }
        guard try state.root().bytes == result["hash"].hex else {
            guard let expected = result.optional("state") else { return "wrong root" }
            return "wrong root" + state.difference(from: try MemoryState(expected))
        }
        guard try Keccak256.hash(Log.encoded(logs)).bytes == result["logs"].hex else {
            return "wrong logs"
        }
        return nil
    }

    private static func context(
        _ test: JSON, _ fork: Fork, _ schedule: BlobSchedule
    ) throws -> BlockContext {
        let env = try test["env"]
        let excess = try env.optional("currentExcessBlobGas")?.word.l0 ?? 0
        return BlockContext(
            fork: fork, chainID: try test.optional("config")?["chainid"].word.l0 ?? 1,
            coinbase: Address(try env["currentCoinbase"].word),
            number: try env["currentNumber"].word.l0,
            timestamp: try env["currentTimestamp"].word.l0,
            gasLimit: try env["currentGasLimit"].word.l0,
            baseFee: try env["currentBaseFee"].word, prevRandao: try env["currentRandom"].word,
            blobBaseFee: fork >= .cancun ? schedule.baseFee(excess: excess) : .one)
    }
}

/// How many tests of a file passed.
struct Tally {
    let path: String
    var passed = 0
    var failed = 0
    private let start = ContinuousClock.now

    init(_ path: String) { self.path = path }

    mutating func count(_ ok: Bool) { if ok { passed += 1 } else { failed += 1 } }

    func report() {
        let seconds = start.duration(to: .now) / .seconds(1)
        print("\(path): \(passed) passed, \(failed) failed, \(String(format: "%.2f", seconds)) s")
    }
}
