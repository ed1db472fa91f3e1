import ChoraleBase
import Codec
import Execution
import JSONRPC

extension EngineService {
    func forkchoiceUpdated(
        _ method: String, _ version: StatelessPayloadRequest.Version, _ params: JSONValue?,
        withWitness: Bool
    ) throws(RPCError) -> JSONValue {
        guard let values = params?.array, (1...2).contains(values.count) else {
            throw .parameters("`\(method)` takes a forkchoice state and payload attributes or null")
        }
        let choice = EngineValue(values[0], name: "forkchoiceState")
        guard choice.json.object != nil else { throw choice.mismatch("an object") }
        let head = try choice["headBlockHash"].digest
        let safe = try choice["safeBlockHash"].digest
        let finalized = try choice["finalizedBlockHash"].digest
        var attributes: EngineValue?
        if values.count == 2, values[1] != .null {
            attributes = EngineValue(values[1], name: "payloadAttributes")
        }
        guard head != .zero else { throw .forkchoiceState("`headBlockHash` is zero") }

        let status = try connect(head)
        guard status.status == .valid else { return Self.answer(status, nil) }
        // A final block, and not the last: nothing is taken back.
        if state.tree[head] == nil, head != state.base.head.hash {
            return Self.answer(.valid(head), nil)
        }
        try choose(head, safe: safe, finalized: finalized)
        guard let attributes else { return Self.answer(.valid(head), nil) }
        // From here on, errors leave the forkchoice as it is now.
        let wanted = try payloadAttributes(attributes, method, version)
        let id = try build(wanted, withWitness: withWitness)
        return Self.answer(.valid(head), id)
    }

    private static func answer(_ status: PayloadStatus, _ id: [UInt8]?) -> JSONValue {
        .object(["payloadStatus": status.json, "payloadId": id.map { .data($0) } ?? .null])
    }

    /// Moves head, safe and final block, all or none.
    func choose(
        _ head: Bytes32, safe: Bytes32, finalized: Bytes32
    ) throws(RPCError) {
        for (name, hash) in [("safeBlockHash", safe), ("finalizedBlockHash", finalized)]
        where hash != .zero {
            guard try isAncestor(hash, of: head) else {
                throw .forkchoiceState("`\(name)` 0x\(hash) is not an ancestor of the head")
            }
        }
        if safe != .zero, finalized != .zero {
            guard try isAncestor(finalized, of: safe) else {
                throw .forkchoiceState("the final block is not an ancestor of the safe one")
            }
        }
        let depth = try reorgDepth(to: head)
        guard depth <= limits.reorgDepthMax else {
            throw .tooDeepReorg(depth, limit: limits.reorgDepthMax)
        }
        let change = change(to: head)
        if finalized != .zero { try finalize(finalized, head: head) }
        self.head = head
        if safe != .zero { self.safe = safe }
        if finalized != .zero { self.finalized = finalized }
        observer?.chose(
            head: self.head, safe: self.safe, finalized: self.finalized, change)
    }

    /// Blocks of the present branch that are not on that of another head.
    private func reorgDepth(to new: Bytes32) throws(RPCError) -> UInt64 {
        var depth: UInt64 = 0
        var next = head
        while let entry = state.tree[next],
            state.tree.ancestor(of: new, at: entry.number)?.hash != next
        {
            depth += 1
            next = entry.parent
        }
        return depth
    }

    /// Moves the branch up to a block into the base, and drops what does not descend from it.
    private func finalize(_ hash: Bytes32, head: Bytes32) throws(RPCError) {
        guard let last = state.tree[hash] else { return }
        var path: [BlockTree.Entry] = []
        var next: BlockTree.Entry? = last
        while let entry = next {
            path.append(entry)
            next = state.tree[entry.parent]
        }
        for entry in path.reversed() {
            let addition = state.tree.addition(entry)
            try read { () throws(SourceFailure) in try state.base.add(addition) }
            state.tree.remove(entry.hash)
            observer?.removed(entry.number, entry.hash)
        }
        // What is left and does not reach the base's head any more goes.
        let others = state.tree.entries.values.sorted { $0.number < $1.number }
        for entry in others
        where state.tree[entry.parent] == nil && entry.parent != state.base.head.hash {
            state.tree.remove(entry.hash)
            observer?.removed(entry.number, entry.hash)
        }
        for (hash, payload) in waiting where payload.block.header.number <= last.number {
            forgetWaiting(hash)
        }
        built.removeAll { $0.executed.block.header.number <= last.number }
    }

    /// `PayloadAttributesV1` to `V3`, strictly as the method's version has them.
    private func payloadAttributes(
        _ value: EngineValue, _ method: String, _ version: StatelessPayloadRequest.Version
    ) throws(RPCError) -> BlockAttributes {
        var attributes: BlockAttributes
        do throws(RPCError) {
            guard value.json.object != nil else { throw value.mismatch("an object") }
            attributes = BlockAttributes(
                timestamp: try value["timestamp"].uint64,
                prevRandao: try value["prevRandao"].digest,
                feeRecipient: try value["suggestedFeeRecipient"].address,
                gasLimitTarget: headHeader.gasLimit)
            if let list = value.optional("withdrawals") {
                for entry in try list.array { attributes.withdrawals.append(try Withdrawal(entry)) }
            }
            if let root = value.optional("parentBeaconBlockRoot") {
                attributes.parentBeaconRoot = try root.digest
            }
        } catch {
            throw .payloadAttributes(error.message)
        }
        let fork = rules.epoch(at: attributes.timestamp).fork
        let hasWithdrawals = value.optional("withdrawals") != nil
        let hasRoot = value.optional("parentBeaconBlockRoot") != nil
        // First the structure of the method's version, then the fork of the time.
        guard hasRoot == (version == .v3) else {
            throw .payloadAttributes(
                "`parentBeaconBlockRoot` \(hasRoot ? "does not exist" : "is missing") in \(method)")
        }
        if version == .v3 || version == .v1, hasWithdrawals != (version == .v3) {
            throw .payloadAttributes(
                "`withdrawals` \(hasWithdrawals ? "does not exist" : "is missing") in \(method)")
        }
        let isSupported =
            switch version {
            case .v1: fork <= .paris
            case .v2: fork <= .shanghai
            case .v3, .v4, .v5: fork >= .cancun
            }
        guard isSupported else {
            throw .unsupportedFork(method, fork, at: attributes.timestamp)
        }
        if version == .v2, hasWithdrawals != (fork == .shanghai) {
            throw .payloadAttributes(
                "`withdrawals` \(hasWithdrawals ? "does not exist" : "is missing") at "
                    + "\(attributes.timestamp), when \(fork) holds")
        }
        guard attributes.timestamp > headHeader.timestamp else {
            throw .payloadAttributes(
                "`timestamp` is \(attributes.timestamp), not above the head's, "
                    + "\(headHeader.timestamp)")
        }
        return attributes
    }
}
