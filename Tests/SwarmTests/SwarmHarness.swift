import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

@testable import Swarm

/// A peer id with a recognisable first byte: smaller `number`, smaller id.
func peer(_ number: UInt8) -> PeerID {
    let digest = [number] + [UInt8](repeating: 7, count: 31)
    guard let id = try? PeerID(multihash: [0x12, 0x20] + digest) else {
        preconditionFailure("a SHA-256 multihash is a peer id")
    }
    return id
}

func address(_ text: String) -> Multiaddr {
    guard let address = try? Multiaddr(text) else { preconditionFailure("bad address \(text)") }
    return address
}

/// Drives a swarm by hand and remembers what it wanted.
struct SwarmHarness: ~Copyable {
    var swarm: Swarm
    var now = Now(instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))
    var outputs: [Swarm.Output] = []
    private var accepted: UInt64 = 0

    init(
        local: PeerID = peer(100), policy: AddressPolicy = .local, bootnodes: [Bootnode] = [],
        seed: UInt64 = 1, _ change: (inout Swarm.Limits) -> Void = { _ in }
    ) {
        var limits = Swarm.Limits()
        change(&limits)
        swarm = Swarm(
            configuration: .init(
                localPeer: local, addressPolicy: policy, bootnodes: bootnodes, limits: limits),
            seed: seed, now: now)
    }

    /// Gives an input and returns only what followed from it.
    @discardableResult
    mutating func give(_ input: Swarm.Input) -> [Swarm.Output] {
        var results: [Swarm.Output] = []
        swarm.handle(input, now: now, into: &results)
        outputs += results
        return results
    }

    @discardableResult
    mutating func pass(_ duration: Duration) -> [Swarm.Output] {
        now.instant = now.instant.advanced(by: duration)
        now.wall = now.wall.advanced(by: duration)
        return give(.timeout)
    }

    mutating func accept(_ remote: String = "/ip4/127.0.0.1/tcp/9") -> ConnectionID {
        let id = ConnectionID.inbound(accepted)
        accepted += 1
        give(.accepted(id, remote: address(remote)))
        return id
    }

    /// An inbound connection of a peer, up to `established`.
    @discardableResult
    mutating func connectInbound(_ peer: PeerID, _ remote: String = "/ip4/127.0.0.1/tcp/9")
        -> ConnectionID
    {
        let id = accept(remote)
        give(.established(id, peer))
        return id
    }
}

extension [Swarm.Output] {
    var dials: [(id: ConnectionID, address: String)] {
        compactMap { output in
            if case .startDial(let id, let address, _, _) = output {
                (id, address.text)
            } else {
                nil
            }
        }
    }

    var closes: [(id: ConnectionID, reason: DisconnectReason)] {
        compactMap { output in
            if case .close(let id, let reason) = output { (id, reason) } else { nil }
        }
    }

    var outcomes: [Swarm.DialOutcome] {
        compactMap { output in
            if case .dialFinished(_, let outcome) = output { outcome } else { nil }
        }
    }

    var refusals: [LimitRefusal] {
        compactMap { output in if case .refused(let refusal, _) = output { refusal } else { nil } }
    }

    var connectedPeers: [PeerID] {
        compactMap { output in
            if case .peerConnected(let peer, _, _, _) = output { peer } else { nil }
        }
    }

    var disconnectedPeers: [PeerID] {
        compactMap { output in
            if case .peerDisconnected(let peer, _) = output { peer } else { nil }
        }
    }

    var cancelled: [ConnectionID] {
        compactMap { output in if case .cancelDial(let id) = output { id } else { nil } }
    }

    var resolutions: [(id: ResolutionID, query: ResolutionQuery)] {
        compactMap { output in
            if case .resolve(let id, let query) = output { (id, query) } else { nil }
        }
    }
}
