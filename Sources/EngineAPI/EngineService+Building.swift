import ChoraleBase
import Codec
import Crypto
import Execution
import JSONRPC

/// A payload that was built, until it is forgotten.
struct BuiltPayload {
    let id: [UInt8]
    let executed: ExecutedBlock
    /// In wei, to the fee recipient.
    let value: UInt256
    let withWitness: Bool
}

extension EngineService {
    /// Builds a block on the head.
    ///
    /// - Returns: what it is asked for by.
    func build(
        _ attributes: BlockAttributes, withWitness: Bool
    ) throws(RPCError) -> [UInt8] {
        let id = payloadID(attributes, withWitness)
        // The same wish is not started again.
        if built.contains(where: { $0.id == id }) { return id }
        let parent = headHeader
        let ancestors = try ancestors(of: head)
        let trie = TrieState(
            root: parent.stateRoot, source: state, blockHashes: ancestors.hashes)
        counters.executions += 1
        let result: BuiltBlock
        do throws(BlockFailure) {
            var builder = try BlockBuilder(after: parent, attributes, rules, state: trie)
            for (transaction, sender) in transactions(parent, builder.baseFee)
            where transaction.kind != .blob {
                do throws(StateError) {
                    _ = try builder.add(transaction, sender: sender)
                } catch {
                    throw BlockFailure.state(error)
                }
            }
            result = try builder.finish(ancestors: ancestors.encodings)
        } catch {
            switch error {
            case .rejected(let rejection): throw .payloadAttributes("\(rejection)")
            case .state(let error): throw .internalError("\(error)")
            }
        }
        let payload = BuiltPayload(
            id: id,
            executed: ExecutedBlock(
                block: result.block, hash: result.block.header.hash,
                size: result.block.encoded.count, outcome: result.outcome,
                witness: result.witness.rlp(), nodes: result.newNodes),
            value: Self.value(result), withWitness: withWitness)
        counters.builtPayloads += 1
        if built.count >= limits.builtCountMax { built.removeFirst() }
        built.append(payload)
        return id
    }

    /// The sum of the tips.
    private static func value(_ result: BuiltBlock) -> UInt256 {
        let baseFee = result.block.header.baseFeePerGas ?? .zero
        var sum = UInt256.zero
        var gasBefore: UInt64 = 0
        for (transaction, receipt) in zip(result.block.transactions, result.outcome.receipts) {
            let gas = UInt256(receipt.cumulativeGasUsed - gasBefore)
            gasBefore = receipt.cumulativeGasUsed
            let left = transaction.maxFeePerGas &- baseFee
            sum = sum &+ gas &* min(left, transaction.maxPriorityFeePerGas)
        }
        return sum
    }

    private func payloadID(_ attributes: BlockAttributes, _ withWitness: Bool) -> [UInt8] {
        var hasher = SHA256.Hasher()
        hasher.update(Array("chorale/payload/1".utf8))
        hasher.update(head)
        hasher.update(UInt256(attributes.timestamp).bytes32)
        hasher.update(attributes.prevRandao)
        hasher.update(attributes.feeRecipient.word.bytes32)
        hasher.update(attributes.parentBeaconRoot)
        for withdrawal in attributes.withdrawals { hasher.update(withdrawal.encoded) }
        hasher.update([withWitness ? 1 : 0])
        let digest = hasher.finish()
        return Array(digest.storage.span.copied().prefix(8))
    }

    func getPayload(
        _ method: String, _ version: StatelessPayloadRequest.Version, _ params: JSONValue?
    ) throws(RPCError) -> JSONValue {
        guard let values = params?.array, values.count == 1 else {
            throw .parameters("`\(method)` takes a payload id")
        }
        let id = try EngineValue(values[0], name: "payloadId").bytes
        guard id.count == 8 else {
            throw .parameter("payloadId", values[0], expected: "8 bytes")
        }
        guard let payload = built.first(where: { $0.id == id }) else {
            throw .unknownPayload("0x" + Hex.encode(id))
        }
        let block = payload.executed.block
        let fork = rules.epoch(at: block.header.timestamp).fork
        let isSupported =
            switch version {
            case .v1: fork <= .paris
            case .v2: fork <= .shanghai
            case .v3: fork == .cancun
            case .v4: fork == .prague
            case .v5: fork == .osaka
            }
        guard isSupported else {
            throw .unsupportedFork(method, fork, at: block.header.timestamp)
        }
        let json = ExecutionPayload(block).json(blockHash: payload.executed.hash)
        if version == .v1 { return .object(json) }
        var answer: JSONObject = [
            "executionPayload": .object(json), "blockValue": .string("\(payload.value)"),
        ]
        if version.rawValue >= 3 {
            // Transactions with blobs are not taken, so there are none.
            answer["blobsBundle"] = .object([
                "commitments": .array([]), "proofs": .array([]), "blobs": .array([]),
            ])
            answer["shouldOverrideBuilder"] = .bool(false)
        }
        if version.rawValue >= 4 {
            answer["executionRequests"] = .array(
                payload.executed.outcome.requests.map { .data($0) })
        }
        if payload.withWitness, let witness = payload.executed.witness {
            answer["witness"] = .data(witness)
        }
        return .object(answer)
    }
}
