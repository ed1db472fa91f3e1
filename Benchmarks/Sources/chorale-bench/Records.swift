import ChoraleTypes
import Glibc
import Store

/// Small records in the node's database, as RocksDB's own benchmark (`db_bench fillrandom`) writes its rows: random
/// keys of 32 bytes, values of 200 that shrink to half.
enum Records {
    /// Writes as many records as `--count` says into a new database in `--directory`, `--batch` of them at a
    /// time, each batch synced if `--sync` is 1. Says how long that took.
    static func run(_ arguments: Arguments) throws {
        guard let directory = arguments["directory"] else {
            throw BenchError("--directory is missing")
        }
        let count = arguments.number("count", or: 1_000_000)
        let batch = max(1, arguments.number("batch", or: 128))
        let isSynced = arguments.number("sync", or: 0) == 1
        let store = try RocksStore.open(directory: directory)
        defer { store.close() }
        var random = SystemRandomNumberGenerator()
        let half = (0..<100).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let (start, used) = (now(CLOCK_MONOTONIC), now(CLOCK_PROCESS_CPUTIME_ID))
        var written = 0
        while written < count {
            var writes: [StoreWrite] = []
            writes.reserveCapacity(batch)
            for _ in 0..<min(batch, count - written) {
                var key = [UInt8](repeating: UInt8(ascii: "0"), count: 32)
                let number = UInt64.random(in: 0..<UInt64(count), using: &random)
                for index in 0..<8 {
                    key[index] = UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * index))
                }
                // Different ones, as those of different validators are.
                var value = half
                for index in 0..<8 { value[index] = key[index] }
                writes.append(.put(.witness, key: key, value: value + value))
            }
            let reply = store.execute(.write(writes, sync: isSynced))
            guard reply == .written else { throw BenchError("\(reply)") }
            written += writes.count
        }
        let seconds = now(CLOCK_MONOTONIC) - start
        let cpu = now(CLOCK_PROCESS_CPUTIME_ID) - used
        Program.say("{\"seconds\":\(seconds),\"cpu\":\(cpu)}")
    }

    private static func now(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
