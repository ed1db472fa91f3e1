import Chain
import ChoraleBase
import ChoraleTypes
import Crypto
import Execution
import Foundation
import Testing

@testable import Store

/// Of what the size is measured.
private enum ChainSize {
    static var accountCount: Int? {
        ProcessInfo.processInfo.environment["CHORALE_CHAIN_SIZE"].flatMap(Int.init)
    }
}

/// What a chain of a million accounts takes. Minutes, so only when it is asked for:
/// `CHORALE_CHAIN_SIZE=1000000 swift test -c release --filter ChainSizeTests` prints the numbers.
@Suite(
    .enabled(if: ChainSize.accountCount != nil, "only when CHORALE_CHAIN_SIZE says of what"))
struct ChainSizeTests {
    /// A validator is to stay below 300 MiB.
    @Test func aMillionAccounts() throws {
        let count = try #require(ChainSize.accountCount)
        let environment = ProcessInfo.processInfo.environment
        let heights = environment["CHORALE_CHAIN_HEIGHTS"].flatMap(UInt64.init) ?? 1000
        let transfers = environment["CHORALE_CHAIN_TRANSFERS"].flatMap(Int.init) ?? 1000
        let directory = try TemporaryDirectory()
        let database = try ChainDatabase.open(
            directory: directory.appending("chain"), network: TestChain.network)
        defer { database.close() }
        var start = ContinuousClock.now
        let state = try database.importState()
        for first in stride(from: 0, to: count, by: 10_000) {
            try state.add(
                (first..<min(count, first + 10_000)).map {
                    (Self.address($0), StateStore.Entry(balance: UInt256(1 << 60)))
                })
        }
        var root = try state.finish()
        print("import: \(ContinuousClock.now - start), \(Self.resident) MiB resident")
        var parent = TestChain.write(0, parent: .zero, root: root, [], [], transactionCount: 0)
        try database.write(parent, sync: true)

        var random = DeterministicRandom(seed: 1)
        // Of this thread's processor: others on the machine change it little.
        var (executing, writing, waiting): ([Duration], [Duration], [Duration]) = ([], [], [])
        for height in 1...heights {
            var begin = Self.used
            let state = TrieState(root: root, source: database, blockHashes: [:])
            var changes: [Address: AccountChange] = [:]
            for _ in 0..<transfers {
                for isSender in [true, false] {
                    let address = Self.address(random.below(count))
                    var account =
                        if let known = changes[address]?.account {
                            known
                        } else {
                            try #require(try state.account(at: address))
                        }
                    account.nonce += isSender ? 1 : 0
                    account.balance = UInt256(
                        account.balance.bytes32.storage.span
                            .loadBigEndian(UInt64.self, at: 24) &+ (isSender ? UInt64.max : 1))
                    changes[address] = AccountChange(
                        address: address, account: account, isChanged: true,
                        isStorageCleared: false, slots: [])
                }
            }
            let sorted = changes.values.sorted { $0.address < $1.address }
            root = try state.apply(sorted)
            var nodes: [(hash: Bytes32, encoding: [UInt8])] = []
            state.forEachNewNode { nodes.append(($0, $1)) }
            executing.append(Self.used - begin)
            var write = TestChain.write(
                height, parent: parent.block.blockHash, root: root, sorted, nodes,
                transactionCount: transfers)
            write.block.payload = [UInt8](repeating: 1, count: 110 * transfers)
            parent = write
            (begin, start) = (Self.used, .now)
            try database.write(write, sync: true)
            writing.append(Self.used - begin)
            waiting.append(.now - start)
            if height % 100 == 0 {
                print(
                    "height \(height): execution \(Self.median(&executing)), writing "
                        + "\(Self.median(&writing)) CPU, \(Self.median(&waiting)) in all, "
                        + "\(Self.resident) MiB resident")
                (executing, writing, waiting) = ([], [], [])
            }
        }
        print("\(database.counters)")
        #expect(database.counters.nodesMissing == 0)
        #expect(Self.resident <= 300)
    }

    /// What this thread has used of a processor.
    private static var used: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    private static func address(_ index: Int) -> Address {
        Address(UInt256(UInt64(0x1_0000_0000 + index)))
    }

    private static func median(_ times: inout [Duration]) -> String {
        times.sort()
        return "\(times[times.count / 2]) (worst \(times[times.count - 1]))"
    }

    /// MiB.
    private static var resident: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return (line?.split(whereSeparator: { !$0.isNumber }).first).flatMap { Int($0) }
            .map { $0 / 1024 } ?? 0
    }
}
