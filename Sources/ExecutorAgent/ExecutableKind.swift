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

    /// nil for kinds that nobody here knows how to execute.
    init?(_ record: KindRecord) {
        // What `inference` of OPERATION_KINDS is when nothing else is said of it. Its number may differ.
        guard record.capability == 1, record.policy == .proof, record.isDeterministic,
            record.proofTypes.contains(ProofType.spartan.rawValue)
        else { return nil }
        self = .inference
    }
}

/// What an operation's input says.
enum KindInput: Sendable {
    case inference(InferenceInput)

    init(_ kind: ExecutableKind, body: [UInt8]) throws(KindFault) {
        switch kind {
        case .inference: self = .inference(try PreparedInference.input(body))
        }
    }

    /// The other body that is needed.
    var bodyRoot: Bytes32 {
        switch self {
        case .inference(let input): input.modelFile.root
        }
    }

    /// Takes a worker: milliseconds to seconds.
    func execute(_ request: OperationRequest, body: [UInt8]) throws(KindFault) -> KindExecution {
        switch self {
        case .inference(let input):
            .inference(
                try PreparedInference(request, input: input, modelFile: body).execute())
        }
    }
}

/// An operation that was executed, to be proven in parts.
enum KindExecution: Sendable {
    case inference(ExecutedInference)

    var plan: SplitPlan {
        switch self {
        case .inference(let executed): executed.plan
        }
    }

    var output: [UInt8] {
        switch self {
        case .inference(let executed): executed.output
        }
    }

    /// Takes a worker: seconds.
    func prove(part: Int, prover: Bytes32) throws(KindFault) -> [UInt8] {
        switch self {
        case .inference(let executed): try executed.prove(part: part, prover: prover)
        }
    }

    /// - Returns: nil when a bound of commitments is exceeded.
    func commitment(
        by executor: Bytes32, proofs: [[UInt8]], price: UInt128
    ) -> ExecutionCommitmentContent? {
        switch self {
        case .inference(let executed):
            executed.commitment(by: executor, proofs: proofs, price: price)
        }
    }

    /// Whether these bytes are a proof of that part by that prover, as an earlier run has left it: of the same plan, part,
    /// values and system. The proof itself is not looked at: it was this node's own.
    func isProof(_ body: [UInt8], part: Int, prover: Bytes32) -> Bool {
        guard let proof = try? SubProof(ssz: body.span), proof.part == UInt32(part),
            proof.prover == prover
        else { return false }
        return (try? plan.statement(of: proof)) != nil
    }

    /// A well-formed proof of a part that proves nothing.
    func garbage(part: Int, prover: Bytes32) throws(KindFault) -> [UInt8] {
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
