public import ChoraleBase
public import ChoraleTypes
public import Codec

/// What is said about verification: to everybody on the topic `certificate`, but for votes on parts, which have their
/// own; and in answer to who asks what is known of an operation.
///
/// In SSZ a union: one byte for the kind, then the value.
public enum PartStatement: Hashable, Sendable {
    case certificate(SubProofCertificate)
    case fastPath(FastPathCertificate)
    case evidence(SubProofEvidence)
    case committeeVote(CommitteeVote)
    case vote(SubProofVote)

    /// Largest encoding that is passed on, in bytes. What is larger is asked for.
    public static let gossipSizeMax = 1 + SubProofCertificate.gossipSizeMax

    public var operation: Bytes32 {
        switch self {
        case .certificate(let certificate): certificate.id.operation
        case .fastPath(let certificate): certificate.operation
        case .evidence(let evidence): evidence.operation
        case .committeeVote(let vote): vote.operation
        case .vote(let vote): vote.id.operation
        }
    }

    /// How many signatures there are to check.
    var signatureCount: Int {
        switch self {
        case .certificate(let certificate): certificate.signatures.count
        case .fastPath(let certificate): certificate.signatures.count
        case .evidence(.falseOutput(let evidence)): 1 + evidence.certificate.signatures.count
        case .evidence: 2
        case .committeeVote, .vote: 1
        }
    }
}

extension PartStatement: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { nil }

    private var selector: UInt8 {
        switch self {
        case .certificate: 0
        case .fastPath: 1
        case .evidence: 2
        case .committeeVote: 3
        case .vote: 4
        }
    }

    public func sszEncode(into bytes: inout [UInt8]) {
        bytes.append(selector)
        switch self {
        case .certificate(let certificate): certificate.sszEncode(into: &bytes)
        case .fastPath(let certificate): certificate.sszEncode(into: &bytes)
        case .evidence(let evidence): evidence.sszEncode(into: &bytes)
        case .committeeVote(let vote): vote.sszEncode(into: &bytes)
        case .vote(let vote): vote.sszEncode(into: &bytes)
        }
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        let root =
            switch self {
            case .certificate(let certificate): certificate.hashTreeRoot(hash)
            case .fastPath(let certificate): certificate.hashTreeRoot(hash)
            case .evidence(let evidence): evidence.hashTreeRoot(hash)
            case .committeeVote(let vote): vote.hashTreeRoot(hash)
            case .vote(let vote): vote.hashTreeRoot(hash)
            }
        return Hash.combine(root, selector.hashTreeRoot(hash))
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard !input.isEmpty else { throw .tooShort(found: 0, minimum: 1) }
        let value = input.extracting(1..<input.count)
        switch input[0] {
        case 0: self = .certificate(try SubProofCertificate(ssz: value))
        case 1: self = .fastPath(try FastPathCertificate(ssz: value))
        case 2: self = .evidence(try SubProofEvidence(ssz: value))
        case 3: self = .committeeVote(try CommitteeVote(ssz: value))
        case 4: self = .vote(try SubProofVote(ssz: value))
        case let other: throw .invalidValue("a statement on parts of kind \(other)")
        }
    }
}
