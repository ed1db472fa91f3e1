import ChoraleBase
import Codec
import OrderedCollections
import PeerIdentity

// Commands, and the life of a query.
extension Kademlia {
    func index(of handle: UInt64) -> Int? {
        var low = 0
        var high = queries.count
        while low < high {
            let middle = (low + high) / 2
            if queries[middle].handle < handle { low = middle + 1 } else { high = middle }
        }
        return low < queries.count && queries[low].handle == handle ? low : nil
    }

    mutating func commandReceived(
        _ id: QueryID, _ command: Command, now: Now, into outputs: inout [Output]
    ) {
        if let failure = refusal(of: command) {
            counters.queriesStarted += 1
            counters.queriesFailed += 1
            outputs.append(.queryFinished(id, .failed(failure)))
            return
        }
        switch command {
        case .findPeer(let peer):
            findPeer(id, peer, now: now, into: &outputs)
        case .getClosestPeers(let key):
            start(.command(id), key: key, task: .closest, now: now, into: &outputs)
        case .getValue(let key, let quorum):
            var task = ReadTask(
                quorum: max(0, quorum ?? configuration.quorum), valuesMax: limits.valuesPerReadMax)
            if let held = records.held(key, wall: now.wall) {
                task.begin(held: held.value, isEquivocal: held.isEquivocal)
            }
            start(.command(id), key: key, task: .read(task), now: now, into: &outputs)
        case .putValue(let key, let value, let republish):
            if republish {
                ownValues[key] = OwnValue(value: value, dueAt: .init(nanoseconds: .max))
            }
            startWrite(.command(id), key: key, value: value, now: now, into: &outputs)
        case .provide(let key):
            ownProvides[key] = OwnProvide(dueAt: .init(nanoseconds: .max))
            writes.append(StoredRows.put(.ownProvide(key: key)))
            start(
                .command(id), key: key, task: .write(WriteTask(value: nil)), now: now,
                into: &outputs)
        case .findProviders(let key, let count):
            var task = ProviderSearch(
                wanted: max(0, count), countMax: limits.providersPerSearchMax)
            for provider in providers.providers(of: key, wall: now.wall) {
                let found = PeerAddresses(peer: provider.peer, addresses: provider.addresses)
                if task.add(found) { outputs.append(.queryProgress(id, .provider(found))) }
            }
            start(.command(id), key: key, task: .searchProviders(task), now: now, into: &outputs)
        case .bootstrap:
            bootstrap(id, now: now, into: &outputs)
        }
    }

    private func refusal(of command: Command) -> QueryFailure? {
        guard queries.count < limits.queriesMax else {
            return .tooManyQueries(limit: limits.queriesMax)
        }
        let key: [UInt8]
        var keyLimit = limits.keySizeMax
        switch command {
        case .findPeer: return nil
        case .bootstrap:
            let waiting = refreshRound?.commands.count ?? 0
            return waiting < limits.queriesMax ? nil : .tooManyQueries(limit: limits.queriesMax)
        case .getClosestPeers(let name): key = name
        case .getValue(let name, _):
            key = name
            guard namespace(of: name) != nil else { return .noNamespace }
        case .putValue(let name, let value, let republish):
            key = name
            guard let namespace = namespace(of: name) else { return .noNamespace }
            guard value.count <= namespace.valueSizeMax else {
                return .valueTooLarge(size: value.count, limit: namespace.valueSizeMax)
            }
            if republish, ownValues[name] == nil, ownKeyCount >= limits.ownKeysMax {
                return .tooManyOwnKeys(limit: limits.ownKeysMax)
            }
        case .provide(let name):
            key = name
            keyLimit = min(keyLimit, limits.providerKeySizeMax)
            if listenAddresses.isEmpty { return .noAddresses }
            if ownProvides[name] == nil, ownKeyCount >= limits.ownKeysMax {
                return .tooManyOwnKeys(limit: limits.ownKeysMax)
            }
        case .findProviders(let name, _):
            key = name
            keyLimit = min(keyLimit, limits.providerKeySizeMax)
        }
        guard key.count <= keyLimit else {
            return .keyTooLong(size: key.count, limit: keyLimit)
        }
        return nil
    }

    private var ownKeyCount: Int { ownValues.count + ownProvides.count }

    private mutating func findPeer(
        _ id: QueryID, _ peer: PeerID, now: Now, into outputs: inout [Output]
    ) {
        let known: [Multiaddr]? =
            peer == localPeer ? listenAddresses : connected[peer]?.addresses
        if let known {
            counters.queriesStarted += 1
            counters.queriesSucceeded += 1
            outputs.append(
                .queryFinished(
                    id, .peer(PeerAddresses(peer: peer, addresses: known), confirmed: true)))
            return
        }
        start(
            .command(id), key: peer.multihash, task: .findPeer(peer), now: now, into: &outputs)
    }

    // MARK: Beginning

    @discardableResult
    mutating func start(
        _ origin: Query.Origin, key: [UInt8], task: Query.Task,
        phase: Query.Phase = .searching, now: Now, into outputs: inout [Output]
    ) -> UInt64 {
        let handle = nextHandle
        nextHandle += 1
        counters.queriesStarted += 1
        let target = KeyPoint(key: key)
        let parameters = Lookup.Parameters(
            closestCount: configuration.bucketSize, concurrency: configuration.concurrency,
            pathCount: configuration.disjointPathCount, groupMax: limits.lookupGroupMax,
            contactsMax: limits.contactsPerLookupMax,
            addressesMax: limits.addressesPerPeerMax)
        queries.append(
            Query(
                handle: handle, origin: origin, key: key, task: task, phase: phase,
                lookup: Lookup(
                    target: target, parameters: parameters, seeds: seeds(for: target)),
                startedAt: now.instant,
                searchEndsAt: now.instant.advanced(by: configuration.lookupDeadline),
                endsAt: now.instant.advanced(by: configuration.queryDeadline)))
        if case .command(let id) = origin { handleByQuery[id] = handle }
        advance(handle, now: now, into: &outputs)
        return handle
    }

    /// A value is judged before it is sent to anybody: what we would not accept we do not spread.
    mutating func startWrite(
        _ origin: Query.Origin, key: [UInt8], value: [UInt8], now: Now,
        into outputs: inout [Output]
    ) {
        guard let namespace = namespace(of: key) else { return }
        let handle = start(
            origin, key: key, task: .write(WriteTask(value: value)), phase: .validating, now: now,
            into: &outputs)
        let job = ValidationJob(
            key: key, candidate: value, incumbent: records.held(key, wall: now.wall)?.value,
            namespace: namespace)
        guard startJob(.write(handle: handle), job, now: now, into: &outputs) else {
            finish(
                handle, .failed(.tooManyQueries(limit: limits.validationsMax)), now: now,
                into: &outputs)
            return
        }
    }

    // MARK: Going on

    /// Sends what may be sent now, and ends what has ended.
    mutating func advance(_ handle: UInt64, now: Now, into outputs: inout [Output]) {
        guard let index = index(of: handle) else { return }
        switch queries[index].phase {
        case .validating, .judging:
            settle(handle, now: now, into: &outputs)
        case .searching:
            search(handle, index, now: now, into: &outputs)
        case .storing:
            store(handle, index, now: now, into: &outputs)
        }
    }

    private mutating func search(
        _ handle: UInt64, _ index: Int, now: Now, into outputs: inout [Output]
    ) {
        if isSatisfied(queries[index].task) {
            endSearch(handle, now: now, into: &outputs)
            return
        }
        if case .findPeer(let peer) = queries[index].task,
            let found = queries[index].lookup.contact(peer), found.state == .responded
        {
            finish(
                handle,
                .peer(PeerAddresses(peer: peer, addresses: found.addresses), confirmed: true),
                now: now, into: &outputs)
            return
        }
        let room = limits.requestsInFlightMax - requests.count
        let allowance = limits.requestsPerQueryMax - queries[index].requestCount
        let contacts = queries[index].lookup.next(budget: max(0, min(room, allowance)))
        queries[index].requestCount += contacts.count
        let message = searchMessage(queries[index])
        for contact in contacts {
            send(
                message, to: contact.peer, addresses: contact.addresses,
                for: .lookup(handle: handle), now: now, into: &outputs)
        }
        queries[index].isStarved = contacts.count >= room
        let isExhausted = queries[index].requestCount >= limits.requestsPerQueryMax
        if queries[index].lookup.isFinished
            || (isExhausted && queries[index].lookup.waitingCount == 0)
        {
            endSearch(handle, now: now, into: &outputs)
        }
    }

    private func isSatisfied(_ task: Query.Task) -> Bool {
        switch task {
        case .read(let read): read.hasQuorum
        case .searchProviders(let search): search.isSatisfied
        case .findPeer, .closest, .write: false
        }
    }

    private func searchMessage(_ query: Query) -> KademliaMessage {
        switch query.task {
        case .findPeer, .closest, .write: KademliaMessage(kind: .findNode, key: query.key)
        case .read: KademliaMessage(kind: .getValue, key: query.key)
        case .searchProviders: KademliaMessage(kind: .getProviders, key: query.key)
        }
    }

    /// The search has converged, is satisfied, or has run out of time.
    mutating func endSearch(_ handle: UInt64, now: Now, into outputs: inout [Output]) {
        guard let index = index(of: handle) else { return }
        let query = queries[index]
        // Late answers to a search that is over are still good for the table; they are awaited.
        let nobody = query.lookup.isEmpty
        switch query.task {
        case .findPeer(let peer):
            let named = query.lookup.contact(peer)
            if let named, !named.addresses.isEmpty {
                finish(
                    handle,
                    .peer(
                        PeerAddresses(peer: peer, addresses: named.addresses), confirmed: false),
                    now: now, into: &outputs)
            } else {
                let failure: QueryFailure =
                    nobody ? .noPeers : query.searchTimedOut ? .timedOut : .notFound
                finish(handle, .failed(failure), now: now, into: &outputs)
            }
        case .closest:
            let closest = query.lookup.closestResponded(limit: configuration.bucketSize)
            guard !closest.isEmpty else {
                finish(
                    handle, .failed(query.searchTimedOut ? .timedOut : .noPeers), now: now,
                    into: &outputs)
                return
            }
            finish(
                handle,
                .closestPeers(
                    closest.map { PeerAddresses(peer: $0.peer, addresses: $0.addresses) },
                    complete: !query.searchTimedOut),
                now: now, into: &outputs)
        case .searchProviders(let search):
            if search.found.isEmpty {
                let failure: QueryFailure =
                    nobody ? .noPeers : query.searchTimedOut ? .timedOut : .notFound
                finish(handle, .failed(failure), now: now, into: &outputs)
            } else {
                finish(handle, .providers(search.found), now: now, into: &outputs)
            }
        case .read:
            queries[index].phase = .judging
            settle(handle, now: now, into: &outputs)
        case .write:
            let closest = query.lookup.closestResponded(limit: 2 * configuration.bucketSize)
            guard !closest.isEmpty else {
                finish(handle, .failed(.noPeers), now: now, into: &outputs)
                return
            }
            let count = configuration.bucketSize
            modifyWrite(index) { task, _ in task.begin(closest: closest, count: count) }
            queries[index].phase = .storing
            store(handle, index, now: now, into: &outputs)
        }
    }

    private mutating func store(
        _ handle: UInt64, _ index: Int, now: Now, into outputs: inout [Output]
    ) {
        guard case .write(var task) = queries[index].task else { return }
        let message: KademliaMessage
        if let value = task.value {
            message = KademliaMessage(
                kind: .putValue, key: queries[index].key,
                record: .init(key: queries[index].key, value: value, timeReceived: nil))
        } else {
            message = KademliaMessage(
                kind: .addProvider, key: queries[index].key,
                providerPeers: [
                    .init(id: localPeer, addresses: listenAddresses, connection: .connected)
                ])
        }
        queries[index].isStarved = false
        while !task.pending.isEmpty {
            guard requests.count < limits.requestsInFlightMax else {
                queries[index].isStarved = true
                break
            }
            guard let contact = task.next() else { break }
            queries[index].requestCount += 1
            send(
                message, to: contact.peer, addresses: contact.addresses,
                for: .write(handle: handle), now: now, into: &outputs)
        }
        queries[index].task = .write(task)
        if task.isFinished { endWrite(handle, task, now: now, into: &outputs) }
    }

    private mutating func endWrite(
        _ handle: UInt64, _ task: WriteTask, now: Now, into outputs: inout [Output]
    ) {
        let acknowledged = min(task.acknowledged, task.wanted)
        let result: QueryResult
        if !task.isSuccess {
            result = .failed(.tooFewAcknowledged(acknowledged, of: task.wanted))
        } else if task.value == nil {
            result = .provided(sent: acknowledged, of: task.wanted)
        } else {
            result = .stored(acknowledged: acknowledged, of: task.wanted)
        }
        finish(handle, result, now: now, into: &outputs)
    }

    /// Queries that could not send for want of room, in the order in which they began.
    mutating func advanceStarved(now: Now, into outputs: inout [Output]) {
        guard requests.count < limits.requestsInFlightMax else { return }
        for handle in queries.filter(\.isStarved).map(\.handle) {
            guard requests.count < limits.requestsInFlightMax else { return }
            advance(handle, now: now, into: &outputs)
        }
    }

    // MARK: Ending

    mutating func cancel(_ id: QueryID, now: Now, into outputs: inout [Output]) {
        if let handle = handleByQuery[id] {
            finish(handle, .failed(.cancelled), now: now, into: &outputs)
        } else if let position = refreshRound?.commands.firstIndex(of: id) {
            refreshRound?.commands.remove(at: position)
            finishCommand(id, .failed(.cancelled), into: &outputs)
        }
    }

    mutating func expireQueries(now: Now, into outputs: inout [Output]) {
        for handle in queries.filter({ $0.deadline <= now.instant }).map(\.handle) {
            guard let index = index(of: handle) else { continue }
            if queries[index].phase == .searching {
                queries[index].searchTimedOut = true
                endSearch(handle, now: now, into: &outputs)
            }
            guard let index = self.index(of: handle), queries[index].endsAt <= now.instant else {
                continue
            }
            switch queries[index].task {
            case .read(var task):
                task.abandonJudgement()
                queries[index].task = .read(task)
                finishRead(handle, now: now, into: &outputs)
            case .write(let task) where queries[index].phase == .storing:
                endWrite(handle, task, now: now, into: &outputs)
            case .write, .findPeer, .closest, .searchProviders:
                finish(handle, .failed(.timedOut), now: now, into: &outputs)
            }
        }
    }

    /// The only way out of `queries`.
    mutating func finish(
        _ handle: UInt64, _ result: QueryResult, now: Now, into outputs: inout [Output]
    ) {
        guard let index = index(of: handle) else { return }
        let query = queries.remove(at: index)
        abandonJobs(of: handle)
        withdrawUnsent(of: handle)
        if case .failed = result {
            counters.queriesFailed += 1
        } else {
            counters.queriesSucceeded += 1
        }
        switch query.origin {
        case .command(let id):
            handleByQuery[id] = nil
            outputs.append(.queryFinished(id, result))
        case .republication, .refresh:
            break
        }
        if case .write(let task) = query.task {
            writeEnded(query, task, result, now: now, into: &outputs)
        }
        if query.origin == .refresh { refreshQueryEnded(now: now, into: &outputs) }
    }

    /// Ends a command that has no query of its own.
    mutating func finishCommand(
        _ id: QueryID, _ result: QueryResult, into outputs: inout [Output]
    ) {
        if case .failed = result {
            counters.queriesFailed += 1
        } else {
            counters.queriesSucceeded += 1
        }
        outputs.append(.queryFinished(id, result))
    }
}
