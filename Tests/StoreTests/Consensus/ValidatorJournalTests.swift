import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Testing

@testable import Store

/// A validator's log and signing state together, as the journal's thread uses them.
@Suite struct ValidatorJournalTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let key = Ed25519.PrivateKey(
        seed: SecretBytes(copying: SHA256.hash([1, 2, 3])))
    private static let network = NetworkDigest([1, 2, 3, 4])!

    static func open(
        _ path: String, resetHeight: UInt64? = nil, equivocates: Bool = false
    ) throws -> ValidatorJournal {
        try ValidatorJournal(
            directory: path, key: key, network: network, keyIsNew: false,
            resetHeight: resetHeight, equivocates: equivocates)
    }

    /// A vote with the record that it rests on.
    static func vote(
        _ id: UInt64, height: UInt64, round: UInt32 = 0, block: UInt8?
    ) -> JournalOrder {
        let content = VoteContent(
            kind: .prevote, height: height, round: round,
            blockID: block.map { SHA256.hash([$0]) })
        return JournalOrder(
            id: id, records: [.voteIntent(content)], requests: [.vote(content)], needsSync: true)
    }

    @Test func withoutASigningStateNothingIsSigned() throws {
        let path = directory.path
        #expect(
            throws: ConsensusFileError.signingState(
                .missing, path: path + "/" + ValidatorJournal.signingStateName)
        ) { try Self.open(path) }
        let journal = try Self.open(path, resetHeight: 5)
        let answers = journal.perform([
            Self.vote(1, height: 4, block: 1), Self.vote(2, height: 5, block: 1),
        ])
        #expect(answers[0].signed.map(\.signature) == [nil])
        #expect(answers[1].signed.first?.signature != nil)
    }

    @Test func signaturesAreGoodAndOneForEachPlace() throws {
        try ValidatorJournal.begin(directory: directory.path)
        var journal: ValidatorJournal? = try Self.open(directory.path)
        let first = try #require(journal?.perform([Self.vote(1, height: 1, block: 1)]).first)
        let signature = try #require(first.signed.first?.signature)
        let message = try #require(first.signed.first?.request).message(network: Self.network)
        let bytes = signature.bytes
        let isGood = Ed25519.verify(
            signature: bytes.span, message: message.span, publicKey: Self.key.publicKey)
        #expect(isGood)
        // A second process, with what the first has left.
        journal = nil
        let second = try Self.open(directory.path)
        #expect(second.recovery.records.count == 1)
        #expect(second.recovery.lastSigned?.height == 1)
        let answers = second.perform([
            Self.vote(2, height: 1, block: 2), Self.vote(3, height: 1, block: 1),
            Self.vote(4, height: 1, round: 1, block: 2),
        ])
        #expect(answers[0].signed.first?.signature == nil)
        #expect(answers[1].signed.first?.signature == signature)
        #expect(answers[2].signed.first?.signature != nil)
        #expect(answers.allSatisfy { $0.failure == nil })
    }

    @Test func beginLeavesWhatIsThere() throws {
        try ValidatorJournal.begin(directory: directory.path)
        _ = try Self.open(directory.path).perform([Self.vote(1, height: 9, block: 1)])
        try ValidatorJournal.begin(directory: directory.path)
        #expect(try Self.open(directory.path).recovery.lastSigned?.height == 9)
    }

    @Test func theLogBeginsAnewWhenItHasGrown() throws {
        try ValidatorJournal.begin(directory: directory.path)
        let path = directory.path
        var journal: ValidatorJournal? = try Self.open(path)
        var id: UInt64 = 0
        for height in 1...UInt64(12_000) {
            id += 1
            let order = JournalOrder(
                id: id, records: [.heightStarted(height), .roundStarted(height: height, round: 0)],
                requests: [], needsSync: height.isMultiple(of: 500))
            _ = journal?.perform([order])
        }
        let last = try #require(journal?.perform([Self.vote(id + 1, height: 12_000, block: 1)]))
        #expect(last.first?.failure == nil)
        journal = nil
        let size = try FileSystem.contents(path + "/" + ValidatorJournal.logName, sizeMax: 8 << 20)
        #expect(try #require(size).count < 2 * ValidatorJournal.logSizeMax)
        let records = try Self.open(path).recovery.records
        #expect(records.last?.height == 12_000)
    }

    @Test func anEquivocatorContradictsEachVote() throws {
        try ValidatorJournal.begin(directory: directory.path)
        let journal = try Self.open(directory.path, equivocates: true)
        let answer = try #require(journal.perform([Self.vote(1, height: 1, block: 1)]).first)
        #expect(answer.signed.map(\.isContradiction) == [false, true])
        #expect(answer.signed[0].request.position == answer.signed[1].request.position)
        #expect(answer.signed[0].request != answer.signed[1].request)
    }
}

@Suite(.enabled(if: SmallDisk.isPossible, "skipped: mounting a small tmpfs needs root"))
struct ValidatorJournalDiskTests {
    /// Nothing leaves while the disk is full; when there is room again, signing goes on, and never twice.
    @Test func aFullDiskStopsSigningUntilThereIsRoom() throws {
        let disk = try #require(SmallDisk())
        try ValidatorJournal.begin(directory: disk.path)
        var journal: ValidatorJournal? = try ValidatorJournalTests.open(disk.path)
        let before = try #require(
            journal?.perform([ValidatorJournalTests.vote(1, height: 1, block: 1)]).first)
        #expect(before.failure == nil)
        try disk.fill(leaving: 0)
        var failures = 0
        var signed = 0
        // The log's last page has room for some records yet; the signing state is a new file each time.
        for id in UInt64(2)...60 {
            let answer = try #require(
                journal?.perform([
                    ValidatorJournalTests.vote(id, height: id, block: 1)
                ]).first)
            failures += answer.failure == nil ? 0 : 1
            signed += answer.signed.count
            #expect((answer.failure == nil) == (answer.signed.count == 1))
        }
        #expect(failures > 0)
        try disk.makeRoom()
        let after = try #require(
            journal?.perform([ValidatorJournalTests.vote(61, height: 61, block: 1)]).first)
        #expect(after.failure == nil)
        #expect(after.signed.first?.signature != nil)
        journal = nil
        let next = try ValidatorJournalTests.open(disk.path)
        #expect(next.recovery.lastSigned?.height == 61)
        #expect(
            next.perform([ValidatorJournalTests.vote(1, height: 61, block: 2)]).first?.signed
                .first?.signature == nil)
    }
}
