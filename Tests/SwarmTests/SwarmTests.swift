import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

@testable import Swarm

@Suite struct SwarmDialTests {
    @Test func racesFamiliesWithAHeadStart() {
        var harness = SwarmHarness()
        let first = harness.give(
            .dial(
                DialID(1), peer(1),
                [address("/ip4/10.0.0.1/tcp/1"), address("/ip6/fd00::1/tcp/1")], .routing))
        #expect(first.dials.map(\.address) == ["/ip6/fd00::1/tcp/1"])
        #expect(harness.pass(.milliseconds(249)).dials.isEmpty)
        let second = harness.pass(.milliseconds(1))
        #expect(second.dials.map(\.address) == ["/ip4/10.0.0.1/tcp/1"])

        let winner = second.dials[0].id
        let loser = first.dials[0].id
        #expect(harness.give(.connected(winner)).cancelled == [loser])
        harness.give(.closed(loser, .networkError, detail: "cancelled"))
        let done = harness.give(.established(winner, peer(1)))
        #expect(done.outcomes == [.connected(peer(1), winner)])
        #expect(done.connectedPeers == [peer(1)])
        #expect(harness.swarm.counters.dialsSucceeded == 1)
    }

    @Test func goesOnWithTheNextAddressAtOnceWhenOneFails() {
        var harness = SwarmHarness()
        let first = harness.give(
            .dial(
                DialID(1), peer(1),
                [address("/ip4/10.0.0.1/tcp/1"), address("/ip4/10.0.0.2/tcp/1")], .routing))
        let second = harness.give(.closed(first.dials[0].id, .networkError, detail: "refused"))
        #expect(second.dials.count == 1)
        let last = harness.give(.closed(second.dials[0].id, .networkError, detail: "refused"))
        guard case .failed(.allAddressesFailed(attempts: 2, _)) = last.outcomes.first else {
            Issue.record("expected two failed attempts, got \(last)")
            return
        }
        #expect(harness.swarm.socketCount == 0)
    }

    @Test func failedAddressesBackOffAndRecover() {
        var harness = SwarmHarness()
        let addresses = [address("/ip4/10.0.0.1/tcp/1")]
        let dial = harness.give(.dial(DialID(1), peer(1), addresses, .routing)).dials[0].id
        harness.give(.closed(dial, .networkError, detail: ""))
        let refused = harness.give(.dial(DialID(2), peer(1), [], .routing))
        guard case .failed(.backingOff(let wait)) = refused.outcomes.first else {
            Issue.record("expected a back-off, got \(refused)")
            return
        }
        #expect(wait >= .seconds(1) && wait <= .milliseconds(1500))
        harness.pass(.seconds(6))
        #expect(harness.give(.dial(DialID(3), peer(1), [], .routing)).dials.count == 1)
    }

    @Test func aFailedHandshakeTriesTheNextAddress() {
        var harness = SwarmHarness()
        let first = harness.give(
            .dial(
                DialID(1), peer(1),
                [address("/ip4/10.0.0.1/tcp/1"), address("/ip4/10.0.0.2/tcp/1")], .routing))
        harness.give(.connected(first.dials[0].id))
        #expect(
            harness.pass(.seconds(1)).dials.isEmpty, "a handshake under way holds the others back")
        let next = harness.give(.closed(first.dials[0].id, .wrongPeerID, detail: "wrong peer"))
        #expect(next.dials.count == 1)
    }

    /// Somebody who accepts connections in a peer's name and says nothing cannot keep us from the peer.
    @Test func aSilentWinnerIsGivenUpForTheOthers() {
        var harness = SwarmHarness()
        harness.give(
            .dial(
                DialID(1), peer(1),
                [address("/ip4/10.0.0.1/tcp/1"), address("/ip4/10.0.0.2/tcp/1")], .routing))
        harness.pass(.milliseconds(300))
        let started = harness.outputs.dials
        #expect(started.count == 2)
        harness.give(.connected(started[0].id))
        #expect(harness.outputs.cancelled == [started[1].id])
        harness.give(.closed(started[1].id, .networkError, detail: ""))
        #expect(harness.pass(.seconds(3)).closes.isEmpty, "a slow handshake is let be")
        #expect(harness.pass(.seconds(1)).closes.map(\.id) == [started[0].id])
        let next = harness.give(.closed(started[0].id, .handshakeTimeout, detail: ""))
        #expect(next.dials.map(\.address) == [started[1].address])
        harness.give(.connected(next.dials[0].id))
        #expect(harness.give(.established(next.dials[0].id, peer(1))).outcomes.count == 1)
    }

    @Test func strangersGetOneName() {
        var harness = SwarmHarness()
        let names = (0..<16).map { address("/dns4/\($0).example/tcp/1") }
        let asked = harness.give(.dial(DialID(1), peer(1), names, .routing)).resolutions
        #expect(asked.count == 1)
        let configured = harness.give(.dial(DialID(2), peer(2), names, .configured)).resolutions
        #expect(configured.count == 16)
    }

    @Test func namesThatLeadToNamesAreCounted() {
        var harness = SwarmHarness()
        var open = harness.give(.dialAddress(DialID(1), address("/dnsaddr/a.example"))).resolutions
        var asked = open.count
        while let next = open.popLast() {
            let texts = (0..<16).map { "/dnsaddr/\($0).\(asked).example" }
            let more = harness.give(.resolved(next.id, .texts(texts))).resolutions
            asked += more.count
            open += more
        }
        #expect(asked <= 24)
    }

    @Test func twoAskersShareOneDial() {
        var harness = SwarmHarness()
        let addresses = [address("/ip4/10.0.0.1/tcp/1")]
        let dial = harness.give(.dial(DialID(1), peer(1), addresses, .routing)).dials[0].id
        #expect(harness.give(.dial(DialID(2), peer(1), addresses, .routing)).dials.isEmpty)
        harness.give(.connected(dial))
        #expect(harness.give(.established(dial, peer(1))).outcomes.count == 2)
    }

    // Found by fuzzing: a name that joined a dial under way was dialed as if it were an address.
    @Test func aNameThatJoinsADialIsResolvedFirst() {
        var harness = SwarmHarness()
        let first = harness.give(
            .dial(DialID(1), peer(1), [address("/ip4/10.0.0.1/tcp/1")], .routing))
        let joined = harness.give(
            .dialAddress(DialID(2), address("/dns4/one.example/tcp/4001/p2p/\(peer(1))")))
        #expect(joined.dials.isEmpty)
        #expect(
            joined.resolutions.map(\.query) == [
                .addresses(name: "one.example", ip4: true, ip6: false)
            ])
        // The dial waits for the name even when everything else has failed.
        #expect(
            harness.give(.closed(first.dials[0].id, .networkError, detail: "")).isEmpty)
        let named = harness.give(
            .resolved(joined.resolutions[0].id, .addresses([.ip4(IPv4Address(10, 0, 0, 5))])))
        #expect(named.dials.map(\.address) == ["/ip4/10.0.0.5/tcp/4001"])
        harness.give(.connected(named.dials[0].id))
        let done = harness.give(.established(named.dials[0].id, peer(1)))
        #expect(done.outcomes.count == 2)
    }

    @Test func cancellingTheOnlyAskerEndsTheDial() {
        var harness = SwarmHarness()
        let dial = harness.give(
            .dial(DialID(1), peer(1), [address("/ip4/10.0.0.1/tcp/1")], .routing)
        ).dials[0].id
        let cancelled = harness.give(.cancelDial(DialID(1)))
        #expect(cancelled.outcomes == [.failed(.cancelled)])
        #expect(cancelled.cancelled == [dial])
        harness.give(.closed(dial, .networkError, detail: ""))
        #expect(harness.swarm.socketCount == 0)
    }

    @Test func theWholeDialHasADeadline() {
        var harness = SwarmHarness()
        let dial = harness.give(
            .dial(DialID(1), peer(1), [address("/ip4/10.0.0.1/tcp/1")], .routing)
        ).dials[0].id
        harness.give(.connected(dial))
        let late = harness.pass(.seconds(21))
        #expect(late.outcomes == [.failed(.timedOut)])
        #expect(late.closes.map(\.reason) == [.dialSuperseded])
    }

    @Test func aBootnodeThatStartsLateIsFoundInSeconds() throws {
        let text = "/ip4/10.0.0.1/tcp/1/p2p/\(peer(1))"
        let bootnode = Bootnode(peerID: peer(1), addresses: [address(text)])
        var harness = SwarmHarness(bootnodes: [bootnode])
        harness.give(.loaded([], isLast: true))
        let first = try #require(harness.pass(.zero).dials.first)
        harness.give(.closed(first.id, .networkError, detail: "connection refused"))
        var waited = Duration.zero
        var again: [(id: ConnectionID, address: String)] = []
        while again.isEmpty, waited < .seconds(30) {
            waited += .milliseconds(100)
            again = harness.pass(.milliseconds(100)).dials
        }
        #expect(waited > .seconds(1), "an address that refused is given a moment")
        #expect(waited <= .seconds(3))
    }

    @Test func resolvesNamesAndFollowsDnsaddr() {
        var harness = SwarmHarness()
        let target = peer(1)
        let asked = harness.give(
            .dial(DialID(1), target, [address("/dnsaddr/boot.example")], .bootnode))
        #expect(asked.resolutions.map(\.query) == [.dnsaddr(name: "boot.example")])
        let texts = [
            "/dns4/one.example/tcp/4001/p2p/\(target)",
            "/ip4/10.9.9.9/tcp/1/p2p/\(peer(2))",
            "not an address",
        ]
        let named = harness.give(.resolved(asked.resolutions[0].id, .texts(texts)))
        #expect(
            named.resolutions.map(\.query) == [
                .addresses(name: "one.example", ip4: true, ip6: false)
            ])
        let dialed = harness.give(
            .resolved(named.resolutions[0].id, .addresses([.ip4(IPv4Address(10, 0, 0, 5))])))
        #expect(dialed.dials.map(\.address) == ["/ip4/10.0.0.5/tcp/4001"])
    }

    @Test func endlessDnsaddrRecordsEnd() {
        var harness = SwarmHarness()
        var results = harness.give(
            .dial(DialID(1), peer(1), [address("/dnsaddr/a.example")], .routing))
        var rounds = 0
        while let resolution = results.resolutions.first {
            rounds += 1
            results = harness.give(.resolved(resolution.id, .texts(["/dnsaddr/a.example"])))
        }
        #expect(rounds == 3)
        guard case .failed(.resolutionFailed) = results.outcomes.first else {
            Issue.record("expected a failure, got \(results)")
            return
        }
    }

    @Test func aPublicProfileDialsNoPrivateRange() {
        var harness = SwarmHarness(policy: .publicNetwork)
        let refused = harness.give(
            .dial(
                DialID(1), peer(1),
                [address("/ip4/192.168.1.1/tcp/1"), address("/ip4/127.0.0.1/tcp/1")], .routing))
        #expect(refused.outcomes == [.failed(.noUsableAddress(known: 0))])
        #expect(harness.swarm.counters.addressesForbidden == 2)
        // A name that leads there is caught after resolution.
        let asked = harness.give(
            .dial(DialID(2), peer(2), [address("/dns4/x.example/tcp/1")], .routing))
        let answer = harness.give(
            .resolved(asked.resolutions[0].id, .addresses([.ip4(IPv4Address(10, 0, 0, 1))])))
        #expect(answer.dials.isEmpty)
        #expect(harness.swarm.counters.addressesForbidden == 3)
    }

    @Test func refusesToDialItselfAndTheBanned() {
        var harness = SwarmHarness()
        let addresses = [address("/ip4/10.0.0.1/tcp/1")]
        #expect(
            harness.give(.dial(DialID(1), peer(100), addresses, .routing)).outcomes
                == [.failed(.selfDial)])
        harness.give(.ban(peer(1), .seconds(60)))
        #expect(
            harness.give(.dial(DialID(2), peer(1), addresses, .routing)).outcomes
                == [.failed(.banned)])
        harness.pass(.seconds(61))
        #expect(harness.give(.dial(DialID(3), peer(1), [], .routing)).dials.count == 1)
    }

    @Test func dialsBeyondTheLimitWaitAndThenAreRefused() {
        var harness = SwarmHarness { limits in
            limits.dialCountMax = 2
            limits.dialQueueMax = 1
        }
        for number in UInt8(1)...3 {
            harness.give(
                .dial(
                    DialID(UInt64(number)), peer(number), [address("/ip4/10.0.0.\(number)/tcp/1")],
                    .routing))
        }
        #expect(harness.outputs.dials.count == 2)
        let refused = harness.give(
            .dial(DialID(4), peer(4), [address("/ip4/10.0.0.4/tcp/1")], .routing))
        #expect(
            refused.outcomes == [
                .failed(.refusedByLimit(LimitRefusal(scope: .dials, use: 1, limit: 1)))
            ])
        let freed = harness.give(.closed(harness.outputs.dials[0].id, .networkError, detail: ""))
        #expect(freed.dials.map(\.address) == ["/ip4/10.0.0.3/tcp/1"])
    }
}

@Suite struct SwarmConnectionTests {
    /// Both sides see the two connections of a simultaneous dial and keep the same one.
    @Test(arguments: [true, false]) func simultaneousDialsKeepOne(outboundFirst: Bool) {
        for (local, remote) in [(peer(1), peer(2)), (peer(2), peer(1))] {
            var harness = SwarmHarness(local: local)
            let dial = harness.give(
                .dial(DialID(1), remote, [address("/ip4/10.0.0.1/tcp/1")], .routing)
            ).dials[0].id
            let inbound = harness.accept()
            harness.give(.connected(dial))
            for id in outboundFirst ? [dial, inbound] : [inbound, dial] {
                harness.give(.established(id, remote))
            }
            let kept = harness.swarm.link(to: remote)?.connection
            #expect(kept == (local < remote ? dial : inbound))
            #expect(harness.outputs.closes.map(\.reason) == [.duplicate])
            #expect(harness.outputs.outcomes.count == 1)
            let connects = harness.outputs.connectedPeers.count
            #expect(connects == harness.outputs.disconnectedPeers.count + 1)
        }
    }

    @Test func aReconnectReplacesTheOldConnection() {
        var harness = SwarmHarness()
        let old = harness.connectInbound(peer(1))
        harness.pass(.seconds(60))
        let new = harness.connectInbound(peer(1))
        #expect(harness.swarm.link(to: peer(1))?.connection == new)
        #expect(harness.outputs.closes.map(\.id) == [old])
        harness.give(.closed(old, .remoteClosed, detail: ""))
        #expect(harness.swarm.link(to: peer(1))?.connection == new)
    }

    @Test func refusalsNameScopeUseAndLimit() {
        var harness = SwarmHarness { limits in
            limits.socketCountMax = 3
            limits.handshakeCountMax = 2
        }
        _ = harness.accept()
        _ = harness.accept()
        let third = harness.accept()
        #expect(harness.outputs.refusals == [LimitRefusal(scope: .handshakes, use: 2, limit: 2)])
        #expect(harness.outputs.closes.map(\.id) == [third])
        let fourth = harness.accept()
        #expect(
            harness.outputs.refusals.last == LimitRefusal(scope: .total, use: 3, limit: 3))
        harness.give(.closed(third, .remoteClosed, detail: ""))
        harness.give(.closed(fourth, .remoteClosed, detail: ""))
        #expect(harness.swarm.socketCount == 2)
    }

    /// Replaced connections linger until the driver has closed them; a peer that reconnects in a loop
    /// cannot pile them up.
    @Test func onePeerHasFewSockets() {
        var harness = SwarmHarness { $0.socketsPerPeerMax = 2 }
        for _ in 0..<3 {
            harness.connectInbound(peer(1))
            harness.pass(.seconds(11))
        }
        #expect(harness.outputs.refusals == [LimitRefusal(scope: .peer, use: 2, limit: 2)])
        #expect(harness.swarm.link(to: peer(1))?.connection == .inbound(1))
    }

    @Test func oneNetworkCannotFillAPublicNode() {
        var harness = SwarmHarness(policy: .publicNetwork) { limits in
            limits.socketsPerGroupMax = 2
            limits.handshakeCountMax = 100
        }
        for _ in 0..<3 { _ = harness.accept("/ip4/8.8.8.8/tcp/5") }
        #expect(
            harness.outputs.refusals == [LimitRefusal(scope: .addressGroup, use: 2, limit: 2)])
        _ = harness.accept("/ip4/9.9.9.9/tcp/5")
        #expect(harness.outputs.refusals.count == 1)
    }

    @Test func inboundRatePerNetworkIsLimited() {
        var harness = SwarmHarness(policy: .publicNetwork) { limits in
            limits.inboundBurst = 2
            limits.socketsPerGroupMax = 100
        }
        for _ in 0..<3 { _ = harness.accept("/ip4/8.8.8.8/tcp/5") }
        #expect(harness.outputs.refusals.map(\.scope) == [.inboundRate])
    }

    @Test func letsGoOfTheNewestUnheldPeersAndNeverOfPinnedOnes() {
        var harness = SwarmHarness { limits in
            limits.peerCountHigh = 4
            limits.peerCountLow = 2
            limits.peerCountTarget = 0
        }
        for number in UInt8(1)...4 {
            harness.connectInbound(peer(number))
            harness.pass(.seconds(1))
        }
        harness.give(.pin(peer(4), []))
        harness.give(.hold(peer(3), .gossipMesh))
        harness.pass(.seconds(40))
        harness.connectInbound(peer(5))
        let closed = harness.outputs.closes.filter { $0.reason == .trimmed }.map(\.id)
        // 5 is in its grace time, 4 is pinned, 3 is held by the mesh and goes last.
        #expect(
            closed == [ConnectionID.inbound(1), ConnectionID.inbound(0), ConnectionID.inbound(2)])
    }

    @Test func pinnedPeersAreDialedAgain() {
        var harness = SwarmHarness { $0.peerCountTarget = 0 }
        harness.give(.loaded([], isLast: true))
        harness.give(.pin(peer(1), [address("/ip4/10.0.0.1/tcp/1")]))
        let dial = harness.pass(.zero).dials[0].id
        harness.give(.connected(dial))
        harness.give(.established(dial, peer(1)))
        #expect(
            harness.give(.closed(dial, .remoteClosed, detail: "")).disconnectedPeers == [peer(1)])
        #expect(harness.pass(.seconds(5)).dials.count == 1)
    }

    @Test func closedSocketsAddUpByReason() {
        var harness = SwarmHarness()
        harness.connectInbound(peer(100))
        for number in UInt8(1)...5 { harness.connectInbound(peer(number)) }
        harness.give(.disconnect(peer(1), .operatorRequest))
        harness.give(.ban(peer(2), .seconds(10)))
        for index in UInt64(0)..<6 {
            harness.give(.closed(.inbound(index), .remoteClosed, detail: ""))
        }
        let closed = harness.swarm.counters.closed
        #expect(closed.reduce(0, +) == 6)
        func count(_ reason: DisconnectReason) -> UInt64 {
            DisconnectReason.allCases.firstIndex(of: reason).map { closed[$0] } ?? 0
        }
        #expect(count(.selfDial) == 1)
        #expect(count(.operatorRequest) == 1)
        #expect(count(.banned) == 1)
        #expect(count(.remoteClosed) == 3)
        #expect(harness.swarm.peers.isEmpty)
    }

    @Test func shutdownClosesEverythingAndStores() {
        var harness = SwarmHarness()
        harness.connectInbound(peer(1))
        harness.give(.dial(DialID(9), peer(2), [address("/ip4/10.0.0.2/tcp/1")], .routing))
        let last = harness.give(.shutdown)
        #expect(last.outcomes == [.failed(.shuttingDown)])
        #expect(last.closes.map(\.reason) == [.shutdown])
        #expect(last.contains { if case .store = $0 { true } else { false } })
    }

    /// Random inputs never trap, never leave a socket behind, and keep connects and disconnects
    /// alternating.
    @Test(arguments: UInt64(0)..<64) func survivesAnyOrder(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var harness = SwarmHarness(seed: seed) { limits in
            limits.peerCountHigh = 6
            limits.peerCountLow = 3
            limits.graceInterval = .seconds(1)
            limits.dialCountMax = 3
            limits.dialQueueMax = 3
            limits.socketCountMax = 12
        }
        harness.give(.loaded([], isLast: true))
        var open: [ConnectionID] = []
        var asked: UInt64 = 1
        var connected: [PeerID: Int] = [:]
        for _ in 0..<600 {
            let before = harness.outputs.count
            let someone = peer(UInt8(random.below(12)))
            switch random.below(9) {
            case 0, 1:
                harness.give(
                    .dial(
                        DialID(asked), someone, [address("/ip4/10.0.0.\(random.below(9))/tcp/1")],
                        .routing))
                asked += 1
            case 2: open.append(harness.accept())
            case 3: if let id = random.element(of: open) { harness.give(.connected(id)) }
            case 4, 5:
                if let id = random.element(of: open) { harness.give(.established(id, someone)) }
            case 6:
                if let index = open.indices.randomElementIndex(&random) {
                    let id = open.remove(at: index)
                    harness.give(.closed(id, .remoteClosed, detail: ""))
                }
            case 7: harness.pass(.milliseconds(random.below(3000)))
            default: harness.give(.cancelDial(DialID(UInt64(random.below(Int(asked))))))
            }
            for output in harness.outputs[before...] {
                switch output {
                case .startDial(let id, _, _, _): open.append(id)
                case .peerConnected(let id, _, _, _): connected[id, default: 0] += 1
                case .peerDisconnected(let id, _): connected[id, default: 0] -= 1
                default: break
                }
            }
            #expect(connected.values.allSatisfy { $0 == 0 || $0 == 1 })
        }
        harness.give(.shutdown)
        for id in open { harness.give(.closed(id, .shutdown, detail: "")) }
        #expect(harness.swarm.socketCount == 0)
        #expect(harness.swarm.peers.isEmpty)
        let closed = harness.swarm.counters.closed.reduce(0, +)
        #expect(closed == harness.swarm.counters.accepted + harness.swarm.counters.attemptsStarted)
    }
}

extension Range<Int> {
    fileprivate func randomElementIndex(_ random: inout DeterministicRandom) -> Int? {
        isEmpty ? nil : lowerBound + random.below(count)
    }
}

@Suite struct PeerStoreTests {
    let now = WallTime(milliseconds: 1_800_000_000_000)

    @Test func survivesTheDisk() throws {
        var store = PeerStore()
        var random = DeterministicRandom(seed: 3)
        store.learn(
            peer(1), addresses: [address("/ip4/10.0.0.1/tcp/1")], source: .identify, now: now)
        store.identified(peer(1), protocols: ["/a", "/b"], agentVersion: "x/1", now: now)
        store.dialFailed(
            peer(1), address: address("/ip4/10.0.0.1/tcp/1"), now: now, random: &random)
        store.ban(peer(2), until: now.advanced(by: .seconds(5)), now: now)
        let isNew = store.learnRecord(
            peer(3), sequence: 9, addresses: [address("/ip4/10.0.0.3/tcp/1")], envelope: [1, 2],
            now: now)
        #expect(isNew)
        var rows: [StoreRow] = []
        for write in store.takeChanges() {
            if case .put(.peer, let key, let value) = write {
                rows.append(.init(key: key, value: value))
            }
        }
        #expect(!store.hasChanges)
        var loaded = PeerStore()
        let unreadable = loaded.load(rows)
        #expect(unreadable == 0)
        for number in UInt8(1)...3 { #expect(loaded[peer(number)] == store[peer(number)]) }
        let isStale = loaded.learnRecord(
            peer(3), sequence: 9, addresses: [], envelope: [9], now: now)
        #expect(!isStale)
    }

    @Test func unreadableRowsAreCountedAndLeftOut() {
        var store = PeerStore()
        let rows = [
            StoreRow(key: [1, 2, 3], value: []),
            StoreRow(key: peer(1).multihash, value: [0xFF, 0xFF, 0xFF]),
            StoreRow(key: peer(2).multihash, value: []),
        ]
        let unreadable = store.load(rows)
        #expect(unreadable == 2)
        #expect(store.count == 1)
    }

    @Test func theLongestUnseenMakesRoomAndIsDeleted() {
        var limits = PeerStore.Limits()
        limits.peerCountMax = 2
        var store = PeerStore(limits: limits)
        for number in UInt8(1)...3 {
            store.learn(
                peer(number), addresses: [address("/ip4/10.0.0.\(number)/tcp/1")], source: .routing,
                now: now.advanced(by: .seconds(Int(number))))
        }
        #expect(store.count == 2)
        #expect(store[peer(1)] == nil)
        #expect(store.takeChanges().contains(.delete(.peer, key: peer(1).multihash)))
    }

    @Test func keepsTheBestAddresses() {
        var limits = PeerStore.Limits()
        limits.addressCountMax = 2
        var store = PeerStore(limits: limits)
        store.dialSucceeded(peer(1), address: address("/ip4/10.0.0.1/tcp/1"), now: now)
        for number in 2...9 {
            store.learn(
                peer(1), addresses: [address("/ip4/10.0.0.\(number)/tcp/1")],
                source: number == 5 ? .signedRecord : .exchange, now: now)
        }
        let kept = store.rankedAddresses(of: peer(1)).map(\.address.text)
        #expect(kept == ["/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.5/tcp/1"])
    }

    @Test func backoffDoublesAndIsCapped() {
        var store = PeerStore()
        var random = DeterministicRandom(seed: 1)
        let target = address("/ip4/10.0.0.1/tcp/1")
        store.learn(peer(1), addresses: [target], source: .routing, now: now)
        var waits: [Int64] = []
        for _ in 0..<12 {
            store.dialFailed(peer(1), address: target, now: now, random: &random)
            let retryAt = store[peer(1)]?.addresses[0].retryAt ?? now
            waits.append((retryAt.milliseconds - now.milliseconds) / 1000)
        }
        #expect(waits.prefix(9) == [1, 2, 4, 8, 16, 32, 64, 128, 256])
        #expect(waits.last == 600)
        store.dialSucceeded(peer(1), address: target, now: now)
        #expect(store[peer(1)]?.addresses[0].retryAt == nil)
    }
}
