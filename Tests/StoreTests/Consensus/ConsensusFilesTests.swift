import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Foundation
import Testing

@testable import Store

/// A validator's two files: what was committed is found again, whatever happened to the process.
@Suite struct ConsensusFilesTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private var path: String { directory.appending("consensus.log") }

    private static func vote(_ round: UInt32) -> ConsensusRecord {
        .voteIntent(
            VoteContent(kind: .precommit, height: 7, round: round, blockID: SHA256.hash([1])))
    }

    private func bytes() throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// What the file holds now, up to a size.
    private func read(upTo size: Int = .max) throws -> ConsensusLog.Contents {
        let stored = Array(try bytes().prefix(size))
        return try ConsensusLog.read(stored.span)
    }

    private func write(_ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    // MARK: The log

    @Test func whatIsCommittedIsFound() throws {
        var expected: [ConsensusRecord] = []
        for round in 0..<20 as Range<UInt32> {
            let log = try ConsensusLogFile.open(path: path)
            #expect(log.contents.records == expected)
            #expect(log.contents.tornSize == 0)
            let group = [.roundStarted(height: 7, round: round), Self.vote(round)]
            for record in group { log.append(record) }
            try log.commit()
            expected += group
            // Nothing waits: nothing is written.
            let size = log.size
            try log.commit()
            #expect(log.size == size)
            let stored = try bytes().count
            #expect(stored == size)
            // Not committed, so not there.
            log.append(.heightStarted(99))
        }
    }

    @Test func aTornTailIsCutOff() throws {
        var sizes: [Int] = []
        do {
            let log = try ConsensusLogFile.open(path: path)
            for round in 0..<3 as Range<UInt32> {
                log.append(.roundStarted(height: 7, round: round))
                log.append(Self.vote(round))
                try log.commit()
                sizes.append(log.size)
            }
        }
        let whole = try bytes()
        for end in stride(from: whole.count, through: 0, by: -1) {
            try write(Array(whole.prefix(end)))
            let log = try ConsensusLogFile.open(path: path)
            let groups = sizes.filter { $0 <= end }.count
            #expect(log.contents.records.count == 2 * groups, "cut at \(end)")
            // It goes on behind what is good.
            log.append(.heightStarted(8))
            try log.commit()
            let again = try read(upTo: log.size)
            #expect(again.records == log.contents.records + [.heightStarted(8)])
            #expect(again.tornSize == 0)
        }
    }

    @Test func damageIsRefusedWithItsPosition() throws {
        do {
            let log = try ConsensusLogFile.open(path: path)
            for round in 0..<3 as Range<UInt32> {
                log.append(Self.vote(round))
                try log.commit()
            }
        }
        var damaged = try bytes()
        damaged[20] ^= 1
        try write(damaged)
        let error = #expect(throws: ConsensusFileError.self) {
            try ConsensusLogFile.open(path: path)
        }
        guard case .log(.damaged(let position, _), _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(position == ConsensusLog.magic.count)
        #expect("\(error!)".contains("byte \(position)"))
        let after = try bytes()
        #expect(after == damaged)
        try write(Array("something else".utf8))
        #expect(throws: ConsensusFileError.log(.notALog, path: path)) {
            try ConsensusLogFile.open(path: path)
        }
    }

    @Test func heightsThatAreOverAreDropped() throws {
        let log = try ConsensusLogFile.open(path: path)
        for round in 0..<50 as Range<UInt32> {
            log.append(Self.vote(round))
            try log.commit()
        }
        let before = log.size
        try log.restart(with: [.heightStarted(8)])
        #expect(log.size < before)
        log.append(.roundStarted(height: 8, round: 0))
        try log.commit()
        // The new file is held as the old one was.
        #expect(throws: ConsensusFileError.inUse(path: path)) {
            try ConsensusLogFile.open(path: path)
        }
        let contents = try read()
        #expect(contents.records == [.heightStarted(8), .roundStarted(height: 8, round: 0)])
        try log.restart(with: [])
        let empty = try read()
        #expect(empty.records.isEmpty)
    }

    @Test func oneProcessHasIt() throws {
        let log = try ConsensusLogFile.open(path: path)
        #expect(throws: ConsensusFileError.inUse(path: path)) {
            try ConsensusLogFile.open(path: path)
        }
        withExtendedLifetime(log) {}
    }

    /// Who has opened a log that was begun anew since holds a file without a name.
    @Test func aFileThatLostItsName() throws {
        try write([1])
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        #expect(FileSystem.isFile(descriptor, at: path))
        try FileSystem.replaceDurably(path, with: [2])
        #expect(!FileSystem.isFile(descriptor, at: path))
        try FileManager.default.removeItem(atPath: path)
        #expect(!FileSystem.isFile(descriptor, at: path))
    }

    @Test func whereNothingCanBeWritten() {
        let nowhere = directory.appending("none/consensus.log")
        #expect(throws: ConsensusFileError.self) { try ConsensusLogFile.open(path: nowhere) }
        let file = SigningStateFile(path: directory.appending("none/signing"))
        #expect(throws: ConsensusFileError.self) { try file.write(SigningGuard(freshFrom: 1)) }
    }

    // MARK: The signing state

    @Test func aSigningStateIsFound() throws {
        let file = SigningStateFile(path: directory.appending("signing"))
        #expect(throws: ConsensusFileError.signingState(.missing, path: file.path)) {
            try file.read(keyIsNew: false, resetHeight: nil)
        }
        var guardian = try file.read(keyIsNew: true, resetHeight: nil)
        for height in 1...20 as ClosedRange<UInt64> {
            let signature = try #require(SignatureBytes([UInt8](repeating: 3, count: 64)))
            guardian.signed(
                SigningPosition(height: height, round: 0, step: .prevote),
                messageHash: SHA256.hash([UInt8(height)]), signature: signature)
            try file.write(guardian)
            let found = try file.read(keyIsNew: false, resetHeight: nil)
            #expect(found == guardian)
        }
        // The operator raises it, and never lowers it.
        let raised = try file.read(keyIsNew: false, resetHeight: 50)
        #expect(raised.last.height == 50)
        let kept = try file.read(keyIsNew: false, resetHeight: 5)
        #expect(kept == guardian)
        // A draft that a crash has left is none of it.
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: file.path + ".draft"))
        let again = try file.read(keyIsNew: false, resetHeight: nil)
        #expect(again == guardian)
        try file.write(guardian)
        #expect(!FileManager.default.fileExists(atPath: file.path + ".draft"))
    }

    @Test func aDamagedSigningStateIsRefused() throws {
        let file = SigningStateFile(path: directory.appending("signing"))
        let guardian = SigningGuard(freshFrom: 9)
        try file.write(guardian)
        for index in 0..<SigningGuard.recordSize {
            var damaged = guardian.record
            damaged[index] ^= 0x40
            try Data(damaged).write(to: URL(fileURLWithPath: file.path))
            #expect(throws: ConsensusFileError.self) {
                try file.read(keyIsNew: false, resetHeight: nil)
            }
        }
    }
}
