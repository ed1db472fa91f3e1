import ChoraleBase
import Codec
import Execution
import JSONRPC

/// What came by `engine_newPayload`: a block whose hash is the one that was claimed.
struct NewPayload {
    let block: Block
    let hash: Bytes32
    /// Of the block's encoding.
    let size: Int
    let requests: [[UInt8]]?

    enum Reading {
        case payload(NewPayload)
        /// The call is in order and its payload is not.
        case refused(PayloadStatus)
    }

    /// - Throws: what is wrong with the call: parameters of another version, or of another fork than its time's.
    static func read(
        _ method: String, _ version: StatelessPayloadRequest.Version, _ params: JSONValue?,
        _ rules: ChainRules
    ) throws(RPCError) -> Reading {
        let request = try StatelessPayloadRequest(version, newPayload: method, params)
        let payload = request.payload
        let claimed = try EngineValue(params?.array?.first ?? .null, name: "payload")["blockHash"]
            .digest
        let fork = rules.epoch(at: payload.timestamp).fork
        // A structure of another fork than its time's, where the method takes more than one.
        if version == .v2, fork <= .shanghai, (payload.withdrawals != nil) != (fork == .shanghai) {
            throw .parameters(
                "`payload.withdrawals` \(fork == .shanghai ? "is missing" : "does not exist") "
                    + "at \(payload.timestamp), when \(fork) holds")
        }
        guard version.covers(fork) else {
            throw .unsupportedFork(method, fork, at: payload.timestamp)
        }
        try checkOrder(request.requests)
        let block: Block
        do throws(PayloadError) {
            block = try request.block()
        } catch {
            return .refused(PayloadStatus(status: .invalid, error: "\(error)"))
        }
        let hash = block.header.hash
        guard hash == claimed else {
            return .refused(
                PayloadStatus(
                    status: version == .v1 ? .invalidBlockHash : .invalid,
                    error: "the block's hash is 0x\(hash), not 0x\(claimed)"))
        }
        return .payload(
            NewPayload(
                block: block, hash: hash, size: block.encoded.count, requests: request.requests))
    }

    /// Specification: "Prague", `engine_newPayloadV4`, `executionRequests`.
    private static func checkOrder(_ requests: [[UInt8]]?) throws(RPCError) {
        var last: UInt8?
        for (index, request) in (requests ?? []).enumerated() {
            guard request.count > 1 else {
                throw .parameters("`executionRequests[\(index)]` has no data")
            }
            if let last, request[0] <= last {
                throw .parameters("`executionRequests[\(index)]` is not in ascending order")
            }
            last = request[0]
        }
    }
}

extension ExecutedBlock {
    /// Executes a block that somebody else made, on the state after its parent.
    ///
    /// - Parameters:
    ///   - ancestors: headers of the 256 blocks that end with the parent, by number.
    ///   - withWitness: whether the execution is to leave a witness.
    /// - Returns: a failure when the block breaks a rule or has other roots.
    /// - Throws: what is wrong with the state, which says nothing about the block.
    static func make(
        _ block: Block, size: Int, _ hash: Bytes32, after parent: Header, _ rules: ChainRules,
        on trie: TrieState<some TrieNodeSource & CodeSource>, ancestors: [UInt64: [UInt8]],
        withWitness: Bool
    ) throws(StateError) -> Result<ExecutedBlock, BlockRejection> {
        let outcome: BlockOutcome
        do throws(BlockFailure) {
            outcome = try BlockExecution.run(
                block, size: size, after: parent, rules, reader: trie)
        } catch {
            switch error {
            case .rejected(let rejection): return .failure(rejection)
            case .state(let error): throw error
            }
        }
        guard outcome.receiptsRoot == block.header.receiptsRoot else {
            return .failure(
                .receiptsRoot(found: block.header.receiptsRoot, expected: outcome.receiptsRoot))
        }
        let root = try trie.apply(outcome.changes)
        guard root == block.header.stateRoot else {
            return .failure(.stateRoot(found: block.header.stateRoot, expected: root))
        }
        var executed = ExecutedBlock(
            block: block, hash: hash, size: size, outcome: outcome, witness: nil, nodes: [])
        if withWitness {
            executed.witness = try trie.witness(parent: parent.number, ancestors: ancestors).rlp()
        }
        trie.forEachNewNode { executed.nodes.append(($0, $1)) }
        return .success(executed)
    }
}
