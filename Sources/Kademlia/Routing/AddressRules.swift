import Codec
import PeerIdentity

/// Which addresses are believed, kept and passed on.
struct AddressRules: Sendable {
    let policy: Kademlia.AddressPolicy
    let countMax: Int
    let sizeMax: Int
    let bytesMax: Int

    init(policy: Kademlia.AddressPolicy, limits: Kademlia.Limits) {
        self.policy = policy
        countMax = limits.addressesPerPeerMax
        sizeMax = limits.addressSizeMax
        bytesMax = limits.addressBytesPerPeerMax
    }

    /// What remains of `addresses`, in their order, without repetition.
    ///
    /// - Parameter source: where the peer that named them is connected from. A peer on the public
    ///   Internet cannot know private addresses that mean anything here.
    func filter(_ addresses: [Multiaddr], source: IPAddress?) -> [Multiaddr] {
        merge([], addresses, source: source)
    }

    /// `kept` and after them those of `added` that are acceptable and new, within the limits.
    func merge(_ kept: [Multiaddr], _ added: [Multiaddr], source: IPAddress?) -> [Multiaddr] {
        let allowsPrivate = policy == .local && source?.isGlobal != true
        var result = kept
        var size = kept.reduce(0) { $0 + $1.bytes.count }
        for address in added {
            guard result.count < countMax else { break }
            let addressSize = address.bytes.count
            guard addressSize <= sizeMax, size + addressSize <= bytesMax else { continue }
            guard !result.contains(address) else { continue }
            if let ip = address.ipAddress {
                // The unspecified address is where a socket listens, never where one dials.
                guard ip.isGlobal || (allowsPrivate && ip.scope != .unspecified) else { continue }
            }
            result.append(address)
            size += addressSize
        }
        return result
    }

    /// The networks that a peer is counted in for diversity: where it is connected from, or else
    /// every network its addresses name, so that adding an address cannot hide another.
    ///
    /// Private networks are not counted: on them one network is the normal case. They are not even
    /// accepted under the public policy.
    func groups(of addresses: [Multiaddr], remote: IPAddress?) -> [IPPrefix] {
        if let remote { return remote.isGlobal ? [remote.group.wide] : [] }
        var groups: [IPPrefix] = []
        for address in addresses {
            guard let ip = address.ipAddress, ip.isGlobal else { continue }
            let group = ip.group.wide
            if !groups.contains(group) { groups.append(group) }
        }
        return groups
    }
}
