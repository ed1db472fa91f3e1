import ChoraleBase
public import Codec
import OrderedCollections

// Stored with each height, and part of what a checkpoint is.

extension ExecutorElection.Candidate: SSZContainer {
    public static let sszLayout = SSZLayout(Bytes32.self, UInt64.self, Bool.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(key)
        fields.visit(turn)
        fields.visit(isRefused)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        key = try fields.next(in: input)
        turn = try fields.next(in: input)
        isRefused = try fields.next(in: input)
    }
}

extension ExecutorElection: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt64.self, UInt64.self, SSZList<Candidate, 3>.self, UInt16.self, UInt8.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let candidates = SSZList<Candidate, 3>(candidates) else {
            preconditionFailure("an election keeps to its limits")
        }
        fields.visit(drawn)
        fields.visit(expiry)
        fields.visit(candidates)
        fields.visit(progress)
        fields.visit(progressOf)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let drawn = try fields.next(UInt64.self, in: input)
        let expiry = try fields.next(UInt64.self, in: input)
        let candidates = try fields.next(SSZList<Candidate, 3>.self, in: input).elements
        let progress = try fields.next(UInt16.self, in: input)
        let progressOf = try fields.next(UInt8.self, in: input)
        guard drawn <= expiry, expiry < 1 << 48, !candidates.isEmpty,
            candidates.allSatisfy({ (drawn...expiry + 1).contains($0.turn) }),
            Set(candidates.map(\.key)).count == candidates.count,
            progress <= LeaseRenewalContent.progressMax, progressOf < candidates.count
        else { throw .invalidValue("an election that nobody draws") }
        self.init(
            drawn: drawn, expiry: expiry, candidates: candidates, progress: progress,
            progressOf: progressOf)
    }
}

extension CommittedExecution: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, UInt64.self, Bytes32.self, Bytes32.self, ExecutionAddress.self, Bytes32.self,
        UInt64.self, UInt128.self, UInt8.self, UInt64.self, SSZList<ExecutionAddress, 32>.self,
        UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let committers = SSZList<ExecutionAddress, 32>(committers) else {
            preconditionFailure("a commitment keeps to its limits")
        }
        fields.visit(root)
        fields.visit(height)
        fields.visit(seed)
        fields.visit(executor)
        fields.visit(recipient)
        fields.visit(outputHash)
        fields.visit(outputSize)
        fields.visit(price)
        fields.visit(partCount)
        fields.visit(certifiedParts)
        fields.visit(committers)
        // No block of height 0 has a certificate.
        fields.visit(justifiedAt ?? 0)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        root = try fields.next(in: input)
        height = try fields.next(in: input)
        seed = try fields.next(in: input)
        executor = try fields.next(in: input)
        recipient = try fields.next(in: input)
        outputHash = try fields.next(in: input)
        outputSize = try fields.next(in: input)
        price = try fields.next(in: input)
        partCount = try fields.next(in: input)
        certifiedParts = try fields.next(in: input)
        committers = try fields.next(SSZList<ExecutionAddress, 32>.self, in: input).elements
        let justifiedAt = try fields.next(UInt64.self, in: input)
        self.justifiedAt = justifiedAt == 0 ? nil : justifiedAt
        guard (1...OperationsContract.outputSizeMax).contains(outputSize),
            price <= OperationsContract.feeMax,
            (1...UInt8(ExecutionCommitmentContent.partsMax)).contains(partCount),
            partCount == 64 || certifiedParts >> UInt64(partCount) == 0,
            Set(committers).count == committers.count
        else { throw .invalidValue("a commitment that no block has") }
    }
}

extension OpenOperation: SSZContainer {
    public static let sszLayout = SSZLayout(
        OperationRequest.self, UInt64.self, SSZList<ExecutorElection, 1>.self,
        SSZList<CommittedExecution, 1>.self, Bool.self, SSZList<EnclaveDispute, 1>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let election = SSZList<ExecutorElection, 1>(election.map { [$0] } ?? []),
            let commitment = SSZList<CommittedExecution, 1>(commitment.map { [$0] } ?? []),
            let dispute = SSZList<EnclaveDispute, 1>(dispute.map { [$0] } ?? [])
        else { preconditionFailure("one at most") }
        fields.visit(request)
        fields.visit(height)
        fields.visit(election)
        fields.visit(commitment)
        fields.visit(isFrozen)
        fields.visit(dispute)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        request = try fields.next(in: input)
        height = try fields.next(in: input)
        election = try fields.next(SSZList<ExecutorElection, 1>.self, in: input).elements.first
        commitment = try fields.next(SSZList<CommittedExecution, 1>.self, in: input).elements.first
        isFrozen = try fields.next(in: input)
        dispute = try fields.next(SSZList<EnclaveDispute, 1>.self, in: input).elements.first
        // Later arithmetic rests on these.
        guard height <= request.expiry, election.map({ $0.expiry == request.expiry }) ?? true,
            commitment == nil || election != nil, commitment != nil || !isFrozen,
            commitment.map({ $0.price <= request.fee }) ?? true,
            dispute.map({ isFrozen && $0.part < commitment?.partCount ?? 0 }) ?? true
        else { throw .invalidValue("an operation in no state") }
    }
}

extension BondPayment: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZList<Bytes32, 1>.self, ExecutionAddress.self, UInt64.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let keys = SSZList<Bytes32, 1>(key.map { [$0] } ?? []) else {
            preconditionFailure("one at most")
        }
        fields.visit(keys)
        fields.visit(recipient)
        fields.visit(amount)
        fields.visit(due)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        key = try fields.next(SSZList<Bytes32, 1>.self, in: input).elements.first
        recipient = try fields.next(in: input)
        amount = try fields.next(in: input)
        due = try fields.next(in: input)
    }
}

extension OperationRegistry: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZList<OpenOperation, 512>.self, SSZList<ExecutorRecord, 1024>.self,
        SSZList<Bytes32, 1024>.self, SSZList<BondPayment, 1024>.self,
        SSZList<ProofJudgement, 1024>.self, EnclaveRegistry.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let operations = SSZList<OpenOperation, 512>(Array(operations.values)),
            let executors = SSZList<ExecutorRecord, 1024>(Array(executors.values)),
            let slashed = SSZList<Bytes32, 1024>(Array(slashed)),
            let payments = SSZList<BondPayment, 1024>(payments),
            let judgements = SSZList<ProofJudgement, 1024>(Array(judgements.values))
        else { preconditionFailure("a registry keeps to its limits") }
        fields.visit(operations)
        fields.visit(executors)
        fields.visit(slashed)
        fields.visit(payments)
        fields.visit(judgements)
        fields.visit(enclaves)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let operations = try fields.next(SSZList<OpenOperation, 512>.self, in: input).elements
        let executors = try fields.next(SSZList<ExecutorRecord, 1024>.self, in: input).elements
        let slashed = try fields.next(SSZList<Bytes32, 1024>.self, in: input).elements
        payments = try fields.next(SSZList<BondPayment, 1024>.self, in: input).elements
        let judgements = try fields.next(SSZList<ProofJudgement, 1024>.self, in: input).elements
        enclaves = try fields.next(in: input)
        for judgement in judgements { self.judgements[judgement.proof] = judgement }
        for operation in operations { self.operations[operation.request.operation] = operation }
        for executor in executors { self.executors[executor.key] = executor }
        self.slashed = OrderedSet(slashed)
        guard self.operations.count == operations.count, self.executors.count == executors.count,
            self.slashed.count == slashed.count, self.judgements.count == judgements.count
        else {
            throw .invalidValue("an operation, executor, key or judgement that is there twice")
        }
        // Later arithmetic rests on the heights.
        guard zip(judgements, judgements.dropFirst()).allSatisfy({ $0.height <= $1.height }),
            judgements.allSatisfy({ $0.height < 1 << 48 })
        else { throw .invalidValue("judgements in no order") }
        guard zip(payments, payments.dropFirst()).allSatisfy({ $0.due <= $1.due }),
            executors.allSatisfy({ $0.bond <= Self.bondMax })
        else { throw .invalidValue("payments in no order, or a bond out of bounds") }
    }
}
