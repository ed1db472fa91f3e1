import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Operations

/// What an executor keeps on disk of an operation, in the family `execution`: finished proofs by `operation ‖ part`,
/// statements of its enclave by `operation ‖ 64 + part`, and what it has signed by `operation ‖ 255`.
enum ExecutionRow {
    case proof(part: Int)
    case attestation(part: Int)
    case commitment

    private static let attestationMark = UInt8(ExecutionCommitmentContent.partsMax)
    private static let commitmentMark: UInt8 = 255

    func key(of operation: Bytes32) -> [UInt8] {
        switch self {
        case .proof(let part): operation.bytes + [UInt8(part)]
        case .attestation(let part): operation.bytes + [Self.attestationMark + UInt8(part)]
        case .commitment: operation.bytes + [Self.commitmentMark]
        }
    }

    /// nil for a key that no version has written.
    init?(key: [UInt8]) {
        guard key.count == Bytes32.size + 1 else { return nil }
        switch key[Bytes32.size] {
        case Self.commitmentMark: self = .commitment
        case let part where part < UInt8(ExecutionCommitmentContent.partsMax):
            self = .proof(part: Int(part))
        case let mark where mark < 2 * Self.attestationMark:
            self = .attestation(part: Int(mark - Self.attestationMark))
        default: return nil
        }
    }

    /// Behind all rows of an operation.
    static func end(of operation: Bytes32) -> [UInt8] {
        operation.bytes + [commitmentMark, commitmentMark]
    }

    static func deletion(of operation: Bytes32) -> StoreWrite {
        .deleteRange(.execution, from: operation.bytes, to: end(of: operation))
    }
}

/// A commitment as it was signed, with the output: written before it is said, so that there is never another.
struct RecordedCommitment: Hashable, Sendable {
    /// Largest output that an executor keeps: a body's size.
    static let outputSizeMax = 16 << 20

    let commitment: ExecutionCommitment
    let output: SSZByteList<16_777_216>

    /// nil when the output is larger than a body.
    init?(_ commitment: ExecutionCommitment, output: [UInt8]) {
        guard let output = SSZByteList<16_777_216>(output) else { return nil }
        self.commitment = commitment
        self.output = output
    }

    /// As a row has it; nil when it is not this executor's commitment to that operation, with its output.
    init?(row: [UInt8], operation: Bytes32, executor: Bytes32, network: NetworkDigest) {
        guard let record = try? Self(ssz: row.span),
            record.commitment.content.operation == operation,
            record.commitment.content.executor == executor,
            record.commitment.content.outputHash == Keccak256.hash(record.output.bytes),
            record.commitment.isSigned(network: network)
        else { return nil }
        self = record
    }
}

extension RecordedCommitment: SSZContainer {
    static let sszLayout = SSZLayout(ExecutionCommitment.self, SSZByteList<16_777_216>.self)

    func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(commitment)
        fields.visit(output)
    }

    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        commitment = try fields.next(in: input)
        output = try fields.next(in: input)
    }
}
