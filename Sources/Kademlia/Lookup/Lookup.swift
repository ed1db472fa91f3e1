import ChoraleBase
import Codec
import PeerIdentity

/// One iterative search for the peers closest to a point, over paths that share no peer.
///
///     contact:  fresh ──▶ waiting ──▶ responded
///                 ▲          ├──▶ overdue ──▶ responded
///                 │          ▼       ▼
///                 └──(new address, once)── failed
///
/// Every path keeps its own list of contacts by distance. A contact is asked once, by the path that
/// came to it first, and only that path learns the peers it names; the other path sees that it was
/// asked and how that ended. So a liar misleads one path, while both converge to the same closest
/// peers when nobody lies (S/Kademlia, Baumgart and Mies 2007, section 4.4, with the sharing of
/// results that lets paths end).
///
/// Invariants:
///   1. A contact is asked at most twice, the second time only at an address that was new.
///   2. A path has at most α contacts in flight that are not overdue.
///   3. No IP group has more than `groupMax` places among the closest peers of a path.
///
/// Memory: at most `contactsMax` contacts of at most 1.2 KiB.
struct Lookup: Sendable {
    enum State: Equatable, Sendable {
        case fresh
        case waiting(path: Int)
        /// Still waiting, but so long that the path goes on as if it had failed.
        case overdue(path: Int)
        case responded
        case failed
    }

    struct Contact: Sendable {
        let peer: PeerID
        let distance: KeyPoint
        var addresses: [Multiaddr]
        var groups: [IPPrefix]
        var state: State = .fresh
        var wasRetried = false
    }

    struct Parameters: Sendable {
        var closestCount: Int
        var concurrency: Int
        var pathCount: Int
        var groupMax: Int
        var contactsMax: Int
        var addressesMax: Int
    }

    let target: KeyPoint
    private let parameters: Parameters
    private(set) var contacts: [Contact] = []
    /// Only looked up, never iterated.
    private var indexByPeer: [PeerID: Int] = [:]
    /// Contacts of each path, nearest first.
    private var paths: [[Int]]
    private(set) var respondedCount = 0

    /// - Parameter seeds: peers to begin with, dealt to the paths in turn.
    init(target: KeyPoint, parameters: Parameters, seeds: [Contact]) {
        self.target = target
        self.parameters = parameters
        paths = Array(repeating: [], count: max(1, min(parameters.pathCount, seeds.count)))
        for (position, seed) in seeds.enumerated() {
            learn(seed, path: position % paths.count)
        }
    }

    var isEmpty: Bool { contacts.isEmpty }

    func contact(_ peer: PeerID) -> Contact? { indexByPeer[peer].map { contacts[$0] } }

    // MARK: What happened

    /// The peer answered. `closer` are the peers it named, filtered; they go to the path that asked.
    mutating func responded(_ peer: PeerID, groups: [IPPrefix], closer: [Contact]) {
        guard let index = indexByPeer[peer], let path = askingPath(index) else { return }
        contacts[index].state = .responded
        // Now it is known where it is connected from, rather than where it was said to be.
        if !groups.isEmpty { contacts[index].groups = groups }
        respondedCount += 1
        for contact in closer { learn(contact, path: path) }
    }

    mutating func failed(_ peer: PeerID) {
        guard let index = indexByPeer[peer], askingPath(index) != nil else { return }
        contacts[index].state = .failed
    }

    mutating func becameOverdue(_ peer: PeerID) {
        guard let index = indexByPeer[peer], case .waiting(let path) = contacts[index].state else {
            return
        }
        contacts[index].state = .overdue(path: path)
    }

    private func askingPath(_ index: Int) -> Int? {
        switch contacts[index].state {
        case .waiting(let path), .overdue(let path): path
        case .fresh, .responded, .failed: nil
        }
    }

    private mutating func learn(_ contact: Contact, path: Int) {
        if let index = indexByPeer[contact.peer] {
            // More ways to reach a peer that failed are worth one more try: the first to name it may
            // have named a wrong address on purpose.
            let new = contact.addresses.filter { !contacts[index].addresses.contains($0) }
            if !new.isEmpty {
                switch contacts[index].state {
                case .fresh, .failed:
                    contacts[index].addresses = Array(
                        (new + contacts[index].addresses).prefix(parameters.addressesMax))
                    for group in contact.groups where !contacts[index].groups.contains(group) {
                        contacts[index].groups.append(group)
                    }
                    if contacts[index].state == .failed, !contacts[index].wasRetried {
                        contacts[index].wasRetried = true
                        contacts[index].state = .fresh
                    }
                case .waiting, .overdue, .responded:
                    break
                }
            }
            insert(index, path: path)
            return
        }
        guard let index = place(for: contact, path: path) else { return }
        indexByPeer[contact.peer] = index
        insert(index, path: path)
    }

    /// Where to keep a new contact: a new place, or when there is none that of the farthest contact
    /// that only this path knows and nobody has asked, if the new one is closer.
    private mutating func place(for contact: Contact, path: Int) -> Int? {
        guard contacts.count >= parameters.contactsMax else {
            contacts.append(contact)
            return contacts.count - 1
        }
        let position = paths[path].lastIndex { index in
            contacts[index].state == .fresh
                && !paths.indices.contains { $0 != path && paths[$0].contains(index) }
        }
        guard let position else { return nil }
        let index = paths[path][position]
        guard contact.distance < contacts[index].distance else { return nil }
        paths[path].remove(at: position)
        indexByPeer[contacts[index].peer] = nil
        contacts[index] = contact
        return index
    }

    private mutating func insert(_ index: Int, path: Int) {
        let distance = contacts[index].distance
        var low = 0
        var high = paths[path].count
        while low < high {
            let middle = (low + high) / 2
            if contacts[paths[path][middle]].distance < distance {
                low = middle + 1
            } else {
                high = middle
            }
        }
        // Distances are equal only for one and the same peer.
        guard low == paths[path].count || paths[path][low] != index else { return }
        paths[path].insert(index, at: low)
    }

    // MARK: What to do

    /// The contacts that decide when a path has converged: its closest ones that are not known to be
    /// dead, as many as IP groups allow.
    private func window(_ path: Int) -> [Int] {
        var window: [Int] = []
        // Only looked up, never iterated.
        var countByGroup: [IPPrefix: Int] = [:]
        for index in paths[path] {
            guard window.count < parameters.closestCount else { break }
            switch contacts[index].state {
            case .failed, .overdue: continue
            case .fresh, .waiting, .responded: break
            }
            let groups = contacts[index].groups
            guard groups.allSatisfy({ countByGroup[$0, default: 0] < parameters.groupMax }) else {
                continue
            }
            for group in groups { countByGroup[group, default: 0] += 1 }
            window.append(index)
        }
        return window
    }

    /// Contacts to ask now, at most `budget`, nearest first on each path. They count as asked.
    mutating func next(budget: Int) -> [Contact] {
        var chosen: [Contact] = []
        for path in paths.indices {
            var inFlight = 0
            for index in paths[path] where contacts[index].state == .waiting(path: path) {
                inFlight += 1
            }
            for index in window(path) {
                guard inFlight < parameters.concurrency, chosen.count < budget else { break }
                guard contacts[index].state == .fresh else { continue }
                contacts[index].state = .waiting(path: path)
                inFlight += 1
                chosen.append(contacts[index])
            }
        }
        return chosen
    }

    /// Contacts that were asked and may still answer.
    var waitingCount: Int {
        contacts.reduce(0) { count, contact in
            switch contact.state {
            case .waiting, .overdue: count + 1
            case .fresh, .responded, .failed: count
            }
        }
    }

    /// Whether every path has converged: its window answered, and either it is full or nobody is
    /// left who may still answer.
    var isFinished: Bool {
        let anyOverdue = contacts.contains {
            if case .overdue = $0.state { true } else { false }
        }
        return paths.indices.allSatisfy { path in
            let window = window(path)
            guard window.allSatisfy({ contacts[$0].state == .responded }) else { return false }
            return window.count == parameters.closestCount || !anyOverdue
        }
    }

    /// The closest peers that answered, nearest first, within the limit for IP groups.
    func closestResponded(limit: Int) -> [Contact] {
        let sorted = contacts.filter { $0.state == .responded }
            .sorted { $0.distance < $1.distance }
        var result: [Contact] = []
        var countByGroup: [IPPrefix: Int] = [:]
        for contact in sorted {
            guard result.count < limit else { break }
            guard
                contact.groups.allSatisfy({ countByGroup[$0, default: 0] < parameters.groupMax })
            else { continue }
            for group in contact.groups { countByGroup[group, default: 0] += 1 }
            result.append(contact)
        }
        return result
    }
}
