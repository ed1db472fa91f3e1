import ChoraleBase
import Crypto
import Testing

@testable import Execution

@Suite struct WitnessStoreTests {
    private static func store(_ codes: [[UInt8]], _ cache: CodeCache) -> WitnessStore {
        WitnessStore(Witness(headers: [], codes: codes, nodes: []), cache)
    }

    /// Codes are compared with those of earlier blocks before they are hashed: what looks like a known one
    /// and differs in any byte is not taken for it.
    @Test(arguments: [0, 1, 7, 8, 63, 64, 65, 200, 24_576]) func codesThatLookAlike(size: Int) {
        let cache = CodeCache()
        let known = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let hash = Keccak256.hash(known)
        #expect(Self.store([known], cache).code(hash)?.bytes == known)
        #expect(cache.recognized(known.span)?.hash.bytes32 == hash)
        for position in stride(from: 0, to: size, by: max(1, size / 50)) {
            var other = known
            other[position] ^= 1
            #expect(cache.recognized(other.span) == nil)
            let store = Self.store([other, known], cache)
            #expect(store.code(Keccak256.hash(other))?.bytes == other)
            #expect(store.code(hash)?.bytes == known)
            #expect(Self.store([other], cache).code(hash) == nil)
        }
        #expect(cache.recognized((known + [0]).span) == nil)
    }

    /// Of codes whose fingerprints are equal a few are known, the others hashed: all are right.
    @Test func manyCodesThatLookAlike() {
        let cache = CodeCache()
        let codes = (0..<30).map { number -> [UInt8] in
            var code = [UInt8](repeating: 0x5B, count: 24_000)
            // Between two of the words that are looked at.
            code[200] = UInt8(number)
            return code
        }
        for _ in 0..<2 {
            let store = Self.store(codes, cache)
            for code in codes { #expect(store.code(Keccak256.hash(code))?.bytes == code) }
        }
        let known = codes.filter { cache.recognized($0.span) != nil }
        #expect(known.count == 8)
    }

    /// What is kept is bounded, and forgotten at once.
    @Test func aFullCacheForgets() {
        let cache = CodeCache(sizeMax: 1000)
        let first = [UInt8](repeating: 1, count: 600)
        let second = [UInt8](repeating: 2, count: 600)
        for code in [first, second] {
            _ = Self.store([code], cache).code(Keccak256.hash(code))
        }
        #expect(cache.recognized(first.span) == nil)
        #expect(cache.recognized(second.span)?.bytes == second)
    }

    /// A state takes its nodes from one copy of the witness's, wherever they lie in it.
    @Test func nodesAreTakenFromOneCopy() throws {
        var accounts: [Address: StateStore.Entry] = [:]
        for number in 1...200 as ClosedRange<UInt64> {
            accounts[Address(UInt256(number))] = .init(
                nonce: number, storage: [UInt256(number): .one])
        }
        let all = try StateStore(accounts)
        let nodes = all.nodes.sorted { $0.key < $1.key }.map(\.value)
        // Codes between the nodes, more of them than there are nodes, keep these from being one piece.
        for filling in [0, 1 << 20] {
            var witness = Witness(headers: [], codes: [], nodes: Array(nodes.prefix(50)))
            witness.codes = [witness.append([UInt8](repeating: 1, count: filling))]
            for node in nodes.dropFirst(50) { witness.nodes.append(witness.append(node)) }
            let store = WitnessStore(witness, CodeCache())
            #expect((store.stock == nil) == (filling > 0))
            let state = TrieState(root: all.root, source: store, blockHashes: [:])
            for number in 1...200 as ClosedRange<UInt64> {
                let address = Address(UInt256(number))
                let account = try #require(try state.account(at: address))
                #expect(account.nonce == number)
                #expect(try state.storage(at: UInt256(number), of: address, account) == .one)
            }
            #expect(state.resolvedNodes == Set(all.nodes.keys))
            #expect(store.usedNodeCount == all.nodes.count)
            let recorded = try state.witness(parent: 0, ancestors: [0: [0xC0]])
            #expect(
                recorded.nodes.map { recorded[$0] }
                    == nodes.sorted { $0.lexicographicallyPrecedes($1) })
        }
    }

    /// A stock beyond the limits of a trie is not copied; what is read of it meets them.
    @Test func aStockBeyondTheLimits() throws {
        let node = [UInt8](repeating: 0xFF, count: 1000)
        let store = WitnessStore(Witness(headers: [], codes: [], nodes: [node]), CodeCache())
        let hash = Keccak256.hash(node)
        let state = TrieState(
            root: hash, source: store, blockHashes: [:], limits: .init(byteCountMax: 500))
        #expect(throws: StateError.trie(.tooLarge(limit: 500))) {
            try state.account(at: .zero)
        }
    }
}
