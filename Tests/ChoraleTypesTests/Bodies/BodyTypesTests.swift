import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Testing

/// The container whose root ``BodyTree`` computes, by the general SSZ code.
private struct BodyContents: SSZContainer {
    var chunkRoots: SSZList<Bytes32, 1024>
    var size: UInt64
    var chunkSize: UInt32

    static let sszLayout = SSZLayout(SSZList<Bytes32, 1024>.self, UInt64.self, UInt32.self)

    init(_ chunkRoots: [Bytes32], _ shape: BodyShape) {
        self.chunkRoots = SSZList(chunkRoots)!
        size = UInt64(shape.size)
        chunkSize = UInt32(shape.chunkSize)
    }

    func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(chunkRoots)
        fields.visit(size)
        fields.visit(chunkSize)
    }

    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        chunkRoots = try fields.next(in: input)
        size = try fields.next(in: input)
        chunkSize = try fields.next(in: input)
    }
}

@Suite struct BodyTreeTests {
    static func roots(_ count: Int) -> [Bytes32] {
        var random = DeterministicRandom(seed: UInt64(count))
        return (0..<count).map { _ in Bytes32(random.bytes(count: 32))! }
    }

    static func shape(_ chunkCount: Int) -> BodyShape {
        BodyShape(size: UInt64(chunkCount * 1024 - 5), chunkSize: 1024)!
    }

    @Test(arguments: [1, 2, 3, 4, 5, 16, 63, 64, 65, 1000, 1023, 1024])
    func rootIsThatOfTheContainer(chunkCount: Int) {
        let roots = Self.roots(chunkCount)
        let shape = Self.shape(chunkCount)
        let expected = BodyContents(roots, shape).hashTreeRoot
        #expect(BodyTree.root(chunkRoots: roots, shape: shape) == expected)
    }

    @Test(arguments: [1, 2, 3, 7, 64, 65, 1024])
    func everyProofLeadsToTheRootFromItsOwnPlaceOnly(chunkCount: Int) {
        let roots = Self.roots(chunkCount)
        let shape = Self.shape(chunkCount)
        let root = BodyTree.root(chunkRoots: roots, shape: shape)
        let proofs = BodyTree.proofs(chunkRoots: roots, shape: shape)
        for index in Set([0, 1, chunkCount / 2, chunkCount - 1]) where index < chunkCount {
            let proof = proofs[index]
            #expect(proof.count == BodyTree.proofCount)
            #expect(
                BodyTree.verify(proof: proof, chunkRoot: roots[index], index: index, root: root))
            #expect(
                !BodyTree.verify(
                    proof: proof, chunkRoot: roots[index], index: index ^ 1, root: root))
            #expect(
                !BodyTree.verify(
                    proof: proof, chunkRoot: roots[index], index: index + 1024, root: root))
            #expect(!BodyTree.verify(proof: proof, chunkRoot: .zero, index: index, root: root))
            for position in proof.indices {
                var wrong = proof
                wrong[position].storage[31] ^= 1
                #expect(
                    !BodyTree.verify(
                        proof: wrong, chunkRoot: roots[index], index: index, root: root))
            }
            #expect(
                !BodyTree.verify(
                    proof: Array(proof.dropLast()), chunkRoot: roots[index], index: index,
                    root: root))
            #expect(Array(proof.suffix(3)) == BodyTree.tail(of: shape))
        }
    }

    @Test func theRootFixesTheShape() {
        let roots = Self.roots(4)
        let one = BodyTree.root(
            chunkRoots: roots, shape: BodyShape(size: 4096, chunkSize: 1024)!)
        let other = BodyTree.root(
            chunkRoots: roots, shape: BodyShape(size: 4095, chunkSize: 1024)!)
        let third = BodyTree.root(
            chunkRoots: roots, shape: BodyShape(size: 4096, chunkSize: 1025)!)
        #expect(Set([one, other, third]).count == 3)
    }

    @Test func shapesThatNoBodyHas() {
        #expect(BodyShape(size: 0, chunkSize: 1024) == nil)
        #expect(BodyShape(size: 1, chunkSize: 1023) == nil)
        #expect(BodyShape(size: 1, chunkSize: 256 * 1024 + 1) == nil)
        #expect(BodyShape(size: 1024 * 1024 + 1, chunkSize: 1024) == nil)
        #expect(BodyShape(size: .max, chunkSize: 256 * 1024) == nil)
        #expect(BodyShape(size: 1, chunkSize: .max) == nil)
        let largest = BodyShape(size: 256 << 20, chunkSize: 256 * 1024)
        #expect(largest?.chunkCount == 1024)
        let shape = BodyShape(size: 2049, chunkSize: 1024)
        #expect(shape?.chunkCount == 3)
        #expect(shape?.range(of: 2) == 2048..<2049)
    }
}

@Suite struct BodyAnnouncementTests {
    static let network: [UInt8] = [1, 2, 3, 4]
    static let ed25519 = IdentityKey(ed25519Seed: SecretBytes(copying: [UInt8](0..<32).span))
    static let secp256k1 = IdentityKey(
        try! Secp256k1.PrivateKey(SecretBytes(copying: [UInt8](1...32).span)))

    static func description(chunkCount: Int, by key: IdentityKey) -> BodyDescription {
        let roots = BodyTreeTests.roots(chunkCount)
        let shape = BodyTreeTests.shape(chunkCount)
        return BodyDescription(
            kind: .witness, shape: shape,
            root: BodyTree.root(chunkRoots: roots, shape: shape),
            chunkRoots: chunkCount <= BodyDescription.chunkRootsMax ? roots : [], height: 77,
            issued: WallTime(milliseconds: 1_700_000_000_000),
            producer: BodyDescription.producer(of: key))!
    }

    @Test(arguments: [1, 16, 240, 241, 1024])
    func announcementsRoundTripAndStayBelowTheirBound(chunkCount: Int) throws {
        for key in [Self.ed25519, Self.secp256k1] {
            let announcement = BodyAnnouncement(
                signing: Self.description(chunkCount: chunkCount, by: key), with: key,
                network: Self.network)
            let bytes = announcement.sszEncoded()
            #expect(bytes.count <= BodyAnnouncement.encodedSizeMax)
            #expect(try BodyAnnouncement(ssz: bytes.span) == announcement)
            #expect(announcement.isSigned(inNetwork: Self.network))
            #expect(!announcement.isSigned(inNetwork: [1, 2, 3, 5]))
            #expect(announcement.description.producer.peerID == key.peerID)
            #expect(announcement.description.rootIsConsistent)
        }
    }

    @Test func truncatedAnnouncementsAreRefused() {
        let announcement = BodyAnnouncement(
            signing: Self.description(chunkCount: 3, by: Self.ed25519), with: Self.ed25519,
            network: Self.network)
        let bytes = announcement.sszEncoded()
        for size in 0..<bytes.count {
            let prefix = Array(bytes.prefix(size))
            let decoded = try? BodyAnnouncement(ssz: prefix.span)
            // The signature is the last field and may be any size; a cut one is not genuine.
            #expect(decoded.map { $0.isSigned(inNetwork: Self.network) } ?? false == false)
        }
    }

    @Test func noFlippedBitKeepsTheSignature() {
        let announcement = BodyAnnouncement(
            signing: Self.description(chunkCount: 2, by: Self.ed25519), with: Self.ed25519,
            network: Self.network)
        let bytes = announcement.sszEncoded()
        for position in bytes.indices {
            var flipped = bytes
            flipped[position] ^= 0x10
            let decoded = try? BodyAnnouncement(ssz: flipped.span)
            #expect(decoded.map { $0.isSigned(inNetwork: Self.network) } ?? false == false)
        }
    }

    @Test func whatADescriptionCannotSay() {
        let good = Self.description(chunkCount: 3, by: Self.ed25519)
        func description(_ roots: [Bytes32], _ issued: Int64) -> BodyDescription? {
            BodyDescription(
                kind: .block, shape: good.shape, root: good.root, chunkRoots: roots, height: 0,
                issued: WallTime(milliseconds: issued), producer: good.producer)
        }
        #expect(description([], 0) != nil)
        #expect(description(Array(good.chunkRoots.prefix(2)), 0) == nil)
        #expect(description([], -1) == nil)
        #expect(SigningKeyBytes(scheme: .ed25519, bytes: [UInt8](repeating: 0, count: 65)) == nil)
        #expect(
            BodyAnnouncement(description: good, signature: .init(repeating: 0, count: 97)) == nil)
        #expect(SigningKeyBytes(scheme: .ed25519, bytes: [1, 2])?.publicKey == nil)
        #expect(
            SigningKeyBytes(scheme: .init(rawValue: 9), bytes: .init(repeating: 1, count: 32))?
                .publicKey == nil)
    }

    @Test func manifestsRoundTripAndRefuseOtherVersions() throws {
        let announcement = BodyAnnouncement(
            signing: Self.description(chunkCount: 9, by: Self.ed25519), with: Self.ed25519,
            network: Self.network)
        var held = ChunkBitmap(repeating: false, count: 9)
        held[4] = true
        let manifest = BodyManifest(
            announcement: announcement, received: WallTime(milliseconds: 5), held: held, isOwn: true
        )
        var bytes = manifest.sszEncoded()
        #expect(try BodyManifest(ssz: bytes.span) == manifest)
        bytes[0] = 2
        #expect(throws: SSZError.invalidValue("manifest version 2")) {
            try BodyManifest(ssz: bytes.span)
        }
        // Found by fuzzing: times beyond the range were read as its end. `received` is bytes 1 to 8.
        bytes[0] = BodyManifest.version
        bytes[8] = 0x80
        #expect(throws: SSZError.invalidValue("received 9223372036854775813 ms after 1970")) {
            try BodyManifest(ssz: bytes.span)
        }
    }

    @Test func kindsHaveNames() {
        for (name, kind) in BodyKind.named {
            #expect(BodyKind(name: name) == kind)
            #expect(kind.description == name)
        }
        #expect(BodyKind(name: "films") == nil)
        #expect(BodyKind(rawValue: 200).description == "kind-200")
        #expect(!BodyKind(rawValue: 200).isKnown)
    }

    @Test func keysOfRowsSortByIndex() {
        let root = Bytes32([UInt8](repeating: 0xFF, count: 32))!
        let range = StoredChunk.keys(of: root)
        let keys = [0, 1, 255, 256, 1023].map { StoredChunk.key(root: root, index: $0) }
        for (lower, higher) in zip(keys, keys.dropFirst()) {
            #expect(lower.lexicographicallyPrecedes(higher))
        }
        #expect(keys.allSatisfy { $0.lexicographicallyPrecedes(range.to) })
        #expect(range.from == keys[0])
    }
}
