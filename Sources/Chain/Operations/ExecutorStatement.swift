public import ChoraleBase
public import ChoraleTypes
public import Codec
public import Operations

/// What an executor says to everybody, on the topic `exec_output`: how far it is, or what came out.
///
/// In SSZ a union: one byte for the kind, then the value.
public enum ExecutorStatement: Hashable, Sendable {
    case renewal(LeaseRenewal)
    case commitment(ExecutionCommitment)

    public var operation: Bytes32 {
        switch self {
        case .renewal(let renewal): renewal.content.operation
        case .commitment(let commitment): commitment.content.operation
        }
    }

    /// Key of whoever says to have said it.
    public var executor: Bytes32 {
        switch self {
        case .renewal(let renewal): renewal.content.executor
        case .commitment(let commitment): commitment.content.executor
        }
    }

    public func isSigned(network: NetworkDigest) -> Bool {
        switch self {
        case .renewal(let renewal): renewal.isSigned(network: network)
        case .commitment(let commitment): commitment.isSigned(network: network)
        }
    }

    var item: ChainItem {
        switch self {
        case .renewal(let renewal): .renewal(renewal)
        case .commitment(let commitment): .commitment(commitment)
        }
    }
}

extension ExecutorStatement: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { nil }

    public func sszEncode(into bytes: inout [UInt8]) {
        switch self {
        case .renewal(let renewal):
            bytes.append(0)
            renewal.sszEncode(into: &bytes)
        case .commitment(let commitment):
            bytes.append(1)
            commitment.sszEncode(into: &bytes)
        }
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        switch self {
        case .renewal(let renewal):
            Hash.combine(renewal.hashTreeRoot(hash), UInt8(0).hashTreeRoot(hash))
        case .commitment(let commitment):
            Hash.combine(commitment.hashTreeRoot(hash), UInt8(1).hashTreeRoot(hash))
        }
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard !input.isEmpty else { throw .tooShort(found: 0, minimum: 1) }
        let value = input.extracting(1..<input.count)
        switch input[0] {
        case 0: self = .renewal(try LeaseRenewal(ssz: value))
        case 1: self = .commitment(try ExecutionCommitment(ssz: value))
        case let other: throw .invalidValue("an executor's statement of kind \(other)")
        }
    }
}
