public import ChoraleBase
import Noise
import Yamux

extension Connection {
    /// Smallest room in which a Noise frame is begun, in bytes.
    ///
    /// Less would spend a tag and a cipher call on a sliver of data that the next call sends anyway.
    private static let frameRoomMin = 512

    /// Whether `transmit` has something to give.
    public var hasOutput: Bool {
        if !plainOutput.isEmpty { return true }
        return secured?.hasOutput ?? false
    }

    /// Appends bytes for the socket.
    ///
    /// What is sent is chosen now, not when it was written: a vote overtakes a proof that waits. Bulk
    /// leaves in Noise frames of ``Limits/framePlaintextSizeMax``, small frames share one.
    ///
    /// - Parameters:
    ///   - sizeMax: about how many bytes to append, at least 1 KiB. Handshake messages, which are
    ///     small, are not cut.
    ///   - events: receives `writable`, `closed`, and `failed` when a nonce is exhausted.
    public mutating func transmit(
        into output: inout [UInt8],
        sizeMax: Int,
        now: MonotonicInstant,
        events: inout [Event]
    ) {
        let limit = output.count + max(sizeMax, 1024)
        if !plainOutput.isEmpty {
            output += plainOutput
            plainOutput = []
        }
        guard secured != nil else { return }
        var inner: [YamuxSession.Event] = []
        while secured?.hasOutput == true {
            let room = limit - output.count - NoiseTransport.overhead
            guard room >= Self.frameRoomMin else { break }
            let start = output.count
            do throws(NoiseError) {
                try secured?.transmitFrame(
                    into: &output, plaintextSizeMax: min(room, limits.framePlaintextSizeMax),
                    now: now, events: &inner)
            } catch {
                output.removeSubrange(start...)
                fail(.noise(error), into: &events)
                return
            }
            guard output.count > start else { break }
            counters.framesSealed += 1
            counters.bytesSealed += UInt64(output.count - start)
        }
        report(inner, from: Span(), at: 0, now: now, into: &events)
        // The last bytes of a failed session are out.
        if closeReason != nil, !hasOutput { secured = nil }
    }
}

extension Secured {
    var hasOutput: Bool { !muxerOutput.isEmpty || (isMuxerUsable && yamux.hasOutput) }

    /// Builds one Noise frame at the end of `output`; appends nothing when there is nothing to send.
    func transmitFrame(
        into output: inout [UInt8],
        plaintextSizeMax: Int,
        now: MonotonicInstant,
        events: inout [YamuxSession.Event]
    ) throws(NoiseError) {
        let start = output.count
        // Room for the length, which `seal` fills in.
        output.append(0)
        output.append(0)
        var sizeMax = plaintextSizeMax
        if !muxerOutput.isEmpty {
            output += muxerOutput
            sizeMax -= muxerOutput.count
            muxerOutput = []
            roundTrips.sent()
        }
        if isMuxerUsable {
            yamux.transmit(into: &output, sizeMax: sizeMax, now: now, events: &events)
        }
        guard output.count > start + NoiseTransport.lengthSize else {
            output.removeLast(NoiseTransport.lengthSize)
            return
        }
        try transport.seal(&output, from: start)
    }
}
