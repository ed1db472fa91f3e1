public import ChoraleBase
public import ChoraleTypes
import DequeModule
public import Operations
import OrderedCollections
public import Subproof

/// An operation, as this node sees it.
public struct OperationInfo: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        case open(OperationStatus)
        case settled(height: UInt64)
        case expired(height: UInt64)
    }

    public var operation: Bytes32
    public var kind: UInt16
    public var requester: ExecutionAddress
    public var requestedAt: UInt64
    public var expiry: UInt64
    /// The most that it may cost, in wei.
    public var fee: UInt128
    public var outcome: Outcome
    /// Keys of those elected, the primary first, and from which height each may commit.
    public var executors: [ExecutorElection.Candidate]
    /// Of the last renewal, in thousandths.
    public var progress: UInt16
    /// nil while nobody has committed.
    public var commitment: CommitmentInfo?
    public var confirmation: ConfirmationLevel
    /// Of an operation without proofs, while it is open and somebody has committed.
    public var committee: CommitteeInfo?
    /// Of such an operation that a committee's certificate justifies: the height at which nobody can dispute it any more.
    public var unchallengedAt: UInt64?
    public var isDisputed: Bool

    public struct CommitmentInfo: Hashable, Sendable {
        public var executor: Bytes32
        public var height: UInt64
        public var outputHash: Bytes32
        public var outputSize: UInt64
        /// The output as a body; nil when this node did not see the commitment itself.
        public var outputRoot: Bytes32?
        /// In wei.
        public var price: UInt128
        /// In their order.
        public var parts: [PartInfo]
    }

    public struct PartInfo: Hashable, Sendable {
        public var proofType: UInt8
        /// In bytes.
        public var proofSize: UInt64
        public var tranche: Tranche
        /// Votes heard, of those asked.
        public var votes: Int
        public var asked: Int
        public var isCertified: Bool
        /// nil while there is no certificate.
        public var verdict: Bool?
        /// What this node's verifier found; nil when it was not asked, or has not finished.
        public var ownVerdict: Bool?
        public var isContested: Bool
        public var level: ConfirmationLevel
        /// Whether a block has its certificate.
        public var isOnChain: Bool
    }
}

/// Who is asked about a part.
public struct AssignmentInfo: Hashable, Sendable {
    public var operation: Bytes32
    public var part: UInt16
    /// Of the first tranche, in their order.
    public var validators: [ValidatorIndex]
    public var isOurs: Bool
}

/// What was done for proofs, since the start.
public struct PartCounters: Hashable, Sendable {
    public var pool = SubproofCounters()
    public var proofsFetched: UInt64 = 0
    public var proofBytesFetched: UInt64 = 0
    public var proofsServed: UInt64 = 0
    public var proofsShelved = 0
    public var shelfSize: UInt64 = 0
    /// Of workers that verified proofs, together.
    public var verificationTime: Duration = .zero
    public var votesPublished: UInt64 = 0
    public var votesReceived: UInt64 = 0
    public var certificatesPublished: UInt64 = 0
    public var certificatesReceived: UInt64 = 0
    public var attestationsReceived: UInt64 = 0
    public var attestationsVerified: UInt64 = 0
    /// Parts of all operations that this node has seen commitments of.
    public var partsSeen: UInt64 = 0
    public var operationsCertified: UInt64 = 0
    public var operationsRejected: UInt64 = 0

    public init() {}
}

extension PartVerification {
    public var counters: PartCounters {
        var counters = totals
        counters.pool = pool.counters
        counters.proofsShelved = shelf.count
        counters.shelfSize = shelf.size
        return counters
    }

    /// Open operations and those that ended last, the newest first.
    public func operations(now: Now) -> [OperationInfo] {
        let open = head.operations.operations.map { info(of: $0.key, $0.value, outcome: nil) }
        return open.reversed() + ended.reversed()
    }

    public func operation(_ id: Bytes32, now: Now) -> OperationInfo? {
        if let operation = head.operations.operations[id] {
            return info(of: id, operation, outcome: nil)
        }
        return ended.last { $0.operation == id }
    }

    /// Of commitments in the block of a height, as long as they are open.
    public func assignments(height: UInt64) -> [AssignmentInfo] {
        var assignments: [AssignmentInfo] = []
        for (name, operation) in watched where operation.committed.height == height {
            let local = pool.local(in: name)
            for (part, members) in (pool.members(of: name) ?? []).enumerated() {
                assignments.append(
                    AssignmentInfo(
                        operation: name, part: UInt16(part), validators: members,
                        isOurs: local.map { members.contains($0) } ?? false))
            }
        }
        return assignments
    }

    /// - Parameter outcome: nil while it is open.
    func info(
        of name: Bytes32, _ operation: OpenOperation, outcome: OperationInfo.Outcome?
    ) -> OperationInfo {
        let request = operation.request
        let parts = commitmentParts(of: name, operation)
        var confirmation: ConfirmationLevel = parts.map(\.level).min() ?? .none
        if pool.fastPathCertificate(of: name) != nil || operation.commitment?.justifiedAt != nil {
            confirmation = .quorumVerified
        }
        let commitment = operation.commitment.map { committed in
            OperationInfo.CommitmentInfo(
                executor: committed.executor, height: committed.height,
                outputHash: committed.outputHash, outputSize: committed.outputSize,
                outputRoot: watched[name]?.content?.outputRoot, price: committed.price,
                parts: parts)
        }
        return OperationInfo(
            operation: name, kind: request.kind, requester: request.requester,
            requestedAt: operation.height, expiry: request.expiry, fee: request.fee,
            outcome: outcome ?? .open(operation.status),
            executors: operation.election?.candidates ?? [],
            progress: operation.election?.progress ?? 0, commitment: commitment,
            confirmation: confirmation, committee: pool.committee(of: name),
            unchallengedAt: operation.commitment?.justifiedAt.map {
                $0 + OperationRegistry.challengeWindow
            },
            isDisputed: operation.isFrozen || parts.contains(where: \.isContested))
    }

    /// What the pool knows of the parts; before it is open, or after, what the chain says.
    private func commitmentParts(
        of name: Bytes32, _ operation: OpenOperation
    ) -> [OperationInfo.PartInfo] {
        guard let committed = operation.commitment, let entry = watched[name],
            entry.committed.root == committed.root
        else { return [] }
        let known = pool.parts(of: name) ?? []
        return entry.proofs.enumerated().map { part, proof in
            let isOnChain = committed.certifiedParts >> UInt64(part) & 1 == 1
            let state = part < known.count ? known[part] : nil
            return OperationInfo.PartInfo(
                proofType: proof.type, proofSize: UInt64(proof.size),
                tranche: state?.tranche ?? .first, votes: state?.votes ?? 0,
                asked: state?.asked ?? 0, isCertified: state?.verdict != nil || isOnChain,
                verdict: state?.verdict ?? (isOnChain ? true : nil),
                ownVerdict: state?.ownVerdict, isContested: state?.isContested ?? false,
                level: state?.level
                    ?? (isOnChain ? ConfirmationLevel.quorumVerified : ConfirmationLevel.none),
                isOnChain: isOnChain)
        }
    }
}
