import ChoraleBase
import ChoraleTypes
import Codec
import Testing

/// Round trips, truncation and refusals of the containers that requests carry.
@Suite struct RequestContainerTests {
    static func status() -> Status {
        var status = Status(
            networkDigest: SSZByteVector<4>([1, 2, 3, 4])!, roles: 5, capabilities: .servesChunks)
        status.finalizedRoot = Bytes32([UInt8](repeating: 7, count: 32))!
        status.finalizedHeight = 9
        status.headRoot = Bytes32([UInt8](repeating: 8, count: 32))!
        status.headHeight = 12
        status.earliestHeight = 3
        status.witnessWindow = 64
        status.proofWindow = 32
        return status
    }

    @Test func statusHasTheLayoutOfItsSpecification() throws {
        let status = Self.status()
        let bytes = status.sszEncoded()
        let expected =
            [1, 2, 3, 4] + [UInt8](repeating: 7, count: 32) + [9, 0, 0, 0, 0, 0, 0, 0]
            + [UInt8](repeating: 8, count: 32) + [12, 0, 0, 0, 0, 0, 0, 0]
            + [3, 0, 0, 0, 0, 0, 0, 0] + [5] + [1, 0, 0, 0, 0, 0, 0, 0]
            + [64, 0, 0, 0, 0, 0, 0, 0] + [32, 0, 0, 0, 0, 0, 0, 0]
        #expect(bytes == expected)
        #expect(try Status(ssz: bytes.span) == status)
    }

    @Test func statusRefusesEveryOtherSize() {
        let bytes = Self.status().sszEncoded()
        for size in 0..<bytes.count {
            let prefix = Array(bytes.prefix(size))
            #expect(throws: SSZError.wrongSize(found: size, expected: bytes.count)) {
                try Status(ssz: prefix.span)
            }
        }
        let longer = bytes + [0]
        #expect(throws: SSZError.wrongSize(found: bytes.count + 1, expected: bytes.count)) {
            try Status(ssz: longer.span)
        }
    }

    @Test func numbersOfTheFuturePassThrough() throws {
        let goodbye = try Goodbye(ssz: [99, 0, 0, 0, 0, 0, 0, 1].span)
        #expect(goodbye.rawValue == 1 << 56 | 99)
        #expect(goodbye.sszEncoded() == [99, 0, 0, 0, 0, 0, 0, 1])
        #expect(Goodbye.banned.sszEncoded() == [251, 0, 0, 0, 0, 0, 0, 0])
        #expect(Goodbye.tooManyPeers.description == "too many peers")
        #expect(goodbye.description == "reason \(goodbye.rawValue)")
        let capabilities = try Capabilities(ssz: [3, 0, 0, 0, 0, 0, 0, 128].span)
        #expect(capabilities.contains(.servesChunks))
        #expect(capabilities.sszEncoded() == [3, 0, 0, 0, 0, 0, 0, 128])
        let sequence = try PingSequence(ssz: [5, 0, 0, 0, 0, 0, 0, 0].span)
        #expect(sequence == PingSequence(rawValue: 5))
    }

    @Test func metadataRoundTrips() throws {
        let metadata = Metadata(sequence: 3, roles: 9, capabilities: [])
        let bytes = metadata.sszEncoded()
        #expect(bytes == [3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(try Metadata(ssz: bytes.span) == metadata)
    }

    static let root = Bytes32([UInt8](repeating: 0xAB, count: 32))!

    static func request(_ indices: [UInt16]) -> ChunksByRootRequest? {
        ChunksByRootRequest(
            root: root, indices: indices, held: ChunkBitmap(repeating: true, count: 9))
    }

    @Test func chunkRequestsRoundTrip() throws {
        for indices: [UInt16] in [[], [0], [0, 1, 2], [5, 1023], Array(0..<1024)] {
            let request = try #require(Self.request(indices))
            let bytes = request.sszEncoded()
            #expect(try ChunksByRootRequest(ssz: bytes.span) == request)
            #expect(bytes.count <= ChunksByRootRequest.encodedSizeMax)
        }
    }

    @Test func chunkRequestsAscendAndAreBounded() {
        #expect(Self.request([1, 1]) == nil)
        #expect(Self.request([2, 1]) == nil)
        #expect(Self.request(Array(0...1024)) == nil)
        // 32 bytes of root, two offsets, indices 2 and 1, an empty bitmap.
        let bytes = Self.root.bytes + [40, 0, 0, 0, 44, 0, 0, 0, 2, 0, 1, 0, 1]
        #expect(throws: SSZError.invalidValue("chunk indices must ascend")) {
            try ChunksByRootRequest(ssz: bytes.span)
        }
    }

    @Test func truncatedRequestsAreRefused() throws {
        let bytes = try #require(Self.request([1, 2, 3])).sszEncoded()
        for size in 0..<bytes.count {
            let prefix = Array(bytes.prefix(size))
            let decoded = try? ChunksByRootRequest(ssz: prefix.span)
            // Cutting whole bytes off the bitmap can leave another bitmap; never the same request.
            #expect(decoded?.sszEncoded() != bytes)
            if size < 46 { #expect(decoded == nil) }
        }
    }

    @Test func announcementRequestsRoundTripAndAreBounded() throws {
        for count in [0, 1, 1024] {
            let known = [Bytes32](repeating: Self.root, count: count)
            let request = try #require(AnnouncementsRequest(known: known))
            let bytes = request.sszEncoded()
            #expect(bytes.count == 4 + 32 * count)
            #expect(try AnnouncementsRequest(ssz: bytes.span) == request)
        }
        #expect(AnnouncementsRequest(known: [Bytes32](repeating: Self.root, count: 1025)) == nil)
        let tooMany = [4, 0, 0, 0] + [UInt8](repeating: 1, count: 32 * 1025)
        let decoded = try? AnnouncementsRequest(ssz: tooMany.span)
        #expect(decoded == nil)
        let cut = [4, 0, 0, 0] + [UInt8](repeating: 1, count: 33)
        let partial = try? AnnouncementsRequest(ssz: cut.span)
        #expect(partial == nil)
    }

    @Test func chunkResponsesRoundTripAndStayBelowTheirBound() throws {
        let chunk = StoredChunk(
            data: SSZByteList([UInt8](repeating: 3, count: BodyShape.chunkSizeMax))!,
            proof: SSZList([Bytes32](repeating: Self.root, count: BodyTree.proofCount))!)
        let held = ChunkBitmap(repeating: true, count: 1024)
        let response = ChunkResponse(root: Self.root, index: 1023, chunk: chunk, held: held)
        let bytes = response.sszEncoded()
        #expect(bytes.count == ChunkResponse.encodedSizeMax)
        #expect(try ChunkResponse(ssz: bytes.span) == response)
        #expect(response.hasChunk)
        let empty = ChunkResponse(root: Self.root, held: held)
        #expect(!empty.hasChunk)
        #expect(try ChunkResponse(ssz: empty.sszEncoded().span) == empty)
    }

    @Test func aProofWithoutAChunkIsNothing() {
        let odd = ChunkResponse(
            root: Self.root, index: 1,
            chunk: StoredChunk(data: SSZByteList(), proof: SSZList([Self.root])!),
            held: ChunkBitmap(repeating: false, count: 2))
        let bytes = odd.sszEncoded()
        #expect(throws: SSZError.invalidValue("a proof without a chunk")) {
            try ChunkResponse(ssz: bytes.span)
        }
    }

    @Test func everyFlippedBitOfAResponseGivesAnotherValueOrAnError() throws {
        let response = ChunkResponse(
            root: Self.root, index: 2,
            chunk: StoredChunk(data: SSZByteList([1, 2, 3])!, proof: SSZList([Self.root])!),
            held: ChunkBitmap(repeating: true, count: 5))
        let bytes = response.sszEncoded()
        for position in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[position] ^= 1 << UInt8(bit)
                let decoded = try? ChunkResponse(ssz: flipped.span)
                #expect(decoded != response)
                if let decoded { #expect(decoded.sszEncoded() == flipped) }
            }
        }
    }

    @Test func storeFailuresSpeakToPeople() {
        let failures: [(StoreFailure, String)] = [
            (.diskFull(path: "/data"), "/data"), (.corrupt("block 7"), "block 7"),
            (.inputOutput("EIO"), "EIO"), (.overloaded(waiting: 9, limit: 8), "9 requests"),
        ]
        for (failure, part) in failures { #expect(failure.description.contains(part)) }
    }
}
