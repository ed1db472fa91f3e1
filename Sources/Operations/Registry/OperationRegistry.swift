public import ChoraleBase
public import ChoraleTypes
public import OrderedCollections

/// What the chain knows of operations and executors: consensus state, changed by each block.
///
/// A block is taken as a whole or not at all: ``applying(_:_:signatures:)`` gives the next registry, or the fault by
/// which the block is invalid. All nodes come to the same. Within a block the order is: what is over is
/// closed, commitments lapse, elections are drawn, then the block's items, then what its execution has logged. So an operation
/// that a block certifies may be settled by that block.
///
/// 1. An operation is settled only while it is ``OperationStatus/certified``, and only as its ``Settlement`` says:
///    checked when the contract's event is read.
/// 2. Nobody commits before its turn, twice, or after it was wrong: ``ExecutorElection``.
/// 3. Bounds: ``openMax`` operations of which ``openOfRequesterMax`` are of one requester; ``executorsMax`` executors;
///    ``paymentsMax`` payments; ``judgementsMax`` judgements. An encoding has at most 1 MB.
///
/// When there is no room, whoever pays least gives way: filling the registry costs more than everybody else
/// pays, locked for as long as it is to last.
///
/// Specification: mechanisms rows 0.2 to 0.5 and 0.14.
public struct OperationRegistry: Hashable, Sendable {
    /// Most open operations.
    public static let openMax = 512
    /// Most of one requester.
    public static let openOfRequesterMax = 64
    public static let executorsMax = 1024
    /// Most keys remembered as slashed; the oldest is forgotten first.
    public static let slashedMax = 1024
    /// Most bonds on their way back. An exit that would be one more counts for nothing, and may be made again.
    public static let paymentsMax = 1024
    /// Highest bond, in gwei.
    public static let bondMax: UInt64 = 1 << 63
    /// Items of one block: renewals and verdicts are small, a commitment has up to 14 KiB.
    public static let commitmentsOfBlockMax = 8
    public static let renewalsOfBlockMax = 64
    public static let verdictsOfBlockMax = 64
    /// Each with a commitment and evidence: 62 KiB and some milliseconds at most.
    public static let contradictionsOfBlockMax = 2
    /// Heights after which what a committee has found is final, unless somebody has disputed it (mechanisms row 0.13).
    public static let challengeWindow: UInt64 = 8
    /// Most judgements of everyone that are kept; the oldest is forgotten first. Somebody who makes everyone judge
    /// is slashed by it, so that they cost more than they are worth to whoever wants one forgotten.
    public static let judgementsMax = 1024
    /// Heights for which a judgement is kept.
    public static let judgementAgeMax: UInt64 = 4096
    /// Most who verified one part: a whole set of validators.
    public static let committersOfPartMax = 1024

    /// In the order of their requests.
    public internal(set) var operations: OrderedDictionary<Bytes32, OpenOperation> = [:]
    /// In the order of their registration.
    public internal(set) var executors: OrderedDictionary<Bytes32, ExecutorRecord> = [:]
    public internal(set) var slashed: OrderedSet<Bytes32> = []
    /// In the order in which they were asked for, which is that of `due`.
    public internal(set) var payments: [BondPayment] = []
    /// What everyone has said of proofs, in the order in which blocks had it.
    public internal(set) var judgements: OrderedDictionary<SubProofID, ProofJudgement> = [:]
    /// Which enclaves may vouch for parts, and which were caught.
    public internal(set) var enclaves: EnclaveRegistry

    public init(enclaves: EnclaveRegistry = EnclaveRegistry()) { self.enclaves = enclaves }

    /// What a block leaves.
    public struct Outcome: Hashable, Sendable {
        public var registry: OperationRegistry
        /// In the order in which they happened.
        public var changes: [OperationChange] = []
        /// Bonds that are due: to be paid by withdrawals (EIP-4895).
        public var payments: [BondPayment] = []
    }

    /// Whether signatures are still to be checked. A block's are checked when it is judged.
    public enum Signatures: Hashable, Sendable {
        case check
        case wereChecked
    }

    /// The registry after a block.
    ///
    /// - Complexity: O(operations + executors) and a signature for each commitment and renewal.
    public func applying(
        _ block: OperationBlock, _ parameters: OperationParameters, signatures: Signatures = .check
    ) throws(OperationFault) -> Outcome {
        var counts = OperationCourse.Counts()
        for item in block.items { counts.add(item) }
        try counts.check()
        var course = OperationCourse(
            self, height: block.height, beacon: block.beacon, setsKnownFrom: block.setsKnownFrom,
            parameters, signatures: signatures)
        for item in block.items { try course.take(item) }
        for key in block.slashed { course.slash(key) }
        for log in block.logs { try course.take(log) }
        return course.outcome
    }

    /// What a settlement that somebody sends must say.
    public func settlement(of operation: Bytes32) -> Settlement? {
        operations[operation]?.settlement
    }

    /// Why a block would be invalid with a transaction that leaves these logs, so that a builder leaves it out.
    /// nil when it would not.
    ///
    /// - Parameter logs: of the operations contract alone.
    public func fault(inLogs logs: [ContractLog]) -> OperationFault? {
        for log in logs {
            do throws(ContractLogError) {
                guard case .settled(let event) = try ContractEvent(log) else { continue }
                guard settlement(of: event.operation)?.event == event else {
                    return .settlement(event.operation)
                }
            } catch {
                return .log(error)
            }
        }
        return nil
    }
}

extension OperationRegistry.Outcome {
    /// Forgets operations that are over, and hands out bonds that are due.
    mutating func close(at height: UInt64) {
        for operation in registry.operations.values where operation.request.expiry < height {
            changes.append(.expired(operation.request.operation))
        }
        registry.operations.removeAll { $0.value.request.expiry < height }
        registry.judgements.removeAll {
            $0.value.height + OperationRegistry.judgementAgeMax < height
        }
        let due = registry.payments.prefix { $0.due <= height }
        payments = Array(due)
        registry.payments.removeFirst(due.count)
    }

    /// Ends challenge windows in which nobody has disputed.
    mutating func endChallenges(at height: UInt64) {
        for (name, operation) in registry.operations {
            guard var commitment = operation.commitment, !operation.isFrozen,
                commitment.isUnchallenged(at: height)
            else { continue }
            commitment.certifyAll()
            registry.operations[name]?.commitment = commitment
            changes.append(.certified(name))
        }
    }

    /// Drops commitments that nobody can certify or reject any more, because the set that is asked about them is
    /// forgotten. What is certified needs no set.
    mutating func lapse(before known: UInt64) {
        for (name, operation) in registry.operations {
            guard let commitment = operation.commitment, commitment.height < known,
                operation.status != .certified
            else { continue }
            registry.operations[name]?.commitment = nil
            registry.operations[name]?.isFrozen = false
            registry.operations[name]?.dispute = nil
            changes.append(.lapsed(name, executor: commitment.executor))
        }
    }

    /// Draws executors for operations that have none.
    mutating func draw(at height: UInt64, beacon: Bytes32, _ parameters: OperationParameters) {
        let candidates = registry.executors.values.filter { $0.bond >= parameters.bondMin }
        guard !candidates.isEmpty else { return }
        for (name, operation) in registry.operations
        where operation.election == nil && operation.height < height {
            guard let kind = parameters.kind(operation.request.kind),
                let election = ExecutorElection(
                    operation: name, beacon: beacon, capability: kind.capability,
                    among: candidates, drawn: height, expiry: operation.request.expiry)
            else { continue }
            registry.operations[name]?.election = election
            changes.append(.elected(name, executors: election.candidates.map(\.key)))
        }
    }
}
