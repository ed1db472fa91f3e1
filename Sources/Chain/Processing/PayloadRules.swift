import ChoraleBase
import ChoraleTypes
import Execution

/// How an execution block follows from the consensus block that carries it.
enum PayloadRules {
    /// The timestamp of the payload of a block of this time: its second, but later than its parent's.
    static func timestamp(of time: WallTime, after parent: Header) -> UInt64 {
        max(parent.timestamp + 1, UInt64(max(0, time.milliseconds)) / 1000)
    }

    /// Bytes of nodes and codes that a builder may use of a witness: the rest is for offsets, headers,
    /// neighbours of removed entries and what the end of the block reads.
    static func witnessBudget(_ sizeMax: Int) -> Int { sizeMax - sizeMax / 8 - (16 << 10) }

    /// Checks everything about both bodies but what execution tells. Returns the payload.
    static func check(
        _ contents: BlockContents, after parent: ChainHead, _ parameters: ChainParameters
    ) throws(BlockFault) -> Block {
        let references = contents.block.body.references
        guard let reference = references.first, reference.kind == .witness, reference.index == 0
        else { throw .witnessMissing }
        guard reference.size <= UInt64(parameters.witnessSizeMax) else {
            throw .witnessTooLarge(reference.size, limit: parameters.witnessSizeMax)
        }
        guard ContentReference(kind: .witness, bytes: contents.witness) == reference else {
            throw .witnessReference
        }
        return try checkPayload(contents.block, contents.payload, after: parent, parameters)
    }

    /// The same without a witness.
    static func checkPayload(
        _ block: ConsensusBlock, _ payload: [UInt8], after parent: ChainHead,
        _ parameters: ChainParameters
    ) throws(BlockFault) -> Block {
        let header = block.header
        guard header.payload.size <= UInt64(parameters.payloadSizeMax) else {
            throw .payloadTooLarge(header.payload.size, limit: parameters.payloadSizeMax)
        }
        guard ContentReference(kind: .block, bytes: payload) == header.payload else {
            throw .payloadReference
        }
        let execution: Block
        do throws(BlockError) {
            execution = try Block(payload.span)
        } catch {
            throw .payloadMalformed(error)
        }
        let found = execution.header
        guard found.number == header.height else {
            throw .number(found.number, height: header.height)
        }
        guard found.parentHash == parent.header.hash else {
            throw .rejected(
                .parentHash(found: found.parentHash, expected: parent.header.hash))
        }
        let timestamp = timestamp(of: header.time, after: parent.header)
        guard found.timestamp == timestamp else {
            throw .timestamp(found.timestamp, expected: timestamp)
        }
        guard found.mixHash == parent.beacon else {
            throw .prevRandao(found.mixHash, expected: parent.beacon)
        }
        guard found.parentBeaconRoot == parent.blockID else {
            throw .parentBeaconRoot(found.parentBeaconRoot, expected: parent.blockID)
        }
        let withdrawals = parent.registry.withdrawals(at: header.height)
        guard execution.withdrawals ?? [] == withdrawals else {
            throw .withdrawals(execution.withdrawals?.count ?? 0, expected: withdrawals.count)
        }
        if let index = execution.transactions.firstIndex(where: { $0.kind == .blob }) {
            throw .blobs(index: index)
        }
        return execution
    }
}
