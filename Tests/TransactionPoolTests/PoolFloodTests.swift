import ChoraleBase
import Execution
import Testing

@testable import TransactionPool

/// Floods of those who want others' transactions out, or the node's memory.
@Suite struct PoolFloodTests {
    /// Room for about `count` plain transactions.
    static func limits(_ count: Int) -> PoolLimits {
        var limits = PoolLimits()
        limits.bytesMax = count * PoolScene.transaction(nonce: 0).charge
        limits.localBytesMax = limits.bytesMax / 4
        return limits
    }

    static func isFull(_ scene: PoolScene) -> Bool {
        scene.pool.bytes + PoolScene.transaction(nonce: 0).charge > scene.pool.limits.bytesMax
    }

    @Test func cheapOnesDropNothingBetter() {
        let scene = PoolScene(limits: Self.limits(100))
        for number in 0..<100 { #expect(scene.add(PoolScene.sender(number), 0, tip: 50) == nil) }
        #expect(Self.isFull(scene))
        let before = scene.names
        for number in 1000..<1500 {
            let found = scene.add(PoolScene.sender(number), 0, tip: 50)
            #expect(found == .poolFull(tip: 50, lowest: 50))
        }
        #expect(scene.names == before)
        #expect(scene.drops.isEmpty)
        // One that is worth more drops the newest of those that are worth least.
        #expect(scene.add(PoolScene.sender(2000), 0, tip: 51) == nil)
        #expect(scene.drops == [.evicted])
        #expect(!scene.names.contains("99/0"))
    }

    /// Many nonces of one sender, all but the first worthless because the first is.
    @Test func whatIsBehindACheapOneIsCheap() {
        let scene = PoolScene(limits: Self.limits(64))
        let flooder = PoolScene.sender(1)
        scene.add(flooder, 0, maxFee: 2000, tip: 1)
        for nonce in 1..<64 { scene.add(flooder, UInt64(nonce), maxFee: 2000, tip: 900) }
        #expect(Self.isFull(scene))
        for number in 0..<32 {
            #expect(scene.add(PoolScene.sender(100 + number), 0, tip: 2) == nil)
        }
        #expect(scene.drops == Array(repeating: .evicted, count: 32))
        // From the end: no gap.
        #expect(scene.pool.queuedCount == 0)
        #expect(scene.pool.pendingNonce(of: flooder) == 32)
    }

    /// Transactions behind a gap cost their sender nothing, whatever they offer.
    @Test func gapsDropNothingThatCouldRun() {
        let scene = PoolScene(limits: Self.limits(100))
        for number in 0..<100 { scene.add(PoolScene.sender(number), 0, tip: 1) }
        let before = scene.names
        for number in 200..<400 {
            #expect(
                scene.add(PoolScene.sender(number), 1, tip: 900)
                    == .poolFullForQueued(1, account: 0))
        }
        #expect(scene.names == before)
    }

    @Test func whatCouldRunDropsGapsFirst() {
        let scene = PoolScene(limits: Self.limits(100))
        for number in 0..<50 { scene.add(PoolScene.sender(number), 0, tip: 5) }
        for number in 50..<100 { scene.add(PoolScene.sender(number), 1, tip: 900) }
        for number in 100..<150 {
            #expect(scene.add(PoolScene.sender(number), 0, tip: 5) == nil)
        }
        #expect(scene.pool.queuedCount == 0)
        #expect(scene.pool.pendingCount == 100)
        #expect(scene.add(PoolScene.sender(150), 0, tip: 5)?.reason == .poolFull)
    }

    @Test func oneSender() {
        let scene = PoolScene()
        let flooder = PoolScene.sender(1)
        for nonce in 0..<10_000 { scene.add(flooder, UInt64(nonce % 200)) }
        #expect(scene.pool.count == 64)
        #expect(scene.pool.bytes <= scene.pool.limits.senderBytesMax)
    }

    @Test func replacements() {
        let scene = PoolScene()
        let flooder = PoolScene.sender(1)
        var taken = 0
        var fee: UInt64 = 1000
        for round in 0..<2000 {
            // By one wei each time, where ten percent are asked for.
            fee += 1
            if scene.add(flooder, 0, maxFee: fee, tip: fee, value: UInt64(round)) == nil {
                taken += 1
            }
        }
        // 1001 · 1.1ⁿ ≤ 3000.
        #expect(taken == 12)
        #expect(scene.pool.count == 1)
        // What left is not kept by the queue of arrivals either.
        #expect(scene.pool.bytes == PoolScene.transaction(nonce: 0).charge)
    }

    /// A large one that gets no room in the end leaves all that it would have dropped.
    @Test func failuresDropNothing() {
        var limits = Self.limits(200)
        limits.senderBytesMax = 1 << 20
        let scene = PoolScene(limits: limits)
        // A few cheap ones, then dear ones.
        for number in 0..<10 { scene.add(PoolScene.sender(number), 0, tip: 5) }
        for number in 10..<200 { scene.add(PoolScene.sender(number), 0, tip: 500) }
        let (names, bytes) = (scene.names, scene.pool.bytes)
        let selected = scene.selected()
        let found = scene.add(
            PoolScene.sender(999), 0, maxFee: 1000, tip: 10, gas: 5_000_000,
            data: [UInt8](repeating: 0, count: 50_000))
        #expect(found == .poolFull(tip: 10, lowest: 500))
        #expect(scene.names == names)
        #expect(scene.pool.bytes == bytes)
        #expect(scene.selected() == selected)
        #expect(scene.drops.isEmpty)
        let sender = scene.pool.pendingNonce(of: PoolScene.sender(999))
        #expect(sender == nil)
    }

    @Test func aReplacementThatGetsNoRoom() {
        let scene = PoolScene(limits: Self.limits(50))
        for number in 0..<50 { scene.add(PoolScene.sender(number), 0, tip: 10) }
        let names = scene.names
        let found = scene.add(
            PoolScene.sender(7), 0, maxFee: 1100, tip: 11, gas: 29_000_000,
            data: [UInt8](repeating: 0, count: 100_000))
        #expect(found?.reason == .poolFull)
        #expect(scene.names == names)
        let kept = scene.pool.transaction(
            PoolScene.transaction(nonce: 0, tip: 10, from: PoolScene.sender(7)).hash)
        #expect(kept != nil)
    }

    @Test func localOnesStayAndAreBounded() {
        let scene = PoolScene(limits: Self.limits(100))
        for number in 0..<40 {
            #expect(scene.add(PoolScene.sender(number), 0, tip: 1, isLocal: true) == nil)
        }
        // A quarter is for them; the others count as anybody's.
        #expect(scene.pool.localBytes == scene.pool.limits.localBytesMax)
        for number in 100..<300 { scene.add(PoolScene.sender(number), 0, tip: 500) }
        #expect(scene.names.filter { $0.split(separator: "/")[0].count < 3 }.count == 25)
        for number in 0..<25 { #expect(scene.names.contains("\(number)/0")) }
    }

    /// Authorizations take five times their encoding in memory: they are charged with what they take.
    @Test func authorizationsAreChargedWithWhatTheyTake() {
        let plain = PoolScene.transaction(nonce: 0).charge
        let transaction = PoolScene.transaction(nonce: 0, authorities: 100)
        let stride = MemoryLayout<Transaction.Authorization>.stride
        #expect(transaction.charge >= plain + 100 * stride)
        #expect(transaction.charge > 3 * transaction.encoded.count)
    }

    /// Twenty thousand candidates: the tables stay as small as what is in them.
    @Test func tablesDoNotGrow() {
        let scene = PoolScene(limits: Self.limits(64))
        for round in 0..<20_000 {
            scene.add(PoolScene.sender(round), 0, tip: UInt64(1 + round % 977))
            if round % 100 == 0 { scene.advance(baseFee: UInt64(100 + round % 7)) }
        }
        #expect(scene.pool.senders.count <= 66)
        #expect(scene.pool.recent.count == 8)
        #expect(scene.pool.count == 64)
        #expect(scene.pool.authorities.isEmpty)
    }

    @Test func countersAddUp() {
        let scene = PoolScene(limits: Self.limits(20))
        var random = DeterministicRandom(seed: 5)
        let inputs = 3000
        for _ in 0..<inputs {
            scene.add(
                PoolScene.sender(random.below(30)), UInt64(random.below(6)),
                tip: UInt64(random.below(900)))
        }
        let counters = scene.pool.counters
        let rejected = counters.rejected.values.reduce(0, +)
        #expect(counters.accepted + rejected == UInt64(inputs))
        let dropped = counters.dropped.values.reduce(0, +)
        #expect(counters.accepted - dropped == UInt64(scene.pool.count))
    }
}
