import ChoraleBase
import Codec
import Execution
import JSONRPC

/// `PayloadStatusV1`.
struct PayloadStatus {
    enum Status: String {
        case valid = "VALID"
        case invalid = "INVALID"
        case syncing = "SYNCING"
        case accepted = "ACCEPTED"
        /// Of `engine_newPayloadV1` only.
        case invalidBlockHash = "INVALID_BLOCK_HASH"
    }

    var status: Status
    var latestValid: Bytes32?
    var error: String?
    /// RLP.
    var witness: [UInt8]?

    var json: JSONValue {
        var object: JSONObject = [
            "status": .string(status.rawValue),
            "latestValidHash": latestValid.map { .data($0) } ?? .null,
            "validationError": JSONValue(error),
        ]
        if let witness { object["witness"] = .data(witness) }
        return .object(object)
    }

    static let syncing = PayloadStatus(status: .syncing)

    static func valid(_ hash: Bytes32) -> PayloadStatus {
        PayloadStatus(status: .valid, latestValid: hash)
    }

    static func invalid(_ block: InvalidBlock) -> PayloadStatus {
        PayloadStatus(status: .invalid, latestValid: block.latestValid, error: block.reason)
    }
}

extension EngineService {
    func newPayload(
        _ method: String, _ version: StatelessPayloadRequest.Version, _ params: JSONValue?,
        withWitness: Bool
    ) throws(RPCError) -> JSONValue {
        let payload: NewPayload
        switch try NewPayload.read(method, version, params, rules) {
        case .payload(let found): payload = found
        case .refused(let status): return status.json
        }
        var status = try validate(
            payload.hash,
            WaitingPayload(
                block: payload.block, size: payload.size, requests: payload.requests),
            withWitness: withWitness)
        switch status.status {
        case .valid: counters.validPayloads += 1
        case .invalid: counters.invalidPayloads += 1
        default: break
        }
        if withWitness, status.status == .valid {
            status.witness = try witness(of: payload.hash)
        }
        return status.json
    }

    // MARK: Validation

    /// Finds out about a block whose hash is right.
    func validate(
        _ hash: Bytes32, _ payload: WaitingPayload, withWitness: Bool
    ) throws(RPCError) -> PayloadStatus {
        if try validBlock(hash) != nil { return .valid(hash) }
        if let known = invalid[hash] { return .invalid(known) }
        let header = payload.block.header
        let status = try connect(header.parentHash)
        switch status.status {
        case .valid: break
        case .invalid:
            let reason = "its ancestor is invalid: \(status.error ?? "")"
            let block = InvalidBlock(latestValid: status.latestValid, reason: reason)
            condemn(hash, block)
            return .invalid(block)
        case .syncing, .accepted, .invalidBlockHash:
            wait(hash, payload)
            return .syncing
        }
        guard state.tree[header.parentHash] != nil || state.base.head.hash == header.parentHash
        else {
            // It would take back what is final: not validated, and nothing is wrong with it.
            return PayloadStatus(status: .accepted)
        }
        return try execute(hash, payload, withWitness: withWitness)
    }

    /// Finds out about a block by its hash: executes what waits between it and a valid block.
    ///
    /// - Returns: VALID, INVALID, or SYNCING where something is missing.
    func connect(_ hash: Bytes32) throws(RPCError) -> PayloadStatus {
        var path: [Bytes32] = []
        var next = hash
        while try validBlock(next) == nil {
            if let known = invalid[next] {
                // Whatever waits behind it is invalid, too.
                let reason = "its ancestor is invalid: \(known.reason)"
                let block = InvalidBlock(latestValid: known.latestValid, reason: reason)
                for hash in path { condemn(hash, block) }
                return .invalid(path.isEmpty ? known : block)
            }
            // Each step goes to a lower number, as parents' numbers were checked when they were executed; a
            // path of hashes has no loop in any case.
            guard let payload = waiting[next] else { return .syncing }
            path.append(next)
            next = payload.block.header.parentHash
        }
        for hash in path.reversed() {
            guard let payload = waiting[hash] else { return .syncing }
            let parent = payload.block.header.parentHash
            guard state.tree[parent] != nil || state.base.head.hash == parent else {
                return .syncing
            }
            forgetWaiting(hash)
            let status = try execute(hash, payload, withWitness: false)
            guard status.status == .valid else {
                let reason = "its ancestor is invalid: \(status.error ?? "")"
                let block = InvalidBlock(latestValid: status.latestValid, reason: reason)
                for later in path where later != hash && waiting[later] != nil {
                    condemn(later, block)
                }
                return status.status == .invalid ? .invalid(block) : status
            }
        }
        return .valid(hash)
    }

    /// Executes a block whose parent is in the tree or the base's head.
    private func execute(
        _ hash: Bytes32, _ payload: WaitingPayload, withWitness: Bool
    ) throws(RPCError) -> PayloadStatus {
        // What this engine has built has been executed.
        if let own = built.first(where: { $0.executed.hash == hash })?.executed {
            try insert(own)
            return .valid(hash)
        }
        let block = payload.block
        switch try execution(block, size: payload.size, hash, withWitness: withWitness) {
        case .success(let executed):
            try insert(executed)
            return .valid(hash)
        case .failure(let rejection):
            let known = InvalidBlock(
                latestValid: block.header.parentHash, reason: "\(rejection)")
            condemn(hash, known)
            return .invalid(known)
        }
    }

    /// The one place where a block that somebody else made is executed.
    private func execution(
        _ block: Block, size: Int, _ hash: Bytes32, withWitness: Bool
    ) throws(RPCError) -> Result<ExecutedBlock, BlockRejection> {
        guard let parent = try validBlock(block.header.parentHash)?.header else {
            throw .engine("the parent of 0x\(hash) is not there")
        }
        let ancestors = try ancestors(of: block.header.parentHash)
        let trie = TrieState(
            root: parent.stateRoot, source: state, blockHashes: ancestors.hashes)
        counters.executions += 1
        do throws(StateError) {
            return try ExecutedBlock.make(
                block, size: size, hash, after: parent, rules, on: trie,
                ancestors: ancestors.encodings, withWitness: withWitness)
        } catch {
            throw .internalError("\(error)")
        }
    }

    /// The witness of a valid block: kept from its execution, else made by another one, which is possible
    /// while its parent's state is there.
    private func witness(of hash: Bytes32) throws(RPCError) -> [UInt8]? {
        guard let entry = state.tree[hash] else { return nil }
        if let witness = entry.witness { return witness }
        let size = entry.block.encoded.count
        let result = try execution(entry.block, size: size, hash, withWitness: true)
        guard case .success(let executed) = result else {
            throw .internalError("block 0x\(hash) was valid and is not any more")
        }
        return executed.witness
    }

    // MARK: Memory

    /// Adds a valid block, if there is room.
    private func insert(_ executed: ExecutedBlock) throws(RPCError) {
        forgetWaiting(executed.hash)
        precondition(
            state.tree[executed.block.header.parentHash] != nil
                || state.base.head.hash == executed.block.header.parentHash,
            "invariant 1: a block's parent is there")
        makeRoom()
        guard state.tree.size < limits.treeSizeMax else {
            throw .engine(
                "blocks that are not final take \(state.tree.size) bytes, "
                    + "\(limits.treeSizeMax) at most: nothing is accepted until some are")
        }
        state.tree.insert(executed)
        observer?.inserted(executed.block, executed.hash)
    }

    /// Drops branches that nobody has chosen, lowest first.
    private func makeRoom() {
        guard state.tree.size >= limits.treeSizeMax else { return }
        var kept: Set<Bytes32> = []
        var next = state.tree[head]
        while let entry = next {
            kept.insert(entry.hash)
            next = state.tree[entry.parent]
        }
        let others = state.tree.entries.values.filter { !kept.contains($0.hash) }
            .sorted { ($0.number, $0.hash) < ($1.number, $1.hash) }
        var dropped: Set<Bytes32> = []
        for entry in others {
            // A child does not stay without its parent.
            guard state.tree.size >= limits.treeSizeMax / 4 * 3 || dropped.contains(entry.parent)
            else { continue }
            dropped.insert(entry.hash)
            state.tree.remove(entry.hash)
            observer?.removed(entry.number, entry.hash)
        }
    }

    private func wait(_ hash: Bytes32, _ payload: WaitingPayload) {
        guard waiting[hash] == nil, payload.size <= limits.waitingSizeMax else { return }
        waiting[hash] = payload
        waitingOrder.append(hash)
        waitingSize += payload.size
        while waitingOrder.count > limits.waitingCountMax || waitingSize > limits.waitingSizeMax {
            forgetWaiting(waitingOrder[0])
        }
    }

    func forgetWaiting(_ hash: Bytes32) {
        guard let payload = waiting.removeValue(forKey: hash) else { return }
        waitingSize -= payload.size
        waitingOrder.removeAll { $0 == hash }
    }

    private func condemn(_ hash: Bytes32, _ block: InvalidBlock) {
        forgetWaiting(hash)
        guard invalid.updateValue(block, forKey: hash) == nil else { return }
        invalidOrder.append(hash)
        if invalidOrder.count > limits.invalidCountMax {
            invalid[invalidOrder.removeFirst()] = nil
        }
    }

    /// Hashes and headers of the 256 blocks that end with this one, by number.
    func ancestors(
        of hash: Bytes32
    ) throws(RPCError) -> (hashes: [UInt64: Bytes32], encodings: [UInt64: [UInt8]]) {
        var hashes: [UInt64: Bytes32] = [:]
        var encodings: [UInt64: [UInt8]] = [:]
        var next = hash
        while hashes.count < 256, let entry = state.tree[next] {
            hashes[entry.number] = entry.hash
            encodings[entry.number] = entry.header
            next = entry.parent
        }
        var number = state.base.head.number
        while hashes.count < 256 {
            let found = try read { () throws(SourceFailure) in try state.base.header(at: number) }
            guard let (hash, header) = found else { break }
            hashes[number] = hash
            encodings[number] = header.encoded
            guard number > 0 else { break }
            number -= 1
        }
        return (hashes, encodings)
    }
}
