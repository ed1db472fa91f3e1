import ChoraleBase
import Codec
import Crypto
import Noise
import PeerIdentity

extension FuzzTarget {
    static let noiseTargets: [FuzzTarget] = [
        FuzzTarget(
            "noise-handshake",
            "handshakes whose messages are replaced, damaged, cut and joined on the way",
            sizeMax: 1024,
            seeds: {
                [
                    [0], [1, 0, 0, 0], [2, 1, 0, 40, 1], [4, 1, 0, 90, 0x80], [6, 2, 0, 32],
                    [3, 3, 0, 1, 2, 3], [8, 0, 32] + [UInt8](repeating: 0, count: 32),
                    [8, 0, 32, 9] + [UInt8](repeating: 0, count: 31),
                ]
            }, run: noiseHandshake),
        FuzzTarget(
            "noise-payload",
            "what a peer says of itself inside a handshake whose cryptography is in order",
            sizeMax: 2048,
            seeds: {
                [
                    [0] + payload(Actors.keys[2], muxers: ["/yamux/1.0.0"]),
                    [1] + payload(Actors.keys[2], muxers: ["/yamux/1.0.0"]),
                    [1] + payload(IdentityKey(Actors.secp256k1), muxers: []),
                    [2] + payload(Actors.keys[2], muxers: ["/mplex/6.7.0"]), [3],
                ]
            }, run: noisePayload),
        FuzzTarget(
            "noise-transport",
            "sealed frames, damaged or cut; what is opened is what was sealed, in order",
            sizeMax: 2048,
            seeds: {
                [
                    [0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 3, 7, 8, 9], [1, 4, 1, 2, 3, 4, 3, 1],
                    [0, 1, 1, 2, 20],
                ]
            }, run: noiseTransport),
    ]

    static let initiatorCredentials = NoiseCredentials(
        identity: Actors.keys[1], staticKey: Actors.secret(0x11))
    static let responderCredentials = NoiseCredentials(
        identity: Actors.keys[0], staticKey: Actors.secret(0x10))
    private static let muxer = "/yamux/1.0.0"

    /// Messages between an initiator and a responder, each possibly changed on its way.
    ///
    /// Program, for each message: what to do (0 pass, 1 flip, 2 cut, 3 replace, 4 add), then its
    /// operands.
    private static func noiseHandshake(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let options = program.byte()
        var initiator = NoiseHandshake(
            role: .initiator(expected: options & 1 == 0 ? nil : Actors.peers[0]),
            credentials: initiatorCredentials, ephemeral: Actors.secret(0x21),
            muxers: options & 2 == 0 ? [muxer] : [])
        var responder = NoiseHandshake(
            role: .responder, credentials: responderCredentials, ephemeral: Actors.secret(0x20),
            muxers: options & 4 == 0 ? [muxer] : [], limits: .init(messageSizeMax: 2048))
        var isChanged = false
        var toResponder: [UInt8] = []
        var toInitiator: [UInt8] = []
        initiator.start(into: &toResponder)
        for _ in 0..<8 where !(initiator.isComplete && responder.isComplete) {
            isChanged = change(&toResponder, &program) || isChanged
            if !responder.isComplete {
                do throws(NoiseError) {
                    let used = try responder.receive(toResponder.span, into: &toInitiator)
                    require(used <= toResponder.count, "more was consumed than was there")
                    toResponder.removeFirst(used)
                } catch {
                    return findings.note("responder", error)
                }
            }
            isChanged = change(&toInitiator, &program) || isChanged
            if !initiator.isComplete {
                do throws(NoiseError) {
                    let used = try initiator.receive(toInitiator.span, into: &toResponder)
                    require(used <= toInitiator.count, "more was consumed than was there")
                    toInitiator.removeFirst(used)
                } catch {
                    return findings.note("initiator", error)
                }
            }
            if toResponder.isEmpty && toInitiator.isEmpty { break }
        }
        findings.note("initiator", initiator.isComplete ? "complete" : "waiting")
        findings.note("responder", responder.isComplete ? "complete" : "waiting")
        guard initiator.isComplete, responder.isComplete else { return }
        require(initiator.remote?.peerID == Actors.peers[0], "the responder is somebody else")
        require(responder.remote?.peerID == Actors.peers[1], "the initiator is somebody else")
        if !isChanged { require(initiator.hash == responder.hash, "another transcript") }
        var frame: [UInt8] = [0, 0, 1, 2, 3]
        var sender = initiator.transport()
        var receiver = responder.transport()
        do throws(NoiseError) {
            try sender.seal(&frame, from: 0)
            var span = frame.mutableSpan
            guard let opened = try receiver.open(&span, at: 0) else { throw .malformedPayload }
            require(Array(frame[opened.plaintext]) == [1, 2, 3], "another plaintext")
        } catch {
            fatalError("property broken: a handshake without a transport: \(error)")
        }
    }

    private static func change(_ message: inout [UInt8], _ program: inout Program) -> Bool {
        switch program.byte() {
        case 1:
            let position = program.word()
            guard position < message.count else { return false }
            let mask = program.byte()
            message[position] ^= mask
            return mask != 0
        case 2:
            let size = program.word()
            guard size < message.count else { return false }
            message.removeSubrange(size...)
            return true
        case 3:
            let bytes = program.longChunk()
            message =
                [UInt8(truncatingIfNeeded: bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes
            return true
        case 4:
            message += program.chunk()
            return true
        case 8:
            // A chosen public key: small orders, the field's edges.
            let bytes = program.take(32)
            guard bytes.count == 32, message.count >= 34 else { return false }
            message.replaceSubrange(2..<34, with: bytes)
            return true
        default: return false
        }
    }

    private static func payload(_ key: IdentityKey, muxers: [String]) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.bytes(1, key.publicKey.encoded)
        writer.bytes(
            2,
            key.sign(
                Array("noise-libp2p-static-key:".utf8)
                    + X25519.publicKey(of: Actors.secret(0x11)).bytes))
        if !muxers.isEmpty {
            let extensions = writer.beginMessage(4)
            for muxer in muxers { writer.bytes(2, Array(muxer.utf8)) }
            writer.endMessage(extensions)
        }
        return writer.bytes
    }

    /// A peer that does everything right but the payload, which is the input.
    private static func noisePayload(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let options = program.byte()
        let payload = Array(program.rest())
        let staticKey = Actors.secret(0x11)
        var toPeer: [UInt8] = []
        var toUs: [UInt8] = []
        var peer = HandshakeState(
            role: options & 1 == 0 ? .responder : .initiator, prologue: Span(),
            staticKey: staticKey, staticPublicKey: X25519.publicKey(of: staticKey),
            ephemeral: Actors.secret(0x22))
        var ours = NoiseHandshake(
            role: options & 1 == 0 ? .initiator(expected: nil) : .responder,
            credentials: responderCredentials, ephemeral: Actors.secret(0x23),
            muxers: options & 2 == 0 ? [muxer] : [])
        func message(_ peer: inout HandshakeState, _ payload: [UInt8]) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.appendBigEndian(UInt16(peer.overhead + payload.count))
            do throws(NoiseError) { try peer.write(payload: payload.span, into: &bytes) } catch {
                fatalError("the peer of the test failed: \(error)")
            }
            return bytes
        }
        func take(_ peer: inout HandshakeState, _ bytes: [UInt8]) {
            do throws(NoiseError) {
                _ = try peer.read(bytes.span.extracting(2..<bytes.count))
            } catch { fatalError("the peer of the test failed: \(error)") }
        }
        do throws(NoiseError) {
            if options & 1 == 0 {
                ours.start(into: &toPeer)
                take(&peer, toPeer)
                toUs = message(&peer, payload)
            } else {
                toUs = message(&peer, [])
                _ = try ours.receive(toUs.span, into: &toPeer)
                take(&peer, toPeer)
                toUs = message(&peer, payload)
            }
            let used = try ours.receive(toUs.span, into: &toPeer)
            require(used == toUs.count && ours.remote != nil, "a peer without a name")
            findings.note("payload", ours.remote?.publicKey.type)
            findings.note("muxer", ours.remote?.muxer)
        } catch {
            findings.note("payload", error)
        }
    }

    /// Program: 0 seal, 1 seal and flip, 2 seal and cut, 3 send raw bytes.
    private static func noiseTransport(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var sender = NoiseTransport(sendKey: Actors.secret(1), receiveKey: Actors.secret(2))
        var receiver = NoiseTransport(sendKey: Actors.secret(2), receiveKey: Actors.secret(1))
        var wire: [UInt8] = []
        var sealed: [[UInt8]] = []
        while !program.isAtEnd {
            let instruction = program.byte() & 3
            let bytes = program.chunk()
            let start = wire.count
            if instruction == 3 {
                wire += bytes
                continue
            }
            wire += [0, 0] + bytes
            do throws(NoiseError) { try sender.seal(&wire, from: start) } catch {
                fatalError("property broken: a frame was not sealed: \(error)")
            }
            sealed.append(bytes)
            if instruction == 1 {
                wire[start + program.word() % (wire.count - start)] ^= program.byte()
            }
            if instruction == 2 { wire.removeLast(min(wire.count - start, program.below(24))) }
        }
        // Frames are opened from growing prefixes, as a socket gives them.
        var opened = 0
        var offset = 0
        var end = 0
        for piece in pieces(wire, everyByte: false) {
            end += piece.count
            var arrived = Array(wire[..<end])
            while true {
                var span = arrived.mutableSpan
                do throws(NoiseError) {
                    guard let frame = try receiver.open(&span, at: offset) else { break }
                    require(frame.end <= end && frame.end > offset, "a frame outside its bytes")
                    require(opened < sealed.count, "a frame that nobody sealed")
                    require(Array(arrived[frame.plaintext]) == sealed[opened], "another plaintext")
                    opened += 1
                    offset = frame.end
                } catch {
                    findings.note("transport", error)
                    findings.note("transport", size: opened)
                    return
                }
            }
        }
        findings.note("transport", size: opened)
    }
}
