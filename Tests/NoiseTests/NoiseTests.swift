import ChoraleBase
import Crypto
import PeerIdentity
import Testing

@testable import Noise

private func secret(_ byte: UInt8) -> SecretBytes {
    SecretBytes(copying: [UInt8](repeating: byte, count: 32))
}

private func credentials(_ byte: UInt8) -> NoiseCredentials {
    NoiseCredentials(
        identity: IdentityKey(ed25519Seed: secret(byte)), staticKey: secret(byte &+ 1))
}

private let yamux = "/yamux/1.0.0"

private func initiator(
    expected: PeerID? = nil,
    muxers: [String] = [yamux],
    limits: NoiseHandshake.Limits = .init()
) -> NoiseHandshake {
    NoiseHandshake(
        role: .initiator(expected: expected), credentials: credentials(10), ephemeral: secret(30),
        muxers: muxers, limits: limits)
}

private func responder(muxers: [String] = [yamux]) -> NoiseHandshake {
    NoiseHandshake(
        role: .responder, credentials: credentials(20), ephemeral: secret(40), muxers: muxers)
}

/// The three messages of an honest handshake.
private func transcript() throws -> [[UInt8]] {
    var one = initiator()
    var two = responder()
    var first: [UInt8] = []
    var second: [UInt8] = []
    var third: [UInt8] = []
    one.start(into: &first)
    _ = try two.receive(first.span, into: &second)
    _ = try one.receive(second.span, into: &third)
    return [first, second, third]
}

/// Gives `message` to a fresh machine that awaits it.
private func receive(_ number: Int, _ message: [UInt8]) throws(NoiseError) -> Int {
    var ignored: [UInt8] = []
    switch number {
    case 1:
        var machine = responder()
        return try machine.receive(message.span, into: &ignored)
    case 2:
        var machine = initiator()
        machine.start(into: &ignored)
        return try machine.receive(message.span, into: &ignored)
    default:
        var peer = initiator()
        var machine = responder()
        var first: [UInt8] = []
        peer.start(into: &first)
        _ = try machine.receive(first.span, into: &ignored)
        return try machine.receive(message.span, into: &ignored)
    }
}

private func refusal(_ body: () throws(NoiseError) -> Void) -> NoiseError? {
    do throws(NoiseError) {
        try body()
        return nil
    } catch {
        return error
    }
}

@Suite struct NoiseHandshakeTests {
    @Test func bothSidesLearnWhoTheOtherIs() throws {
        var one = initiator(expected: credentials(20).peerID)
        var two = responder()
        var first: [UInt8] = []
        var second: [UInt8] = []
        var third: [UInt8] = []
        var none: [UInt8] = []
        one.start(into: &first)
        #expect(first.count == 34)
        _ = try two.receive(first.span, into: &second)
        let twoRemote1 = two.remote
        #expect(twoRemote1 == nil)
        _ = try one.receive(second.span, into: &third)
        let oneIsComplete2 = one.isComplete
        #expect(oneIsComplete2)
        let twoIsComplete3 = two.isComplete
        #expect(!twoIsComplete3)
        _ = try two.receive(third.span, into: &none)
        let twoIsComplete4 = two.isComplete
        #expect(twoIsComplete4)
        #expect(none.isEmpty)
        let oneRemote5 = one.remote
        #expect(oneRemote5?.peerID == credentials(20).peerID)
        let twoRemote6 = two.remote
        #expect(twoRemote6?.peerID == credentials(10).peerID)
        let twoRemote7 = two.remote
        #expect(twoRemote7?.publicKey == IdentityKey(ed25519Seed: secret(10)).publicKey)
    }

    @Test func whatIsBehindAMessageIsLeft() throws {
        let messages = try transcript()
        for number in 1...3 {
            let message = messages[number - 1]
            #expect(try receive(number, message + [1, 2, 3]) == message.count)
        }
    }

    @Test func aMessageIsReadOnlyWhole() throws {
        let messages = try transcript()
        for number in 1...3 {
            for count in 0..<messages[number - 1].count {
                #expect(try receive(number, Array(messages[number - 1].prefix(count))) == 0)
            }
        }
    }

    /// Each bit of messages 2 and 3 is authenticated. In message 1 only the length is; a changed key
    /// makes message 2 unreadable to its owner.
    @Test func everyFlippedBitIsNoticed() throws {
        let messages = try transcript()
        for number in 2...3 {
            let message = messages[number - 1]
            for position in message.indices {
                for bit in 0..<8 where position >= 2 || bit == 0 {
                    var changed = message
                    changed[position] ^= 1 << bit
                    let error = refusal { () throws(NoiseError) in
                        // A longer length only waits for bytes that do not come.
                        let consumed = try receive(number, changed)
                        if consumed == 0 { throw .frameTooShort(size: 0) }
                    }
                    #expect(error != nil, "message \(number), byte \(position), bit \(bit)")
                }
            }
        }
        for position in 2..<34 {
            var changed = messages[0]
            changed[position] ^= 1
            var two = responder()
            var second: [UInt8] = []
            _ = try two.receive(changed.span, into: &second)
            var one = initiator()
            var ignored: [UInt8] = []
            one.start(into: &ignored)
            let error = refusal { () throws(NoiseError) in
                _ = try one.receive(second.span, into: &ignored)
            }
            #expect(error == .handshakeTagMismatch)
        }
    }

    @Test(arguments: UInt64(0)..<200) func randomBytesAreRefused(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        for number in 1...3 {
            let size = 33 + random.below(300)
            let bytes = [UInt8(size >> 8), UInt8(size & 0xFF)] + random.bytes(count: size)
            let error = refusal { () throws(NoiseError) in _ = try receive(number, bytes) }
            #expect(error != nil)
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let number: Int
        let message: [UInt8]
        let error: NoiseError

        init(_ name: String, _ number: Int, _ message: [UInt8], _ error: NoiseError) {
            testDescription = name
            self.number = number
            self.message = message
            self.error = error
        }
    }

    static let refusals = [
        Refusal(
            "an empty message 1", 1, [0, 0], .handshakeMessageTooShort(size: 0, minimum: 32)),
        Refusal(
            "a short message 1, refused at its length", 1, [0, 31],
            .handshakeMessageTooShort(size: 31, minimum: 32)),
        Refusal(
            "a short message 2", 2, [0, 95], .handshakeMessageTooShort(size: 95, minimum: 96)),
        Refusal(
            "a short message 3", 3, [0, 63], .handshakeMessageTooShort(size: 63, minimum: 64)),
        Refusal(
            "a huge message", 1, [0x20, 0x01],
            .handshakeMessageTooLarge(size: 8193, limit: 8192)),
        Refusal(
            "a payload in message 1", 1, [0, 33] + [UInt8](repeating: 9, count: 33),
            .unexpectedPayload(size: 1)),
        Refusal(
            "an ephemeral key of zero", 1, [0, 32] + [UInt8](repeating: 0, count: 32),
            .smallOrderPoint),
        Refusal(
            "an ephemeral key of one", 1, [0, 32, 1] + [UInt8](repeating: 0, count: 31),
            .smallOrderPoint),
        Refusal(
            "an ephemeral key of zero in message 2", 2,
            [0, 96] + [UInt8](repeating: 0, count: 96), .smallOrderPoint),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        let error = refusal { () throws(NoiseError) in _ = try receive(row.number, row.message) }
        #expect(error == row.error)
    }

    @Test func aFailedAnswerLeavesNothingBehind() {
        var two = responder()
        var output: [UInt8] = [7]
        let message: [UInt8] = [0, 32] + [UInt8](repeating: 0, count: 32)
        let error = refusal { () throws(NoiseError) in
            _ = try two.receive(message.span, into: &output)
        }
        #expect(error == .smallOrderPoint)
        #expect(output == [7])
    }

    @Test func theWrongPeerLearnsNothing() throws {
        let messages = try transcript()
        let second = messages[1]
        let expected = credentials(77).peerID
        var one = initiator(expected: expected)
        var output: [UInt8] = []
        one.start(into: &output)
        let error = refusal { () throws(NoiseError) in
            _ = try one.receive(second.span, into: &output)
        }
        #expect(error == .wrongPeer(expected: expected, actual: credentials(20).peerID))
        #expect(output == messages[0])
        let oneIsComplete8 = one.isComplete
        #expect(!oneIsComplete8)
    }

    struct MuxerRow: Sendable {
        let initiator: [String]
        let responder: [String]
        /// Nil when the handshake fails.
        let choice: NoiseHandshake.MuxerChoice?
    }

    static let muxerRows = [
        MuxerRow(initiator: ["/a"], responder: ["/a"], choice: .agreed("/a")),
        MuxerRow(initiator: ["/a", "/b"], responder: ["/b", "/a"], choice: .agreed("/a")),
        MuxerRow(initiator: ["/x", "/b"], responder: ["/b"], choice: .agreed("/b")),
        MuxerRow(initiator: ["/a"], responder: ["/x", "/a"], choice: .agreed("/a")),
        MuxerRow(initiator: [], responder: ["/a"], choice: .open),
        MuxerRow(initiator: ["/a"], responder: [], choice: .open),
        MuxerRow(initiator: [], responder: [], choice: .open),
        MuxerRow(initiator: ["/a"], responder: ["/b"], choice: nil),
    ]

    @Test(arguments: muxerRows) func settlesTheMuxer(_ row: MuxerRow) throws {
        var one = initiator(muxers: row.initiator)
        var two = responder(muxers: row.responder)
        var first: [UInt8] = []
        var second: [UInt8] = []
        var third: [UInt8] = []
        one.start(into: &first)
        _ = try two.receive(first.span, into: &second)
        let error = refusal { () throws(NoiseError) in
            _ = try one.receive(second.span, into: &third)
        }
        guard let choice = row.choice else {
            #expect(error == .noCommonMuxer)
            return
        }
        #expect(error == nil)
        _ = try two.receive(third.span, into: &first)
        let oneRemote9 = one.remote
        #expect(oneRemote9?.muxer == choice)
        let twoRemote10 = two.remote
        #expect(twoRemote10?.muxer == choice)
    }
}

/// Payloads that an initiator signed honestly, or not, as the responder sees them.
@Suite struct HandshakePayloadTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let payload: [UInt8]
        let error: NoiseError?

        init(_ name: String, _ payload: [UInt8], _ error: NoiseError?) {
            testDescription = name
            self.payload = payload
            self.error = error
        }
    }

    private static let honest = HandshakePayload(
        identityKey: credentials(10).identityKey, signature: credentials(10).signature, muxers: [])

    static let rows: [Row] = {
        let key = honest.identityKey
        let signature = honest.signature
        let keyField: [UInt8] = [0x0A, UInt8(key.count)] + key
        let signatureField: [UInt8] = [0x12, UInt8(signature.count)] + signature
        return [
            Row("an honest one", keyField + signatureField, nil),
            Row("fields in the other order", signatureField + keyField, nil),
            Row(
                "the old field 3 and an unknown one",
                keyField + signatureField + [0x1A, 2, 1, 2, 0xF8, 0x01, 5], nil),
            Row(
                "an extension without multiplexers",
                keyField + signatureField + [0x22, 4, 0x0A, 2, 8, 8], nil),
            Row("nothing", [], .missingIdentityKey),
            Row("no key", signatureField, .missingIdentityKey),
            Row("an empty key", [0x0A, 0] + signatureField, .missingIdentityKey),
            Row("no signature", keyField, .missingSignature),
            Row("a cut field", Array((keyField + signatureField).dropLast()), .malformedPayload),
            Row("a key that is a number", [0x08, 1], .malformedPayload),
            Row(
                "a cut extension", keyField + signatureField + [0x22, 2, 0x12, 9],
                .malformedPayload),
            Row(
                "another key's signature",
                HandshakePayload(
                    identityKey: key, signature: credentials(20).signature, muxers: []
                ).encoded(), .badSignature),
            Row("a short signature", keyField + [0x12, 1, 0], .badSignature),
        ]
    }()

    @Test(arguments: rows) func judges(_ row: Row) throws {
        let own = credentials(10)
        var one = HandshakeState(
            role: .initiator, prologue: Span(), staticKey: own.staticKey,
            staticPublicKey: own.staticPublicKey, ephemeral: secret(30))
        var two = responder()
        var first: [UInt8] = []
        try one.write(payload: Span(), into: &first)
        var second: [UInt8] = []
        let firstFrame: [UInt8] = [0, 32] + first
        _ = try two.receive(firstFrame.span, into: &second)
        _ = try one.read(second.span.extracting(2..<second.count))
        var third: [UInt8] = [0, UInt8(row.payload.count + 64)]
        third[0] = UInt8((row.payload.count + 64) >> 8)
        third[1] = UInt8((row.payload.count + 64) & 0xFF)
        try one.write(payload: row.payload.span, into: &third)
        var none: [UInt8] = []
        let error = refusal { () throws(NoiseError) in
            _ = try two.receive(third.span, into: &none)
        }
        #expect(error == row.error)
        let twoIsComplete11 = two.isComplete
        #expect(twoIsComplete11 == (row.error == nil))
        let twoRemote12 = two.remote
        #expect((twoRemote12 != nil) == (row.error == nil))
    }

    @Test func aKeyThatIsNoneIsRefused() throws {
        let payload = HandshakePayload(identityKey: [1, 2, 3], signature: [1], muxers: []).encoded()
        try judges(Row("", payload, .malformedIdentityKey(try #require(keyError([1, 2, 3])))))
    }

    private func keyError(_ bytes: [UInt8]) -> KeyError? {
        do throws(KeyError) {
            _ = try PublicKey(protobuf: bytes)
            return nil
        } catch {
            return error
        }
    }

    @Test func roundTrips() throws {
        for muxers in [[], [[1, 2]], [Array("/yamux/1.0.0".utf8), [], [0xFF]]] as [[[UInt8]]] {
            let payload = HandshakePayload(identityKey: [1], signature: [2], muxers: muxers)
            let encoded = payload.encoded()
            let decoded = try HandshakePayload(decoding: encoded.span)
            #expect(decoded == payload)
        }
    }
}

@Suite struct NoiseTransportTests {

    private static func end(_ isFirst: Bool, nonce: UInt64 = 0) -> NoiseTransport {
        NoiseTransport(
            sendKey: secret(isFirst ? 1 : 2), receiveKey: secret(isFirst ? 2 : 1),
            sendNonce: nonce, receiveNonce: nonce)
    }

    @Test(arguments: [0, 1, 15, 16, 17, 1000, 16_384, 65_519])
    func sealsAndOpensInPlace(size: Int) throws {
        var sender = Self.end(true)
        var receiver = Self.end(false)
        var random = DeterministicRandom(seed: UInt64(size))
        let plaintext = random.bytes(count: size)
        var wire: [UInt8] = [5, 5, 5]
        for _ in 0..<3 {
            let start = wire.count
            wire += [0xAA, 0xAA] + plaintext
            try sender.seal(&wire, from: start)
            #expect(wire.count - start == size + NoiseTransport.overhead)
        }
        var offset = 3
        for _ in 0..<3 {
            var span = wire.mutableSpan
            let frame = try #require(try receiver.open(&span, at: offset))
            #expect(Array(wire[frame.plaintext]) == plaintext)
            offset = frame.end
        }
        #expect(offset == wire.count)
        var span = wire.mutableSpan
        let next = try receiver.open(&span, at: offset)
        #expect(next == nil)
    }

    @Test func waitsForAWholeFrame() throws {
        var sender = Self.end(true)
        var receiver = Self.end(false)
        var wire: [UInt8] = [0, 0, 1, 2, 3]
        try sender.seal(&wire, from: 0)
        for count in 0..<wire.count {
            var part = Array(wire.prefix(count))
            var span = part.mutableSpan
            let frame = try receiver.open(&span, at: 0)
            #expect(frame == nil)
        }
        var span = wire.mutableSpan
        let frame = try receiver.open(&span, at: 0)
        #expect(frame == NoiseTransport.Frame(plaintext: 2..<5, end: wire.count))
    }

    @Test(arguments: 0..<16) func refusesFramesWithoutATag(size: Int) {
        var receiver = Self.end(true)
        var wire: [UInt8] = [0, UInt8(size)]
        var span = wire.mutableSpan
        let error = refusal { () throws(NoiseError) in _ = try receiver.open(&span, at: 0) }
        #expect(error == .frameTooShort(size: size))
    }

    @Test func refusesChangedReplayedAndReorderedFrames() throws {
        var sender = Self.end(true)
        var first: [UInt8] = [0, 0, 1, 2, 3]
        var second: [UInt8] = [0, 0, 4]
        try sender.seal(&first, from: 0)
        try sender.seal(&second, from: 0)
        for position in 2..<first.count {
            var receiver = Self.end(false)
            var changed = first
            changed[position] ^= 0x80
            var span = changed.mutableSpan
            let error = refusal { () throws(NoiseError) in _ = try receiver.open(&span, at: 0) }
            #expect(error == .frameTagMismatch)
        }
        var receiver = Self.end(false)
        var early = second
        var earlySpan = early.mutableSpan
        let reordered = refusal { () throws(NoiseError) in
            _ = try receiver.open(&earlySpan, at: 0)
        }
        #expect(reordered == .frameTagMismatch)

        var other = Self.end(false)
        var once = first
        var onceSpan = once.mutableSpan
        _ = try other.open(&onceSpan, at: 0)
        var twice = first
        var twiceSpan = twice.mutableSpan
        let replayed = refusal { () throws(NoiseError) in
            _ = try other.open(&twiceSpan, at: 0)
        }
        #expect(replayed == .frameTagMismatch)
    }

    @Test func theLastNonceIsNeverUsed() throws {
        var sender = Self.end(true, nonce: .max - 1)
        var receiver = Self.end(false, nonce: .max - 1)
        var wire: [UInt8] = [0, 0, 9]
        try sender.seal(&wire, from: 0)
        var again: [UInt8] = [0, 0, 9]
        let sealing = refusal { () throws(NoiseError) in try sender.seal(&again, from: 0) }
        #expect(sealing == .nonceExhausted)
        #expect(again == [0, 0, 9])
        var copy = wire
        var span = wire.mutableSpan
        let frame = try receiver.open(&span, at: 0)
        #expect(frame?.plaintext == 2..<3)
        var copySpan = copy.mutableSpan
        let opening = refusal { () throws(NoiseError) in _ = try receiver.open(&copySpan, at: 0) }
        #expect(opening == .nonceExhausted)
    }
}
