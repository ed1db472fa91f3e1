import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Swarm

extension FuzzTarget {
    static let swarmTargets: [FuzzTarget] = [
        FuzzTarget(
            "peer-rows", "rows of the peer store; what is written again is read again",
            sizeMax: 2048,
            seeds: {
                var store = PeerStore()
                store.learn(
                    Actors.peers[1], addresses: Array(Actors.addresses.prefix(3)),
                    source: .identify, now: Now.start.wall)
                store.identified(
                    Actors.peers[1], protocols: ["/ipfs/ping/1.0.0"], agentVersion: "chorale",
                    now: Now.start.wall)
                store.dialSucceeded(
                    Actors.peers[1], address: Actors.addresses[0], now: Now.start.wall)
                return store.takeChanges().compactMap {
                    guard case .put(_, _, let value) = $0 else { return nil }
                    return value
                }
            }, run: peerRows),
        FuzzTarget(
            "swarm-sequence",
            "dials, sockets, names, bans, limits and time in any order; limits kept, "
                + "each dial ends once", sizeMax: 768,
            seeds: {
                [
                    [0, 1, 1, 3, 0, 5, 0, 1, 8, 20, 6, 0, 0],
                    [4, 1, 4, 2, 5, 0, 2, 5, 1, 3, 7, 1, 8, 90, 9, 2, 0, 2, 8, 200],
                    [1, 5, 2, 0, 1, 3, 0, 8, 30, 10, 1, 11, 1, 12, 1],
                ]
            }, run: swarmSequence),
    ]

    private static func peerRows(_ input: [UInt8], _ findings: inout Findings) {
        let id = Actors.peers[1]
        var store = PeerStore()
        let unreadable = store.load([StoreRow(key: id.multihash, value: input)])
        guard let peer = store[id] else {
            require(unreadable == 1, "a row is neither read nor counted")
            return findings.note("peer rows", "unreadable")
        }
        // Rows are the node's own; a run with larger limits may have written more than today's.
        findings.note("peer rows", size: peer.addresses.count)
        findings.note("protocols", size: peer.protocols.count)
        store.touch(id, now: Now.start.wall)
        let changes = store.takeChanges()
        var again = PeerStore()
        for case .put(_, let key, let value) in changes {
            require(again.load([StoreRow(key: key, value: value)]) == 0, "own row is unreadable")
        }
        require(again[id] == store[id], "another peer: \(again[id].debugDescription)")
        _ = store.rankedAddresses(of: id)
        var random = DeterministicRandom(seed: 1)
        store.dialFailed(
            id, address: Actors.addresses[0], now: Now.start.wall, random: &random)
        store.dialFailed(
            id, address: peer.addresses.first?.address ?? Actors.addresses[0], now: Now.start.wall,
            random: &random)
        _ = store.isBanned(id, now: Now.start.wall)
    }

    private static func swarmSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var limits = Swarm.Limits()
        limits.peerCountHigh = 5
        limits.peerCountLow = 3
        limits.peerCountTarget = 2
        limits.socketCountMax = 8
        limits.handshakeCountMax = 4
        limits.socketsPerGroupMax = 3
        limits.socketsPerPeerMax = 2
        limits.dialCountMax = 3
        limits.dialQueueMax = 3
        limits.candidateCountMax = 3
        limits.peerStore.peerCountMax = 6
        limits.peerStore.addressCountMax = 3
        var now = Now.start
        var swarm = Swarm(
            configuration: .init(
                localPeer: Actors.peers[0], addressPolicy: .local,
                bootnodes: [Bootnode(peerID: Actors.peers[7], addresses: [Actors.addresses[7]])],
                limits: limits),
            seed: 3, now: now)
        var outputs: [Swarm.Output] = []
        /// Those that the driver has, with the swarm's leave.
        var sockets: [ConnectionID] = []
        var connected: Set<PeerID> = []
        var resolutions: [ResolutionID] = []
        var dials: Set<DialID> = []
        var nextDial: UInt64 = 1
        var nextInbound: UInt64 = 0
        var steps = 0
        swarm.handle(.loaded([], isLast: true), now: now, into: &outputs)
        while !program.isAtEnd, steps < 200 {
            steps += 1
            let instruction = program.byte() & 0x1F
            let peer = Actors.peers[program.below(8)]
            switch instruction {
            case 0, 1:
                let id = DialID(nextDial)
                nextDial += 1
                dials.insert(id)
                let address = address(&program)
                swarm.handle(
                    instruction == 0
                        ? .dial(id, peer, [address], .exchange) : .dialAddress(id, address),
                    now: now, into: &outputs)
            case 2:
                guard let socket = pick(sockets, &program) else { continue }
                swarm.handle(.connected(socket), now: now, into: &outputs)
            case 3:
                guard let socket = pick(sockets, &program) else { continue }
                swarm.handle(.established(socket, peer), now: now, into: &outputs)
            case 4:
                let socket = ConnectionID.inbound(nextInbound)
                nextInbound += 1
                sockets.append(socket)
                swarm.handle(
                    .accepted(socket, remote: Actors.addresses[program.below(8)]), now: now,
                    into: &outputs)
            case 5:
                guard let socket = pick(sockets, &program) else { continue }
                let reason = DisconnectReason.allCases[
                    program.below(DisconnectReason.allCases.count)]
                sockets.removeAll { $0 == socket }
                swarm.handle(.closed(socket, reason, detail: "x"), now: now, into: &outputs)
            case 6:
                guard !resolutions.isEmpty else { continue }
                let id = resolutions.remove(at: program.below(resolutions.count))
                let answer: ResolutionAnswer =
                    switch program.below(4) {
                    case 0: .failed("no such name")
                    case 1: .addresses([.ip4(IPv4Address(9, 9, 9, program.byte()))])
                    case 2:
                        .texts(["dnsaddr=\(address(&program))", text(program.chunk())])
                    default: .texts([text(program.chunk())])
                    }
                swarm.handle(.resolved(id, answer), now: now, into: &outputs)
            case 7:
                swarm.handle(
                    .learned(peer, [address(&program)], .routing), now: now, into: &outputs)
            case 8:
                now.advance(program.duration())
                swarm.handle(.timeout, now: now, into: &outputs)
            case 9: swarm.handle(.pin(peer, [Actors.addresses[1]]), now: now, into: &outputs)
            case 10: swarm.handle(.unpin(peer), now: now, into: &outputs)
            case 11: swarm.handle(.ban(peer, program.duration()), now: now, into: &outputs)
            case 12:
                swarm.handle(.disconnect(peer, .operatorRequest), now: now, into: &outputs)
            case 13, 14:
                let hold = ConnectionHold.allCases[program.below(ConnectionHold.allCases.count)]
                swarm.handle(
                    instruction == 13 ? .hold(peer, hold) : .release(peer, hold), now: now,
                    into: &outputs)
            case 15:
                swarm.handle(
                    .identified(peer, protocols: [text(program.chunk())], agentVersion: "a"),
                    now: now, into: &outputs)
            case 16:
                swarm.handle(
                    .learnedRecord(
                        peer, sequence: UInt64(program.byte()), [address(&program)],
                        envelope: program.chunk()), now: now, into: &outputs)
            case 17:
                swarm.handle(.cancelDial(DialID(UInt64(program.byte()))), now: now, into: &outputs)
            case 18 where program.byte() == 0:
                swarm.handle(.shutdown, now: now, into: &outputs)
            default: break
            }
            settle()
        }
        findings.note("swarm", counters: swarm.counters)
        // Whatever is not answered fails by itself.
        for _ in 0..<24 {
            now.advance(.seconds(5))
            swarm.handle(.timeout, now: now, into: &outputs)
            settle()
        }
        require(dials.isEmpty, "\(dials.count) dials never end")

        func settle() {
            var index = 0
            while index < outputs.count {
                let output = outputs[index]
                findings.note("swarm", output)
                switch output {
                case .startDial(let id, let address, _, _):
                    require(address.tcpEndpoint?.host.ip != nil, "a dial to \(address)")
                    sockets.append(id)
                case .cancelDial(let id), .close(let id, _):
                    // The driver confirms, once.
                    guard sockets.contains(id) else { break }
                    sockets.removeAll { $0 == id }
                    let reason: DisconnectReason =
                        if case .close(_, let reason) = output { reason } else { .networkError }
                    swarm.handle(.closed(id, reason, detail: ""), now: now, into: &outputs)
                case .accept(let id):
                    require(sockets.contains(id), "a handshake on a socket that is gone")
                case .peerConnected(let peer, let id, _, _):
                    require(connected.insert(peer).inserted, "a peer is connected twice")
                    require(peer != Actors.peers[0], "connected to ourselves")
                    require(sockets.contains(id), "connected by a socket that is gone")
                case .peerDisconnected(let peer, _):
                    require(connected.remove(peer) != nil, "a peer is gone that was not there")
                case .resolve(let id, _): resolutions.append(id)
                // Dials of the swarm's own have numbers that nobody else takes.
                case .dialFinished(let id, _) where id.rawValue < 1 << 32:
                    require(dials.remove(id) != nil, "a dial ended twice")
                default: break
                }
                index += 1
                require(index < 10_000, "outputs without end")
            }
            outputs.removeAll(keepingCapacity: true)
            require(swarm.socketCount <= limits.socketCountMax, "sockets: \(swarm.socketCount)")
            require(
                swarm.socketCount == sockets.count,
                "\(swarm.socketCount) sockets, and the driver has \(sockets.count)")
            require(
                swarm.handshakeCount <= limits.handshakeCountMax + limits.dialCountMax,
                "handshakes: \(swarm.handshakeCount)")
            require(
                swarm.store.count <= limits.peerStore.peerCountMax + 8,
                "peers known: \(swarm.store.count)")
        }
        func address(_ program: inout Program) -> Multiaddr {
            let choice = program.below(10)
            if choice < 8 { return Actors.addresses[choice] }
            let name =
                choice == 8
                ? "/dns4/example.org/tcp/4001/p2p/\(Actors.peers[program.below(8)])"
                : "/dnsaddr/example.org"
            return (try? Multiaddr(name)) ?? Actors.addresses[0]
        }
        func pick(_ sockets: [ConnectionID], _ program: inout Program) -> ConnectionID? {
            sockets.isEmpty ? nil : sockets[program.below(sockets.count)]
        }
    }
}
