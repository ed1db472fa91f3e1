import ChoraleBase
import Codec
import Testing

@testable import Identify

@Suite struct IdentifyMessageTests {
    static func full() throws -> IdentifyMessage {
        var message = IdentifyMessage()
        message.publicKey = [8, 1, 18, 1, 0]
        message.listenAddresses = [
            try Multiaddr("/ip4/1.2.3.4/tcp/5"), try Multiaddr("/ip6/::1/tcp/6"),
        ]
        message.protocols = ["/a/1", "/b/2"]
        message.observedAddress = try Multiaddr("/ip4/9.9.9.9/tcp/9")
        message.protocolVersion = "p/1"
        message.agentVersion = "agent/1"
        message.signedPeerRecord = [1, 2, 3]
        return message
    }

    @Test func roundTripsAndToleratesTruncationAnywhere() throws {
        let message = try Self.full()
        let bytes = message.encoded()
        let decoded = try IdentifyMessage.decode(bytes.span)
        #expect(decoded == message)
        for length in 0..<bytes.count {
            // Either a shorter message, when the cut is between fields, or a typed error; never a trap.
            _ = try? IdentifyMessage.decode(bytes.span.extracting(first: length))
        }
    }

    @Test(arguments: UInt64(0)..<200) func survivesMutation(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        var bytes = try Self.full().encoded()
        for _ in 0..<4 { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
        _ = try? IdentifyMessage.decode(bytes.span)
    }

    @Test func aPushChangesOnlyWhatItCarries() throws {
        var known = try Self.full()
        var push = IdentifyMessage()
        push.protocols = ["/c/3"]
        known.merge(try IdentifyMessage.decode(push.encoded().span))
        #expect(known.protocols == ["/c/3"])
        #expect(known.agentVersion == "agent/1")
        #expect(known.listenAddresses?.count == 2)
    }

    @Test func hostileTextsAreCleanedAndCut() throws {
        var message = IdentifyMessage()
        message.agentVersion = "ok\u{1B}[31m\u{202E}" + String(repeating: "x", count: 300)
        message.protocols = ["/fine", "/bad\n"]
        var limits = IdentifyMessage.Limits()
        limits.textLengthMax = 10
        let decoded = try IdentifyMessage.decode(message.encoded().span, limits: limits)
        #expect(decoded.agentVersion == "ok\u{FFFD}[31m\u{FFFD}xx")
        #expect(decoded.protocols == ["/fine"])
    }

    @Test func unreadableAddressesAreLeftOut() throws {
        var writer = ProtobufWriter()
        writer.bytes(2, [0xFF, 0xFF, 0xFF])
        writer.bytes(2, try Multiaddr("/ip4/1.2.3.4/tcp/5").bytes)
        let decoded = try IdentifyMessage.decode(writer.bytes.span)
        #expect(decoded.listenAddresses == [try Multiaddr("/ip4/1.2.3.4/tcp/5")])
    }

    @Test func whatIsEmittedFitsTheSmallestReader() throws {
        var message = try Self.full()
        message.listenAddresses = try (0..<200).map { try Multiaddr("/ip4/1.2.3.4/tcp/\($0)") }
        message.signedPeerRecord = [UInt8](repeating: 1, count: 1500)
        let bytes = message.encoded()
        #expect(bytes.count <= 2048)
        let decoded = try IdentifyMessage.decode(bytes.span)
        #expect(decoded.protocols == message.protocols)
        #expect((decoded.listenAddresses?.count ?? 0) >= 4)
    }

    @Test func countsAndSizesAreLimited() throws {
        var limits = IdentifyMessage.Limits()
        limits.addressCountMax = 1
        limits.protocolCountMax = 1
        let bytes = try Self.full().encoded()
        let decoded = try IdentifyMessage.decode(bytes.span, limits: limits)
        #expect(decoded.listenAddresses?.count == 1)
        #expect(decoded.protocols?.count == 1)
        limits.messageSizeMax = bytes.count - 1
        #expect(
            throws: IdentifyMessage.DecodeError.messageTooLarge(
                size: bytes.count, limit: bytes.count - 1)
        ) { try IdentifyMessage.decode(bytes.span, limits: limits) }
    }

    @Test func aStreamOfTooManyMessagesIsRefused() throws {
        let bytes = try Self.full().encoded()
        var reader = IdentifyReader()
        for _ in 0..<10 { try reader.add(bytes.span) }
        #expect(throws: IdentifyMessage.DecodeError.tooManyMessages(limit: 10)) {
            var copy = reader
            try copy.add(bytes.span)
        }
        #expect(reader.merged == (try Self.full()))
    }
}
