import Chain
import ChoraleBase
import ChoraleTypes
import Execution
import Foundation
import Testing

@testable import Store

/// What bad disks leave of a chain: it opens with what was committed, or says which file is damaged and what to
/// do. What it says of blocks and states is right or an error, and nothing of it ends the process.
@Suite struct ChainDamageTests {
    private static let heightCount: UInt64 = 40

    private static var options: ChainStoreOptions {
        var options = ChainStoreOptions.small
        // Nothing becomes a table by itself.
        options.state.database.writeBufferSizeMax = 16 << 20
        return options
    }

    let directory: TemporaryDirectory
    private let chain: TestChain

    private var image: String { directory.appending("image") }
    private var original: String { directory.appending("original") }

    /// Leaves a copy of an open database: tables, and a log with the last heights.
    init() throws {
        directory = try TemporaryDirectory()
        var chain = TestChain(seed: 5)
        let path = directory.appending("chain")
        let database = try ChainDatabase.open(
            directory: path, network: TestChain.network, options: Self.options)
        defer { database.close() }
        for height in 0..<Self.heightCount {
            try database.write(chain.append(), sync: true)
            // Too few tables to be merged, so that no file goes while they are copied.
            if [9, 19, 29].contains(height) { try database.opened().flush() }
        }
        try FileManager.default.copyItem(atPath: path, toPath: directory.appending("original"))
        // Some more, to be written to what is left.
        for _ in 0..<3 { try chain.append() }
        self.chain = chain
    }

    private func takeImage() throws {
        try? FileManager.default.removeItem(atPath: image)
        try FileManager.default.copyItem(atPath: original, toPath: image)
    }

    private func names(_ suffix: String = "") throws -> [String] {
        try FileSystem.names(in: original).filter { $0.hasSuffix(suffix) }.sorted()
    }

    private func change(_ name: String, _ body: (inout [UInt8]) -> Void) throws {
        let file = URL(fileURLWithPath: image + "/" + name)
        var bytes = [UInt8](try Data(contentsOf: file))
        body(&bytes)
        try Data(bytes).write(to: file)
    }

    private enum Outcome: Equatable {
        /// How many answers were errors.
        case opened(UInt64, failures: Int)
        case refused(String)
    }

    /// Opens the image; asks for everything, and adds a height.
    private func open(_ what: String) throws -> Outcome {
        let database: ChainDatabase
        do throws(StoreOpenError) {
            database = try ChainDatabase.open(
                directory: image, network: TestChain.network, options: Self.options)
        } catch {
            let text = "\(error)"
            guard case .corrupt(image, _) = error else {
                Issue.record("\(what): not damage: \(text)")
                return .refused(text)
            }
            #expect(text.contains("restore a backup") && text.contains(image), "\(what)")
            return .refused(text)
        }
        defer { database.close() }
        guard let last = database.last else {
            Issue.record("\(what): an empty database")
            return .opened(0, failures: 0)
        }
        var failures = 0
        for height in 0...last.height {
            do throws(StoreFailure) {
                let block = try database.block(at: height)
                #expect(block == chain.writes[Int(height)].block, "\(what), block \(height)")
            } catch {
                guard case .corrupt = error else { throw error }
                failures += 1
            }
        }
        let reader = database.makeReader()
        for height in max(last.oldestState, last.height - 6)...last.height {
            do {
                let found = try TestChain.Contents(Opened(reader.state(after: height)))
                #expect(try found == chain.contents(after: height), "\(what), state \(height)")
            } catch is ChainReadError {
                failures += 1
            } catch StateError.source {
                failures += 1
            }
        }
        do throws(StoreFailure) {
            try database.write(chain.writes[Int(last.height) + 1], sync: true)
        } catch {
            failures += 1
        }
        return .opened(last.height, failures: failures)
    }

    @Test func whatIsNotDamagedIsThere() throws {
        try takeImage()
        #expect(try open("nothing") == .opened(Self.heightCount - 1, failures: 0))
    }

    @Test func aTruncatedLogLosesWholeHeights() throws {
        let log = try #require(names(".log").last)
        var heights: Set<UInt64> = []
        for share in 0...12 {
            try takeImage()
            try change(log) { $0.removeLast($0.count * share / 12) }
            guard case .opened(let height, failures: 0) = try open("\(share)/12 of the log") else {
                Issue.record("\(share)/12 of the log: something is missing")
                continue
            }
            heights.insert(height)
        }
        // The last ten are in the log only.
        #expect(heights.count > 4)
        #expect(heights.max() == Self.heightCount - 1)
    }

    @Test(arguments: UInt64(0)..<4) func aFlippedBitIsNeverBelieved(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        let files = try names().filter { $0 != "LOCK" && $0 != "OWNER" && $0 != "LOG" }
        var refusals = 0
        for name in files {
            try takeImage()
            var place = 0
            try change(name) { bytes in
                guard !bytes.isEmpty else { return }
                place = random.below(bytes.count)
                bytes[place] ^= 1 << UInt8(random.below(8))
            }
            if case .refused = try open("bit in byte \(place) of \(name)") { refusals += 1 }
        }
        // At least that of the manifest.
        #expect(refusals > 0)
    }

    /// A record in the middle that is not whole: what follows it was acknowledged too, so nothing is dropped.
    @Test func aDamagedLogIsNamed() throws {
        let log = try #require(names(".log").last)
        try takeImage()
        try change(log) { $0[$0.count / 2] ^= 0x40 }
        guard case .refused(let text) = try open("\(log) damaged in the middle") else {
            Issue.record("heights that were acknowledged are gone")
            return
        }
        #expect(text.contains(".log"), "\(text)")
    }

    @Test func aDamagedTableIsNamed() throws {
        var named = 0
        for name in try names(".sst") {
            try takeImage()
            // A table ends with the way to all that is in it.
            try change(name) { $0.removeLast(min(60, $0.count)) }
            if case .refused(let text) = try open("\(name) cut") {
                #expect(text.contains(name), "\(text)")
                named += 1
            }
        }
        #expect(named > 0)
    }

    @Test func aMissingFileIsNamed() throws {
        for name in try names() where name.hasSuffix(".sst") || name.hasPrefix("MANIFEST") {
            try takeImage()
            FileSystem.remove(image + "/" + name)
            guard case .refused(let text) = try open("\(name) missing") else {
                Issue.record("\(name) is missing and nobody says so")
                continue
            }
            // RocksDB looks for an older suffix last, and names that one.
            let stem = name.split(separator: ".")[0]
            #expect(text.contains(stem), "\(text)")
        }
        try takeImage()
        FileSystem.remove(image + "/CURRENT")
        guard case .refused(let text) = try open("CURRENT missing") else {
            Issue.record("CURRENT is missing and nobody says so")
            return
        }
        #expect(text.contains("CURRENT"))
    }
}
