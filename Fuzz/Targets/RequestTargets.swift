import ChoraleBase
import RequestResponse

extension FuzzTarget {
    static let requestTargets: [FuzzTarget] = [
        FuzzTarget(
            "request-sequence",
            "requests of both directions that wait, begin, end and are cancelled, and peers that go; "
                + "each begins or is refused once, few at a time", sizeMax: 512,
            seeds: {
                [
                    [0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 3, 2, 0, 2, 1, 0, 1, 0],
                    [1, 1, 0, 9, 1, 1, 1, 9, 1, 1, 0, 9, 1, 1, 0, 9, 5, 20, 5, 90, 2, 0, 4, 1],
                    [1, 2, 0, 200, 1, 2, 0, 1, 3, 1, 2, 5, 40, 0, 3, 4, 0, 4, 4],
                ]
            }, run: requestSequence)
    ]

    private static func requestSequence(_ input: [UInt8], _ findings: inout Findings) {
        struct Known {
            let peer: Int
            let isOurs: Bool
            let name: String
            var hasBegun = false
        }
        var limits = RequestScheduler<Int>.Limits()
        limits.outboundWaitingMax = 4
        limits.inboundWaitingMax = 3
        limits.burst = 16
        limits.peerCountMax = 3
        var scheduler = RequestScheduler<Int>(limits: limits)
        var program = Program(input)
        var now = MonotonicInstant.zero
        var outputs: [RequestScheduler<Int>.Output] = []
        /// By id; gone once over.
        var known: [UInt64: Known] = [:]
        var order: [UInt64] = []
        var nextID: UInt64 = 1
        var steps = 0
        while !program.isAtEnd, steps < 300 {
            steps += 1
            let instruction = program.byte() % 6
            let peer = program.below(6)
            let kind = RequestProtocol.all[program.below(RequestProtocol.all.count)]
            switch instruction {
            case 0, 1:
                let id = ScheduledRequestID(nextID)
                known[nextID] = Known(peer: peer, isOurs: instruction == 0, name: kind.name)
                order.append(nextID)
                nextID += 1
                if instruction == 0 {
                    scheduler.request(id, to: peer, kind, now: now, into: &outputs)
                } else {
                    scheduler.arrived(
                        id, from: peer, kind, cost: Int(program.byte()) - 2, now: now,
                        into: &outputs)
                }
            case 2:
                // Unknown ones, and those that only wait, are ignored.
                let id = order.isEmpty ? 0 : order[program.below(order.count)]
                if known[id]?.hasBegun == true {
                    known[id] = nil
                    order.removeAll { $0 == id }
                }
                scheduler.ended(.init(id), now: now, into: &outputs)
            case 3:
                guard !order.isEmpty else { continue }
                let id = order[program.below(order.count)]
                guard let request = known[id] else { continue }
                let didWait = scheduler.cancel(
                    .init(id), of: request.peer, now: now, into: &outputs)
                require(didWait == !request.hasBegun, "cancelled, or not, against what it was")
                if didWait {
                    known[id] = nil
                    order.removeAll { $0 == id }
                }
            case 4: scheduler.peerGone(peer, into: &outputs)
            default:
                now = now.advanced(by: program.duration())
                scheduler.timeout(now: now, into: &outputs)
                if let deadline = scheduler.nextDeadline {
                    require(deadline > now, "a deadline that has passed")
                }
            }
            for output in outputs {
                findings.note("request", output)
                switch output {
                case .open(let id), .serve(let id):
                    guard let request = known[id.rawValue], !request.hasBegun else {
                        fatalError("property broken: what does not wait begins")
                    }
                    let isOpen = if case .open = output { true } else { false }
                    require(request.isOurs == isOpen, "the wrong direction")
                    known[id.rawValue]?.hasBegun = true
                case .refuse(let id), .rateLimit(let id), .abandon(let id):
                    let request = known.removeValue(forKey: id.rawValue)
                    require(request?.hasBegun == false, "what does not wait is refused")
                    order.removeAll { $0 == id.rawValue }
                }
            }
            outputs = []
            var underWay: [String: Int] = [:]
            var waiting: [String: Int] = [:]
            for request in known.values {
                let line = "\(request.peer) \(request.isOurs)"
                if request.hasBegun {
                    underWay[line + request.name, default: 0] += 1
                } else {
                    waiting[line, default: 0] += 1
                }
            }
            require(underWay.values.allSatisfy { $0 <= limits.concurrentMax }, "\(underWay)")
            require(waiting.values.allSatisfy { $0 <= limits.outboundWaitingMax }, "\(waiting)")
            let waitingCount = waiting.values.reduce(0, +)
            require(scheduler.waitingCount == waitingCount, "others wait than should")
            let counters = scheduler.counters
            let ours = known.values.filter { $0.isOurs && !$0.hasBegun }.count
            require(
                counters.requested
                    == counters.opened + counters.refused + counters.outboundAbandoned
                    + UInt64(ours), "ours: \(counters)")
            require(
                counters.arrived
                    == counters.served + counters.rateLimited + counters.inboundAbandoned
                    + UInt64(waitingCount - ours), "theirs: \(counters)")
        }
        findings.note("request", counters: scheduler.counters)
    }
}
