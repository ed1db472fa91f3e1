import ChoraleBase
import ChoraleTypes
import Operations
import OrderedCollections

/// What a block does to operations, and to validators for what they said of parts.
struct OperationStep {
    let outcome: OperationRegistry.Outcome
    /// The block's commitments, as they came.
    let commitments: [ExecutionCommitment]
    /// What it says that its execution has logged.
    let logs: [ContractLog]
    /// Whom it has evidence against.
    let slashed: [SigningKeyBytes]
}

/// The same while it is found out, item after item. What is not taken changes nothing.
struct OperationStepper {
    private let head: ChainHead
    private let parameters: ChainParameters
    private let signatures: OperationRegistry.Signatures
    private var course: OperationCourse
    private var commitments: [ExecutionCommitment] = []
    private var logs: [ContractLog] = []
    private var slashed: OrderedSet<SigningKeyBytes> = []

    /// - Parameter signatures: `.wereChecked` where two thirds of the validators have done so.
    init(
        after head: ChainHead, beacon: Bytes32, _ parameters: ChainParameters,
        signatures: OperationRegistry.Signatures
    ) {
        self.head = head
        self.parameters = parameters
        self.signatures = signatures
        course = OperationCourse(
            head.operations, height: head.height + 1, beacon: beacon,
            setsKnownFrom: head.setsKnownFrom, parameters.operations, signatures: signatures)
    }

    var registry: OperationRegistry { course.outcome.registry }

    var step: OperationStep {
        OperationStep(
            outcome: course.outcome, commitments: commitments, logs: logs,
            slashed: Array(slashed))
    }

    mutating func take(_ item: ChainItem) throws(OperationRuleFault) {
        switch item {
        case .renewal(let renewal): try apply(.renewal(renewal))
        case .commitment(let commitment):
            try apply(.commitment(commitment))
            commitments.append(commitment)
        case .certificate(let certificate):
            try apply(
                .verdict(
                    try head.verdict(of: certificate, parameters, signatures: signatures)))
        case .evidence(let evidence):
            let limit = SubProofEvidence.ofBlockMax
            guard slashed.count < limit else { throw .tooMuchEvidence(limit: limit) }
            // Certificates come before evidence: what this block says everyone has found counts.
            let culprit = try head.culprit(
                of: evidence, registry, besides: slashed, parameters, signatures: signatures)
            slashed.append(culprit)
        case .fastPath(let certificate):
            try apply(
                .verdict(
                    try head.verdict(of: certificate, parameters, signatures: signatures)))
        case .dispute(let vote):
            try apply(
                .verdict(try head.verdict(of: vote, parameters, signatures: signatures)))
        case .contradiction(let found):
            // Certificates come before: what this block says everyone has found counts.
            try apply(.contradiction(try head.finding(of: found, registry, parameters)))
        case .log(let log):
            do throws(OperationFault) {
                try course.take(log)
            } catch {
                throw .registry(error)
            }
            logs.append(log)
        }
    }

    private mutating func apply(_ item: OperationItem) throws(OperationRuleFault) {
        do throws(OperationFault) {
            try course.take(item)
        } catch {
            throw .registry(error)
        }
    }
}

extension ChainHead {
    /// What a block after this one does to operations.
    ///
    /// - Parameter signatures: `.wereChecked` where two thirds of the validators have done so.
    func operationStep(
        _ block: ConsensusBlock, _ parameters: ChainParameters,
        signatures: OperationRegistry.Signatures
    ) throws(OperationRuleFault) -> OperationStep {
        let items: [ChainItem]
        do throws(ItemFault) {
            items = try ChainItem.items(of: block.body)
        } catch {
            throw .item(error)
        }
        return try operationStep(
            items, beacon: block.header.beaconValue, parameters, signatures: signatures)
    }

    func operationStep(
        _ items: [ChainItem], beacon: Bytes32, _ parameters: ChainParameters,
        signatures: OperationRegistry.Signatures
    ) throws(OperationRuleFault) -> OperationStep {
        var stepper = OperationStepper(
            after: self, beacon: beacon, parameters, signatures: signatures)
        for item in items { try stepper.take(item) }
        return stepper.step
    }

    /// First height whose set of validators is known.
    var setsKnownFrom: UInt64 { history.first?.first ?? 0 }
}
