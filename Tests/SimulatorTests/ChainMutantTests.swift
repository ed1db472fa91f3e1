import ChoraleBase
import ChoraleTypes
import Testing

@testable import Chain
@testable import Consensus
@testable import Node
@testable import Simulator

/// That the scenarios can fail: each rule of the Tendermint algorithm that keeps a chain safe or alive, broken in
/// every validator, must be found out by what the checkers see from outside, within the seeds of `make test`.
///
/// The rules have no switches. A mutant is a hand that reaches into a validator's state between two inputs,
/// through what only tests can see.
@Suite struct ChainMutantTests {
    /// Reaches into the agreement of a host, as far as one runs there.
    private static func reach(
        _ simulation: Simulation, _ host: HostIndex,
        _ change: (inout Chain) -> Void
    ) {
        guard
            let participant = simulation.hosts[host.rawValue].participant as? NodeParticipant,
            let chain = participant.node.chain
        else { return }
        change(&chain.machine)
    }

    private static let fork = "no two commits at a height"
    private static let double = "no honest validator signed two messages for one place"
    private static let progress = "left alone, commits go on and all are there"

    /// Runs a mutant with seed after seed, until a check with one of these names fails.
    private func expectFound(
        _ names: [String], losesSynced: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ mutant: (() -> @Sendable (Simulation, HostIndex) -> Void)?
    ) {
        var seen: [String] = []
        let isFound = (UInt64(1)...25).contains { seed in
            var scenario = ChainLockScenario(
                ScenarioParameters(nodes: 4, seed: seed, duration: .seconds(30)))
            scenario.onTurn = mutant?()
            scenario.losesSynced = losesSynced
            let report = scenario.run()
            seen += report.failures.map { "seed \(seed): \($0.name): \($0.detail)" }
            return report.failures.contains { names.contains($0.name) }
        }
        #expect(isFound, "a mutant survives; what failed: \(seen)", sourceLocation: sourceLocation)
    }

    /// Lines 22 to 29 without their conditions: prevotes for whatever is proposed, and proposes what it likes.
    @Test func lockIgnored() {
        expectFound([Self.fork]) {
            { simulation, host in
                Self.reach(simulation, host) { chain in
                    chain.consensus.state?.locked = nil
                    chain.consensus.state?.valid = nil
                }
            }
        }
    }

    /// The log of an earlier life is read, but for what it says of locks.
    @Test func lockForgottenOverRestart() {
        expectFound([Self.fork]) {
            let lives = Lives()
            return { simulation, host in
                let life = simulation.hosts[host.rawValue].life
                Self.reach(simulation, host) { chain in
                    guard chain.consensus.state != nil, lives.isNew(life, of: host) else { return }
                    chain.consensus.state?.locked = nil
                    chain.consensus.state?.valid = nil
                }
            }
        }
    }

    /// Line 36 without its 2f + 1 prevotes: precommits what it has prevoted.
    @Test func precommitWithoutPrevotes() {
        expectFound([Self.fork]) {
            { simulation, host in
                Self.reach(simulation, host) { chain in
                    guard let height = chain.consensus.state, height.step == .prevote,
                        let local = height.local,
                        let vote = height.rounds[height.round]?.prevotes.vote(of: local),
                        let block = vote.blockID
                    else { return }
                    let content = VoteContent(
                        kind: .precommit, height: height.height, round: height.round,
                        blockID: block)
                    chain.consensus.state?.step = .precommit
                    chain.consensus.state?.prevoteDeadline = nil
                    chain.consensus.state?.unsigned.append(.vote(content))
                    chain.journal.records.append(.voteIntent(content))
                    chain.journal.requests.append(.vote(content))
                }
            }
        }
    }

    /// Line 16 without its first half: a proposer with a valid value makes a new block.
    @Test func validValueIgnored() {
        expectFound([Self.progress]) {
            { simulation, host in
                Self.reach(simulation, host) { $0.consensus.state?.valid = nil }
            }
        }
    }

    /// What was synced is lost with the power, log and signing state.
    @Test func votesForgotten() {
        expectFound([Self.double], losesSynced: true, nil)
    }

    /// The hand itself breaks nothing.
    @Test func noMutant() {
        let scenario = ChainLockScenario(
            ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(30)))
        var watched = scenario
        let turns = Lives()
        watched.onTurn = { simulation, host in
            Self.reach(simulation, host) { _ in turns.count += 1 }
        }
        let report = watched.run()
        #expect(report.failures.isEmpty)
        #expect(turns.count > 1000)
        #expect(report.digest == scenario.run().digest)
    }
}

/// Which life of each host was seen last. A simulation runs on one thread.
private final class Lives: @unchecked Sendable {
    private var lives: [HostIndex: UInt64] = [:]
    var count = 0

    /// Whether it is a life after the first, seen for the first time.
    func isNew(_ life: UInt64, of host: HostIndex) -> Bool {
        defer { lives[host] = life }
        return life > 1 && lives[host] != life
    }
}
