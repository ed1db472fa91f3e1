public import Attestation
public import ChoraleBase
import ChoraleTypes
import Codec
import Operations
import ProofSystems

/// Has an enclave vouch for what was executed.
///
/// Called on a worker: it may take its time.
public protocol EnclaveAttester: Sendable {
    var kind: AttestationKind { get }
    /// Digest of the enclave's measurement, as the network lists it.
    var program: Bytes32 { get }

    /// Has `reportData` signed by the hardware, at a time of the attester's choice.
    ///
    /// - Parameter reportData: 64 bytes: of ``Attestation/AttestationStatement``.
    func attest(reportData: [UInt8]) throws(AttesterFault) -> AttestationProof
}

/// Why an enclave does not vouch for something, in words.
public struct AttesterFault: Error, Hashable, Sendable {
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}

/// An attester with what binds its word to this network and executor.
struct BoundAttester: Sendable {
    let attester: any EnclaveAttester
    /// Of the network's rules.
    let artefact: Bytes32

    /// What the enclave is to vouch for.
    func statement(
        of plan: SplitPlan, part: Int, executor: Bytes32
    ) -> ProofStatement {
        let key = VerifierKey(
            type: ProofType(rawValue: attester.kind.rawValue), program: attester.program,
            artefact: artefact)
        return ProofStatement(
            operation: plan.operation, part: UInt32(part), partCount: UInt32(plan.parts.count),
            plan: plan.root, key: key, input: plan.parts[part].input,
            output: plan.parts[part].output, prover: executor)
    }

    /// Takes a worker.
    func attest(
        _ plan: SplitPlan, part: Int, executor: Bytes32
    ) throws(AttesterFault) -> EnclaveStatementContent {
        let statement = statement(of: plan, part: part, executor: executor)
        let proof = try attester.attest(
            reportData: AttestationProofVerifier.attested(statement).reportData)
        guard let content = EnclaveStatementContent(statement, proof: proof) else {
            throw AttesterFault("evidence that is too large for the network")
        }
        return content
    }

    /// What an earlier run has left, when it says the same of the same plan.
    func isStatement(
        _ body: [UInt8], of plan: SplitPlan, part: Int, executor: Bytes32
    ) -> Bool {
        guard let found = try? EnclaveStatement(ssz: body.span) else { return false }
        return found.content.statement == statement(of: plan, part: part, executor: executor)
    }
}

extension ExecutionCommitmentContent {
    /// The same with statements of enclaves beside the proofs of their parts.
    ///
    /// - Parameters:
    ///   - statements: bodies, by part; nil where there is none. Empty for what is not divided.
    ///   - type: the number of their kind.
    /// - Returns: nil when a part has no room for it.
    func naming(_ statements: [[UInt8]?], type: UInt8) -> ExecutionCommitmentContent? {
        var named: [PartCommitment] = []
        for (index, part) in parts.enumerated() {
            guard index < statements.count, let statement = statements[index] else {
                named.append(part)
                continue
            }
            guard let size = UInt32(exactly: statement.count),
                let root = ContentReference(kind: .proof, bytes: statement)?.root,
                let reference = ProofReference(type: type, size: size, root: root),
                let more = PartCommitment(
                    input: part.input, output: part.output,
                    proofs: (part.proofs + [reference]).sorted { $0.type < $1.type })
            else { return nil }
            named.append(more)
        }
        return ExecutionCommitmentContent(
            operation: operation, executor: executor, outputHash: outputHash,
            outputSize: outputSize, outputRoot: outputRoot, price: price, planRoot: planRoot,
            parts: named)
    }
}
