import Codec
import Foundation
import Testing

@testable import Admin
@testable import ChoraleCLI

/// The built program: what it prints where, and its exit status.
@Suite struct ProgramTests {
    struct Outcome {
        let status: Int32
        let output: String
        let error: String
    }

    /// The program is built beside the tests.
    static let binary = URL(fileURLWithPath: CommandLine.arguments[0])
        .resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("chorale")

    /// Runs the program to its end, for at most twenty seconds.
    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        let process = Process()
        process.executableURL = binary
        process.arguments = arguments
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("CHORALE_") }
        variables.merge(environment) { $1 }
        process.environment = variables
        let (output, error) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = error
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let watchdog = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + 20, execute: watchdog)
        let text = { (pipe: Pipe) in
            String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        }
        let outcome = (text(output), text(error))
        process.waitUntilExit()
        watchdog.cancel()
        return Outcome(
            status: process.terminationStatus, output: outcome.0, error: outcome.1)
    }

    struct Row: Sendable, CustomStringConvertible {
        let arguments: [String]
        let status: Int32
        let words: String

        init(_ arguments: String, _ status: Int32, _ words: String) {
            self.arguments = arguments.split(separator: " ").map(String.init)
            self.status = status
            self.words = words
        }

        var description: String { arguments.joined(separator: " ") }
    }

    static let failures = [
        Row("runn", 2, "did you mean `run`?"),
        Row("admin per", 2, "did you mean `peers`?"),
        Row("frobnicate", 2, "there are init, run"),
        Row("run --bootnode x", 2, "--bootnodes"),
        Row("run", 2, "CHORALE_DATA_DIR"),
        Row("run --data-dir /nowhere/at/all", 1, "chorale init --data-dir /nowhere/at/all"),
        Row("run --data-dir /tmp --max-peers none", 2, "--max-peers"),
        Row("init", 2, "--data-dir"),
        Row("genesis --validators 0 --output /tmp/none", 2, "at least one node"),
        Row("genesis --validators x --output /tmp/none", 2, "--validators"),
        Row("genesis --validators 2000 --output /tmp/none", 2, "from 0 to 1000"),
        Row("genesis --validators 1 --output /tmp", 1, "exists already"),
        Row("ping nonsense", 2, "not a multiaddr"),
        Row("ping /ip4/127.0.0.1/udp/1", 2, "no TCP port"),
        Row("help runn", 2, "did you mean `run`?"),
        Row("help admin per", 2, "did you mean `peers`?"),
        Row("--verson", 2, "did you mean `--version`?"),
        Row("run --data-dir=", 2, "lacks its value"),
        Row("genesis --validators 1 --base-port 9223372036854775807 --output /x", 2, "room for 2"),
        Row("ping /ip4/127.0.0.1/tcp/1 -c 0", 2, "--count"),
        Row("perf /ip4/127.0.0.1/tcp/1", 2, "--upload"),
        Row("key inspect /nowhere.key", 1, "cannot read /nowhere.key"),
        Row("admin info", 2, "which node?"),
        Row("admin info --admin-socket /nowhere.ipc", 1, "no node answers"),
        Row("gossip subscribe --topic a --count 0 --data-dir x", 2, "--count"),
        Row("body publish", 2, "file"),
        Row("op submitt", 2, "did you mean `submit`?"),
        Row("op submit --model a --input b", 2, "--kind"),
        Row("op submit --kind inferense --model a --input b", 2, "inference"),
        Row("op submit --kind inference --model a --input b --fee 1ether", 2, "an ether is 10^18"),
        Row("op submit --kind inference --model a --input b --fee 0", 2, "--fee"),
        Row("op submit --kind inference --model a --input b --ttl 15", 2, "from 16 to 65536"),
        Row("op submit --kind inference --model a --input b --timeout 0", 2, "--timeout"),
        Row("op submit --kind inference --model a --input b --output c", 2, "--watch"),
        Row("op submit --kind inference --model a --input b --rpc ftp://x", 2, "http://HOST:PORT"),
        Row(
            "op submit --kind inference --model a --input b --account x --accounts y", 2, "not both"
        ),
        Row("op submit --kind inference --model /none --input /none", 1, "cannot read /none"),
        Row("op make-model --widths 4,x /tmp/none", 2, "--widths"),
        Row("op make-model --widths 4 /tmp/none", 2, "two numbers or more"),
        Row("op make-model --widths 4,99999999 /tmp/none", 2, "no model has"),
        Row("op show 0x12", 2, "32 bytes in hex"),
        Row("op watch nonsense", 2, "32 bytes in hex"),
        Row("op list", 2, "which node?"),
        Row("op withdraw --to 0x12", 2, "40 hexadecimal digits"),
        Row("admin op 0x12", 2, "32 bytes in hex"),
        Row("admin assignments x", 2, "slot"),
        Row("admin assignments 18446744073709551615", 2, "no height"),
        Row("executor registr", 2, "did you mean `register`?"),
        Row("executor register --bond 0.5", 2, "1 ether or more"),
        Row("executor register --bond 1.0000000001", 2, "whole gwei"),
        Row("executor register --bond 32", 2, "which executor?"),
        Row("executor exit --account-index 5000", 2, "--account-index"),
        Row("run --data-dir /tmp --executor-price 101", 2, "from 1 to 100"),
        Row("run --data-dir /tmp --executor-account x", 2, "needs a network with a chain"),
        Row("run --data-dir /tmp --byzantine silent-parts", 2, "--address-policy local"),
        Row("run --data-dir /tmp --byzantine lazy", 2, "garbage-proofs"),
    ]

    @Test(arguments: failures) func fails(_ row: Row) throws {
        let outcome = try Self.run(row.arguments)
        #expect(outcome.status == row.status)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.hasPrefix("chorale: "), "\(outcome.error)")
        #expect(outcome.error.contains(row.words), "\(outcome.error)")
    }

    @Test func everyCommandHasHelpWithAnExample() throws {
        func visit(_ path: [String]) throws {
            let outcome = try Self.run(path + ["--help"])
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("EXAMPLE"), "\(path)")
            #expect(outcome.error.isEmpty)
        }
        let paths = [
            [], ["init"], ["run"], ["genesis"], ["admin"], ["gossip"], ["dht"], ["body"], ["ping"],
            ["perf"], ["key"], ["admin", "info"], ["admin", "add-peer"], ["gossip", "subscribe"],
            ["dht", "put"], ["body", "get"], ["key", "inspect"], ["network"], ["load"], ["op"],
            ["op", "submit"],
            ["op", "list"], ["op", "show"], ["op", "watch"], ["op", "expire"], ["op", "withdraw"],
            ["op", "make-model"],
            ["executor"], ["executor", "register"], ["executor", "exit"], ["executor", "status"],
            ["admin", "op"], ["admin", "proofs"], ["admin", "assignments"],
        ]
        for path in paths { try visit(path) }
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func completes(shell: String) throws {
        let outcome = try Self.run(["--generate-completion-script", shell])
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("genesis"))
    }

    @Test func saysItsVersion() throws {
        let outcome = try Self.run(["--version"])
        #expect(outcome.status == 0)
        // Whoever builds without `make` names no commit.
        let isPlain = outcome.output == "0.1.0\n"
        let withCommit = try Regex(#"0\.1\.0 \([0-9a-f]{12}\+?\)\n"#)
        #expect(isPlain || outcome.output.wholeMatch(of: withCommit) != nil)
    }

    /// The one of models/synthetic/large.json.
    @Test func makesAModel() throws {
        let scratch = try Scratch()
        let file = scratch.path + "/large.model"
        let arguments = ["op", "make-model", "--widths", "784,512,256,10", "--seed", "2026", file]
        let made = try Self.run(arguments + ["--json"])
        #expect(made.status == 0)
        let told = try JSONValue(parsing: Array(made.output.utf8))
        #expect(
            told["sha256"]?.string
                == "76d58f6db698d8d16b01e284cb49cdeb8754f156cc7bc4eeb86566d6f4b38f5a")
        // Nothing is overwritten.
        #expect(try Self.run(arguments).status == 1)
    }

    @Test func initialisesOnce() throws {
        let scratch = try Scratch()
        let home = scratch.path + "/node"
        let first = try Self.run(["init", "--data-dir", home, "--json"])
        #expect(first.status == 0)
        let told = try JSONValue(parsing: Array(first.output.utf8))
        let inspected = try Self.run(["key", "inspect", home + "/identity.key", "--json"])
        let key = try JSONValue(parsing: Array(inspected.output.utf8))
        #expect(key["peerId"] == told["peerId"])
        #expect(key["type"] == .string("ed25519"))
        #expect(Files.mode(home + "/identity.key") == 0o600)
        // The file that it wrote is one that `run` accepts.
        #expect(throws: Never.self) {
            try RunSettings.load(flags: [(.dataDirectory, [home])], environment: [:])
        }
        let second = try Self.run(["init"], environment: ["CHORALE_DATA_DIR": home])
        #expect(second.status == 1)
        #expect(second.error.contains("exists already"))
    }

    @Test func seededGenesisIsTheSameTwice() throws {
        let scratch = try Scratch()
        let outcomes = try ["a", "b"].map { name in
            try Self.run([
                "genesis", "--validators", "2", "--provers", "1", "--seed", "5", "--json",
                "--output",
                scratch.path + "/" + name,
            ])
        }
        #expect(outcomes.allSatisfy { $0.status == 0 && $0.error.contains("for tests") })
        let told = try outcomes.map { try JSONValue(parsing: Array($0.output.utf8)) }
        #expect(told[0]["digest"] == told[1]["digest"])
        #expect(told[0]["nodes"]?.array?.count == 3)
        for file in [
            "config.yaml", "nodes.yaml", "validator-0/config.yaml", "prover-0/identity.key",
        ] {
            let contents = ["a", "b"].map {
                FileManager.default.contents(atPath: "\(scratch.path)/\($0)/\(file)")
            }
            #expect(contents[0] != nil && contents[0] == contents[1], "\(file)")
        }
    }
}
