import ChoraleBase
import Codec
import Testing

@Suite struct GzipTests {
    /// Made by another implementation: `hello`, ` world`.
    static let hello = "1f8b0800000000000203cb48cdc9c9070086a6103605000000"
    static let world = "1f8b08000000000002035328cf2fca490100cb423b4a06000000"

    @Test func unpacks() throws {
        let packed = try Hex.decode(Self.hello)
        #expect(Gzip.isPacked(packed))
        #expect(try Gzip.unpacked(packed, sizeMax: 5) == Array("hello".utf8))
    }

    @Test func membersFollowEachOther() throws {
        let packed = try Hex.decode(Self.hello + Self.world)
        #expect(try Gzip.unpacked(packed, sizeMax: 100) == Array("hello world".utf8))
    }

    @Test func everyTruncationIsAnError() throws {
        let packed = try Hex.decode(Self.hello)
        for count in 0..<packed.count {
            #expect(throws: Gzip.DecodeError.truncated) {
                try Gzip.unpacked(Array(packed.prefix(count)), sizeMax: 100)
            }
        }
    }

    /// Header, data, checksum and size: no byte may be another, but for what the header says of time,
    /// compressor and system.
    @Test func damageIsAnError() throws {
        let packed = try Hex.decode(Self.hello)
        for index in packed.indices where !(4..<10).contains(index) {
            var damaged = packed
            damaged[index] ^= 0x55
            #expect(throws: Gzip.DecodeError.self) {
                try Gzip.unpacked(damaged, sizeMax: 100)
            }
        }
    }

    @Test func whatFollowsIsAnError() throws {
        let packed = try Hex.decode(Self.hello + "00")
        #expect(throws: Gzip.DecodeError.self) { try Gzip.unpacked(packed, sizeMax: 100) }
    }

    /// Five bytes of room for five, and not for six.
    @Test func sizeIsBounded() throws {
        let packed = try Hex.decode(Self.world)
        #expect(throws: Gzip.DecodeError.tooLarge(limit: 5)) {
            try Gzip.unpacked(packed, sizeMax: 5)
        }
    }
}
