import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import OperationKinds
import Operations
import ProofSystems

/// A kind that this node can execute. Another kind is one more case, here and in the two types below.
enum ExecutableKind: Hashable, Sendable {
    case inference
    /// The same without proofs: a committee executes it again.
    case wholeInference

    /// nil for kinds that nobody here knows how to execute.
    init?(_ record: KindRecord) {
        // What `inference` and `inference-committee` of OPERATION_KINDS are when nothing else is said of them. Their
        // numbers may differ.
        guard record.capability == 1, record.isDeterministic else { return nil }
        let isProven = record.proofTypes.contains(ProofType.spartan.rawValue)
        switch record.policy {
        case .proof where isProven, .enclaveThenProof where isProven:
            self = .inference
        case .committee: self = .wholeInference
        case .proof, .enclave, .enclaveThenProof: return nil
        }
    }
}

/// What an operation's input says.
enum KindInput: Sendable {
    case inference(InferenceInput)
    case wholeInference(InferenceInput)

    init(_ kind: ExecutableKind, body: [UInt8]) throws(KindFault) {
        switch kind {
        case .inference: self = .inference(try RequestedInference.input(body))
        case .wholeInference: self = .wholeInference(try RequestedInference.input(body))
        }
    }

    /// The other body that is needed.
    var bodyRoot: Bytes32 {
        switch self {
        case .inference(let input), .wholeInference(let input): input.modelFile.root
        }
    }

    /// Takes a worker: milliseconds to seconds.
    func execute(_ request: OperationRequest, body: [UInt8]) throws(KindFault) -> KindExecution {
        switch self {
        case .inference(let input):
            .inference(
                try PreparedInference(request, input: input, modelFile: body).execute())
        case .wholeInference(let input):
            .whole(try RequestedInference(request, input: input, modelFile: body).execute())
        }
    }
}

/// An operation that was executed, to be proven in parts, if at all.
enum KindExecution: Sendable {
    case inference(ExecutedInference)
    case whole(WholeExecution)

    /// How it is proven; nil when it is not.
    var plan: SplitPlan? {
        switch self {
        case .inference(let executed): executed.plan
        case .whole: nil
        }
    }

    var partCount: Int { plan?.parts.count ?? 0 }

    var output: [UInt8] {
        switch self {
        case .inference(let executed): executed.output
        case .whole(let executed): executed.output
        }
    }

    /// Takes a worker: seconds.
    ///
    /// - Precondition: there is such a part.
    func prove(part: Int, prover: Bytes32) throws(KindFault) -> [UInt8] {
        switch self {
        case .inference(let executed): try executed.prove(part: part, prover: prover)
        case .whole: preconditionFailure("what has no parts is not proven")
        }
    }

    /// - Returns: nil when a bound of commitments is exceeded.
    func commitment(
        by executor: Bytes32, proofs: [[UInt8]], price: UInt128
    ) -> ExecutionCommitmentContent? {
        switch self {
        case .inference(let executed):
            executed.commitment(by: executor, proofs: proofs, price: price)
        case .whole(let executed): executed.commitment(by: executor, price: price)
        }
    }

    /// Whether these bytes are a proof of that part by that prover, as an earlier run has left it: of the same plan, part,
    /// values and system. The proof itself is not looked at: it was this node's own.
    func isProof(_ body: [UInt8], part: Int, prover: Bytes32) -> Bool {
        guard let plan, let proof = try? SubProof(ssz: body.span), proof.part == UInt32(part),
            proof.prover == prover
        else { return false }
        return (try? plan.statement(of: proof)) != nil
    }

    /// The same with an output that is wrong and well-formed. Of a kind without proofs that is all there is to it.
    func withWrongOutput() -> Self {
        switch self {
        case .inference(let executed): .inference(executed.withWrongOutput())
        case .whole(let executed): .whole(executed.withWrongOutput())
        }
    }

    /// A well-formed proof of a part that proves nothing.
    func garbage(part: Int, prover: Bytes32) throws(KindFault) -> [UInt8] {
        guard let plan else { preconditionFailure("what has no parts is not proven") }
        var bytes: [UInt8] = []
        var block = SHA256.hash(plan.root.bytes + [UInt8(truncatingIfNeeded: part)])
        while bytes.count < 20_000 {
            bytes += block.bytes
            block = SHA256.hash(block.bytes)
        }
        guard let body = SubProof(plan: plan, part: part, prover: prover, proof: bytes) else {
            throw .proofSize(bytes.count)
        }
        return body.sszEncoded()
    }
}
