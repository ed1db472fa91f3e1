import ChoraleBase
import ChoraleTypes
import Execution
import Testing

@testable import Chain

@Suite struct ChainTests {
    @Test func fourValidatorsCommitABlockASecond() throws {
        let network = try ChainNetwork()
        network.start()
        network.run(milliseconds: 20_500)
        #expect(network.forks == [])
        for host in network.hosts {
            #expect((19...21).contains(host.height), "\(host.height) \(host.events)")
            // One execution a height, whether it built the block or judged it.
            #expect(host.executionCount <= host.height + 2)
        }
    }

    @Test func transfersArrive() throws {
        let network = try ChainNetwork()
        network.start()
        let target = Address(UInt256(0xCAFE))
        for nonce in 0..<50 {
            network.hosts[nonce % 4].submit(
                network.transfer(from: nonce % 2, to: target, nonce: UInt64(nonce / 2), value: 7))
            network.run(milliseconds: 50)
        }
        network.run(milliseconds: 4_000)
        #expect(network.forks == [])
        let failed = network.hosts.flatMap(\.submissions).filter {
            if case .failure = $0 { true } else { false }
        }
        #expect(failed.isEmpty, "\(failed)")
        for host in network.hosts {
            #expect(host.counters.transactionsCommitted == 50)
            #expect(host.poolCount == 0)
            let head = try #require(host.head)
            let state = TrieState(
                root: head.header.stateRoot, source: host.store, blockHashes: [:])
            #expect(try state.account(at: target)?.balance == UInt256(350))
        }
    }

    @Test func observersAndStatelessValidatorsFollow() throws {
        var options = ChainNetwork.Options()
        options.observers = 1
        options.stateless = [3]
        let network = try ChainNetwork(options)
        network.start()
        for nonce in 0..<10 {
            network.hosts[0].submit(
                network.transfer(from: 0, to: .zero, nonce: UInt64(nonce)))
        }
        network.run(milliseconds: 30_000)
        #expect(network.forks == [])
        let highest = network.heights.max() ?? 0
        #expect(highest >= 15)
        for host in network.hosts {
            #expect(host.height + 1 >= highest, "\(host.index): \(host.events)")
            #expect(host.counters.blocksInvalid.isEmpty, "\(host.counters.blocksInvalid)")
        }
    }

    /// The fees of a block that a stateless validator proposes are its own, and its turn costs no round.
    @Test func validatorsWithoutStateProposeWhatOthersBuild() throws {
        var options = ChainNetwork.Options()
        options.stateless = [2, 3]
        let network = try ChainNetwork(options)
        network.start()
        for nonce in 0..<40 {
            network.hosts[nonce % 2].submit(
                network.transfer(from: nonce % 2, to: .zero, nonce: UInt64(nonce / 2)))
            network.run(milliseconds: 400)
        }
        network.run(milliseconds: 4_000)
        #expect(network.forks == [])
        #expect(network.heights.min() ?? 0 >= 18, "\(network.heights)")
        for host in network.hosts {
            #expect(host.reports.allSatisfy { $0.round == 0 }, "\(host.events)")
            #expect(host.penalties.isEmpty, "\(host.penalties)")
        }
        let proposers = Set(network.hosts[0].reports.map(\.proposer))
        #expect(proposers == Set((0..<4).map { ValidatorIndex($0) }))
        #expect(network.hosts[0].counters.transactionsCommitted == 40)
        #expect(network.hosts[2].counters.blocksBuilt > 0)
        #expect(
            network.hosts.map(\.counters.payloadsBuilt).reduce(0, +)
                >= network.hosts[2].counters.blocksBuilt)
    }

    /// Who builds for others can lie: that is seen, blamed on it alone, and somebody else is asked.
    @Test func aBuilderThatLiesIsPassedOver() throws {
        var options = ChainNetwork.Options()
        options.stateless = [3]
        options.observers = 2
        let network = try ChainNetwork(options)
        network.alterPayload = { index, built in
            guard index == 0 || index == 4, var block = try? Block(built.payload.span) else {
                return nil
            }
            if index == 0 {
                block.header.stateRoot = .zero
            } else {
                block.header.coinbase = Address(UInt256(0xBAD))
            }
            return BuiltPayload(payload: block.encoded, witness: built.witness)
        }
        network.start()
        network.run(milliseconds: 60_000)
        #expect(network.forks == [])
        let proposer = network.hosts[3]
        #expect(proposer.counters.blocksBuilt >= 10, "\(proposer.events)")
        #expect(proposer.counters.payloadsRefused > 0)
        let blamed = Set(proposer.penalties.keys)
        #expect(blamed == [network.peer(0), network.peer(4)], "\(proposer.penalties)")
        for host in network.hosts { #expect(host.counters.blocksInvalid.isEmpty) }
        #expect(network.heights.min() ?? 0 >= 50, "\(network.heights)")
    }

    /// With nobody who has state there is nothing to propose, and with one again there is.
    @Test func withoutAnyStateThereAreNoBlocks() throws {
        var options = ChainNetwork.Options()
        options.stateless = [0, 1, 2]
        let network = try ChainNetwork(options)
        network.start()
        network.run(milliseconds: 5_000)
        let before = network.heights.max() ?? 0
        #expect(before >= 3)
        network.hosts[3].crash()
        network.run(milliseconds: 10_000)
        #expect(network.heights.max() ?? 0 <= before + 1)
        network.hosts[3].start()
        network.introduce(3)
        network.run(milliseconds: 30_000)
        #expect(network.forks == [])
        #expect(network.heights.min() ?? 0 >= before + 8, "\(network.heights)")
    }

    @Test func largeBodiesTravelByThemselves() throws {
        var options = ChainNetwork.Options()
        options.inlineSizeMax = 64
        let network = try ChainNetwork(options)
        network.start()
        network.run(milliseconds: 12_000)
        #expect(network.forks == [])
        #expect(network.heights.min() ?? 0 >= 8, "\(network.heights)")
    }

    @Test func whoIsLateCatchesUp() throws {
        var options = ChainNetwork.Options()
        options.observers = 1
        let network = try ChainNetwork(options)
        network.hosts[4].crash()
        network.start()
        network.hosts[4].crash()
        network.run(milliseconds: 120_000)
        let before = network.heights.max() ?? 0
        #expect(before > 100)
        network.hosts[4].start()
        network.introduce(4)
        network.run(milliseconds: 3_000)
        #expect(network.hosts[4].height + 1 >= before, "\(network.hosts[4].events)")
        network.run(milliseconds: 5_000)
        #expect(network.hosts[4].height + 1 >= network.heights.max() ?? 0)
        #expect(network.forks == [])
    }

    /// One peer says that it is a thousand billion blocks ahead, again and again.
    @Test func whoClaimsToBeFarAheadHoldsNobodyUp() throws {
        var options = ChainNetwork.Options()
        options.observers = 1
        let network = try ChainNetwork(options)
        network.start()
        network.hosts[2].crash()
        network.hosts[4].crash()
        network.run(milliseconds: 20_000)
        for host in [2, 4] {
            network.hosts[host].start()
            network.introduce(host)
        }
        let claim = ChainStatus(height: 1 << 40, blockID: .zero, earliest: 1)
        func claims(_ count: Int) {
            for _ in 0..<count {
                for host in 0..<5 where host != 3 {
                    network.hosts[host].receive(.direct(.status(claim)), from: 3)
                }
                network.run(milliseconds: 500)
            }
        }
        claims(10)
        let signed = network.hosts[2].journal.signed.count
        let asked = network.hosts.map(\.counters.rangesAsked)
        claims(10)
        // Whoever was away agrees again, and follows no longer; nobody asks on and on for what nobody has.
        #expect(network.hosts[2].journal.signed.count >= signed + 6)
        for (host, before) in zip(network.hosts, asked) {
            #expect(host.counters.rangesAsked <= before + 40, "\(host.index)")
        }
        #expect(network.forks == [])
        let highest = network.heights.max() ?? 0
        #expect(highest >= 20, "\(network.heights)")
        for host in network.hosts {
            #expect(host.height + 2 >= highest, "\(host.index) at \(host.height): \(host.events)")
        }
        let before = (network.heights.max() ?? 0, network.hosts[2].journal.signed.count)
        network.run(milliseconds: 10_000)
        #expect(network.heights.min() ?? 0 >= before.0 + 8, "\(network.heights)")
        #expect(network.hosts[2].journal.signed.count >= before.1 + 16)
        // What was claimed is believed no longer than it takes to ask.
        for host in network.hosts { #expect(host.isSyncing == false, "\(host.index)") }
    }

    /// A disk that is full for a while: said once, tried again now and then, and over when there is room.
    @Test func aFullDiskIsToldOnceAndGottenOver() throws {
        let network = try ChainNetwork()
        network.start()
        network.run(milliseconds: 5_000)
        let host = network.hosts[2]
        host.store.failure = .diskFull(path: "/full")
        let (height, asked) = (host.height, host.counters.rangesAsked)
        network.run(milliseconds: 30_000)
        #expect(host.height == height)
        #expect(host.events.filter { $0.contains("stopped") }.count == 1, "\(host.events)")
        #expect(host.counters.rangesAsked - asked < 30)
        #expect(host.penalties.isEmpty)
        #expect(network.heights.max() ?? 0 > height + 15)
        host.store.failure = nil
        network.run(milliseconds: 10_000)
        #expect(network.forks == [])
        #expect(host.height + 1 >= network.heights.max() ?? 0)
    }

    /// Files that take nothing for a while: nothing is signed, and nothing that rests on them leaves.
    @Test func aValidatorSignsAgainWhenItsFilesWork() throws {
        let network = try ChainNetwork()
        network.start()
        network.run(milliseconds: 5_000)
        let host = network.hosts[1]
        host.journal.failure = "no room"
        let signed = host.journal.signed.count
        network.run(milliseconds: 15_000)
        #expect(host.journal.signed.count == signed)
        // It follows the others meanwhile.
        #expect(host.height + 1 >= network.heights.max() ?? 0)
        host.journal.failure = nil
        let before = network.heights.max() ?? 0
        network.run(milliseconds: 15_000)
        #expect(host.journal.signed.count > signed + 10)
        #expect(host.events.filter { $0.contains("signingStopped") }.count == 1)
        #expect(host.events.filter { $0.contains("signingResumed") }.count == 1)
        // Its turns to propose are worth something again.
        #expect(network.heights.min() ?? 0 >= before + 12, "\(network.heights)")
        #expect(network.forks == [])
    }

    @Test(arguments: 1...6) func crashesAndPartitionsHeal(seed: Int) throws {
        var options = ChainNetwork.Options()
        options.seed = UInt64(seed)
        options.loss = 5
        options.clockSkew = 2000
        options.epochLength = 8
        let network = try ChainNetwork(options)
        network.start()
        var nonce: UInt64 = 0
        for _ in 0..<12 {
            network.run(milliseconds: network.random.integer(in: 200...3000))
            if let host = network.random.element(of: network.hosts.filter(\.isUp)) {
                host.submit(network.transfer(from: 0, to: .zero, nonce: nonce))
                nonce += 1
            }
            let victim = network.random.below(4)
            switch network.random.below(3) {
            case 0:
                if network.hosts[victim].isUp { network.hosts[victim].crash() }
            case 1:
                for host in 0..<4 { network.sides[host] = network.random.below(2) }
            default:
                network.sides = [:]
            }
            for host in network.hosts where !host.isUp && network.random.chance(1, in: 2) {
                host.start()
                network.introduce(host.index)
            }
            #expect(network.forks == [])
        }
        network.sides = [:]
        for host in network.hosts where !host.isUp {
            host.start()
            network.introduce(host.index)
        }
        let before = network.heights.max() ?? 0
        network.run(milliseconds: 60_000)
        #expect(network.forks == [])
        for host in network.hosts {
            #expect(host.height > before + 3, "\(host.index) at \(host.height): \(host.events)")
        }
    }
}

@Suite struct CrossValidationGateTests {
    /// One validator's others object to every block of validator 0: it votes for none of them, and the rest commit.
    @Test func oneThatRefusesDoesNotStopTheChain() throws {
        let network = try ChainNetwork()
        network.opinion = { host, contents in
            host == 1 && contents.block.header.proposer.rawValue == 0 ? "the roots differ" : nil
        }
        network.start()
        network.run(milliseconds: 12_000)
        #expect(network.forks == [])
        #expect(network.heights.min() ?? 0 >= 9)
        #expect(network.hosts[1].counters.blocksInvalid["cross_validation"] ?? 0 >= 2)
    }

    /// All object to what validator 0 makes, itself included: its blocks are never committed.
    @Test func nobodyVotesForWhatAllRefuse() throws {
        let network = try ChainNetwork()
        network.opinion = { _, contents in
            contents.block.header.proposer.rawValue == 0 ? "the roots differ" : nil
        }
        network.start()
        network.run(milliseconds: 20_000)
        #expect(network.forks == [])
        #expect(network.heights.min() ?? 0 >= 8)
        for host in network.hosts {
            #expect(!host.reports.contains { $0.proposer.rawValue == 0 })
        }
    }
}
