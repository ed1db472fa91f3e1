import ChoraleBase
import Crypto
import Testing

@testable import Store

@Suite struct NodeCacheTests {
    private func node(_ index: Int, count: Int) -> (Bytes32, [UInt8]) {
        var random = DeterministicRandom(seed: UInt64(index))
        let bytes = random.bytes(count: count)
        return (Keccak256.hash(bytes), bytes)
    }

    @Test(arguments: UInt64(0)..<10) func neverHoldsMoreThanItMay(seed: UInt64) {
        let limit = 20_000
        var cache = NodeCache(sizeMax: limit)
        var random = DeterministicRandom(seed: seed)
        for _ in 0..<3000 {
            let index = random.below(200)
            let (hash, bytes) = node(index, count: 33 + 7 * (index % 70))
            var found: [UInt8] = [1]
            if cache.append(hash, to: &found) {
                #expect(found == [1] + bytes)
            } else {
                #expect(found == [1])
                cache.insert(hash, bytes.span)
            }
            #expect(cache.size <= limit)
        }
        #expect(cache.count > 20)
    }

    @Test func whatIsUsedStays() {
        var cache = NodeCache(sizeMax: 20_000)
        let (used, bytes) = node(0, count: 100)
        let (unused, other) = node(1, count: 100)
        cache.insert(used, bytes.span)
        cache.insert(unused, other.span)
        for index in 2..<1000 {
            let (hash, bytes) = node(index, count: 100)
            cache.insert(hash, bytes.span)
            var found: [UInt8] = []
            let isThere = cache.append(used, to: &found)
            #expect(isThere)
        }
        var found: [UInt8] = []
        let isThere = cache.append(unused, to: &found)
        #expect(!isThere)
    }

    @Test(arguments: [0, 100, -1]) func withoutRoomNothingIsKept(sizeMax: Int) {
        var cache = NodeCache(sizeMax: sizeMax)
        let (hash, bytes) = node(0, count: 100)
        cache.insert(hash, bytes.span)
        var found: [UInt8] = []
        let isThere = cache.append(hash, to: &found)
        #expect(!isThere)
        #expect(cache.size == 0)
    }
}
