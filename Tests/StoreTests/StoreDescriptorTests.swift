import ChoraleTypes
import Foundation
import Glibc
import Testing

@testable import Store

/// Without descriptors RocksDB fails one write and refuses the rest, also when there are some again.
@Suite struct StoreDescriptorTests {
    @Test func worksAgainOnceThereAreDescriptors() async {
        // A process of its own: the limit is a process's.
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let store = try RocksStore.open(directory: directory.appending("db"))
            let put = { (index: Int) -> StoreReply in
                let value = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 64 << 10)
                let key = [UInt8(truncatingIfNeeded: index >> 8), UInt8(truncatingIfNeeded: index)]
                return store.execute(.write([.put(.chunk, key: key, value: value)], sync: false))
            }
            let first = put(0)
            try #require(first == .written)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(7), &limit)
            let before = limit.rlim_cur
            // Every descriptor that is free, so that none can be opened.
            limit.rlim_cur = 3
            setrlimit(__rlimit_resource_t(7), &limit)
            var failure: StoreFailure?
            for index in 1..<2000 {
                guard case .failed(let found) = put(index) else { continue }
                failure = found
                break
            }
            guard case .inputOutput = failure else {
                Issue.record("\(String(describing: failure))")
                exit(2)
            }
            limit.rlim_cur = before
            setrlimit(__rlimit_resource_t(7), &limit)
            var reply = put(2000)
            for _ in 0..<30 where reply != .written {
                usleep(100_000)
                reply = put(2000)
            }
            guard reply == .written else {
                Issue.record("\(reply)")
                exit(3)
            }
            guard store.execute(.get(.chunk, key: [0, 0])) != .value(nil) else { exit(4) }
            store.close()
        }
    }
}
