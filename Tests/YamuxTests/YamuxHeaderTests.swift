import ChoraleBase
import Testing

@testable import Yamux

@Suite struct YamuxHeaderTests {
    struct Refusal: Sendable, CustomStringConvertible {
        let description: String
        let bytes: [UInt8]
        let error: YamuxHeader.DecodeError

        init(_ description: String, _ bytes: [UInt8], _ error: YamuxHeader.DecodeError) {
            self.description = description
            self.bytes = bytes
            self.error = error
        }
    }

    static let refusals = [
        Refusal(
            "version 1", [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], .unsupportedVersion(1)),
        Refusal(
            "version 255 before an unknown type", [255, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
            .unsupportedVersion(255)),
        Refusal("type 4", [0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], .unknownType(4)),
        Refusal("type 255", [0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], .unknownType(255)),
        Refusal(
            "data on the session", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], .streamIsSession),
        Refusal(
            "a window update of the session", [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            .streamIsSession),
        Refusal(
            "payload one byte over the limit", [0, 0, 0, 0, 0, 0, 0, 1, 0, 0x10, 0, 1],
            .payloadTooLarge(length: 0x10_0001, limit: 0x10_0000)),
        Refusal(
            "the largest length", [0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255],
            .payloadTooLarge(length: .max, limit: 0x10_0000)),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        #expect(throws: row.error) {
            _ = try YamuxHeader.decode(row.bytes.span, payloadSizeMax: 0x10_0000)
        }
    }

    static let accepted: [(YamuxHeader, [UInt8])] = [
        (
            .data(stream: StreamID(1)!, flags: [.syn], length: 0x10_0000),
            [0, 0, 0, 1, 0, 0, 0, 1, 0, 0x10, 0, 0]
        ),
        (
            .data(stream: StreamID(.max)!, flags: [.fin], length: 0),
            [0, 0, 0, 4, 255, 255, 255, 255, 0, 0, 0, 0]
        ),
        (
            .windowUpdate(stream: StreamID(2)!, flags: [.ack], delta: .max),
            [0, 1, 0, 2, 0, 0, 0, 2, 255, 255, 255, 255]
        ),
        (
            .windowUpdate(stream: StreamID(3)!, flags: [.rst], delta: 0x1002),
            [0, 1, 0, 8, 0, 0, 0, 3, 0, 0, 0x10, 2]
        ),
        (
            .ping(flags: [.syn], value: 0xDEAD_BEEF),
            [0, 2, 0, 1, 0, 0, 0, 0, 0xDE, 0xAD, 0xBE, 0xEF]
        ),
        (.goAway(.normal), [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (.goAway(.protocolError), [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (.goAway(.internalError), [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]),
        (.goAway(.other(0x1005)), [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 5]),
    ]

    @Test func everyKindOfFrameSurvivesTheRoundTrip() throws {
        for (header, bytes) in Self.accepted {
            let encoded = header.encoded()
            #expect(encoded.span.copied() == bytes)
            #expect(try YamuxHeader.decode(bytes.span, payloadSizeMax: 0x10_0000) == header)
        }
    }

    @Test func aHeaderIsIncompleteUntilItsLastByte() throws {
        for (header, bytes) in Self.accepted {
            for count in 0..<YamuxHeader.encodedSize {
                let part = Array(bytes.prefix(count))
                #expect(try YamuxHeader.decode(part.span, payloadSizeMax: 1 << 20) == nil)
            }
            let longer = bytes + [1, 2, 3]
            #expect(try YamuxHeader.decode(longer.span, payloadSizeMax: 1 << 20) == header)
        }
    }

    @Test func unknownFlagsAreIgnoredAndPingsMayNameAStream() throws {
        let ping: [UInt8] = [0, 2, 0x80, 1, 0, 0, 0, 7, 0, 0, 0, 5]
        let decoded = try YamuxHeader.decode(ping.span, payloadSizeMax: 0)
        guard case .ping(let flags, let value) = decoded else {
            Issue.record("not a ping: \(String(describing: decoded))")
            return
        }
        #expect(flags.contains(.syn))
        #expect(!flags.contains(.ack))
        #expect(value == 5)
    }

    /// Any 12 bytes are a header or an error, and what is a header is encoded as it was read.
    @Test(arguments: UInt64(0)..<64) func anyTwelveBytesAreAHeaderOrAnError(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        for _ in 0..<256 {
            var bytes = random.bytes(count: 12)
            if random.chance(15, in: 16) { bytes[0] = 0 }
            if random.chance(15, in: 16) { bytes[1] &= 3 }
            guard
                let header = try? YamuxHeader.decode(bytes.span, payloadSizeMax: .max)
            else { continue }
            let encoded = header.encoded().span.copied()
            let again = try? YamuxHeader.decode(encoded.span, payloadSizeMax: .max)
            #expect(again == header)
        }
    }

    @Test func codesKeepTheirNumbers() {
        for value: UInt32 in [0, 1, 2, 3, 0x1001, .max] {
            #expect(GoAwayCode(wireValue: value).wireValue == value)
        }
        #expect(
            StreamResetCode.allCases.map(\.rawValue) == [0, 0x1001, 0x1002, 0x1003, 0x1004, 0x1005])
    }
}
