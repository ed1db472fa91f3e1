import Codec
import OrderedCollections

/// Where others say they see this node.
///
/// One peer may lie and many peers in one network may belong to one liar, so an address counts once
/// peers in four different networks agree on it. (go-libp2p: activation threshold 4.)
///
/// Memory: 16 addresses with at most 8 networks each.
struct ObservedAddresses {
    private static let addressCountMax = 16
    private static let threshold = 4

    private var observers: OrderedDictionary<Multiaddr, [IPPrefix]> = [:]

    /// - Returns: true when this observation is the one that makes the address count.
    mutating func add(_ address: Multiaddr, by group: IPPrefix) -> Bool {
        guard let bare = address.removingPeerID else { return false }
        var groups = observers[bare] ?? []
        guard !groups.contains(group), groups.count < 2 * Self.threshold else { return false }
        if observers[bare] == nil, observers.count >= Self.addressCountMax {
            observers.removeFirst()
        }
        groups.append(group)
        observers[bare] = groups
        return groups.count == Self.threshold
    }

    var confirmed: [Multiaddr] {
        observers.filter { $0.value.count >= Self.threshold }.map(\.key)
    }
}
