import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Testing

/// What workers do: building, and checking announcements and chunks.
@Suite struct BodyJobTests {
    static let wall = WallTime(milliseconds: 1_800_000_000_000)
    static let network: [UInt8] = [1, 2, 3, 4]
    static let key = BodyNetwork.identity(1)

    static func built(_ size: Int = 5000) throws -> BodyBuilder.Built {
        try BodyBuilder(
            (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 10) }, kind: .proof,
            height: 9,
            issued: wall, identity: key, networkDigest: network, chunkSize: 1024
        ).run()
    }

    @Test(arguments: [1, 1023, 1024, 1025, 5000, 240 * 1024, 241 * 1024, 1024 * 1024])
    func everyChunkOfABuiltBodyIsGenuine(size: Int) throws {
        let built = try Self.built(size)
        let shape = built.announcement.shape
        #expect(shape.size == size && built.chunks.count == shape.chunkCount)
        let stated = built.announcement.description.chunkRoots.count
        #expect(stated == (shape.chunkCount <= 240 ? shape.chunkCount : 0))
        for index in Set([0, shape.chunkCount / 2, shape.chunkCount - 1]) {
            let chunk = built.chunks[index]
            #expect(built.rows[index] == chunk.sszEncoded())
            let check = ChunkCheck(root: built.announcement.root, index: index, chunk: chunk)
            #expect(check.run())
            let elsewhere = ChunkCheck(
                root: built.announcement.root, index: index ^ 1, chunk: chunk)
            #expect(!elsewhere.run())
            var bytes = chunk.data.bytes
            bytes[bytes.count - 1] ^= 1
            let changed = ChunkCheck(
                root: built.announcement.root, index: index,
                chunk: StoredChunk(data: SSZByteList(bytes)!, proof: chunk.proof))
            #expect(!changed.run())
            let unproved = ChunkCheck(
                root: built.announcement.root, index: index,
                chunk: StoredChunk(data: chunk.data, proof: SSZList()))
            #expect(!unproved.run())
        }
    }

    @Test func whatIsNoBody() {
        #expect(throws: BodyBuilder.BuildError.empty) {
            try BodyBuilder(
                [], kind: .generic, issued: Self.wall, identity: Self.key,
                networkDigest: Self.network)
        }
        #expect(throws: BodyBuilder.BuildError.tooLarge(size: 101, limit: 100)) {
            try BodyBuilder(
                [UInt8](repeating: 0, count: 101), kind: .generic, issued: Self.wall,
                identity: Self.key, networkDigest: Self.network, sizeMax: 100)
        }
    }

    private static func announcement(
        _ change: (BodyDescription) -> BodyDescription? = { $0 }, signature: [UInt8]? = nil
    ) throws -> [UInt8] {
        let description = try #require(change(try built().announcement.description))
        let signed =
            if let signature {
                try #require(BodyAnnouncement(description: description, signature: signature))
            } else if description.producer == BodyDescription.producer(of: key) {
                BodyAnnouncement(signing: description, with: key, network: network)
            } else {
                try #require(
                    BodyAnnouncement(
                        description: description, signature: [UInt8](repeating: 1, count: 64)))
            }
        return AnnouncementCheck.compressed(signed)
    }

    private static func with(
        _ old: BodyDescription, kind: BodyKind? = nil, shape: BodyShape? = nil,
        root: Bytes32? = nil, issued: Int64? = nil, producer: SigningKeyBytes? = nil
    ) -> BodyDescription? {
        BodyDescription(
            kind: kind ?? old.kind, shape: shape ?? old.shape, root: root ?? old.root,
            chunkRoots: old.chunkRoots, height: old.height,
            issued: WallTime(milliseconds: issued ?? old.issued.milliseconds),
            producer: producer ?? old.producer)
    }

    private func verdict(
        _ compressed: [UInt8], _ change: (inout AnnouncementPolicy) -> Void = { _ in }
    ) -> AnnouncementVerdict {
        var policy = AnnouncementPolicy(networkDigest: Self.network)
        change(&policy)
        return AnnouncementCheck(compressed: compressed, policy: policy).run(wall: Self.wall)
    }

    @Test func anHonestAnnouncementIsAccepted() throws {
        let built = try Self.built()
        let found = verdict(AnnouncementCheck.compressed(built.announcement))
        #expect(found == .accept(built.announcement))
        let allowed = verdict(AnnouncementCheck.compressed(built.announcement)) {
            $0.producers = [Self.key.peerID]
        }
        #expect(allowed == .accept(built.announcement))
    }

    @Test func whatIsRejectedIsTheSendersFault() throws {
        let huge = [UInt8](repeating: 0, count: 20_000)
        #expect(
            verdict(huge)
                == .reject(.tooLarge(size: 20_000, limit: Snappy.encodedSizeMax(8192))))
        #expect(verdict([0xFF, 0xFF]) == .reject(.snappy(.blockDamaged)))
        let bomb = Snappy.encode([UInt8](repeating: 0, count: 8193).span)
        #expect(verdict(bomb) == .reject(.snappy(.tooLarge(claimed: 8193, limit: 8192))))
        let short = Snappy.encode([1, 2, 3].span)
        #expect(verdict(short) == .reject(.malformed(.tooShort(found: 3, minimum: 8))))
        #expect(
            verdict(try Self.announcement { Self.with($0, root: .zero) }) == .reject(.rootMismatch))
        #expect(
            verdict(try Self.announcement(signature: [UInt8](repeating: 7, count: 64)))
                == .reject(.badSignature))
        #expect(verdict(try Self.announcement(signature: [])) == .reject(.badSignature))
        #expect(
            verdict(try Self.announcement()) { $0.networkDigest = [9, 9, 9, 9] }
                == .reject(.badSignature))
        let noKey = SigningKeyBytes(scheme: .ed25519, bytes: [1, 2, 3])
        #expect(
            verdict(try Self.announcement { Self.with($0, producer: noKey) })
                == .reject(.keyMalformed))
    }

    @Test func whatIsIgnoredIsNobodysFault() throws {
        let epoch = Self.wall.milliseconds
        #expect(
            verdict(try Self.announcement { Self.with($0, kind: BodyKind(rawValue: 99)) })
                == .ignore(.unknownKind(BodyKind(rawValue: 99))))
        let scheme = SignatureScheme(rawValue: 77)
        let strange = SigningKeyBytes(scheme: scheme, bytes: [UInt8](repeating: 1, count: 48))
        #expect(
            verdict(try Self.announcement { Self.with($0, producer: strange) })
                == .ignore(.unknownScheme(scheme)))
        #expect(
            verdict(try Self.announcement()) { $0.bodySizeMax = 4999 }
                == .ignore(.bodyTooLarge(size: 5000, limit: 4999)))
        #expect(
            verdict(try Self.announcement()) { $0.producers = [] }
                == .ignore(.producerNotAllowed(Self.key.peerID)))
        let edges: [(Int64, Bool)] = [
            (-600_000, true), (-600_001, false), (30_000, true), (30_001, false),
        ]
        for (offset, isAccepted) in edges {
            let found = verdict(
                try Self.announcement { Self.with($0, issued: epoch + offset) })
            let issued = WallTime(milliseconds: epoch + offset)
            if isAccepted {
                #expect({ if case .accept = found { true } else { false } }())
            } else {
                #expect(
                    found
                        == .ignore(
                            offset < 0
                                ? .tooOld(issued: issued)
                                : .fromTheFuture(issued: issued)))
            }
        }
    }

    @Test func noFlippedOrMissingByteIsAccepted() throws {
        let bytes = try Self.built(2000).announcement.sszEncoded()
        for position in bytes.indices {
            var flipped = bytes
            flipped[position] ^= 0x21
            let isAccepted =
                if case .accept = verdict(Snappy.encode(flipped.span)) { true } else { false }
            #expect(!isAccepted, "byte \(position)")
            let cut = Snappy.encode(bytes.span.extracting(0..<position))
            let isCutAccepted = if case .accept = verdict(cut) { true } else { false }
            #expect(!isCutAccepted, "cut at \(position)")
        }
    }
}
