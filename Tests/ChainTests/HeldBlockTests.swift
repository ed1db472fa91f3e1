import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import OrderedCollections
import Testing

@testable import Chain

/// What a proposer can make others hold, who proposes in rounds to come what nobody waits for.
@Suite struct HeldBlockTests {
    private let network: ChainNetwork
    private let head: ChainHead

    init() throws {
        network = try ChainNetwork()
        head = try ChainHead(network.parameters)
    }

    /// A block of height 1 with bodies of so many bytes, which mean nothing.
    private func contents(
        round: UInt32, payloadSize: Int, witnessSize: Int
    ) throws -> BlockContents {
        let payload = [UInt8](repeating: UInt8(round), count: payloadSize)
        let witness = [UInt8](repeating: UInt8(round) ^ 0xFF, count: witnessSize)
        let proof = BeaconProof(
            previous: head.beacon, height: 1, network: network.parameters.network,
            key: ChainNetwork.validatorKey(0))
        let reference = try #require(ContentReference(kind: .witness, bytes: witness))
        let body = try #require(
            BlockBody(lastCommit: nil, evidence: [], references: [reference]))
        let header = BlockHeader(
            network: network.parameters.network, height: 1, round: round, parentID: head.blockID,
            time: head.time.advanced(by: .seconds(1)), proposer: ValidatorIndex(0),
            validatorsRoot: head.rotation.validators.root,
            nextValidatorsRoot: head.rotation.validators.root,
            prioritiesRoot: head.rotation.prioritiesRoot, beaconProof: proof.proof,
            beaconValue: proof.value,
            payload: try #require(ContentReference(kind: .block, bytes: payload)), body: body)
        let block = try #require(ConsensusBlock(header: header, body: body))
        return try #require(BlockContents(block: block, payload: payload, witness: witness))
    }

    private func chain(heldSizeMax: Int) -> Chain {
        var configuration = ChainConfiguration(parameters: network.parameters, localKey: nil)
        configuration.limits.heldSizeMax = heldSizeMax
        return Chain(configuration, head: head, seed: 1)
    }

    private let now = Now(
        instant: MonotonicInstant(nanoseconds: 1_000_000_000),
        wall: WallTime(milliseconds: ChainNetwork.wallOffset))

    /// Two blocks of rounds to come fill the room; the block of this round is held all the same.
    @Test func blocksOfRoundsToComeMakeRoom() throws {
        var chain = chain(heldSizeMax: 1_000_000)
        let (first, second, third) = (
            try contents(round: 5, payloadSize: 400_000, witnessSize: 90_000),
            try contents(round: 9, payloadSize: 400_000, witnessSize: 90_000),
            try contents(round: 0, payloadSize: 100_000, witnessSize: 20_000)
        )
        for block in [first, second, third] { chain.hold(block, from: nil, now: now) }
        let isHeld = [first, second, third].map { chain.blocks[$0.block.id]?.contents?.isComplete }
        #expect(isHeld == [nil, true, true])
        #expect(chain.holdings.blockSize == 610_000)
        #expect(chain.counters.blocksShed == 1)
    }

    /// What is waited for stays, and what comes then finds no room.
    @Test func whatIsWaitedForStays() throws {
        var chain = chain(heldSizeMax: 1_000_000)
        let (first, second) = (
            try contents(round: 0, payloadSize: 600_000, witnessSize: 90_000),
            try contents(round: 9, payloadSize: 600_000, witnessSize: 90_000)
        )
        chain.hold(first, from: nil, now: now)
        chain.blocks[first.block.id]?.isWanted = true
        chain.hold(second, from: nil, now: now)
        #expect(chain.blocks[first.block.id]?.contents?.isComplete == true)
        #expect(chain.blocks[second.block.id] == nil)
        #expect(chain.holdings.blockSize == 690_000)
    }

    /// Bodies over a block's limits are not kept, and the block is invalid without being executed.
    @Test func bodiesOverTheLimitAreNotKept() throws {
        for (payload, witness) in [
            (network.parameters.payloadSizeMax + 1, 10),
            (10, network.parameters.witnessSizeMax + 1),
        ] {
            var chain = chain(heldSizeMax: 64 << 20)
            let large = try contents(round: 0, payloadSize: payload, witnessSize: witness)
            chain.hold(large, from: nil, now: now)
            #expect(chain.holdings.blockSize == 0)
            let state = chain.blocks[large.block.id]?.state
            let isInvalid = if case .invalid? = state { true } else { false }
            #expect(isInvalid)
        }
        var chain = chain(heldSizeMax: 64 << 20)
        let largest = try contents(
            round: 0, payloadSize: network.parameters.payloadSizeMax,
            witnessSize: network.parameters.witnessSizeMax)
        chain.hold(largest, from: nil, now: now)
        #expect(chain.holdings.blockSize == largest.size)
    }
}
