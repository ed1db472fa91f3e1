import Bodies
import ChoraleBase
import ChoraleTypes
import ExecutorAgent
import Kademlia
import PartVerification
import Swarm

/// Requests to the store, and what their answers say about it.
struct StorageTable {
    enum Owner {
        case swarm
        case kademlia
        case bodies(StoreRequestID)
        case parts(PartStoreID)
        case executor(ExecutorStoreID)
        case load(Page)
        case backup(CommandID, String)
        /// A report of cross-validation is written.
        case validation
        /// Such reports are read for a command.
        case validations(CommandID)
        /// Only to see whether the store works again.
        case probe
    }

    /// A page of rows read at start.
    struct Page {
        let family: ColumnFamily
        /// The last key of the page before.
        var after: [UInt8]?
        /// How often it could not be read.
        var failures = 0

        init(family: ColumnFamily, after: [UInt8]? = nil) {
            self.family = family
            self.after = after
        }
    }

    /// A page that could not be read and will be asked for again.
    struct Retry {
        let page: Page
        let at: MonotonicInstant
    }

    private var owners: [StoreRequestID: (owner: Owner, addsData: Bool)] = [:]
    private var next: UInt64 = 1

    /// Kinds of failures told since the store last worked; empty while it works.
    ///
    /// Each kind is told once, so that a store that fails at every request does not fill the log.
    var faults: Set<StoreFailure.Kind> = []
    /// When to try a write that proves that the store works again; nil while it works.
    var probeAt: MonotonicInstant?
    /// At most one for each family that is loaded.
    var retries: [Retry] = []
    /// Families with a page that could not be read so far, those asked for again at the moment too.
    var unread: Set<ColumnFamily> = []

    var nextDeadline: MonotonicInstant? {
        retries.map(\.at).reduce(probeAt) { earliest($0, $1) }
    }

    mutating func add(_ owner: Owner, _ request: StoreRequest) -> StoreRequestID {
        let id = StoreRequestID(next)
        next += 1
        owners[id] = (owner, request.addsData)
        return id
    }

    mutating func take(_ id: StoreRequestID) -> (owner: Owner, addsData: Bool)? {
        owners.removeValue(forKey: id)
    }
}

extension StoreRequest {
    /// Whether its success needs room on the disk. A full disk lets deletes through.
    fileprivate var addsData: Bool {
        guard case .write(let writes, _) = self else { return false }
        return writes.contains { write in
            switch write {
            case .put: true
            case .delete, .deleteRange: false
            }
        }
    }
}

extension StoreFailure {
    enum Kind: Hashable {
        case diskFull, corrupt, inputOutput, overloaded
    }

    fileprivate var kind: Kind {
        switch self {
        case .diskFull: .diskFull
        case .corrupt: .corrupt
        case .inputOutput: .inputOutput
        case .overloaded: .overloaded
        }
    }
}

/// What the store holds for us.
extension Node {
    mutating func store(
        _ request: StoreRequest, for owner: StorageTable.Owner, into outputs: inout [NodeOutput]
    ) {
        outputs.append(.store(storage.add(owner, request), request))
    }

    mutating func stored(
        _ id: StoreRequestID, _ reply: StoreReply, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let (owner, addsData) = storage.take(id) else { return }
        if case .backup(let command, let directory) = owner {
            // A copy that fails, say into a directory that exists, says nothing about the database.
            switch reply {
            case .failed(let failure):
                finish(command, .failed(.init(.unavailable, "\(failure)")), into: &outputs)
            default:
                finish(command, .backedUp(directory: directory), into: &outputs)
            }
            return
        }
        noteHealth(reply, addsData: addsData, now: now, into: &outputs)
        switch owner {
        case .load(let page):
            loaded(page, reply, now: now, into: &outputs)
        case .bodies(let inner):
            tellBodies(.storeReplied(inner, reply), now: now, into: &outputs)
        case .parts(let inner):
            tellParts(.stored(inner, reply), now: now, into: &outputs)
        case .executor(let inner):
            tellExecutor(.stored(inner, reply), now: now, into: &outputs)
        case .validations(let command):
            validationsRead(command, reply, into: &outputs)
        case .swarm, .kademlia, .validation, .probe, .backup:
            break
        }
    }

    /// Keeps what is told about the store true.
    ///
    /// Any failure is a fault, and only a write that adds data ends it: deletes pass on a full disk,
    /// and the failure itself causes some. While nothing else writes, a probe does.
    private mutating func noteHealth(
        _ reply: StoreReply, addsData: Bool, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch reply {
        case .failed(let failure):
            counters.storeFailures += 1
            storage.probeAt = now.instant.advanced(by: configuration.limits.storeProbeInterval)
            if storage.faults.insert(failure.kind).inserted {
                outputs.append(.event(.storeFailed("\(failure)")))
            }
        case .written where addsData && !storage.faults.isEmpty:
            // Rows that could not be read at start are still missing: not yet.
            guard storage.unread.isEmpty else {
                storage.probeAt = now.instant.advanced(by: configuration.limits.storeProbeInterval)
                return
            }
            storage.faults = []
            storage.probeAt = nil
            outputs.append(.event(.storeRecovered))
        default:
            break
        }
    }

    /// Probes a store that failed, and asks again for pages that could not be read.
    mutating func storageTimeout(now: Now, into outputs: inout [NodeOutput]) {
        if let at = storage.probeAt, at <= now.instant {
            storage.probeAt = nil
            store(
                .write([.put(.meta, key: Array("probe".utf8), value: [])], sync: false),
                for: .probe, into: &outputs)
        }
        let due = storage.retries.filter { $0.at <= now.instant }
        guard !due.isEmpty else { return }
        storage.retries.removeAll { $0.at <= now.instant }
        for retry in due { loadPage(retry.page, into: &outputs) }
    }

    // MARK: Rows of the last run

    mutating func loadPage(_ page: StorageTable.Page, into outputs: inout [NodeOutput]) {
        store(
            .scan(
                page.family, from: page.after.map { $0 + [0] } ?? [], to: nil, rowCountMax: 1024,
                sizeMax: 1 << 20),
            for: .load(page), into: &outputs)
    }

    private mutating func loaded(
        _ page: StorageTable.Page, _ reply: StoreReply, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard case .rows(let rows, let more) = reply else {
            loadFailed(page, now: now, into: &outputs)
            return
        }
        storage.unread.remove(page.family)
        let hasMore = more && !rows.isEmpty
        pass(rows, of: page.family, isLast: !hasMore, now: now, into: &outputs)
        if hasMore {
            loadPage(.init(family: page.family, after: rows.last?.key), into: &outputs)
        }
    }

    private mutating func pass(
        _ rows: [StoreRow], of family: ColumnFamily, isLast: Bool, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        switch family {
        case .peer:
            tell(.loaded(rows, isLast: isLast), now: now, into: &outputs)
        case .dht:
            tellKademlia(.loaded(rows), now: now, into: &outputs)
        case .witness:
            tellBodies(.loaded(rows, isLast: isLast), now: now, into: &outputs)
        case .meta, .chunk, .validation, .subproof, .proof, .execution:
            break
        }
    }

    /// Rows that cannot be read are not rows that are absent.
    ///
    /// Without its manifests a node would fetch again every body that it has, so intake waits for
    /// them, however long it takes. Without known peers and records it can do its work, and looks for
    /// others once a few attempts have failed.
    private mutating func loadFailed(
        _ page: StorageTable.Page, now: Now, into outputs: inout [NodeOutput]
    ) {
        var page = page
        page.failures += 1
        let limits = configuration.limits
        if page.family != .witness, page.failures >= limits.loadAttemptsMax {
            storage.unread.remove(page.family)
            pass([], of: page.family, isLast: true, now: now, into: &outputs)
            return
        }
        storage.unread.insert(page.family)
        let doublings = min(page.failures - 1, 16)
        let delay = min(limits.loadRetryDelay * (1 << doublings), limits.loadRetryDelayMax)
        storage.retries.append(.init(page: page, at: now.instant.advanced(by: delay)))
    }
}
