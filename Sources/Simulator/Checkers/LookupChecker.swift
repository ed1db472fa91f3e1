import ChoraleBase
import Node

/// Asks the DHT for what is known to be there, and keeps the books.
final class LookupChecker {
    /// Something that was put into the DHT.
    enum Entry: Hashable {
        /// The record of the prover on a host.
        case prover(HostIndex, publicKey: [UInt8])
        /// That a host provides a key.
        case provider(HostIndex, key: [UInt8])

        var owner: HostIndex {
            switch self {
            case .prover(let host, _), .provider(let host, _): host
            }
        }
    }

    private struct Lookup {
        let entry: Entry
        let host: HostIndex
        let at: MonotonicInstant
    }

    private let run: ScenarioRun
    private let network: Network
    private var publications: [CommandID: Entry] = [:]
    private var lookups: [CommandID: Lookup] = [:]
    /// What has been put, in the order it was acknowledged.
    private(set) var entries: [Entry] = []
    private(set) var unpublished: [String] = []
    private(set) var succeeded = 0
    private(set) var failed: [String] = []
    /// Lookups whose asker was killed before the answer: nobody was left to hear it.
    private(set) var orphaned = 0
    private(set) var times = Times()
    private var sequences: [HostIndex: UInt64] = [:]
    private(set) var stale = 0

    init(_ run: ScenarioRun, _ network: Network) {
        self.run = run
        self.network = network
    }

    var startedCount: Int { succeeded + failed.count + lookups.count + orphaned }

    var pendingCount: Int { lookups.count }

    func publish(_ entry: Entry) {
        let command: Command =
            switch entry {
            case .prover: .publishProverIdentity
            case .provider(_, let key): .dhtProvide(key: key)
            }
        // The reply may come before `command` returns.
        let simulation = run.simulation
        let id = simulation.command(entry.owner, command)
        let result = simulation.result(of: id)
        publications[id] = entry
        if let reply = result.replies.last, result.isFinished { published(id, reply) }
    }

    func look(for entry: Entry, from host: HostIndex) {
        let command: Command =
            switch entry {
            case .prover(_, let publicKey): .findProver(publicKey: publicKey)
            case .provider(_, let key): .dhtFindProviders(key: key)
            }
        let simulation = run.simulation
        let at = simulation.now
        let id = simulation.command(host, command)
        lookups[id] = Lookup(entry: entry, host: host, at: at)
        let result = simulation.result(of: id)
        if let reply = result.replies.last, result.isFinished { answered(id, reply) }
    }

    /// Must see every reply of the simulation.
    func observe(_ id: CommandID, _ reply: Reply, isLast: Bool) {
        guard isLast else { return }
        if publications[id] != nil {
            published(id, reply)
        } else if lookups[id] != nil {
            answered(id, reply)
        }
    }

    /// A host was killed, and with it what it had asked.
    func vanished(_ host: HostIndex) {
        for (id, lookup) in lookups where lookup.host == host {
            lookups.removeValue(forKey: id)
            orphaned += 1
        }
        for (id, entry) in publications where entry.owner == host {
            publications.removeValue(forKey: id)
        }
    }

    private func published(_ id: CommandID, _ reply: Reply) {
        guard let entry = publications.removeValue(forKey: id) else { return }
        switch reply {
        case .prover(let info):
            sequences[entry.owner] = max(sequences[entry.owner] ?? 0, info.sequence)
            if !entries.contains(entry) { entries.append(entry) }
        case .dhtProvided(let sent, _) where sent > 0:
            if !entries.contains(entry) { entries.append(entry) }
        default:
            unpublished.append("n\(entry.owner.rawValue): \(reply)")
        }
    }

    private func answered(_ id: CommandID, _ reply: Reply) {
        guard let lookup = lookups.removeValue(forKey: id) else { return }
        let now = run.simulation.clock
        var isFound = false
        switch (lookup.entry, reply) {
        case (.prover(let owner, let publicKey), .prover(let info)):
            isFound = info.publicKey == publicKey && info.expires > now.wall
            if info.sequence < sequences[owner] ?? 0 { stale += 1 }
        case (.provider(let owner, _), .dhtProviders(let peers)):
            isFound = peers.contains { $0.peer == network.peerID(of: owner) }
        default:
            break
        }
        if isFound {
            succeeded += 1
            times.add(lookup.at.duration(to: now.instant))
        } else {
            let what =
                switch lookup.entry {
                case .prover: "prover"
                case .provider: "provider"
                }
            failed.append(
                "\(what) of n\(lookup.entry.owner.rawValue) from n\(lookup.host.rawValue) at "
                    + "\(MonotonicInstant.zero.duration(to: lookup.at).seconds): \(reply)")
        }
    }
}
