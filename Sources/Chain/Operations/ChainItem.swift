public import ChoraleBase
public import ChoraleTypes
public import Codec
import Crypto
public import Operations

/// What a block says of operations besides its payload.
///
/// In a block items ascend by kind, so that what they mean does not depend on who wrote them down: first what
/// executors say, then what validators have found and who of them was wrong, then what enclaves contradict, then what the
/// operations contract has logged. Logs are there so that whoever does not execute the block knows of them, as of the requests of
/// EIP-7685: they are exactly those of its execution, in their order.
public enum ChainItem: Hashable, Sendable {
    case renewal(LeaseRenewal)
    case commitment(ExecutionCommitment)
    case certificate(SubProofCertificate)
    /// A validator's fault.
    case evidence(SubProofEvidence)
    /// What a committee, or everyone, has found of an operation without proofs.
    case fastPath(FastPathCertificate)
    /// A validator has found another output than the executor.
    case dispute(CommitteeVote)
    /// An enclave vouches for another output of a part than the executor has committed to.
    case contradiction(EnclaveContradiction)
    case log(ContractLog)

    var kind: UInt8 {
        switch self {
        case .renewal: 1
        case .commitment: 2
        case .certificate: 3
        case .evidence: 4
        case .fastPath: 5
        case .dispute: 6
        case .contradiction: 7
        case .log: 255
        }
    }

    /// As a block has it. Nil for what is too large for one: a log that the operations contract does not write.
    public var blockItem: BlockItem? {
        switch self {
        case .renewal(let renewal): BlockItem(kind: kind, content: renewal.sszEncoded())
        case .commitment(let commitment): BlockItem(kind: kind, content: commitment.sszEncoded())
        case .certificate(let certificate):
            BlockItem(kind: kind, content: certificate.sszEncoded())
        case .evidence(let evidence): BlockItem(kind: kind, content: evidence.sszEncoded())
        case .fastPath(let certificate):
            BlockItem(kind: kind, content: certificate.sszEncoded())
        case .dispute(let vote): BlockItem(kind: kind, content: vote.sszEncoded())
        case .contradiction(let found): BlockItem(kind: kind, content: found.sszEncoded())
        case .log(let log):
            LogContainer(log).flatMap { BlockItem(kind: kind, content: $0.sszEncoded()) }
        }
    }

    /// Reads an item of a block.
    public init(_ item: BlockItem) throws(ItemFault) {
        let bytes = item.content.span
        do throws(SSZError) {
            switch item.kind {
            case 1: self = .renewal(try LeaseRenewal(ssz: bytes))
            case 2: self = .commitment(try ExecutionCommitment(ssz: bytes))
            case 3: self = .certificate(try SubProofCertificate(ssz: bytes))
            case 4: self = .evidence(try SubProofEvidence(ssz: bytes))
            case 5: self = .fastPath(try FastPathCertificate(ssz: bytes))
            case 6: self = .dispute(try CommitteeVote(ssz: bytes))
            case 7: self = .contradiction(try EnclaveContradiction(ssz: bytes))
            case 255: self = .log(try LogContainer(ssz: bytes).log)
            default: throw SSZError.invalidValue("kind \(item.kind)")
            }
        } catch {
            throw ItemFault.malformed(kind: item.kind, error)
        }
    }

    /// The items of a block.
    static func items(of body: BlockBody) throws(ItemFault) -> [ChainItem] {
        var items: [ChainItem] = []
        items.reserveCapacity(body.items.count)
        var last: UInt8 = 0
        for item in body.items {
            guard item.kind >= last else { throw .order(kind: item.kind, after: last) }
            last = item.kind
            items.append(try ChainItem(item))
        }
        return items
    }
}

/// Why a block's items are none.
public enum ItemFault: Error, Hashable, Sendable {
    case malformed(kind: UInt8, SSZError)
    /// Kinds ascend.
    case order(kind: UInt8, after: UInt8)
}

/// A log of the operations contract in SSZ.
private struct LogContainer: SSZContainer {
    let topics: SSZList<Bytes32, 4>
    let data: SSZByteList<1024>

    init?(_ log: ContractLog) {
        guard let topics = SSZList<Bytes32, 4>(log.topics),
            let data = SSZByteList<1024>(log.data)
        else { return nil }
        self.topics = topics
        self.data = data
    }

    var log: ContractLog { ContractLog(topics: topics.elements, data: data.bytes) }

    static let sszLayout = SSZLayout(SSZList<Bytes32, 4>.self, SSZByteList<1024>.self)

    func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(topics)
        fields.visit(data)
    }

    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        topics = try fields.next(in: input)
        data = try fields.next(in: input)
    }
}

/// What votes call a proof that a commitment names.
///
/// Its name and not the digest of its bytes: the registry keeps of a commitment nothing but its root, and so can
/// say of a certificate whether it is about this commitment, and which part and type it is.
public enum ProofName {
    /// `SHA-256("chorale/proof-name/1" ‖ root of the commitment's content ‖ part, two bytes little-endian ‖ type)`.
    public static func of(commitment: Bytes32, part: Int, type: UInt8) -> Bytes32 {
        var bytes = Array("chorale/proof-name/1".utf8) + commitment.bytes
        bytes.appendLittleEndian(UInt16(part))
        bytes.append(type)
        return SHA256.hash(bytes)
    }
}
