import ChoraleBase
import Crypto
import Noise
import PeerIdentity
import TestSupport
import Testing

/// Readers of `libp2p/noise-xx.json` and `libp2p/noise-libp2p.json`.
enum NoiseVectors {
    static let checkers: [String: VectorChecker] = [
        "libp2p/noise-xx.json": plain,
        "libp2p/noise-libp2p.json": libp2p,
    ]

    /// Noise XX with any prologue and payloads: every byte of it.
    @Sendable static func plain(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        #expect(try file["protocol"].string == "Noise_XX_25519_ChaChaPoly_SHA256")
        let vectors = try file["vectors"].array
        for vector in vectors { try plainHandshake(vector) }
        return vectors.count
    }

    private static func plainHandshake(_ vector: JSON) throws {
        let name = Comment(rawValue: try vector["name"].string)
        var initiator = try state(vector, "init", role: .initiator)
        var responder = try state(vector, "resp", role: .responder)
        let messages = try vector["messages"].array
        for message in messages where try message["phase"].string == "handshake" {
            let payload = try message["payload"].hex
            var written: [UInt8] = []
            let read: [UInt8]
            if try message["sender"].string == "initiator" {
                try initiator.write(payload: payload.span, into: &written)
                read = try responder.read(written.span)
            } else {
                try responder.write(payload: payload.span, into: &written)
                read = try initiator.read(written.span)
            }
            #expect(written == (try message["ciphertext"].hex), name)
            #expect(read == payload, name)
        }
        let complete = [initiator.isComplete, responder.isComplete]
        #expect(complete == [true, true], name)
        let hashes = [initiator.hash.bytes, responder.hash.bytes]
        #expect(hashes[0] == (try vector["handshake_hash"].hex), name)
        #expect(hashes[1] == hashes[0], name)

        let (toResponder, toInitiator) = initiator.split()
        let (toResponderToo, toInitiatorToo) = responder.split()
        #expect(toResponder.isEqual(to: toResponderToo), name)
        #expect(toInitiator.isEqual(to: toInitiatorToo), name)
        try check(toResponder, try vector["k_initiator_to_responder"].hex, name)
        try check(toInitiator, try vector["k_responder_to_initiator"].hex, name)

        var initiatorEnd = NoiseTransport(sendKey: toResponder, receiveKey: toInitiator)
        var responderEnd = NoiseTransport(sendKey: toInitiator, receiveKey: toResponder)
        for message in messages where try message["phase"].string == "transport" {
            let payload = try message["payload"].hex
            var frame: [UInt8] = [0, 0] + payload
            let isInitiator = try message["sender"].string == "initiator"
            if isInitiator {
                try initiatorEnd.seal(&frame, from: 0)
            } else {
                try responderEnd.seal(&frame, from: 0)
            }
            #expect(Array(frame[2...]) == (try message["ciphertext"].hex), name)
            var span = frame.mutableSpan
            let opened =
                isInitiator
                ? try responderEnd.open(&span, at: 0) : try initiatorEnd.open(&span, at: 0)
            #expect(opened?.plaintext.map { frame[$0] } == payload, name)
        }
    }

    private static func state(
        _ vector: JSON,
        _ prefix: String,
        role: HandshakeState.Role
    ) throws -> HandshakeState {
        let staticKey = SecretBytes(copying: try vector[prefix + "_static"].hex)
        let prologue = try vector[prefix + "_prologue"].hex
        let ephemeral = SecretBytes(copying: try vector[prefix + "_ephemeral"].hex)
        return HandshakeState(
            role: role, prologue: prologue.span, staticKey: staticKey,
            staticPublicKey: X25519.publicKey(of: staticKey), ephemeral: ephemeral)
    }

    /// The libp2p handshake: every byte of the accepted ones, the right refusal of the others.
    @Sendable static func libp2p(_ path: String) throws -> Int {
        let vectors = try Vectors.json(path)["vectors"].array
        for vector in vectors {
            switch try vector["expect"].string {
            case "accept": try accepted(vector)
            case "reject": try rejected(vector)
            case let other: Issue.record("unknown expectation \(other)")
            }
        }
        return vectors.count
    }

    private static func credentials(_ vector: JSON, _ prefix: String) throws -> NoiseCredentials {
        let identity = try IdentityKey(
            protobuf: SecretBytes(copying: try vector[prefix + "_identity_private"].hex))
        #expect(identity.publicKey.encoded == (try vector[prefix + "_identity_public"].hex))
        return NoiseCredentials(
            identity: identity, staticKey: SecretBytes(copying: try vector[prefix + "_static"].hex))
    }

    private static func handshake(
        _ vector: JSON,
        _ prefix: String,
        role: NoiseHandshake.Role,
        muxers: [String]
    ) throws -> NoiseHandshake {
        let own = try credentials(vector, prefix)
        let ephemeral = SecretBytes(copying: try vector[prefix + "_ephemeral"].hex)
        return NoiseHandshake(
            role: role, credentials: own, ephemeral: ephemeral, muxers: muxers)
    }

    /// The multiplexers that a transcript's payload offers.
    private static func muxers(_ vector: JSON, _ payload: String) throws -> [String] {
        let text = String(decoding: try vector[payload].hex, as: UTF8.self)
        return ["/yamux/1.0.0", "/mplex/6.7.0"].filter { text.contains($0) }
    }

    private static func accepted(_ vector: JSON) throws {
        let name = Comment(rawValue: try vector["name"].string)
        let responderID = try credentials(vector, "resp").peerID
        #expect("\(responderID)" == (try vector["resp_peer_id"].string), name)
        var initiator = try handshake(
            vector, "init", role: .initiator(expected: responderID),
            muxers: try muxers(vector, "payload_3"))
        var responder = try handshake(
            vector, "resp", role: .responder, muxers: try muxers(vector, "payload_2"))
        let frames = try vector["frames"].array.map { try $0.hex }

        var first: [UInt8] = []
        initiator.start(into: &first)
        #expect(first == frames[0], name)
        var second: [UInt8] = []
        let responderTookfirst = try responder.receive(first.span, into: &second)
        #expect(responderTookfirst == first.count, name)
        #expect(second == frames[1], name)
        var third: [UInt8] = []
        let initiatorTooksecond = try initiator.receive(second.span, into: &third)
        #expect(initiatorTooksecond == second.count, name)
        #expect(third == frames[2], name)
        var none: [UInt8] = []
        let responderTookthird = try responder.receive(third.span, into: &none)
        #expect(responderTookthird == third.count, name)
        #expect(none.isEmpty, name)

        let complete = [initiator.isComplete, responder.isComplete]
        #expect(complete == [true, true], name)
        let remotes = [initiator.remote, responder.remote].compactMap { $0 }
        try #require(remotes.count == 2)
        #expect(remotes[0].peerID == responderID, name)
        #expect("\(remotes[1].peerID)" == (try vector["init_peer_id"].string), name)
        #expect(remotes[0].muxer == remotes[1].muxer, name)
        let hashes = [initiator.hash.bytes, responder.hash.bytes]
        #expect(hashes[0] == (try vector["handshake_hash"].hex), name)
        #expect(hashes[1] == hashes[0], name)

        var initiatorEnd = initiator.transport()
        var responderEnd = responder.transport()
        for message in try vector["transport"].array {
            let plaintext = try message["plaintext"].hex
            var frame: [UInt8] = [0, 0] + plaintext
            let isInitiator = try message["sender"].string == "initiator"
            if isInitiator {
                try initiatorEnd.seal(&frame, from: 0)
            } else {
                try responderEnd.seal(&frame, from: 0)
            }
            #expect(frame == (try message["frame"].hex), name)
            var span = frame.mutableSpan
            let opened =
                isInitiator
                ? try responderEnd.open(&span, at: 0) : try initiatorEnd.open(&span, at: 0)
            #expect(opened?.end == frame.count, name)
            #expect(opened?.plaintext.map { frame[$0] } == plaintext, name)
        }
    }

    private static func rejected(_ vector: JSON) throws {
        let name = Comment(rawValue: try vector["name"].string)
        let frames = try vector["frames"].array.map { try $0.hex }
        let expected: NoiseError =
            switch try vector["name"].string {
            case "msg2-tag-flipped": .handshakeTagMismatch
            default: .badSignature
            }
        var output: [UInt8] = []
        switch try vector["rejected_by"].string {
        case "initiator, on message 2":
            var initiator = try handshake(
                vector, "init", role: .initiator(expected: nil), muxers: [])
            initiator.start(into: &output)
            #expect(output == frames[0], name)
            let refused = frames[1]
            do throws(NoiseError) {
                _ = try initiator.receive(refused.span, into: &output)
                Issue.record("accepted")
            } catch {
                #expect(error == expected, name)
            }
            let remote = initiator.remote
            #expect(remote == nil, name)
            #expect(output == frames[0], name)
        case "responder, on message 3":
            var responder = try handshake(vector, "resp", role: .responder, muxers: [])
            let first = frames[0]
            _ = try responder.receive(first.span, into: &output)
            #expect(output == frames[1], name)
            let refused = frames[2]
            do throws(NoiseError) {
                _ = try responder.receive(refused.span, into: &output)
                Issue.record("accepted")
            } catch {
                #expect(error == expected, name)
            }
            let remote = responder.remote
            #expect(remote == nil, name)
        case let other:
            Issue.record("unknown side \(other)")
        }
    }

    private static func check(
        _ key: SecretBytes,
        _ expected: [UInt8],
        _ name: Comment
    ) throws {
        #expect(key.isEqual(to: SecretBytes(copying: expected)), name)
    }
}
