import Admin
import ArgumentParser
import CBuildInfo
import ChoraleBase
import Glibc

/// The command line as a function: arguments in, exit status out.
public enum Program {
    /// Exit statuses that scripts may rely on.
    enum Status {
        static let done: Int32 = 0
        static let failed: Int32 = 1
        static let usage: Int32 = 2
    }

    /// Runs one command and returns its exit status.
    ///
    /// Results are on standard output; a failure is one line on standard error.
    public static func run(_ arguments: [String]) -> Int32 {
        Console.reserveStandardFiles()
        signal(SIGPIPE, SIG_IGN)
        do {
            try checkForEmpty(arguments)
            try checkNames(arguments)
            var command = try Chorale.parseAsRoot(arguments)
            try command.run()
            return Status.done
        } catch let failure as Failure {
            Console.error("chorale: \(failure.message)")
            return failure.kind == .usage ? Status.usage : Status.failed
        } catch let malformed as MalformedInput {
            Console.error("chorale: \(malformed.asFailure.message)")
            return Status.failed
        } catch {
            return report(error)
        }
    }

    /// What ArgumentParser throws: help and versions, which are no failures, and wrong usage.
    private static func report(_ error: any Error) -> Int32 {
        let text = Chorale.fullMessage(for: error)
        switch Chorale.exitCode(for: error) {
        case .success:
            if !text.isEmpty { Console.print(text) }
            return Status.done
        case .validationFailure:
            Console.error(usageText(text))
            return Status.usage
        default:
            Console.error(text.isEmpty ? "chorale: failed" : text)
            return Status.failed
        }
    }

    /// `Error: …` becomes the same form that every other failure has; the usage lines follow it.
    private static func usageText(_ text: String) -> String {
        let prefix = "Error: "
        return "chorale: " + (text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
    }

    /// Refuses `--data-dir "$UNSET"`: an empty text is no file, name or number.
    ///
    /// Only lists may be empty: `--bootnodes ""` hides what the file says.
    private static func checkForEmpty(_ arguments: [String]) throws(Failure) {
        let lists = Setting.allCases.filter(\.isList).map { "--\($0.name)" }
        for (index, argument) in arguments.enumerated() {
            let before = index > 0 ? arguments[index - 1] : "chorale"
            if argument.isEmpty, !lists.contains(before) {
                throw .usage("an empty argument follows `\(before)`")
            }
            if argument.hasPrefix("--"), argument.hasSuffix("="),
                !lists.contains(String(argument.dropLast()))
            {
                throw .usage("`\(argument)` lacks its value")
            }
        }
    }

    /// Refuses a command that does not exist with the nearest that does.
    ///
    /// ArgumentParser suggests flags by itself, and calls an unknown command an unexpected argument.
    private static func checkNames(_ arguments: [String]) throws(Failure) {
        var command: any ParsableCommand.Type = Chorale.self
        var path = "chorale"
        if let first = arguments.first, first.hasPrefix("--") { try checkFlag(first) }
        for argument in arguments {
            let subcommands = command.configuration.subcommands
            guard !subcommands.isEmpty, !argument.hasPrefix("-") else { return }
            // `chorale help run` names commands, too.
            if argument == "help", path == "chorale" { continue }
            guard let next = subcommands.first(where: { name(of: $0) == argument }) else {
                let names = subcommands.map { name(of: $0) }
                throw .usage(
                    "`\(path)` has no command `\(argument)`"
                        + Suggestion.text(for: argument, among: names))
            }
            command = next
            path += " " + argument
        }
    }

    /// `chorale` itself declares no flags, so ArgumentParser has nothing to suggest for them.
    private static func checkFlag(_ argument: String) throws(Failure) {
        let flags = ["--help", "--version", "--generate-completion-script"]
        let name = argument.prefix { $0 != "=" }
        guard name != "--", !name.hasPrefix("--experimental-"), !name.hasPrefix("---"),
            name != "--help-hidden", !flags.contains(String(name))
        else { return }
        throw .usage(
            "`chorale` has no flag `\(name)`" + Suggestion.text(for: String(name), among: flags))
    }

    private static func name(of command: any ParsableCommand.Type) -> String {
        command._commandName
    }
}

enum Version {
    static let number = "0.1.0"
    /// The commit that was built, with a `+` when the tree had changes; nil when whoever built did
    /// not say. `make` does, a plain `swift build` does not.
    static let commit = chorale_build_commit().map { String(cString: $0) }
    /// What `--version` prints: `0.1.0 (1a2b3c4d5e6f)`.
    static let text = commit.map { "\(number) (\($0))" } ?? number
    /// How the node names itself to peers.
    static let agent = "chorale/\(number)"
    /// How it names itself to wallets, as in geth's `web3_clientVersion`.
    static let client = "Chorale/v\(number)/linux-x86_64"
}

struct Chorale: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chorale",
        abstract:
            "A peer-to-peer node for networks that execute once, prove in parts and verify in parts.",
        discussion: """
            EXAMPLE
              chorale init --data-dir node
              chorale run --data-dir node --bootnodes @bootnodes.txt
              chorale admin peers --data-dir node

            Exit status: 0 done, 1 failed, 2 wrong usage. Shell completions:
              chorale --generate-completion-script bash|zsh|fish
            """,
        version: Version.text,
        subcommands: [
            InitCommand.self, RunCommand.self, GenesisCommand.self, AdminCommand.self,
            GossipCommand.self, BodyCommand.self, DHTCommand.self, PingCommand.self,
            PerfCommand.self, KeyCommand.self, ValidatorCommand.self, EVMCommand.self,
            WitnessCommand.self, NetworkCommand.self, LoadCommand.self, EngineCommand.self,
            OperationCommand.self, ExecutorCommand.self,
        ])
}
