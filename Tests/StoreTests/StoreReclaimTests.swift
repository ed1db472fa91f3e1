import ChoraleTypes
import Foundation
import Testing

@testable import Store

/// Deleted bodies give their room back to the disk.
@Suite struct StoreReclaimTests {
    let directory: TemporaryDirectory
    var random = SystemRandomNumberGenerator()

    init() throws { directory = try TemporaryDirectory() }

    private var path: String { directory.appending("db") }

    /// What the database takes on the disk, in MiB.
    private func diskUse() throws -> Int {
        let files = FileManager.default
        return try files.contentsOfDirectory(atPath: path).reduce(0) { sum, name in
            let attributes = try? files.attributesOfItem(atPath: path + "/" + name)
            return sum + ((attributes?[.size] as? Int) ?? 0)
        } >> 20
    }

    private func range(of root: [UInt8]) -> (from: [UInt8], to: [UInt8]) {
        (root + [0, 0, 0, 0], root + [0xFF, 0xFF, 0xFF, 0xFF])
    }

    /// Rows of 256 KiB that cannot be compressed, as bodies have.
    private mutating func write(_ store: RocksStore, root: [UInt8], chunks: Int) {
        for index in 0..<chunks {
            let value = (0..<32_768).flatMap { _ -> [UInt8] in
                withUnsafeBytes(of: random.next() as UInt64) { Array($0) }
            }
            let key = root + [0, 0, 0, UInt8(index)]
            let reply = store.execute(
                .write([.put(.chunk, key: key, value: value)], sync: false))
            #expect(reply == .written)
        }
    }

    private mutating func roots(_ count: Int) -> [[UInt8]] {
        (0..<count).map { _ in (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) } }
    }

    /// Large bodies have tables of their own, small ones share them.
    @Test(arguments: [(bodies: 4, chunks: 48), (bodies: 48, chunks: 4)])
    mutating func deletedBodiesGiveTheirRoomBack(bodies: Int, chunks: Int) throws {
        let store = try RocksStore.open(directory: path)
        let roots = roots(bodies)
        for root in roots { write(store, root: root, chunks: chunks) }
        let before = try diskUse()
        #expect(before >= 45)
        for root in roots.dropFirst(bodies / 4) {
            let range = range(of: root)
            let reply = store.execute(
                .write([.deleteRange(.chunk, from: range.from, to: range.to)], sync: false))
            #expect(reply == .written)
        }
        // A quarter of 48 MiB is left; up to 4 MiB wait, and logs take up to 16.
        let deadline = ContinuousClock.now.advanced(by: .seconds(20))
        while try diskUse() > 34, ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.1)
        }
        #expect(try diskUse() <= 34)
        store.close()
        let again = try RocksStore.open(directory: path)
        defer { again.close() }
        #expect(try diskUse() <= 22)
        for (index, root) in roots.enumerated() {
            let range = range(of: root)
            let reply = again.execute(
                .scan(.chunk, from: range.from, to: range.to, rowCountMax: .max, sizeMax: .max))
            guard case .rows(let rows, more: false) = reply else {
                Issue.record("no rows")
                continue
            }
            #expect(rows.count == (index < bodies / 4 ? chunks : 0))
        }
    }

    /// Neither what the range ends with nor what is put into it afterwards goes with the tables.
    @Test mutating func whatIsNotDeletedStays() throws {
        var options = StoreOptions()
        options.writeBufferSizeMax = 128 << 10
        let store = try RocksStore.open(directory: path, options: options)
        defer { store.close() }
        let root = roots(1)[0]
        let range = range(of: root)
        for _ in 0..<4 {
            write(store, root: root, chunks: 16)
            let put = StoreWrite.put(.chunk, key: range.to, value: [1])
            #expect(store.execute(.write([put], sync: false)) == .written)
        }
        let kept = root + [0, 0, 0, 7]
        let reply = store.execute(
            .write(
                [
                    .deleteRange(.chunk, from: range.from, to: range.to),
                    .put(.chunk, key: kept, value: [2]),
                ], sync: false))
        #expect(reply == .written)
        #expect(
            store.execute(.scan(.chunk, from: [], to: nil, rowCountMax: .max, sizeMax: .max))
                == .rows(
                    [StoreRow(key: kept, value: [2]), StoreRow(key: range.to, value: [1])],
                    more: false))
    }

    @Test func theKeyBeforeAnotherIsBeforeIt() {
        for key: [UInt8] in [[1], [1, 0], [0], [7, 255, 255], [255]] {
            #expect(RocksDatabase.key(before: key).lexicographicallyPrecedes(key))
        }
    }
}
