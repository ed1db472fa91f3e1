import ChoraleBase
import ChoraleTypes
import Codec
import Kademlia
import PeerIdentity

extension FuzzTarget {
    static let kademliaTargets: [FuzzTarget] = [
        FuzzTarget(
            "kad-request", "one request of a DHT peer; answered once, and no longer than allowed",
            seeds: { KademliaMessages.samples }, run: kadRequest),
        FuzzTarget(
            "kad-answer", "answers to a lookup, a read and a search; they all end",
            seeds: { KademliaMessages.samples }, run: kadAnswer),
        FuzzTarget(
            "kad-rows", "rows of the database; what is written again is read again",
            seeds: {
                var machine = kademliaMachine()
                var outputs: [Kademlia.Output] = []
                machine.handle(
                    .listenAddressesChanged([Actors.addresses[0]]), now: .start, into: &outputs)
                machine.handle(
                    .command(
                        .init(1),
                        .putValue(
                            key: Actors.proverRecordKey, value: Actors.proverRecord,
                            republish: true)), now: .start, into: &outputs)
                machine.handle(
                    .command(.init(2), .provide(key: [1, 2, 3])), now: .start, into: &outputs)
                for sample in KademliaMessages.samples {
                    machine.handle(
                        .requestReceived(.init(9), from: Actors.peers[1], sample), now: .start,
                        into: &outputs)
                }
                runJobs(&machine, .start, &outputs)
                return rows(in: outputs).map { row in
                    [UInt8(row.key.count)] + row.key + row.value
                }
            }, run: kadRows),
        FuzzTarget(
            "kad-sequence",
            "peers, commands, requests, answers, failures, verdicts and time in any order; "
                + "each command ends once", sizeMax: 1024,
            seeds: {
                [
                    [0, 1, 0, 2, 0, 3, 2, 0, 2, 1, 4, 0, 0, 2, 4, 0, 1, 3, 8, 30, 5, 0, 8, 90],
                    [0, 1, 0, 2, 2, 3, 0, 3, 2, 1, 4, 0, 5, 4, 0, 6, 6, 0, 8, 200, 6, 0],
                    [0, 1, 3, 1, 1, 3, 1, 2, 3, 2, 4, 7, 0, 8, 30, 9, 1, 10, 2],
                ]
            }, run: kadSequence),
    ]

    private static func kademliaMachine() -> Kademlia {
        var configuration = Kademlia.Configuration()
        configuration.mode = .server
        configuration.bucketSize = 4
        configuration.addressPolicy = .public
        configuration.namespaces = [
            .publicKeys, .proverIdentities(ProverIdentityRules(network: Actors.network)),
        ]
        var limits = Kademlia.Limits()
        limits.recordsMax = 8
        limits.recordsPerPeerMax = 3
        limits.providersMax = 8
        limits.providersPerKeyMax = 3
        limits.validationsMax = 6
        limits.validationsPerPeerMax = 3
        limits.requestsPerSecond = 8
        limits.requestBurst = 16
        limits.ratedPeersMax = 4
        limits.queriesMax = 4
        limits.requestsInFlightMax = 8
        limits.ownKeysMax = 4
        limits.connectedPeersMax = 6
        return Kademlia(
            localPeer: Actors.peers[0], configuration: configuration, limits: limits,
            random: DeterministicRandom(seed: 5))
    }

    /// Runs validations until there are none.
    private static func runJobs(
        _ machine: inout Kademlia, _ now: Now, _ outputs: inout [Kademlia.Output]
    ) {
        var index = 0
        while index < outputs.count {
            if case .validate(let id, let job) = outputs[index] {
                machine.handle(.validated(id, job.run(wall: now.wall)), now: now, into: &outputs)
            }
            index += 1
        }
    }

    private static func rows(in outputs: [Kademlia.Output]) -> [StoreRow] {
        outputs.flatMap { output -> [StoreRow] in
            guard case .store(let writes) = output else { return [] }
            return writes.compactMap {
                guard case .put(.dht, let key, let value) = $0 else { return nil }
                return StoreRow(key: key, value: value)
            }
        }
    }

    private static func check(_ machine: borrowing Kademlia, _ now: Now) {
        let snapshot = machine.snapshot(now: now)
        let limits = Kademlia.Limits()
        require(snapshot.recordCount <= 8, "records: \(snapshot.recordCount)")
        require(snapshot.providerCount <= 8, "providers: \(snapshot.providerCount)")
        require(snapshot.validationsInFlight <= 6, "jobs: \(snapshot.validationsInFlight)")
        require(snapshot.requestsInFlight <= 8, "requests: \(snapshot.requestsInFlight)")
        require(snapshot.recordBytes <= limits.recordBytesMax, "bytes: \(snapshot.recordBytes)")
        for bucket in snapshot.buckets {
            require(bucket.peers.count <= 4, "a bucket of \(bucket.peers.count)")
        }
        // As `Counters` says of them.
        let counters = machine.counters
        require(
            counters.requestsReceived
                == counters.requestsAnswered + counters.requestsAcknowledged
                + counters.refusals.total + counters.requestsCancelled
                + UInt64(snapshot.putsInValidation), "requests of peers: \(counters)")
        require(
            counters.requestsSent
                == counters.answersReceived + counters.requestsFailed
                + UInt64(snapshot.requestsInFlight), "requests to peers: \(counters)")
        require(
            counters.validationsStarted
                == counters.validationsAnswered + counters.validationsGivenUp
                + UInt64(snapshot.validationsInFlight), "validations: \(counters)")
        let queriesOver = counters.queriesSucceeded + counters.queriesFailed
        require(
            counters.queriesStarted >= queriesOver + UInt64(snapshot.queries.count),
            "queries: \(counters)")
    }

    private static func kadRequest(_ input: [UInt8], _ findings: inout Findings) {
        var machine = kademliaMachine()
        var outputs: [Kademlia.Output] = []
        let now = Now.start
        machine.handle(.listenAddressesChanged([Actors.addresses[0]]), now: now, into: &outputs)
        // Twice: the second meets what the first has stored.
        for id in 1...2 {
            outputs = []
            machine.handle(
                .requestReceived(.init(UInt64(id)), from: Actors.peers[1], input), now: now,
                into: &outputs)
            runJobs(&machine, now, &outputs)
            var answers = 0
            for output in outputs {
                findings.note("request", output)
                switch output {
                case .respond(_, let bytes):
                    answers += 1
                    require(bytes.count <= 16 * 1024, "an answer of \(bytes.count) bytes")
                case .acknowledge, .refuse: answers += 1
                default: break
                }
            }
            require(answers == 1, "\(answers) answers")
            check(machine, now)
        }
        findings.note("request", counters: machine.counters)
    }

    private static func kadAnswer(_ input: [UInt8], _ findings: inout Findings) {
        var machine = kademliaMachine()
        var now = Now.start
        var outputs: [Kademlia.Output] = []
        for index in 1...3 {
            machine.handle(
                .peerIdentified(
                    Actors.peers[index], addresses: [Actors.addresses[index]],
                    supportsServer: true, remote: Actors.addresses[index].ipAddress), now: now,
                into: &outputs)
        }
        machine.handle(
            .command(.init(1), .getValue(key: Actors.proverRecordKey, quorum: 2)), now: now,
            into: &outputs)
        machine.handle(.command(.init(2), .findPeer(Actors.peers[6])), now: now, into: &outputs)
        machine.handle(
            .command(.init(3), .findProviders(key: [1, 2, 3], count: 2)), now: now, into: &outputs)
        var finished: [Kademlia.QueryID: Int] = [:]
        var index = 0
        var rounds = 0
        while rounds < 20 {
            while index < outputs.count, index < 2000 {
                switch outputs[index] {
                case .sendRequest(let id, _, _, _, let expectsAnswer, _):
                    machine.handle(
                        expectsAnswer ? .responseReceived(id, input) : .requestSent(id), now: now,
                        into: &outputs)
                case .validate(let id, let job):
                    machine.handle(
                        .validated(id, job.run(wall: now.wall)), now: now, into: &outputs)
                case .queryFinished(let id, _): finished[id, default: 0] += 1
                default: break
                }
                index += 1
            }
            rounds += 1
            now.advance(.seconds(7))
            machine.handle(.timeout, now: now, into: &outputs)
        }
        for output in outputs { findings.note("answer", output) }
        for id: UInt64 in 1...3 {
            require(finished[.init(id)] == 1, "query \(id) ended \(finished[.init(id)] ?? 0) times")
        }
        check(machine, now)
        findings.note("answer", counters: machine.counters)
    }

    private static func kadRows(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var given: [StoreRow] = []
        given.append(StoreRow(key: program.chunk(), value: program.rest()))
        var machine = kademliaMachine()
        var outputs: [Kademlia.Output] = []
        machine.handle(.loaded(given), now: .start, into: &outputs)
        runJobs(&machine, .start, &outputs)
        machine.handle(.timeout, now: .start, into: &outputs)
        for output in outputs { findings.note("rows", output) }
        let snapshot = machine.snapshot(now: .start)
        findings.note("rows", size: snapshot.recordCount)
        findings.note("own", size: snapshot.ownValueCount)
        findings.note("provide", size: snapshot.ownProvideCount)
        findings.note("providers", size: snapshot.providerCount)
        findings.note("running", size: snapshot.requestsInFlight)
        check(machine, .start)
        var later = Now.start
        later.advance(.seconds(100_000))
        machine.handle(.timeout, now: later, into: &outputs)
        check(machine, later)
    }

    private static func kadSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var machine = kademliaMachine()
        var now = Now.start
        var outputs: [Kademlia.Output] = []
        var requests: [Kademlia.RPCID] = []
        var jobs: [(Kademlia.JobID, ValidationJob)] = []
        var running: [Kademlia.QueryID] = []
        var inbound: [Kademlia.InboundRequestID] = []
        var nextQuery: UInt64 = 1
        var nextInbound: UInt64 = 1
        var renewals: [(key: [UInt8], previous: [UInt8])] = []
        var steps = 0
        machine.handle(.listenAddressesChanged([Actors.addresses[0]]), now: now, into: &outputs)
        while !program.isAtEnd, steps < 120 {
            steps += 1
            let instruction = program.byte() & 0x0F
            let peer = Actors.peers[1 + program.below(7)]
            switch instruction {
            case 0, 1:
                let address = Actors.addresses[program.below(8)]
                machine.handle(
                    .peerIdentified(
                        peer, addresses: [address], supportsServer: instruction == 0,
                        remote: address.ipAddress), now: now, into: &outputs)
            case 2:
                let id = Kademlia.QueryID(nextQuery)
                nextQuery += 1
                running.append(id)
                machine.handle(.command(id, command(&program)), now: now, into: &outputs)
            case 3:
                let id = Kademlia.InboundRequestID(nextInbound)
                nextInbound += 1
                inbound.append(id)
                machine.handle(
                    .requestReceived(id, from: peer, message(&program)), now: now, into: &outputs)
            case 4:
                guard !requests.isEmpty else { continue }
                let id = requests.remove(at: program.below(requests.count))
                machine.handle(
                    .responseReceived(id, message(&program)), now: now, into: &outputs)
            case 5:
                guard !requests.isEmpty else { continue }
                let id = requests.remove(at: program.below(requests.count))
                let failure = Kademlia.RPCFailure.allCases[
                    program.below(Kademlia.RPCFailure.allCases.count)]
                machine.handle(.rpcFailed(id, failure), now: now, into: &outputs)
            case 6:
                guard !jobs.isEmpty else { continue }
                let (id, job) = jobs.remove(at: program.below(jobs.count))
                machine.handle(
                    .validated(id, job.run(wall: now.wall)), now: now, into: &outputs)
            case 7:
                guard !requests.isEmpty else { continue }
                machine.handle(
                    .requestSent(requests[program.below(requests.count)]), now: now,
                    into: &outputs)
            case 8:
                now.advance(program.duration())
                machine.handle(.timeout, now: now, into: &outputs)
            case 9: machine.handle(.peerDisconnected(peer), now: now, into: &outputs)
            case 10:
                guard !running.isEmpty else { continue }
                machine.handle(
                    .cancel(running[program.below(running.count)]), now: now, into: &outputs)
            case 11:
                guard !inbound.isEmpty else { continue }
                let id = inbound.remove(at: program.below(inbound.count))
                machine.handle(.requestCancelled(id), now: now, into: &outputs)
            case 12:
                guard !renewals.isEmpty else { continue }
                let renewal = renewals.removeLast()
                let value = [nil, renewal.previous, Actors.proverRecord][program.below(3)]
                machine.handle(.renewed(key: renewal.key, value: value), now: now, into: &outputs)
            case 13:
                machine.handle(
                    .setMode(program.byte() & 1 == 0 ? .server : .client), now: now,
                    into: &outputs)
            case 14:
                machine.handle(
                    .loaded([StoreRow(key: program.chunk(), value: program.chunk())]), now: now,
                    into: &outputs)
            default:
                machine.handle(
                    .stopPublishing(key: Actors.proverRecordKey), now: now, into: &outputs)
                machine.handle(.stopProviding(key: [1, 2, 3]), now: now, into: &outputs)
            }
            for output in outputs {
                findings.note("sequence", output)
                switch output {
                case .sendRequest(let id, let to, _, let message, _, _):
                    require(to != Actors.peers[0], "a request to ourselves")
                    require(message.count <= 16 * 1024, "a request of \(message.count) bytes")
                    requests.append(id)
                case .cancelRequest(let id):
                    require(requests.contains(id), "a request is cancelled that is over")
                    requests.removeAll { $0 == id }
                case .validate(let id, let job): jobs.append((id, job))
                case .queryFinished(let id, _):
                    require(running.contains(id), "a query ended twice")
                    running.removeAll { $0 == id }
                case .respond(let id, let bytes):
                    require(bytes.count <= 16 * 1024, "an answer of \(bytes.count) bytes")
                    require(inbound.contains(id), "an answer that is not due")
                    inbound.removeAll { $0 == id }
                case .acknowledge(let id), .refuse(let id, _):
                    require(inbound.contains(id), "an answer that is not due")
                    inbound.removeAll { $0 == id }
                case .renew(let key, let previous): renewals.append((key, previous))
                default: break
                }
            }
            outputs.removeAll(keepingCapacity: true)
            check(machine, now)
            let snapshot = machine.snapshot(now: now)
            // Commands that wait for a refresh round have no query of their own.
            let waiting = running.filter { id in !snapshot.queries.contains { $0.id == id } }
            let counters = machine.counters
            require(
                counters.queriesStarted
                    == counters.queriesSucceeded + counters.queriesFailed
                    + UInt64(snapshot.queries.count + waiting.count), "queries: \(counters)")
        }
        findings.note("sequence", counters: machine.counters)
        // With no further answer everything ends by itself.
        for _ in 0..<40 {
            now.advance(.seconds(6))
            machine.handle(.timeout, now: now, into: &outputs)
            for case .queryFinished(let id, _) in outputs {
                require(running.contains(id), "a query ended twice")
                running.removeAll { $0 == id }
            }
            outputs.removeAll(keepingCapacity: true)
        }
        require(running.isEmpty, "\(running.count) queries never end")
    }

    private static func command(_ program: inout Program) -> Kademlia.Command {
        switch program.below(7) {
        case 0: .findPeer(Actors.peers[program.below(8)])
        case 1: .getValue(key: key(&program), quorum: [nil, 0, 2][program.below(3)])
        case 2:
            .putValue(key: key(&program), value: value(&program), republish: program.byte() == 1)
        case 3: .provide(key: key(&program))
        case 4: .findProviders(key: key(&program), count: program.below(4))
        case 5: .getClosestPeers(key: key(&program))
        default: .bootstrap
        }
    }

    private static func key(_ program: inout Program) -> [UInt8] {
        switch program.below(4) {
        case 0: Actors.proverRecordKey
        case 1: [1, 2, 3]
        case 2: Array("/pk/".utf8) + Actors.peers[program.below(8)].multihash
        default: program.chunk()
        }
    }

    private static func value(_ program: inout Program) -> [UInt8] {
        switch program.below(3) {
        case 0: Actors.proverIdentity(sequence: UInt64(program.below(4))).sszEncoded()
        case 1: Actors.keys[program.below(8)].publicKey.encoded
        default: program.chunk()
        }
    }

    private static func message(_ program: inout Program) -> [UInt8] {
        if program.byte() == 0xFF { return program.chunk() }
        let kind = UInt64(program.below(7))
        let key = key(&program)
        let value = kind == 0 || kind == 1 ? value(&program) : nil
        let peers = Actors.peers.indices.prefix(program.below(9)).map { $0 }
        let providers = kind == 2 || kind == 3 ? Array(peers.prefix(program.below(4))) : []
        return KademliaMessages.message(
            kind, key: key, value: value, closer: peers, providers: providers)
    }
}

/// Messages written by hand, since the module's writer is its own business.
enum KademliaMessages {
    static func message(
        _ kind: UInt64, key: [UInt8], value: [UInt8]? = nil, closer: [Int] = [],
        providers: [Int] = []
    ) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.varint(1, kind)
        writer.bytes(2, key)
        if let value {
            let record = writer.beginMessage(3)
            writer.bytes(1, key)
            writer.bytes(2, value)
            writer.endMessage(record)
        }
        for (field, indices) in [(UInt32(8), closer), (9, providers)] {
            for index in indices {
                let entry = writer.beginMessage(field)
                writer.bytes(1, Actors.peers[index].multihash)
                writer.bytes(2, Actors.addresses[index].bytes)
                writer.varint(3, 1)
                writer.endMessage(entry)
            }
        }
        return writer.bytes
    }

    /// One of each type.
    static let samples: [[UInt8]] = [
        message(0, key: Actors.proverRecordKey, value: Actors.proverRecord),
        message(1, key: Actors.proverRecordKey, value: Actors.proverRecord, closer: [2, 3, 4]),
        message(2, key: [1, 2, 3], providers: [1]),
        message(3, key: [1, 2, 3], closer: [2, 3], providers: [4, 5]),
        message(4, key: Actors.peers[3].multihash, closer: [1, 2, 3, 4, 5, 6]),
        message(5, key: []),
    ]
}
