import ArgumentParser
import ChoraleBase
import Foundation
import Simulator

@main struct Program: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chorale-sim",
        abstract: "Runs networks of real nodes in virtual time.",
        discussion: """
            Example: chorale-sim run --scenario mesh --nodes 200 --seeds 1..20

            Exit status: 0 everything held, 1 something did not, 2 the command line is wrong.
            """,
        subcommands: [Run.self, List.self, Replay.self])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as ScenarioFailed {
            FileHandle.standardError.write(Data("chorale-sim: \(failure.message)\n".utf8))
            Foundation.exit(1)
        } catch {
            let status = exitCode(for: error).rawValue
            let text = fullMessage(for: error)
            let stream = status == 0 ? FileHandle.standardOutput : FileHandle.standardError
            if !text.isEmpty { stream.write(Data((text + "\n").utf8)) }
            Foundation.exit(status == 0 ? 0 : 2)
        }
    }
}

/// Something did not hold, or two runs differed: exit status 1.
struct ScenarioFailed: Error {
    let message: String
}

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the scenarios.", discussion: "Example: chorale-sim list")

    func run() {
        for scenario in Scenarios.all {
            let name = scenario.name.padding(toLength: 17, withPad: " ", startingAt: 0)
            print("\(name)\(scenario.summary)")
            let defaults = scenario.defaults
            print(
                "                 default: \(defaults.nodes) nodes (at least \(scenario.nodesMin)), "
                    + "--until \(defaults.duration.wholeMilliseconds / 1000)s "
                    + "(\(scenario.durationMeaning))")
        }
    }
}
