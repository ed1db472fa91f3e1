public import Chain
public import ChoraleBase
public import ChoraleTypes
public import Operations
public import PeerIdentity
public import Subproof

/// Names a gossip message until its verdict. Chosen by the caller.
public struct PartMessageID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names a request of ours to a peer.
public struct PartRequestID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Names a peer's request. Chosen by the caller.
public struct PartServeID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names a request of ours to the store.
public struct PartStoreID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// The gossip topics of verification in parts.
public enum PartTopic: Hashable, Sendable {
    /// ``ChoraleTypes/SubProofVote``, by part.
    case votes(subnet: Int)
    /// ``PartStatement``.
    case certificate
    /// ``Operations/EnclaveStatement``.
    case attestation

    /// As in `TopicKind`.
    public var name: String {
        switch self {
        case .votes(let subnet): "subproof_vote_\(subnet)"
        case .certificate: "certificate"
        case .attestation: "attestation_tee"
        }
    }

    public static let all: [PartTopic] =
        (0..<SubProofBounds.subnetCount).map { .votes(subnet: $0) }
        + [.certificate, .attestation]
}

/// What a peer is asked.
public enum PartRequest: Hashable, Sendable {
    /// A proof's body, by its root.
    case proof(root: Bytes32)
    /// Certificates of these parts of an operation; all when there are none.
    case certificates(operation: Bytes32, parts: [UInt16])
    /// Everything that is kept of an operation.
    case statements(operation: Bytes32)
    /// Votes that gossip would not carry again. Not answered.
    case votes(PartVotes)
}

/// How a request of ours ended.
public enum PartRequestEnd: Hashable, Sendable {
    case finished
    /// The peer says that it does not have it.
    case unavailable
    /// The peer refuses, is gone, or does not speak the protocol.
    case failed
    /// What came was nothing that was asked for.
    case malformed
}

/// What the chain has come to, as far as it is about operations.
public struct OperationHead: Sendable {
    public let height: UInt64
    public let operations: OperationRegistry
    /// As ``Chain/ChainHead/history``: each set with the first height that it voted on, ascending.
    public let eras: [(first: UInt64, validators: ValidatorSet)]

    public init(
        height: UInt64, operations: OperationRegistry,
        eras: [(first: UInt64, validators: ValidatorSet)]
    ) {
        self.height = height
        self.operations = operations
        self.eras = eras
    }

    public init(_ head: ChainHead) {
        self.init(
            height: head.height, operations: head.operations,
            eras: head.history.map { ($0.first, $0.validators) })
    }

    /// The set of a height; nil when it is not known any more.
    public func validators(at height: UInt64) -> ValidatorSet? {
        eras.last { $0.first <= height }?.validators
    }
}

/// What the validator's files gave for what was to be signed.
public enum SignedPart: Hashable, Sendable {
    case vote(SubProofVote)
    case committeeVote(CommitteeVote)
}

/// Something to sign with the validator's key, after everything that was written before is synced.
public struct PartSignRequest: Hashable, Sendable {
    public let request: SubproofSignRequest
    public let validator: ValidatorIndex

    public init(_ request: SubproofSignRequest, as validator: ValidatorIndex) {
        self.request = request
        self.validator = validator
    }

    /// - Precondition: `key` is Ed25519.
    public func signed(with key: IdentityKey, network: NetworkDigest) -> SignedPart {
        switch request {
        case .vote(let content):
            .vote(SubProofVote(signing: content, as: validator, with: key, network: network))
        case .committeeVote(let content):
            .committeeVote(
                CommitteeVote(signing: content, as: validator, with: key, network: network))
        }
    }
}

/// Everything that can happen.
public enum PartInput: Sendable {
    /// Comes first, once: where the chain stands.
    case start(OperationHead)
    /// A block is final.
    case advanced(OperationHead, OperationReport)
    /// Answers `readCommitments`: those of that block; nil when it is not here.
    case commitmentsRead(height: UInt64, [ExecutionCommitment]?)
    /// A message of a topic of ours, unpacked. Answered by `verdict`.
    case gossip(PartMessageID, PartTopic, [UInt8], from: PeerID)
    /// Answers `run`.
    case finished(PartJobResult)
    /// A body is here, whole.
    case bodyArrived(root: Bytes32)
    /// Answers `readBody`; nil when it is not here (any more). `bodyArrived` may follow.
    case bodyRead(root: Bytes32, [UInt8]?)
    /// Answers `store`, in the order in which it was asked.
    case stored(PartStoreID, StoreReply)
    /// Answers `sign`: what was signed of it; nothing when the key's files take nothing.
    case signed([SignedPart])
    /// An item of an answer to `ask`, before `requestEnded`.
    case proofReceived(PartRequestID, [UInt8])
    case certificateReceived(PartRequestID, SubProofCertificate)
    case statementReceived(PartRequestID, PartStatement)
    /// Exactly once for each request.
    case requestEnded(PartRequestID, PartRequestEnd)
    /// A peer asks. Answered by `serveProof`, `serveCertificates` or `serveStatements`; `votes` by nothing.
    case serve(PartServeID, PeerID, PartRequest)
    /// This node's executor has proven: proofs that others will ask for. Answered by `shelved`.
    case shelve(operation: Bytes32, [[UInt8]])
    /// This node's executor has had a part executed by an enclave.
    case attest(EnclaveStatement)
    case peerConnected(PeerID)
    case peerDisconnected(PeerID)
    /// The driver's timer. Early, late and repeated ones are harmless.
    case timeout
}

/// Everything to be done.
public enum PartOutput: Sendable {
    case publish(PartTopic, [UInt8])
    case verdict(PartMessageID, ChainVerdict)
    /// Computation that a worker does; `finished` answers.
    case run(PartJob)
    case store(PartStoreID, StoreRequest)
    /// Performed only when everything that was to be stored before is: this machine waits for it.
    case sign([PartSignRequest])
    case ask(PartRequestID, PeerID, PartRequest)
    /// Connect to this peer, wherever it is: it has what is wanted.
    case connect(PeerID)
    /// nil: not here.
    case serveProof(PartServeID, [UInt8]?)
    case serveCertificates(PartServeID, [SubProofCertificate])
    case serveStatements(PartServeID, [PartStatement])
    case readBody(root: Bytes32)
    /// The commitments of the block of a height.
    case readCommitments(height: UInt64)
    /// The proofs are on disk, and served.
    case shelved(operation: Bytes32)
    /// For a block.
    case include(SubProofCertificate)
    case includeFastPath(FastPathCertificate)
    /// For a block: a validator has found another output than the executor.
    case dispute(CommitteeVote)
    /// A validator's fault, for a block.
    case accuse(SubProofEvidence)
    /// An enclave vouches for another output than the one that was committed to: for a block.
    case contradict(EnclaveContradiction)
    /// A fault that is the peer's own.
    case penalize(PeerID, String)
    case event(PartEvent)
}

/// What happened, for lines and numbers.
public enum PartEvent: Hashable, Sendable {
    case pool(SubproofEvent)
    /// An operation cannot be verified here, and why.
    case unverifiable(operation: Bytes32, String)
    /// A proof that this node's verifier refused, and how long it took to find.
    case verified(operation: Bytes32, part: UInt16, isValid: Bool, elapsed: Duration)
    /// A validator's fault was found.
    case fault(operation: Bytes32, ValidatorIndex)
    case muted(SubproofSigner)
    /// An enclave vouches for a part.
    case attested(operation: Bytes32, part: UInt16, enclave: Bytes32)
    /// Evidence of an enclave, signed by an executor or not, that proves nothing, and why.
    case enclaveRefused(operation: Bytes32, part: UInt16, String)
    /// An enclave vouches for something else than what was committed to.
    case contradicted(operation: Bytes32, part: UInt16)
    /// A certified proof contradicts this enclave: it is not listened to any more.
    case enclaveRevoked(Bytes32)
    case signingFailed
}
