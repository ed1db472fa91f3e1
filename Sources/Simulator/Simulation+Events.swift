import Chain
import ChoraleBase
import ChoraleTypes
import HeapModule
import Node
import Swarm

/// The queue of what will happen, and what participants ask for.
extension Simulation {
    enum Event {
        case timer(Host)
        case pump(Host)
        case open(Wire)
        case refuse(Host, ConnectionID, String)
        case deliver(WireEnd, [UInt8])
        /// Reading was resumed: what waited is read before what comes.
        case drain(WireEnd)
        case end(WireEnd, DisconnectReason)
        case stalled(WireEnd, blockCount: Int)
        // Indirect: the rest is small, and there are many times more of it.
        indirect case input(Host, NodeInput)
        /// The thread with the chain's state comes to a task.
        indirect case task(Host, ChainTask)
        /// The thread with a validator's files is done with its oldest order.
        case journal(Host)
        case action(() -> Void)
    }

    struct Scheduled: Comparable {
        let at: MonotonicInstant
        let order: UInt64
        let slot: Int
        /// The life of the host it was made for; 0 for the network's own.
        let life: UInt64

        static func < (lhs: Self, rhs: Self) -> Bool {
            lhs.at.nanoseconds != rhs.at.nanoseconds
                ? lhs.at.nanoseconds < rhs.at.nanoseconds : lhs.order < rhs.order
        }

        static func == (lhs: Self, rhs: Self) -> Bool { lhs.order == rhs.order }
    }

    func schedule(_ event: Event, at instant: MonotonicInstant, life: UInt64 = 0) {
        order += 1
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            slots[slot] = event
        } else {
            slot = slots.count
            slots.append(event)
        }
        queue.insert(Scheduled(at: max(now, instant), order: order, slot: slot, life: life))
    }

    func step() {
        let next = queue.removeMin()
        now = max(now, next.at)
        stepCount += 1
        if stepCount & 0xFFFF == 0 { onProgress?(self) }
        guard let event = slots[next.slot].take() else {
            preconditionFailure("an event is taken once")
        }
        freeSlots.append(next.slot)
        switch event {
        case .timer(let host):
            guard next.life == host.life, host.timerAt == next.at else { return }
            host.timerAt = nil
            give(.timeout, to: host)
        case .pump(let host):
            guard next.life == host.life else { return }
            host.isPumpScheduled = false
            pump(host)
        case .open(let wire): open(wire)
        case .refuse(let host, let connection, let reason):
            guard next.life == host.life else { return }
            give(.disconnected(connection, .networkError, detail: reason), to: host)
        case .deliver(let end, let bytes): arrived(bytes, at: end)
        case .drain(let end): drain(end)
        case .end(let end, let reason): self.end(end, reason)
        case .stalled(let end, let blockCount): stalled(end, blockCount: blockCount)
        case .input(let host, let input):
            guard next.life == host.life else { return }
            give(input, to: host)
        case .task(let host, let task):
            guard next.life == host.life else { return }
            finish(task, on: host)
        case .journal(let host):
            guard next.life == host.life else { return }
            finishOrder(on: host)
        case .action(let action): action()
        }
    }

    func give(_ input: NodeInput, to host: Host) {
        guard let participant = host.participant else { return }
        var results: [NodeOutput] = []
        swap(&results, &outputs)
        participant.handle(input, now: clock(of: host), into: &results)
        perform(&results, on: host)
        swap(&results, &outputs)
        rearm(host)
        onTurn?(host.index)
    }

    func rearm(_ host: Host) {
        guard let deadline = host.participant?.nextDeadline else {
            host.timerAt = nil
            return
        }
        let at = max(deadline, now)
        // A timer that fires too early is harmless, and cheaper than one more in the queue.
        if let current = host.timerAt, current <= at { return }
        host.timerAt = at
        schedule(.timer(host), at: at, life: host.life)
    }

    func perform(_ results: inout [NodeOutput], on host: Host) {
        for result in results { perform(result, on: host) }
        results.removeAll(keepingCapacity: true)
    }

    private func perform(_ output: NodeOutput, on host: Host) {
        switch output {
        case .listen(let id, let address):
            host.isListening = true
            scheduleInput(.listening(id, address), host)
        case .dial(let id, let address, let timeout):
            dial(id, address, timeout: timeout, from: host)
        case .cancelDial(let id), .abort(let id):
            abort(id, on: host)
        case .wantsToTransmit(let id):
            makeReady(id, host)
        case .close(let id):
            guard let end = host.wires[id] else {
                scheduleInput(.disconnected(id, .networkError, detail: "no such socket"), host)
                return
            }
            end.wire[end.side].isClosing = true
            makeReady(id, host)
        case .pauseReading(let id): host.wires[id].map { $0.wire[$0.side].isPaused = true }
        case .resumeReading(let id):
            guard let end = host.wires[id], end.wire[end.side].isPaused else { return }
            end.wire[end.side].isPaused = false
            schedule(.drain(end), at: now)
        case .resolve(let id, _):
            scheduleInput(.resolved(id, .failed("no names in the simulator")), host)
        case .run(let job):
            if let liar = host.chain?.liar, liar.drops(job) { return }
            let wall = clock(of: host).wall
            // A worker takes its time; 100 µs is a signature with its thread switches, and proofs take longer.
            schedule(
                .input(host, .finished(job.run(wall: wall))),
                at: now.advanced(by: job.isLong ? .milliseconds(20) : .microseconds(100)),
                life: host.life)
        case .store(let id, let request):
            let reply = host.disk.execute(request, now: now)
            schedule(
                .input(host, .stored(id, reply)), at: now.advanced(by: .milliseconds(1)),
                life: host.life)
        case .process(let task): begin(task, on: host)
        case .journal(let order): begin(order, on: host)
        case .signParts(let requests): sign(requests, on: host)
        case .settle(let settlement, let output): onSettle?(host.index, settlement, output)
        case .crossValidate(let contents, _):
            // Nobody else executes blocks here.
            scheduleInput(.crossValidated(contents.block.id, refusal: nil), host)
        case .reply(let id, let reply, let isLast):
            replied(host.index, id, reply, isLast: isLast)
        case .event(let event):
            let words = event.words
            trace.record(.event, at: now, host.index.rawValue, Trace.fingerprint(words), words)
            onEvent?(host.index, event)
        case .stopped:
            trace.record(.stopped, at: now, host.index.rawValue, host.life)
            host.disk.sync()
            host.chain?.kill()
            vanish(host)
        }
    }

    func scheduleInput(_ input: NodeInput, _ host: Host) {
        schedule(.input(host, input), at: now, life: host.life)
    }
}

extension Simulation {
    /// Lets a participant look at the clock, after a test has changed it from outside.
    func step(with index: HostIndex) { give(.timeout, to: hosts[index.rawValue]) }
}
