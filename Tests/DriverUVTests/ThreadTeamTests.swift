import ChoraleBase
import Glibc
import Synchronization
import Testing

@testable import DriverUV

@Suite struct ThreadTeamTests {
    @Test(arguments: [1, 2, 5]) func valuesComeInOrder(_ width: Int) throws {
        let team = try ThreadTeam(name: "test", width: width)
        for count in [0, 1, 2, 3, 100, 1000] {
            #expect(team.map(count) { $0 * $0 } == (0..<count).map { $0 * $0 })
        }
    }

    /// All threads are in it at once: each gives way until the others have come, however long that takes
    /// on a busy machine, but not for ever.
    @Test func severalWorkAtOnce() throws {
        let team = try ThreadTeam(name: "test", width: 3)
        let arrived = Mutex(0)
        let together = team.map(3) { _ in
            arrived.withLock { $0 += 1 }
            for _ in 0..<100_000_000 {
                if arrived.withLock({ $0 }) == 3 { return true }
                sched_yield()
            }
            return false
        }
        #expect(together == [true, true, true])
    }

    /// Those who ask at the same time, and from inside of a computation, all get theirs.
    @Test func manyMayAsk() throws {
        let team = try ThreadTeam(name: "test", width: 2)
        let sums = team.map(8) { outer in
            team.map(50) { $0 + outer }.reduce(0, +)
        }
        #expect(sums == (0..<8).map { 1225 + 50 * $0 })
    }

    @Test func piecesCoverEverything() throws {
        let team = try ThreadTeam(name: "test", width: 4)
        for count in [0, 1, 7, 8, 9, 1000] {
            #expect(team.pieces(of: count, pieceMin: 8) { Array($0) } == Array(0..<count))
        }
        #expect(SequentialMap().pieces(of: 10, pieceMin: 1) { Array($0) } == Array(0..<10))
    }
}
