public import ChoraleBase
import ChoraleTypes
import Consensus
public import Execution

/// Why a block is invalid. Every case is its proposer's doing.
public enum BlockFault: Error, Hashable, Sendable {
    /// What consensus says of it.
    case consensus(String)
    /// The body is not the one that the block refers to.
    case payloadReference
    case payloadTooLarge(UInt64, limit: Int)
    case payloadMalformed(BlockError)
    case number(UInt64, height: UInt64)
    case timestamp(UInt64, expected: UInt64)
    /// Not the beacon's value before the block.
    case prevRandao(Bytes32, expected: Bytes32)
    /// Not the parent's name (EIP-4788).
    case parentBeaconRoot(Bytes32?, expected: Bytes32)
    /// Not what the registry has due (EIP-4895).
    case withdrawals(Int, expected: Int)
    /// A payload that was built for this validator pays somebody else.
    case feeRecipient(Address, ordered: Address)
    /// Blobs are no part of this network (EIP-4844).
    case blobs(index: Int)
    /// The first reference is not to a witness.
    case witnessMissing
    case witnessReference
    case witnessTooLarge(UInt64, limit: Int)
    case witnessMalformed(WitnessBody.DecodingError)
    /// Execution refused the block or the witness.
    case execution(StatelessFailure)
    /// Execution refused a block that came without a witness.
    case rejected(BlockRejection)
    case stateRoot(Bytes32, executed: Bytes32)
    case receiptsRoot(Bytes32, executed: Bytes32)
    /// What is said to be asked of consensus is not what the header has the hash of.
    case requests(Bytes32, header: Bytes32?)
    /// What it says of operations.
    case operations(OperationRuleFault)
    /// Other verifiers disagree (mechanisms row 2.22).
    case crossValidation(String)

    /// Every ``label``.
    public static let labels = [
        "consensus", "payload_reference", "payload_too_large", "payload_malformed", "number",
        "timestamp", "prev_randao", "parent_beacon_root", "withdrawals", "fee_recipient",
        "blobs", "witness_missing", "witness_reference", "witness_too_large", "witness_malformed",
        "execution", "rejected", "state_root", "receipts_root", "requests", "operations",
        "cross_validation",
    ]

    /// A word for counters.
    public var label: String {
        switch self {
        case .consensus: "consensus"
        case .payloadReference: "payload_reference"
        case .payloadTooLarge: "payload_too_large"
        case .payloadMalformed: "payload_malformed"
        case .number: "number"
        case .timestamp: "timestamp"
        case .prevRandao: "prev_randao"
        case .parentBeaconRoot: "parent_beacon_root"
        case .withdrawals: "withdrawals"
        case .feeRecipient: "fee_recipient"
        case .blobs: "blobs"
        case .witnessMissing: "witness_missing"
        case .witnessReference: "witness_reference"
        case .witnessTooLarge: "witness_too_large"
        case .witnessMalformed: "witness_malformed"
        case .execution: "execution"
        case .rejected: "rejected"
        case .stateRoot: "state_root"
        case .receiptsRoot: "receipts_root"
        case .requests: "requests"
        case .operations: "operations"
        case .crossValidation: "cross_validation"
        }
    }
}

extension BlockFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .consensus(let text): text
        case .payloadReference: "the payload is not the body that the block refers to"
        case .payloadTooLarge(let size, let limit):
            "the payload has \(size) bytes, not \(limit) at most"
        case .payloadMalformed(let error): "the payload is no execution block: \(error)"
        case .number(let number, let height): "execution block \(number) at height \(height)"
        case .timestamp(let found, let expected):
            "the payload's timestamp is \(found), not \(expected)"
        case .prevRandao(let found, let expected):
            "prevRandao is 0x\(found), not the beacon's value 0x\(expected)"
        case .parentBeaconRoot(let found, let expected):
            "parentBeaconBlockRoot is \(found.map { "0x\($0)" } ?? "missing"), "
                + "not the parent 0x\(expected)"
        case .withdrawals(let count, let expected):
            "the \(count) withdrawals are not the \(expected) that are due"
        case .feeRecipient(let found, let ordered):
            "the fees go to \(found), not \(ordered)"
        case .blobs(let index): "transaction \(index) carries blobs"
        case .witnessMissing: "the block refers to no witness"
        case .witnessReference: "the witness is not the body that the block refers to"
        case .witnessTooLarge(let size, let limit):
            "the witness has \(size) bytes, not \(limit) at most"
        case .witnessMalformed(let error): "the witness cannot be read: \(error)"
        case .execution(let failure): "\(failure)"
        case .rejected(let rejection): "\(rejection)"
        case .stateRoot(let claimed, let executed):
            "the state root is said to be 0x\(claimed), execution gives 0x\(executed)"
        case .receiptsRoot(let claimed, let executed):
            "the receipts root is said to be 0x\(claimed), execution gives 0x\(executed)"
        case .requests(let found, let header):
            "the requests hash to 0x\(found), the header says "
                + (header.map { "0x\($0)" } ?? "nothing")
        case .operations(let fault): "what it says of operations: \(fault)"
        case .crossValidation(let text): text
        }
    }
}
