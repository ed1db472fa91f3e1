import Chain
import ChoraleBase
import ChoraleTypes
import Consensus
import Node

/// Brings an agreement, with nothing but late messages and power cuts, to the place where only locks and valid
/// values are left to keep it safe and alive.
///
/// In round 0 of a height, with quorums of all but f and nobody who lies:
///
///     proposal      nothing more reaches the f *starved*, who prevote nil when their time is up
///     prevotes      those of the f *slow* reach nobody: everybody else has prevotes of > 2/3, and > 2/3 for nothing
///     released      those of the slow, but not to the starved, whose time is up again: they precommit nil
///     precommits    that of one reaches nobody, and it alone sees > 2/3: its block is final (``Aim/alone``);
///                   or only f + 1 were given what the slow had to say, and nobody commits (``Aim/half``);
///                   or nobody was, and only the slow have seen > 2/3 (``Aim/unheard``)
///
/// Then the others are let alone, the one that may have committed kept silent, and those with locks perhaps
/// without power for a moment. Whoever votes against its lock now makes a second block final; so does one who
/// has precommitted without > 2/3; where nobody proposes the locked block again, nothing is ever final.
final class LockPlot {
    enum Aim: CaseIterable {
        /// One has committed and cannot tell.
        case alone
        /// f + 1 are locked, and nobody has committed.
        case half
        /// Only who cannot tell has seen > 2/3, and would commit if others had precommitted without.
        case unheard
    }

    private enum Phase: Int {
        case prevotes, slowPrevotes, precommits, aftermath, over
    }

    let height: UInt64
    let aim: Aim
    /// In which round those with locks lose their power: in 0 with their precommits, in 1 as it begins, when what
    /// they were locked on is in their logs alone; nil: in none.
    let cutRound: UInt32?
    private let network: ChainNetwork
    private let slow: Set<HostIndex>
    private let starved: Set<HostIndex>
    /// Those who get to know the prevotes of the slow.
    private let informed: Set<HostIndex>
    /// Of them, who commits alone.
    private let lonely: HostIndex?
    private var phase = Phase.prevotes
    private var prevotedNil: Set<HostIndex> = []
    private var precommitted: Set<HostIndex> = []
    private(set) var locked: Set<HostIndex> = []
    private var cut: Set<HostIndex> = []
    private(set) var committed: Set<HostIndex> = []
    /// Whether one committed while all others had not.
    private(set) var wasAlone = false
    private let onEnd: () -> Void

    private var simulation: Simulation { network.simulation }
    private var validators: [HostIndex] { network.validators }
    private var isOver: Bool { phase == .over }

    /// - Parameter proposer: who is about to propose in round 0 of the height.
    init(
        _ network: ChainNetwork, height: UInt64, proposer: HostIndex, aim: Aim, cutRound: UInt32?,
        onEnd: @escaping () -> Void
    ) {
        self.network = network
        self.height = height
        self.aim = aim
        self.cutRound = cutRound
        self.onEnd = onEnd
        let faulty = (network.validators.count - 1) / 3
        var others = network.validators.filter { $0 != proposer }
        network.run.random.shuffle(&others)
        starved = Set(others.prefix(faulty))
        slow = Set(others.dropFirst(faulty).prefix(faulty))
        var rest = Array(others.dropFirst(2 * faulty)) + [proposer]
        network.run.random.shuffle(&rest)
        switch aim {
        case .alone:
            informed = slow.union(rest)
            // Not one of the slow: what it says after its prevote would leave with it.
            lonely = rest.first
        case .half:
            informed = slow.union(rest.prefix(1))
            lonely = nil
        case .unheard:
            informed = slow
            lonely = others[faulty]
        }
        for host in validators where starved.contains(host) { mute(to: host) }
        // Whatever comes of it, a height is given ten seconds.
        simulation.after(.seconds(10)) { [self] in end() }
    }

    private func mute(to host: HostIndex) {
        for other in validators { simulation.hold(from: other, to: host) }
    }

    private func mute(from host: HostIndex) {
        for other in validators { simulation.hold(from: host, to: other) }
    }

    // MARK: What validators do

    func observe(_ host: HostIndex, _ order: JournalOrder) {
        for case .vote(let content) in order.requests
        where content.height == height && content.round == 0 && !isOver {
            switch content.kind {
            case .prevote: prevotes(host, content.blockID)
            case .precommit: precommits(host, content.blockID)
            }
        }
    }

    private func prevotes(_ host: HostIndex, _ block: Bytes32?) {
        if slow.contains(host), phase == .prevotes {
            for other in validators where aim != .unheard || other != lonely {
                simulation.hold(from: host, to: other)
            }
        }
        guard starved.contains(host), block == nil else { return }
        prevotedNil.insert(host)
        guard prevotedNil == starved, phase == .prevotes else { return }
        phase = .slowPrevotes
        // To the starved all but what the slow say.
        for host in validators where starved.contains(host) {
            for other in validators where !slow.contains(other) {
                simulation.release(from: other, to: host)
            }
        }
        // By then everybody's time runs.
        simulation.after(.milliseconds(200)) { [self] in tellSlowPrevotes() }
    }

    private func tellSlowPrevotes() {
        guard phase == .slowPrevotes else { return }
        phase = .precommits
        if aim != .unheard {
            for host in validators where !informed.contains(host) { mute(to: host) }
            for host in validators where slow.contains(host) {
                for other in validators where informed.contains(other) {
                    simulation.release(from: host, to: other)
                }
            }
        }
        if isPrecommitted { letAlone() }
    }

    /// Whether whoever has no lock will have none in this round.
    private var isPrecommitted: Bool {
        validators.allSatisfy { informed.contains($0) || precommitted.contains($0) }
    }

    private func precommits(_ host: HostIndex, _ block: Bytes32?) {
        if block != nil { locked.insert(host) }
        if host == lonely, block != nil { mute(from: host) }
        precommitted.insert(host)
        if phase == .precommits, isPrecommitted { letAlone() }
    }

    func observe(_ host: HostIndex, committed height: UInt64) {
        guard height == self.height, !isOver else { return }
        committed.insert(host)
        if host == lonely, committed.count == 1 { wasAlone = true }
        if validators.allSatisfy({ $0 == lonely || committed.contains($0) }) { end() }
    }

    // MARK: What follows

    /// The precommits are made. Everybody but the lonely hears everybody but the lonely again.
    private func letAlone() {
        phase = .aftermath
        for link in simulation.heldLinks.sorted(by: { ($0.from, $0.to) < ($1.from, $1.to) })
        where link.from != lonely {
            simulation.release(from: link.from, to: link.to)
        }
        guard cutRound == 0 else { return }
        for host in locked.sorted() where host != lonely { cutPower(of: host, after: .zero) }
    }

    func observe(_ host: HostIndex, round: UInt32, of height: UInt64) {
        guard height == self.height, phase == .aftermath, round == 1, cutRound == 1,
            locked.contains(host), host != lonely, cut.insert(host).inserted
        else { return }
        cutPower(of: host, after: network.run.random.duration(below: .milliseconds(20)))
    }

    /// Later, if only a little: it may be in the middle of its turn.
    private func cutPower(of host: HostIndex, after delay: Duration) {
        let pause = network.run.random.duration(below: .milliseconds(300)) + .milliseconds(1)
        simulation.after(delay) { [simulation] in simulation.crash(host) }
        simulation.after(delay + pause) { [simulation] in
            if !simulation.isRunning(host) { simulation.start(host) }
        }
    }

    func end() {
        guard !isOver else { return }
        phase = .over
        simulation.releaseAll()
        onEnd()
    }
}
