import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Execution
import PeerIdentity
import Testing
import TransactionPool

@testable import Chain

/// Blocks of others, and what a crash leaves of them.
@Suite struct ImportTests {
    private typealias Processor = BlockProcessor<MemoryChainStore>

    /// A network without its hosts' clocks: what it has committed in some seconds.
    private static func committed(_ network: ChainNetwork) throws -> [CommittedBlock] {
        network.start()
        network.run(milliseconds: 8_000)
        let processor = try Processor(
            network.parameters, store: network.hosts[0].store, keepsState: true, key: nil)
        return try processor.readBlocks(from: 1, count: 6, sizeMax: 1 << 20).map {
            try CommittedBlock(ssz: $0.span)
        }
    }

    /// A store with nothing but the genesis.
    private static func emptyStore(_ network: ChainNetwork) throws -> MemoryChainStore {
        let store = MemoryChainStore()
        store.add(codes: network.genesis.codes)
        try store.write(
            Processor.genesisWrite(
                network.parameters,
                state: MemoryChainStore.genesisState(
                    network.genesis, header: network.parameters.genesisHeader)), sync: true)
        return store
    }

    /// The last of a task brings the sync of all; when it is refused, those before it are on the disk all the same.
    @Test func whatIsReportedBeforeAFailureSurvivesACrash() throws {
        let network = try ChainNetwork()
        var blocks = try Self.committed(network)
        #expect(blocks.count == 6)
        let bad = blocks[4]
        let wrong = try #require(
            Commit(
                height: bad.commit.height, round: bad.commit.round + 1,
                blockID: bad.commit.blockID, scheme: .ed25519, signers: bad.commit.signers,
                signatures: bad.commit.signatures))
        blocks[4] = try #require(
            CommittedBlock(
                block: bad.block, commit: wrong, payload: bad.payload, requests: bad.requests))
        let store = try Self.emptyStore(network)
        let processor = try Processor(network.parameters, store: store, keepsState: true, key: nil)
        guard case .imported(let taken, let failure) = processor.perform(.importBlocks(blocks))
        else { throw Unexpected() }
        #expect(taken.map(\.head.height) == [1, 2, 3, 4])
        #expect(failure?.height == 5)
        store.crash()
        let again = try Processor(network.parameters, store: store, keepsState: true, key: nil)
        #expect(again.head == taken.last?.head)
    }

    /// Whoever votes for a block has it after any crash: it is on the disk before the vote is asked for.
    @Test func aBlockIsKeptBeforeItIsFoundValid() throws {
        let network = try ChainNetwork()
        func processor(
            _ store: MemoryChainStore, _ validator: Int
        ) throws -> Processor {
            try Processor(
                network.parameters, store: store, keepsState: true,
                key: ChainNetwork.validatorKey(validator))
        }
        let genesis = try ChainHead(network.parameters)
        var rotation = genesis.rotation
        let proposer = rotation.advance()
        let key = try #require(genesis.rotation.validators[proposer]).key
        let validator = try #require(
            (0..<4).first { ChainNetwork.bytes(ChainNetwork.validatorKey($0)) == key })
        let maker = try processor(Self.emptyStore(network), validator)
        let order = BuildOrder(
            height: 1, round: 0, time: genesis.time.advanced(by: .seconds(1)),
            proposer: proposer, lastCommit: nil, evidence: [],
            transactions: TransactionPool(
                chainID: 1337, head: maker.poolHead, limits: PoolLimits()
            ).selection())
        guard case .built(_, _, let contents, _) = maker.perform(.build(order)) else {
            throw Unexpected()
        }
        #expect(try maker.store.candidates() == [contents.sszEncoded()])

        let store = try Self.emptyStore(network)
        let judge = ChainTask.judge(JudgeOrder(contents: contents, round: 0, isFresh: true))
        let judging = try processor(store, (validator + 1) % 4)
        // A disk that takes nothing: not valid, and not the block's fault.
        store.failure = .diskFull(path: "/full")
        guard case .judged(_, _, .undecided) = judging.perform(judge) else { throw Unexpected() }
        #expect(try store.candidates().isEmpty)
        store.failure = nil
        guard case .judged(_, _, .valid) = judging.perform(judge) else { throw Unexpected() }
        store.crash()
        guard
            case .candidates(let kept) = try processor(store, (validator + 1) % 4).perform(
                .readCandidates)
        else { throw Unexpected() }
        #expect(kept == [contents])
    }

    private struct Unexpected: Error {}

    /// Nobody left to ask is no end of catching up.
    @Test func syncedMeansThatNobodyIsKnownToHaveMore() throws {
        let network = try ChainNetwork()
        let head = try ChainHead(network.parameters)
        var chain = Chain(
            ChainConfiguration(parameters: network.parameters, localKey: nil), head: head, seed: 1)
        var time: Int64 = 1_000_000_000
        var events: [String] = []
        func give(_ input: ChainInput) {
            var outputs: [ChainOutput] = []
            let now = Now(
                instant: MonotonicInstant(nanoseconds: time),
                wall: WallTime(milliseconds: ChainNetwork.wallOffset + time / 1_000_000))
            chain.handle(input, now: now, into: &outputs)
            for case .event(let event) in outputs {
                switch event {
                case .syncing(let from, let to): events.append("syncing \(from) \(to)")
                case .synced(let height): events.append("synced \(height)")
                default: break
                }
            }
        }
        func wait() {
            for _ in 0..<10 {
                time += 500_000_000
                give(.timeout)
            }
        }
        let peer = network.peer(0)
        func status(_ height: UInt64) -> ChainStatus {
            ChainStatus(height: height, blockID: .zero, earliest: 0)
        }
        give(.start(nil))
        give(.peerConnected(peer, status(40)))
        wait()
        #expect(events == ["syncing 0 40"])
        give(.peerDisconnected(peer))
        wait()
        #expect(events == ["syncing 0 40"])
        #expect(chain.info(now: MonotonicInstant(nanoseconds: time)).sync != nil)
        // Who comes has no more than this node: what it has is what there is.
        give(.peerConnected(network.peer(1), status(0)))
        wait()
        #expect(events == ["syncing 0 40", "synced 0"])
        #expect(chain.info(now: MonotonicInstant(nanoseconds: time)).sync == nil)
    }
}
