import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

@Suite struct ConsensusLogTests {
    static let vote = VoteContent(
        kind: .precommit, height: 4, round: 1, blockID: World.block("a"))

    static let groups: [[ConsensusRecord]] = {
        let proposal = ProposalContent(
            height: 4, round: 1, validRound: 0, blockID: World.block("a"))
        var bits = ValidatorBits(count: 4)!
        for index in 0..<3 { bits[index] = true }
        let signature = SignatureBytes([UInt8](repeating: 7, count: 64))!
        let commit = Commit(
            height: 4, round: 1, blockID: World.block("a"), scheme: .ed25519, signers: bits,
            signatures: [signature, signature, signature])!
        return [
            [.heightStarted(4), .roundStarted(height: 4, round: 1), .proposalIntent(proposal)],
            [
                .proposal(
                    World.proposal(proposal, by: ValidatorIndex(0), key: 0, signs: false)),
                .valid(height: 4, BlockInRound(round: 1, blockID: World.block("a"))),
                .voteIntent(vote),
            ],
            [.vote(World.vote(vote, by: ValidatorIndex(0), key: 0, signs: false))],
            [.commit(commit)],
        ]
    }()

    static func bytes(_ groups: [[ConsensusRecord]], nextGroup: UInt32 = 1) -> [UInt8] {
        var writer = ConsensusLog.Writer(nextGroup: nextGroup)
        var bytes: [UInt8] = nextGroup == 1 ? ConsensusLog.magic : []
        for group in groups {
            for record in group { writer.append(record) }
            bytes += writer.seal()
            #expect(writer.isEmpty)
        }
        return bytes
    }

    /// Sizes of the file after each group.
    static let ends = (0...groups.count).map { bytes(Array(groups.prefix($0))).count }

    static func read(_ bytes: [UInt8]) throws(ConsensusLog.ReadError) -> ConsensusLog.Contents {
        try ConsensusLog.read(bytes.span)
    }

    @Test func recordsRoundTrip() throws {
        let bytes = Self.bytes(Self.groups)
        let contents = try Self.read(bytes)
        #expect(contents.records == Self.groups.flatMap { $0 })
        #expect(contents.size == bytes.count)
        #expect(contents.tornSize == 0)
        #expect(contents.nextGroup == 5)
        #expect(contents.records.map(\.height) == Array(repeating: 4, count: 8))
    }

    @Test func aFileCutAnywhereGivesWholeGroups() throws {
        let bytes = Self.bytes(Self.groups)
        for size in 0...bytes.count {
            let contents = try Self.read(Array(bytes.prefix(size)))
            let whole = Self.ends.lastIndex { $0 <= size }
            guard let whole else {
                #expect(contents.size == 0)
                #expect(contents.tornSize == size)
                continue
            }
            #expect(contents.records == Self.groups.prefix(whole).flatMap { $0 })
            #expect(contents.size == Self.ends[whole])
            #expect(contents.tornSize == size - Self.ends[whole])
            // What is appended behind the cut is read.
            let more = Self.bytes([[.heightStarted(9)]], nextGroup: contents.nextGroup)
            let continued = Array(bytes.prefix(contents.size)) + (whole == 0 ? [] : more)
            guard whole > 0 else { continue }
            #expect(try Self.read(continued).records.last == .heightStarted(9))
        }
    }

    @Test func aTailOfZerosOrRubbishIsTorn() throws {
        let bytes = Self.bytes(Self.groups)
        var random = DeterministicRandom(seed: 1)
        for size in [1, 3, 12, 13, 100, 5000] {
            for tail in [[UInt8](repeating: 0, count: size), random.bytes(count: size)] {
                let contents = try Self.read(bytes + tail)
                #expect(contents.tornSize == size)
                #expect(contents.records.count == 8)
            }
        }
    }

    /// Every bit, in everything that later groups prove to have been synced, is missed with its place.
    @Test func damageInTheMiddleIsRefusedWithItsPosition() throws {
        let bytes = Self.bytes(Self.groups)
        for position in Self.ends[0]..<Self.ends[3] {
            var damaged = bytes
            damaged[position] ^= 0x10
            let error = #expect(throws: ConsensusLog.ReadError.self) { try Self.read(damaged) }
            guard case .damaged(let found, let good) = error else {
                Issue.record("byte \(position): \(String(describing: error))")
                continue
            }
            #expect(found <= position)
            #expect(good > position)
            #expect(position - found < 400)
        }
        // In the last group it cannot be told from a torn write.
        var damaged = bytes
        damaged[bytes.count - 1] ^= 1
        let contents = try Self.read(damaged)
        #expect(contents.size == Self.ends[3])
    }

    /// A crash may leave the end of a group and not its beginning.
    @Test func aGroupWrittenOutOfOrderIsTorn() throws {
        let bytes = Self.bytes(Array(Self.groups.prefix(2)))
        var torn = bytes
        for position in Self.ends[1]..<Self.ends[1] + 40 { torn[position] = 0 }
        let contents = try Self.read(torn)
        #expect(contents.size == Self.ends[1])
        #expect(contents.records == Self.groups[0])
    }

    @Test func strangersFilesAreRefused() {
        #expect(throws: ConsensusLog.ReadError.notALog) { try Self.read(Array("chorwal2".utf8)) }
        #expect(throws: ConsensusLog.ReadError.notALog) { try Self.read([1, 2]) }
        let skipped =
            ConsensusLog.magic + Self.bytes([[.heightStarted(1)]], nextGroup: 3)
        #expect(
            throws: ConsensusLog.ReadError.groupsOutOfOrder(position: 8, 3, expected: 1)
        ) { try Self.read(skipped) }
    }

    @Test func whatMustBeSyncedIs() {
        let synced = Self.groups.flatMap { $0 }.filter(\.needsSync).map(\.type)
        #expect(synced == [3, 5, 4, 8])
    }
}
