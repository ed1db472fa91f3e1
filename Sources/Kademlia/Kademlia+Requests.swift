import ChoraleBase
import Codec
import OrderedCollections
import PeerIdentity

// Requests to peers and what becomes of them.
extension Kademlia {
    /// Sends a request as soon as it is the peer's turn.
    mutating func send(
        _ message: KademliaMessage, to peer: PeerID, addresses: [Multiaddr],
        for purpose: PendingRequest.Purpose, now: Now, into outputs: inout [Output]
    ) {
        let id = RPCID(nextRequest)
        nextRequest += 1
        counters.requestsSent += 1
        let isPut = message.kind == .putValue || message.kind == .addProvider
        let turn = pacer.turn(of: peer, isPut: isPut, now: now.instant)
        let sendAt = turn ?? now.instant
        var request = PendingRequest(
            peer: peer, addresses: addresses, purpose: purpose, kind: message.kind,
            sendAt: sendAt, overdueAt: sendAt.advanced(by: configuration.requestPatience),
            deadline: sendAt.advanced(by: configuration.requestDeadline))
        guard turn != nil else {
            counters.requestsCrowdedOut += 1
            crowdedOut.append(request)
            return
        }
        let bytes = message.encoded(sizeMax: limits.messageSizeMax)
        if sendAt > now.instant {
            request.unsent = bytes
            requests[id] = request
        } else {
            requests[id] = request
            hand(over: id, request, bytes, into: &outputs)
        }
    }

    private func hand(
        over id: RPCID, _ request: PendingRequest, _ message: [UInt8],
        into outputs: inout [Output]
    ) {
        outputs.append(
            .sendRequest(
                id, to: request.peer, addresses: request.addresses, message: message,
                // go, rust and nim close the stream after ADD_PROVIDER without a word.
                expectsAnswer: request.kind != .addProvider,
                deadline: configuration.requestDeadline))
    }

    /// Each may make its query try another peer, which may be crowded too; a query tries nobody
    /// more than twice.
    mutating func failCrowdedOut(now: Now, into outputs: inout [Output]) {
        while !crowdedOut.isEmpty {
            let requests = crowdedOut
            crowdedOut = []
            for request in requests { failed(request, .localLimit, now: now, into: &outputs) }
        }
    }

    /// Requests of a query that has ended, before their turn came.
    mutating func withdrawUnsent(of handle: UInt64) {
        let withdrawn = requests.filter {
            switch $0.value.purpose {
            case .lookup(handle), .write(handle): $0.value.unsent != nil
            case .lookup, .write, .repair, .probe: false
            }
        }
        for id in withdrawn.keys {
            requests.removeValue(forKey: id)
            counters.requestsWithdrawn += 1
        }
    }

    mutating func responseReceived(
        _ id: RPCID, _ bytes: [UInt8], now: Now, into outputs: inout [Output]
    ) {
        guard let request = requests.removeValue(forKey: id) else {
            counters.lateReports += 1
            return
        }
        let message: KademliaMessage
        do {
            message = try KademliaMessage.decode(bytes, limits: decodeLimits)
        } catch {
            outputs.append(.peerFault(request.peer, .malformedAnswer))
            failed(request, .malformedAnswer, now: now, into: &outputs)
            return
        }
        guard message.kind == request.kind else {
            outputs.append(.peerFault(request.peer, .malformedAnswer))
            failed(request, .malformedAnswer, now: now, into: &outputs)
            return
        }
        counters.answersReceived += 1
        noteAnswer(from: request.peer, addresses: request.addresses, now: now, into: &outputs)
        switch request.purpose {
        case .lookup(let handle):
            lookupAnswered(handle, request, message, now: now, into: &outputs)
        case .write(let handle):
            writeAnswered(handle, request, message, now: now, into: &outputs)
        case .repair, .probe:
            break
        }
    }

    mutating func requestSent(_ id: RPCID, now: Now, into outputs: inout [Output]) {
        guard let request = requests[id] else {
            counters.lateReports += 1
            return
        }
        // For requests that are answered, the answer is still to come.
        guard request.kind == .addProvider else { return }
        requests.removeValue(forKey: id)
        counters.answersReceived += 1
        guard case .write(let handle) = request.purpose, let index = index(of: handle) else {
            return
        }
        writeAcknowledged(index, by: request.peer, into: &outputs)
        advance(handle, now: now, into: &outputs)
    }

    mutating func rpcFailed(
        _ id: RPCID, _ failure: RPCFailure, now: Now, into outputs: inout [Output]
    ) {
        guard let request = requests.removeValue(forKey: id) else {
            counters.lateReports += 1
            return
        }
        failed(request, failure, now: now, into: &outputs)
    }

    /// - Precondition: the request has been taken out of `requests`.
    mutating func failed(
        _ request: PendingRequest, _ failure: RPCFailure, now: Now, into outputs: inout [Output]
    ) {
        counters.requestsFailed += 1
        noteFailure(of: request.peer, failure, now: now, into: &outputs)
        switch request.purpose {
        case .repair, .probe:
            break
        case .lookup(let handle):
            guard let index = index(of: handle) else { return }
            // To be refused by the peer looked for is to have reached it.
            if case .findPeer(request.peer) = queries[index].task, failure == .protocolUnsupported {
                let addresses = queries[index].lookup.contact(request.peer)?.addresses ?? []
                finish(
                    handle,
                    .peer(
                        PeerAddresses(peer: request.peer, addresses: addresses), confirmed: true),
                    now: now, into: &outputs)
                return
            }
            queries[index].lookup.failed(request.peer)
            advance(handle, now: now, into: &outputs)
        case .write(let handle):
            guard let index = index(of: handle) else { return }
            let mayRetry =
                switch failure {
                case .timedOut, .streamReset, .localLimit: true
                case .dialFailed, .protocolUnsupported, .malformedAnswer: false
                }
            modifyWrite(index) { task, lookup in
                task.failed(
                    request.peer, contact: lookup.contact(request.peer), mayRetry: mayRetry)
            }
            advance(handle, now: now, into: &outputs)
        }
    }

    /// Requests whose turn has come or that have waited too long, in the order in which they were
    /// made.
    mutating func expireRequests(now: Now, into outputs: inout [Output]) {
        let due = requests.filter { $0.value.nextDeadline <= now.instant }
        for (id, request) in due {
            if let message = request.unsent {
                // Withdrawn, if an earlier one of this loop ended its query.
                guard requests[id] != nil else { continue }
                requests[id]?.unsent = nil
                hand(over: id, request, message, into: &outputs)
            } else if request.deadline <= now.instant {
                // An earlier one of this loop may have ended it.
                guard requests.removeValue(forKey: id) != nil else { continue }
                outputs.append(.cancelRequest(id))
                failed(request, .timedOut, now: now, into: &outputs)
            } else {
                requests[id]?.isOverdue = true
                becameOverdue(request, now: now, into: &outputs)
            }
        }
    }

    private mutating func becameOverdue(
        _ request: PendingRequest, now: Now, into outputs: inout [Output]
    ) {
        switch request.purpose {
        case .repair, .probe:
            break
        case .lookup(let handle):
            guard let index = index(of: handle) else { return }
            queries[index].lookup.becameOverdue(request.peer)
            advance(handle, now: now, into: &outputs)
        case .write(let handle):
            guard let index = index(of: handle) else { return }
            modifyWrite(index) { task, _ in task.becameOverdue(request.peer) }
            advance(handle, now: now, into: &outputs)
        }
    }

    // MARK: Answers

    private mutating func lookupAnswered(
        _ handle: UInt64, _ request: PendingRequest, _ message: KademliaMessage, now: Now,
        into outputs: inout [Output]
    ) {
        guard let index = index(of: handle) else { return }
        let live = connected[request.peer]
        let target = queries[index].lookup.target
        var closer: [Lookup.Contact] = []
        for peer in message.closerPeers {
            let addresses = addressRules.filter(peer.addresses, source: live?.remote)
            guard peer.id != localPeer,
                !addresses.isEmpty || connected[peer.id] != nil || table.contains(peer.id)
            else {
                counters.closerPeersIgnored += 1
                continue
            }
            closer.append(contact(peer.id, addresses: addresses, target: target))
        }
        let groups = addressRules.groups(of: [], remote: live?.remote)
        queries[index].lookup.responded(request.peer, groups: groups, closer: closer)
        use(message, from: request.peer, in: index, now: now, into: &outputs)
        advance(handle, now: now, into: &outputs)
    }

    /// What the answer says beyond the peers it names.
    private mutating func use(
        _ message: KademliaMessage, from peer: PeerID, in index: Int, now: Now,
        into outputs: inout [Output]
    ) {
        let key = queries[index].key
        switch queries[index].task {
        case .findPeer, .closest, .write:
            break
        case .read(var task):
            var value: [UInt8]?
            // A record under another key answers another question.
            if let record = message.record, record.key == key, !record.value.isEmpty {
                value = record.value
            }
            switch task.answered(peer, value: value) {
            case .noted: break
            case .alreadyRejected: outputs.append(.peerFault(peer, .invalidRecordServed))
            case .ignored: counters.valuesIgnored += 1
            }
            queries[index].task = .read(task)
            judgeNext(index, now: now, into: &outputs)
        case .searchProviders(var task):
            let remote = connected[peer]?.remote
            for provider in message.providerPeers where provider.id != localPeer {
                let filtered = addressRules.filter(provider.addresses, source: remote)
                let known = contact(provider.id, addresses: filtered, target: localPoint).addresses
                let found = PeerAddresses(
                    peer: provider.id,
                    addresses: known.isEmpty ? table.entry(provider.id)?.addresses ?? [] : known)
                // A provider that nobody can reach provides nothing.
                guard !found.addresses.isEmpty, task.add(found) else { continue }
                if case .command(let id) = queries[index].origin {
                    outputs.append(.queryProgress(id, .provider(found)))
                }
            }
            queries[index].task = .searchProviders(task)
        }
    }

    private mutating func writeAnswered(
        _ handle: UInt64, _ request: PendingRequest, _ message: KademliaMessage, now: Now,
        into outputs: inout [Output]
    ) {
        guard let index = index(of: handle), case .write(let task) = queries[index].task else {
            return
        }
        // The echo shows that the record was taken as it was sent. Some servers leave it out.
        if let record = message.record, record.value != task.value {
            modifyWrite(index) { task, _ in
                task.failed(request.peer, contact: nil, mayRetry: false)
            }
        } else {
            writeAcknowledged(index, by: request.peer, into: &outputs)
        }
        advance(handle, now: now, into: &outputs)
    }

    private mutating func writeAcknowledged(
        _ index: Int, by peer: PeerID, into outputs: inout [Output]
    ) {
        modifyWrite(index) { task, _ in task.acknowledged(by: peer) }
        guard case .command(let id) = queries[index].origin,
            case .write(let task) = queries[index].task
        else { return }
        outputs.append(
            .queryProgress(id, .stored(acknowledged: task.acknowledged, of: task.wanted)))
    }

    /// Changes the write in place: taken out of the query first, so that nothing is copied.
    mutating func modifyWrite(_ index: Int, _ body: (inout WriteTask, Lookup) -> Void) {
        guard case .write(var task) = queries[index].task else { return }
        queries[index].task = .closest
        body(&task, queries[index].lookup)
        queries[index].task = .write(task)
    }
}
