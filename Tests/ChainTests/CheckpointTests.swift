import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import Testing

@testable import Chain

/// Nodes that begin at a checkpoint, in a network that goes on meanwhile.
@Suite struct CheckpointTests {
    static let target = Address(UInt256(0xCAFE))

    /// A network with a checkpoint that is a few heights old.
    private static func network(
        _ options: ChainNetwork.Options = .init(), offline: Set<Int> = [], seconds: Int = 22
    ) throws -> (ChainNetwork, CheckpointID) {
        let network = try ChainNetwork(options)
        for host in network.hosts where !offline.contains(host.index) { host.start() }
        for host in network.hosts where host.isUp { network.introduce(host.index) }
        for nonce in 0..<10 {
            network.hosts[0].submit(
                network.transfer(from: 0, to: target, nonce: UInt64(nonce), value: 7))
            network.run(milliseconds: 100 * seconds)
        }
        let checkpoint = try #require(network.hosts[0].info?.checkpoint)
        return (network, checkpoint)
    }

    /// The store has what the origin's has at the checkpoint, and no more.
    private func expectSame(
        _ host: ChainNetwork.Host, as origin: ChainNetwork.Host, at height: UInt64
    ) throws {
        let header = try #require(try origin.store.header(at: height))
        let root = try Header(header.span).stateRoot
        #expect(try host.store.header(at: height) == header)
        #expect(try contents(host.store, root) == contents(origin.store, root))
        #expect(try host.store.downloadMarks() == nil)
        #expect(try host.store.checkpoint(at: height) != nil)
    }

    /// All accounts, slots and codes of a state.
    private func contents(
        _ store: MemoryChainStore, _ root: Bytes32
    ) throws -> [Bytes32: [UInt8]] {
        var found: [Bytes32: [UInt8]] = [:]
        let accounts = try StateRange(of: root, from: .zero, sizeMax: .max / 2, in: store)
        for entry in accounts.entries {
            found[entry.key] = entry.value
            let decoded = Account(rlp: entry.value.span)
            let account = try #require(decoded)
            let slots = try StateRange(
                of: account.storageRoot, from: .zero, sizeMax: .max / 2, in: store)
            for slot in slots.entries {
                found[Keccak256.hash(entry.key.bytes + slot.key.bytes)] = slot.value
            }
            guard account.codeHash != Account.emptyCodeHashBytes else { continue }
            let code = try store.code(account.codeHash)
            found[account.codeHash] = try #require(code).bytes
        }
        return found
    }

    private func expectCaughtUp(_ host: ChainNetwork.Host, in network: ChainNetwork) {
        #expect(network.forks == [])
        let highest = network.heights.max() ?? 0
        #expect(host.height + 1 >= highest, "\(host.height) of \(highest): \(host.events)")
    }

    @Test(arguments: [true, false]) func aLateNodeBeginsThere(keepsState: Bool) throws {
        let (network, checkpoint) = try Self.network()
        #expect(checkpoint.height == 16)
        let late = try network.addLate(checkpoint, keepsState: keepsState)
        late.start()
        #expect(late.height == 0)
        #expect(late.info?.download?.checkpoint == checkpoint)
        network.introduce(late.index)
        network.run(milliseconds: 5_000)
        expectCaughtUp(late, in: network)
        #expect(late.store.earliest == 16)
        #expect(late.status.earliest == 16)
        #expect(late.info?.download == nil)
        #expect(late.counters.faults.isEmpty && late.penalties.isEmpty)
        if keepsState { try expectSame(late, as: network.hosts[0], at: 16) }
        // BLOCKHASH reaches back behind the checkpoint, after a restart too.
        #expect(try late.store.header(at: 0) == network.hosts[0].store.header(at: 0))
        late.crash()
        late.start()
        network.introduce(late.index)
        #expect(late.info?.checkpoint == checkpoint || late.height >= 32)
        network.run(milliseconds: 15_000)
        expectCaughtUp(late, in: network)
        // It serves others in its turn, and has the same name for the next checkpoint.
        #expect(late.info?.checkpoint == network.hosts[0].info?.checkpoint)
        #expect(late.info?.checkpoint?.height ?? 0 >= 32)
    }

    /// A validator that was never there: it signs nothing before it has a height, and then votes.
    @Test func aLateValidatorVotes() throws {
        let (network, checkpoint) = try Self.network(offline: [3])
        let late = try network.addLate(checkpoint, key: ChainNetwork.validatorKey(3))
        late.change = { $0.downloadFlightsMax = 1 }
        network.sides[late.index] = 1
        late.start()
        network.introduce(late.index)
        network.run(milliseconds: 4_000)
        #expect(late.journal.signed.isEmpty)
        #expect(late.height == 0)
        network.sides = [:]
        network.introduce(late.index)
        network.run(milliseconds: 15_000)
        expectCaughtUp(late, in: network)
        #expect(late.journal.signed.count > 10)
    }

    /// Power cuts again and again: what was written is not asked for again.
    @Test(arguments: 1...5) func aDownloadGoesOnAfterCrashes(seed: Int) throws {
        var options = ChainNetwork.Options()
        options.seed = UInt64(seed)
        options.accounts = 12_000
        options.delay = 20...200
        let (network, checkpoint) = try Self.network(options)
        let late = try network.addLate(checkpoint)
        // One part at a time, so that it takes a while.
        late.change = { $0.downloadFlightsMax = 1 }
        var requests: UInt64 = 0
        var crashes = 0
        for _ in 0..<6 where late.height == 0 {
            late.start()
            network.introduce(late.index)
            network.run(milliseconds: network.random.integer(in: 300...1500))
            guard late.height == 0 else { break }
            requests += late.counters.downloadRequests
            if crashes.isMultiple(of: 2) { try late.store.sync() }
            late.crash()
            crashes += 1
        }
        if !late.isUp {
            late.start()
            network.introduce(late.index)
        }
        network.run(milliseconds: 20_000)
        #expect(crashes >= 2)
        expectCaughtUp(late, in: network)
        try expectSame(late, as: network.hosts[0], at: checkpoint.height)
    }

    /// A disk that is full for a while in the middle of it.
    @Test func aFullDiskIsGottenOver() throws {
        var options = ChainNetwork.Options()
        options.accounts = 3000
        let (network, checkpoint) = try Self.network(options)
        let late = try network.addLate(checkpoint)
        late.start()
        late.store.failure = .diskFull(path: "/full")
        network.introduce(late.index)
        network.run(milliseconds: 5_000)
        #expect(late.height == 0)
        #expect(late.events.filter { $0.contains("stopped") }.count == 1, "\(late.events)")
        late.store.failure = nil
        network.run(milliseconds: 5_000)
        expectCaughtUp(late, in: network)
        #expect(late.penalties.isEmpty)
        try expectSame(late, as: network.hosts[0], at: checkpoint.height)
    }

    // MARK: Who lies, leaves, or does not have it

    enum Lie: CaseIterable {
        case nothing, garbage, otherCheckpoint, gap, changedBalance, endless, otherCode, foreign

        func answer(_ request: ChainRequest, _ answer: ServedAnswer) -> ServedAnswer {
            guard case .item(let bytes) = answer else { return answer }
            switch (self, request) {
            case (.nothing, _): return .absent
            case (.garbage, _): return .item([1, 2, 3])
            case (.otherCheckpoint, .checkpoint):
                var bytes = bytes
                bytes[100] ^= 1
                return .item(bytes)
            default: break
            }
            guard case .state(let asked) = request,
                let found = try? StateRangeAnswer(ssz: bytes.span)
            else { return answer }
            var ranges = found.ranges
            var codes = found.codes
            switch self {
            case .gap:
                guard let range = ranges.first, range.entries.count > 1 else { return answer }
                ranges[0].entries.remove(at: range.entries.count / 2)
            case .changedBalance:
                guard !ranges.isEmpty, !ranges[0].entries.isEmpty else { return answer }
                ranges[0].entries[0].value[ranges[0].entries[0].value.count - 1] ^= 1
            case .endless:
                guard asked.kind == .accounts, let last = ranges[0].entries.first?.key else {
                    return answer
                }
                ranges[0].entries = Array(ranges[0].entries.prefix(1))
                ranges[0].last = last
            case .otherCode:
                guard !codes.isEmpty else { return answer }
                codes[0][0] ^= 1
            case .foreign:
                guard asked.kind == .accounts else { return answer }
                ranges = [StateRange(entries: [], last: asked.last, proof: [])]
            default: return answer
            }
            return .item(StateRangeAnswer(ranges: ranges, codes: codes)!.sszEncoded())
        }
    }

    @Test(arguments: Lie.allCases) func whoLiesIsBlamedAndOthersAreAsked(lie: Lie) throws {
        var options = ChainNetwork.Options()
        options.accounts = 4000
        let (network, checkpoint) = try Self.network(options)
        let late = try network.addLate(checkpoint)
        network.tamperServed = { $0 <= 1 ? lie.answer($1, $2) : $2 }
        late.start()
        network.introduce(late.index)
        network.run(milliseconds: 15_000)
        expectCaughtUp(late, in: network)
        try expectSame(late, as: network.hosts[0], at: checkpoint.height)
        let liars = Set([network.peer(0), network.peer(1)])
        #expect(Set(late.penalties.keys).isSubset(of: liars), "\(late.penalties)")
        // Who has nothing does nothing wrong.
        #expect(late.penalties.isEmpty == (lie == .nothing), "\(late.penalties)")
    }

    /// All lie: nothing of it is believed, and it is over as soon as one does not.
    @Test func nobodyIsBelievedBecauseAllSayIt() throws {
        let (network, checkpoint) = try Self.network()
        let late = try network.addLate(checkpoint)
        network.tamperServed = { Lie.changedBalance.answer($1, $2) }
        late.start()
        network.introduce(late.index)
        network.run(milliseconds: 10_000)
        #expect(late.height == 0)
        #expect(late.info?.download?.phase == .downloading)
        network.tamperServed = { $0 == 2 ? $2 : Lie.changedBalance.answer($1, $2) }
        network.run(milliseconds: 70_000)
        expectCaughtUp(late, in: network)
    }

    @Test func aPeerThatLeavesIsReplaced() throws {
        var options = ChainNetwork.Options()
        options.accounts = 4000
        options.observers = 1
        options.delay = 100...300
        let (network, checkpoint) = try Self.network(options)
        let late = try network.addLate(checkpoint)
        late.start()
        network.introduce(late.index)
        network.run(milliseconds: 700)
        #expect(late.height == 0)
        network.hosts[4].crash()
        late.handle(.peerDisconnected(network.peer(4)))
        network.run(milliseconds: 20_000)
        expectCaughtUp(late, in: network)
        try expectSame(late, as: network.hosts[0], at: checkpoint.height)
    }

    @Test(arguments: [true, false]) func aCheckpointThatIsTooOldEndsClearly(
        isFound: Bool
    ) throws {
        var options = ChainNetwork.Options()
        options.accounts = isFound ? 4000 : 0
        let (network, checkpoint) = try Self.network(options)
        let late = try network.addLate(checkpoint)
        late.change = { limits in
            limits.checkpointPatience = .seconds(10)
            limits.downloadFlightsMax = 1
        }
        if isFound {
            late.start()
            network.introduce(late.index)
            network.run(milliseconds: 300)
            #expect(late.info?.download?.phase == .downloading)
        }
        for host in network.hosts { host.store.stateCountMax = 2 }
        if !isFound {
            late.start()
            network.introduce(late.index)
        }
        network.run(milliseconds: 30_000)
        #expect(late.height == 0)
        #expect(late.info?.download?.phase == .failed)
        let told = late.events.filter { $0.contains("take a newer checkpoint") }
        #expect(told.count == 1, "\(late.events)")
        #expect(late.penalties.isEmpty)
        // A newer one is begun with, whatever is left of this one.
        let newer = try #require(network.hosts[0].info?.checkpoint)
        #expect(newer.height > checkpoint.height)
    }

    /// Peers that had not come so far when they were met are asked too, when nobody else can be.
    @Test func whatPeersSaidOfTheirHeightMayBeOld() throws {
        let (network, checkpoint) = try Self.network()
        let late = try network.addLate(checkpoint)
        late.start()
        for index in 0..<4 {
            let status = ChainStatus(height: 3, blockID: .zero, earliest: 1)
            late.handle(.peerConnected(network.peer(index), status))
        }
        network.run(milliseconds: 5_000)
        expectCaughtUp(late, in: network)
    }

    /// The operator's value is of another head: nobody can answer, and nobody is to blame.
    @Test func aValueThatNobodyHas() throws {
        let (network, checkpoint) = try Self.network()
        let late = try network.addLate(
            CheckpointID(height: checkpoint.height, root: SHA256.hash([1])))
        late.change = { $0.checkpointPatience = .seconds(5) }
        late.start()
        network.introduce(late.index)
        network.run(milliseconds: 15_000)
        #expect(late.info?.download?.phase == .failed)
        #expect(late.penalties.isEmpty)
    }

    @Test func valuesAreReadAsTheyAreWritten() throws {
        let id = CheckpointID(height: 32, root: SHA256.hash([7]))
        #expect(CheckpointID("\(id)") == id)
        for text in [
            "", ":", "32", "32:", "32:0x", "0:0x\(id.root)", "33:0x\(id.root)", "32:\(id.root)",
            "-32:0x\(id.root)", "32:0x\(id.root)00", "32:0x\(id.root):", "x:0x\(id.root)",
            " 32:0x\(id.root)", "99999999999999999999:0x\(id.root)",
        ] {
            #expect(CheckpointID(text) == nil, "\(text)")
        }
    }
}
