import ChoraleBase
import Codec
import Crypto
import DequeModule
import Node
import Swarm

/// Sockets: how they open, carry bytes and end.
extension Simulation {
    // MARK: Opening

    func dial(
        _ id: ConnectionID, _ address: Multiaddr, timeout: Duration, from host: Host
    ) {
        let trip = conditions.latency * 2
        guard let target = hostsByAddress[address].map({ hosts[$0.rawValue] }),
            target.group == host.group
        else {
            // Nothing answers: not even a refusal comes back.
            schedule(
                .refuse(host, id, "connect timed out"), at: now.advanced(by: timeout),
                life: host.life)
            return
        }
        guard target.isListening, target.participant != nil else {
            schedule(
                .refuse(host, id, "connection refused"), at: now.advanced(by: trip),
                life: host.life)
            return
        }
        let accepted = ConnectionID.inbound(target.acceptedCount)
        target.acceptedCount += 1
        let wire = Wire(
            number: nextWire, dialed: Wire.End(host: host, connection: id),
            accepted: Wire.End(host: target, connection: accepted))
        nextWire += 1
        host.wires[id] = WireEnd(wire: wire, side: 0)
        target.wires[accepted] = WireEnd(wire: wire, side: 1)
        schedule(.open(wire), at: now.advanced(by: trip))
    }

    func open(_ wire: Wire) {
        guard wire[0].isOpen, wire[1].isOpen else { return }
        let dialer = wire[0].host
        let listener = wire[1].host
        trace.record(.open, at: now, dialer.index.rawValue, wire.number)
        let local = Multiaddr.tcp(
            ip: dialer.address.ipAddress ?? .ip4(.any),
            port: UInt16(truncatingIfNeeded: 20_000 + wire.number))
        wire.isEstablished = true
        give(
            .accepted(
                wire[1].connection, local: listener.address, remote: local,
                ephemeral: secretFromSeed()),
            to: listener)
        if wire[0].isOpen {
            give(
                .connected(wire[0].connection, local: local, ephemeral: secretFromSeed()),
                to: dialer)
        }
    }

    private func secretFromSeed() -> SecretBytes {
        Self.secret("ephemeral", seed: random.next(), number: 0)
    }

    // MARK: Ending

    func abort(_ id: ConnectionID, on host: Host) {
        guard let end = host.wires[id] else {
            scheduleInput(.disconnected(id, .networkError, detail: "no such socket"), host)
            return
        }
        schedule(.end(end, .networkError), at: now)
        tellOther(end, .remoteReset, at: now.advanced(by: conditions.latency))
    }

    /// Ends the other side's socket, if news of it gets there.
    private func tellOther(_ end: WireEnd, _ reason: DisconnectReason, at instant: MonotonicInstant)
    {
        let wire = end.wire
        guard !wire.isCut else { return }
        guard wire[0].host.group == wire[1].host.group else { return cut(wire) }
        schedule(.end(WireEnd(wire: wire, side: 1 - end.side), reason), at: instant)
    }

    /// A host's program is gone: the kernel resets its sockets.
    func vanish(_ host: Host) {
        host.participant = nil
        host.isListening = false
        host.life += 1
        let ends = host.wires.sorted { $0.key < $1.key }.map(\.value)
        host.wires = [:]
        host.ready = []
        for end in ends {
            end.wire[end.side].isOpen = false
            tellOther(end, .remoteReset, at: now.advanced(by: conditions.latency))
        }
    }

    func end(_ end: WireEnd, _ reason: DisconnectReason) {
        let wire = end.wire
        guard wire[end.side].isOpen else { return }
        if !wire[end.side].waiting.isEmpty, reason == .remoteClosed {
            wire[end.side].waitingEnd = reason
            return
        }
        let host = wire[end.side].host
        let connection = wire[end.side].connection
        wire[end.side].isOpen = false
        wire[end.side].waiting = []
        host.wires.removeValue(forKey: connection)
        trace.record(.closed, at: now, host.index.rawValue, wire.number)
        // A listener never heard of a socket that did not finish opening.
        guard wire.isEstablished || end.side == 0 else { return }
        give(.disconnected(connection, reason, detail: reason.rawValue), to: host)
    }

    /// A segment has gone into a partition, and with it everything behind it on its connection, until
    /// the writer's timeout ends that.
    private func cut(_ wire: Wire) {
        wire.isCut = true
        let at = now.advanced(by: conditions.writeTimeout)
        schedule(.end(WireEnd(wire: wire, side: 0), .writeStalled), at: at)
        schedule(.end(WireEnd(wire: wire, side: 1), .writeStalled), at: at)
    }

    /// The other side has not read for as long as a writer waits.
    func stalled(_ end: WireEnd, blockCount: Int) {
        let state = end.wire[end.side]
        guard state.isOpen, state.isBlocked, state.blockCount == blockCount else { return }
        schedule(.end(end, .writeStalled), at: now)
        tellOther(end, .remoteReset, at: now.advanced(by: conditions.latency))
    }

    // MARK: Sending

    func makeReady(_ id: ConnectionID, _ host: Host) {
        guard let end = host.wires[id] else { return }
        if !end.wire[end.side].isReady, !end.wire[end.side].isBlocked {
            end.wire[end.side].isReady = true
            host.ready.append(id)
        }
        schedulePump(host)
    }

    private func schedulePump(_ host: Host) {
        guard !host.isPumpScheduled, !host.ready.isEmpty else { return }
        host.isPumpScheduled = true
        schedule(.pump(host), at: max(now, host.uplinkFreeAt), life: host.life)
    }

    /// Lets the next connection of a host send one portion, as its uplink allows.
    func pump(_ host: Host) {
        guard let participant = host.participant, let id = host.ready.popFirst() else { return }
        guard let end = host.wires[id] else {
            schedulePump(host)
            return
        }
        end.wire[end.side].isReady = false
        var buffer: [UInt8] = []
        var results: [NodeOutput] = []
        swap(&results, &outputs)
        let hasMore = participant.transmit(
            id, into: &buffer, sizeMax: 16 * 1024, now: clock(of: host),
            outputs: &results)
        if buffer.isEmpty {
            if end.wire[end.side].isClosing {
                schedule(.end(end, .networkError), at: now)
                // The end arrives behind the bytes that were sent before it.
                let arrival = end.wire[1 - end.side].lastArrival
                tellOther(
                    end, .remoteClosed, at: max(now.advanced(by: conditions.latency), arrival))
            }
        } else {
            send(buffer, from: end, host)
            // Whoever closes is asked until nothing comes.
            if hasMore || end.wire[end.side].isClosing { makeReady(id, host) }
        }
        perform(&results, on: host)
        swap(&results, &outputs)
        schedulePump(host)
        rearm(host)
    }

    private func send(_ bytes: [UInt8], from end: WireEnd, _ host: Host) {
        let nanoseconds = bytes.count * 1_000_000_000 / max(1, conditions.uplink)
        host.uplinkFreeAt = max(now, host.uplinkFreeAt).advanced(by: .nanoseconds(nanoseconds))
        host.sentSize += UInt64(bytes.count)
        let wire = end.wire
        let other = 1 - end.side
        guard !wire.isCut else { return }
        guard wire[other].host.group == host.group else { return cut(wire) }
        var delay = conditions.latency + random.duration(below: conditions.jitter)
        if conditions.lossPerMille > 0, random.chance(conditions.lossPerMille, in: 1000) {
            delay += conditions.latency * 2 + .milliseconds(200)
        }
        let arrival = max(host.uplinkFreeAt.advanced(by: delay), wire[other].lastArrival)
        wire[other].lastArrival = arrival
        wire[other].unreadSize += bytes.count
        if wire[other].unreadSize >= conditions.socketBufferSize {
            wire[end.side].isBlocked = true
            wire[end.side].blockCount += 1
            schedule(
                .stalled(end, blockCount: wire[end.side].blockCount),
                at: now.advanced(by: conditions.writeTimeout))
        }
        guard !heldLinks.contains(HostLink(from: host.index, to: wire[other].host.index)) else {
            wire[other].held.append(bytes)
            return
        }
        schedule(.deliver(WireEnd(wire: wire, side: other), bytes), at: arrival)
    }

    // MARK: Receiving

    func arrived(_ bytes: consuming [UInt8], at end: WireEnd) {
        guard end.wire[end.side].isOpen else { return }
        if end.wire[end.side].isPaused || !end.wire[end.side].waiting.isEmpty {
            end.wire[end.side].waiting.append(bytes)
            return
        }
        read(bytes, at: end)
    }

    func drain(_ end: WireEnd) {
        while end.wire[end.side].isOpen, !end.wire[end.side].isPaused,
            let bytes = end.wire[end.side].waiting.popFirst()
        {
            read(bytes, at: end)
        }
        if end.wire[end.side].waiting.isEmpty, let reason = end.wire[end.side].waitingEnd {
            self.end(end, reason)
        }
    }

    private func read(_ bytes: consuming [UInt8], at end: WireEnd) {
        let wire = end.wire
        let host = wire[end.side].host
        guard let participant = host.participant else { return }
        trace.record(
            .bytes, at: now, host.index.rawValue, Trace.fingerprint(bytes.span),
            "\(bytes.count) on \(wire.number)")
        host.receivedSize += UInt64(bytes.count)
        wire[end.side].unreadSize -= bytes.count
        unblock(WireEnd(wire: wire, side: 1 - end.side), unread: wire[end.side].unreadSize)
        var presented: [UInt8]
        if wire[end.side].carry.isEmpty {
            presented = bytes
        } else {
            presented = wire[end.side].carry
            presented.append(contentsOf: bytes)
            wire[end.side].carry = []
        }
        var results: [NodeOutput] = []
        swap(&results, &outputs)
        var span = presented.mutableSpan
        let consumed = participant.receive(
            wire[end.side].connection, &span, now: clock(of: host), into: &results)
        if consumed < presented.count { wire[end.side].carry = Array(presented[consumed...]) }
        perform(&results, on: host)
        swap(&results, &outputs)
        rearm(host)
        onTurn?(host.index)
    }

    /// Half a buffer is free again.
    private func unblock(_ end: WireEnd, unread: Int) {
        let wire = end.wire
        guard wire[end.side].isBlocked, wire[end.side].isOpen,
            unread <= conditions.socketBufferSize / 2
        else { return }
        wire[end.side].isBlocked = false
        wire[end.side].blockCount += 1
        makeReady(wire[end.side].connection, wire[end.side].host)
    }
}
