public import ChoraleBase
public import Codec
public import Execution

/// The call that asks another engine to execute a block statelessly.
///
/// Specification: Ethereum execution APIs, proposal 557.
public struct StatelessCall: Sendable {
    public let method: String
    public let params: JSONValue

    /// - Parameters:
    ///   - block: its roots of state and receipts are withheld, so that whoever answers has computed them.
    ///   - blockHash: with its roots.
    ///   - requests: of its execution; of no meaning before Prague.
    public init(
        _ block: Block, blockHash: Bytes32, fork: Fork, requests: [[UInt8]], _ witness: Witness
    ) {
        var payload = ExecutionPayload(block)
        payload.stateRoot = .zero
        payload.receiptsRoot = .zero
        var params: [JSONValue] = [.object(payload.json(blockHash: blockHash))]
        let version: StatelessPayloadRequest.Version =
            switch fork {
            case .london, .paris: .v1
            case .shanghai: .v2
            case .cancun: .v3
            case .prague, .osaka: .v4
            }
        if version.rawValue >= StatelessPayloadRequest.Version.v3.rawValue {
            params.append(.array(block.transactions.flatMap(\.blobHashes).map { .data($0) }))
            params.append(.data(block.header.parentBeaconRoot ?? .zero))
        }
        if version.rawValue >= StatelessPayloadRequest.Version.v4.rawValue {
            params.append(.array(requests.map { .data($0) }))
        }
        params.append(.data(witness.rlp()))
        method = version.method
        self.params = .array(params)
    }
}
