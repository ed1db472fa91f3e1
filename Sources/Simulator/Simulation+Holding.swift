import ChoraleBase

/// One direction between two hosts.
struct HostLink: Hashable {
    let from: HostIndex
    let to: HostIndex
}

/// An asynchronous network: nothing is lost, and what is sent arrives when somebody who knows too much
/// wants it to.
extension Simulation {
    /// Keeps back what a host sends to another from here on. What is on its way already arrives.
    func hold(from: HostIndex, to: HostIndex) {
        guard from != to, heldLinks.insert(HostLink(from: from, to: to)).inserted else { return }
        trace.record(.hold, at: now, from.rawValue, UInt64(to.rawValue))
    }

    /// Lets everything that was kept back go on its way, in order.
    func release(from: HostIndex, to: HostIndex) {
        guard heldLinks.remove(HostLink(from: from, to: to)) != nil else { return }
        trace.record(.release, at: now, from.rawValue, UInt64(to.rawValue))
        let ends = hosts[from.rawValue].wires.sorted { $0.key < $1.key }.map(\.value)
        for end in ends {
            let other = 1 - end.side
            guard end.wire[other].host.index == to else { continue }
            let arrival = max(now.advanced(by: conditions.latency), end.wire[other].lastArrival)
            end.wire[other].lastArrival = arrival
            for bytes in end.wire[other].held {
                schedule(.deliver(WireEnd(wire: end.wire, side: other), bytes), at: arrival)
            }
            end.wire[other].held = []
        }
    }

    func releaseAll() {
        let links = heldLinks.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
        for link in links { release(from: link.from, to: link.to) }
    }
}
