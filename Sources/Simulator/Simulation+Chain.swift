import Chain
import ChoraleBase
import Node
import PartVerification
import PeerIdentity

/// The chain's threads: tasks and orders take a while each, one after another.
extension Simulation {
    /// Gives a host that has never run a chain.
    func attach(_ chain: HostChain, to index: HostIndex) {
        precondition(hosts[index.rawValue].life == 0, "a chain is there from the start")
        hosts[index.rawValue].chain = chain
    }

    func chain(of index: HostIndex) -> HostChain? { hosts[index.rawValue].chain }

    /// Sets how far a host's clock is ahead of the true time; its timers are not moved.
    func setClock(of index: HostIndex, ahead: Duration) {
        trace.record(.clock, at: now, index.rawValue, UInt64(bitPattern: ahead.wholeNanoseconds))
        hosts[index.rawValue].clockOffset = ahead
    }

    func clock(of host: Host) -> Now {
        let now = clock
        guard host.clockOffset != .zero else { return now }
        return Now(instant: now.instant, wall: now.wall.advanced(by: host.clockOffset))
    }

    func begin(_ task: ChainTask, on host: Host) {
        guard let chain = host.chain else { preconditionFailure("a task of no chain") }
        let at = max(now, chain.taskFreeAt).advanced(by: HostChain.duration(of: task))
        chain.taskFreeAt = at
        schedule(.task(host, task), at: at, life: host.life)
    }

    func finish(_ task: ChainTask, on host: Host) {
        guard let answer = host.chain?.perform(task) else { return }
        give(.processed(answer), to: host)
    }

    func begin(_ order: JournalOrder, on host: Host) {
        guard let chain = host.chain, let files = chain.files else {
            preconditionFailure("an order for no files")
        }
        onJournal?(host.index, order)
        if let liar = chain.liar {
            liar.take(order)
        } else {
            files.begin(order)
        }
        let at = max(now, chain.journalFreeAt).advanced(by: HostChain.duration(of: order))
        chain.journalFreeAt = at
        schedule(.journal(host), at: at, life: host.life)
    }

    /// Votes on parts: what they rest on is on the disk, or the node has not asked.
    func sign(_ requests: [PartSignRequest], on host: Host) {
        onSignParts?(host.index, requests)
        let signed = host.chain?.files.map { files in
            requests.map {
                $0.signed(with: IdentityKey(files.key), network: files.network)
            }
        }
        schedule(
            .input(host, .partsSigned(signed ?? [])), at: now.advanced(by: .microseconds(100)),
            life: host.life)
    }

    func finishOrder(on host: Host) {
        guard let chain = host.chain, let files = chain.files else { return }
        guard let liar = chain.liar else {
            give(.journaled(files.finish()), to: host)
            return
        }
        guard let head = chain.processor?.head else { return }
        let (answer, publications) = liar.finish(head)
        give(.journaled(answer), to: host)
        for publication in publications {
            command(
                host.index, .publish(topic: publication.topic, data: publication.bytes),
                keepsReplies: false)
        }
    }
}
