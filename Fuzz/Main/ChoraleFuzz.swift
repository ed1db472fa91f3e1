import ArgumentParser
import Foundation
import FuzzTargets

/// `chorale-fuzz`: the default engine. See docs/fuzzing.md.
struct ChoraleFuzz: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chorale-fuzz",
        abstract:
            "Feeds every decoder and machine with inputs that nobody would send in good faith.",
        discussion: """
            Examples:
              chorale-fuzz --seconds 10
              chorale-fuzz --seconds 600 --only '^(yamux|gossip)' --seed 7
              chorale-fuzz --replay Fuzz/Crashes/yamux-pair-1f2e --target yamux-pair
              chorale-fuzz --write-corpus
            """)

    @Option(help: "How long each target runs.")
    var seconds = 2.0

    @Option(help: "Only targets whose name contains a match of this regular expression.")
    var only: String?

    @Option(help: "Seed of the mutations; the same seed makes the same inputs.")
    var seed: UInt64 = 1

    @Option(help: "Folder of inputs to start from, one folder for each target.")
    var corpus = "Fuzz/Corpus"

    @Option(help: "Where inputs are kept that made a target fail.")
    var crashes = "Fuzz/Crashes"

    @Option(help: "Targets that run at the same time.")
    var jobs = 2

    @Flag(help: "Prints failures and one line at the end, nothing else.")
    var brief = false

    @Option(help: "Runs one file through one target, and nothing else.")
    var replay: String?

    @Option(help: "The target of --replay.")
    var target: String?

    @Flag(help: "Lists the targets and what they check.")
    var list = false

    @Flag(help: "Writes each target's seeds into the corpus folder.")
    var writeCorpus = false

    @Option(help: .hidden)
    var worker: String?

    func run() throws {
        if list {
            return print(
                FuzzTarget.all.map { "\($0.name)\n    \($0.summary)" }.joined(separator: "\n"))
        }
        if writeCorpus { return try writeSeeds() }
        if let replay { return try runFile(replay) }
        if let worker { return try work(worker) }
        let chosen = try targets()
        guard !chosen.isEmpty else { throw ValidationError("no target matches --only") }
        let failures = try Supervisor(
            targets: chosen, seconds: seconds, seed: seed, corpus: corpus, crashes: crashes,
            jobs: max(1, jobs), isBrief: brief
        ).run()
        print("\(chosen.count) targets: \(chosen.count - failures) passed, \(failures) failed")
        if failures > 0 { throw ExitCode(1) }
    }

    func validate() throws {
        guard seconds > 0, seconds <= 1e6 else {
            throw ValidationError("--seconds must be above 0 and at most 1000000")
        }
        if replay != nil, target == nil { throw ValidationError("--replay needs --target") }
    }

    private func targets() throws -> [FuzzTarget] {
        guard let only else { return FuzzTarget.all }
        let expression: Regex<AnyRegexOutput>
        do { expression = try Regex(only) } catch {
            throw ValidationError("--only is no regular expression: \(only)")
        }
        return FuzzTarget.all.filter { $0.name.firstMatch(of: expression) != nil }
    }

    private func chosenTarget() throws -> FuzzTarget {
        guard let found = FuzzTarget.all.first(where: { $0.name == target }) else {
            throw ValidationError("no target is named \(target ?? "")")
        }
        return found
    }

    private func writeSeeds() throws {
        for target in try targets() {
            let folder = corpus + "/" + target.name
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            for (index, input) in target.seeds().enumerated() {
                try Data(input).write(to: URL(fileURLWithPath: "\(folder)/seed-\(index)"))
            }
        }
    }

    private func runFile(_ path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path) cannot be read")
        }
        var findings = Findings()
        let chosen = try chosenTarget()
        chosen.run([UInt8](data), &findings)
        print("\(chosen.name): \(data.count) bytes, nothing wrong")
    }

    private func work(_ crashPath: String) throws {
        guard let file = CrashFile(path: crashPath) else {
            throw ValidationError("\(crashPath) cannot be written")
        }
        let result = Worker(
            target: try chosenTarget(), seconds: seconds, seed: seed, corpus: corpus,
            crashFile: file
        ).run()
        FileHandle.standardOutput.write(try JSONEncoder().encode(result))
    }
}
