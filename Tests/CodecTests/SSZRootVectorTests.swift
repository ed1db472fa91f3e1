import ChoraleBase
import Codec
import Testing

/// Roots known from Ethereum's networks and specifications, and roots computed with an independent
/// program from the text of the specification.
@Suite struct SSZRootVectorTests {
    @Test func zeroRoots() {
        var root = Bytes32.zero
        for level in 0..<SSZZeroHashes.levelCount {
            #expect(SSZZeroHashes.roots[level] == root, "level \(level)")
            root = TestSHA256.combine(root, root)
        }
        // Published by the deposit contract.
        #expect(
            SSZZeroHashes.roots[1].description
                == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b")
    }

    @Test func emptyListsOfTheNetworks() {
        // The deposit contract before the first deposit, the transactions root of an empty payload,
        // and its withdrawals root.
        // (The first limit is beyond what a type can say; see SSZList.)
        let deposits = SSZMerkleizer<TestSHA256>().root(leafLimit: 1 << 32)
        #expect(
            SSZMerkleizer<TestSHA256>.mixIn(length: 0, root: deposits).description
                == "d70a234731285c6804c2a4f56711ddb8c82c99740f207854891028af34e27e5e")
        #expect(
            SSZList<SSZByteList<1_073_741_824>, 1_048_576>().root
                == "7ffe241ea60187fdb0187bfa22de35d1f9bed7ab061d9401fd47e34a54fbede1")
        #expect(
            SSZList<Pair, 16>().root
                == "792930bbd5baac43bcc798ee49aa8185ef76bb3b44ba62b91d86ae569e4bb535")
    }

    /// Fork digests of Ethereum's main network are the first four bytes of these roots.
    @Test(
        arguments: ["b5303f2a", "afcaaba0", "4a26c58b", "bba4da96", "6a95a1a9"].enumerated().map {
            ($0.offset, $0.element)
        } as [(Int, String)])
    func forkDigests(version: Int, digest: String) throws {
        let genesis = try Hex.decode(
            "4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95")
        let data = ForkData(
            currentVersion: SSZByteVector([UInt8(version), 0, 0, 0])!,
            genesisValidatorsRoot: Bytes32(genesis)!)
        #expect(data.root.hasPrefix(digest))
    }

    @Test func basicTypes() {
        #expect(UInt64(0x0102).root == "0201" + String(repeating: "0", count: 60))
        #expect(true.root == "01" + String(repeating: "0", count: 62))
        #expect(false.root == String(repeating: "0", count: 64))
        #expect(
            ((UInt128(1) << 127) + 5).root
                == "0500000000000000000000000000008000000000000000000000000000000000")
    }

    @Test func bytesAndBits() {
        #expect(
            SSZByteVector<48>(Array(0..<48))!.root
                == "b976c9abe97b4f03d7e4058246713687379d2718a829ab66e2a93aa924e43c1d")
        #expect(
            SSZByteVector<96>(Array(0..<96))!.root
                == "17c8d5caa3d7162e8dada90de6e741783f3d73736498c11eba34974fbf5464f3")
        #expect(
            SSZByteList<64>([UInt8](repeating: 5, count: 33))!.root
                == "1859994f23c676a60b0bcc7d3fab51632f7d45839b5dcc03568a556733dc3abe")

        var ten = SSZBitvector<10>()
        for index in [0, 2, 9] { ten[index] = true }
        #expect(ten.root == "0502" + String(repeating: "0", count: 60))
        var committee = SSZBitvector<512>()
        for index in 0..<512 { committee[index] = true }
        #expect(
            committee.root == "8667e718294e9e0df1d30600ba3eeb201f764aad2dad72748643e4a285e1d1f7")

        var four = SSZBitlist<10>(count: 4)!
        for index in [0, 1, 3] { four[index] = true }
        #expect(four.root == "9d2816f451512382c000156fad1578555537321084d091d3c7b228aa705c36aa")
        var long = SSZBitlist<2048>(count: 513)!
        for index in 0..<513 { long[index] = true }
        #expect(long.root == "ba91cede170423f57121d08e2804a05c40262d7b804b0ea2649099d2d2490ae1")
        #expect(
            SSZBitlist<8>(count: 0)!.root
                == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b")
    }

    @Test func collections() {
        #expect(
            SSZList<UInt64, 1024>([0, 1, 2, 3, 4])!.root
                == "c4418ce25003185c41d164a5efd1f0e065227418233d2d606959acd74bdd3154")
        #expect(
            SSZVector<UInt16, 3>([1, 2, 3])!.root
                == "010002000300" + String(repeating: "0", count: 52))
        #expect(
            SSZVector<Bytes32, 3>((1...3).map { Bytes32(storage: .init(repeating: $0)) })!.root
                == "d6cfa0d1046a0f4c1f9a6dc57afb0f4577680c106a48cf04125e7ba8606da219")
        #expect(
            SSZList<Pair, 4>([Pair(1), Pair(2), Pair(3)])!.root
                == "f2f6922fe35bc722b0dd6d105b1720ae3c739c528f73cc04d0108f328a51fc2e")
    }

    @Test func containers() {
        #expect(
            Pair(7).root == "afee6bb0bc1f10e6535f54c912ea8eab0d10f38a58c44e72572ffddcd3005595")
        #expect(
            VarTestStruct(a: 0xABCD, b: SSZList([1, 2, 3])!, c: 0xFF).root
                == "14ebb4f45cf02de1b87d66f3c1b8e1cea6958c82b37fe81265c8edbff8d07e8c")
        #expect(
            Tagged(author: Array("hey".utf8), tags: [Array("ab".utf8), []], flag: true).root
                == "c1dfc22ecadb0b86a1bb9d9a39b3624bf2e7b761c1304348c38099e790f70954")
    }

    /// The incremental tree agrees with one that keeps every leaf, for each number of leaves.
    @Test(arguments: [1, 2, 3, 5, 8, 9, 16, 33]) func treesOfEverySize(limit: Int) {
        for count in 0...limit {
            var tree = SSZMerkleizer<TestSHA256>()
            var layer: [Bytes32] = []
            for index in 0..<count {
                let leaf = Bytes32(storage: .init(repeating: UInt8(index + 1)))
                tree.append(leaf)
                layer.append(leaf)
            }
            var width = 1
            while width < limit { width *= 2 }
            while layer.count < width { layer.append(.zero) }
            while layer.count > 1 {
                layer = stride(from: 0, to: layer.count, by: 2).map {
                    TestSHA256.combine(layer[$0], layer[$0 + 1])
                }
            }
            #expect(tree.root(leafLimit: limit) == layer[0], "\(count) leaves of \(limit)")
        }
    }
}
