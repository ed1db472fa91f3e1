public import ChoraleBase
import OperationKinds
import Operations
import ProofSystems

/// Names a job of one run.
struct ExecutorJobID: Hashable, Sendable {
    let rawValue: UInt64
}

/// Computation of an executor: a value with everything it needs. Takes seconds.
public struct ExecutorJob: Sendable {
    enum Work: Sendable {
        /// `stored` has what an earlier run has left, by part; unchecked.
        case execute(
            OperationRequest, KindInput, body: [UInt8], stored: Assignment.Rows, BoundAttester?)
        case attest(KindExecution, part: Int, BoundAttester)
        case prove(KindExecution, part: Int)
        /// Hashes all proofs, and what enclaves say, of kinds with this number.
        case commit(
            KindExecution, proofs: [[UInt8]], price: UInt128, statements: [[UInt8]?], type: UInt8)
    }

    let id: ExecutorJobID
    let operation: Bytes32
    let executor: Bytes32
    let fault: ExecutorConfiguration.Fault?
    let work: Work

    public func run(clock: @Sendable () -> MonotonicInstant) -> ExecutorJobResult {
        let start = clock()
        let outcome: ExecutorJobResult.Outcome
        do throws(KindFault) {
            outcome = try run()
        } catch {
            outcome = .failed("\(error)")
        }
        return ExecutorJobResult(
            id: id, operation: operation, elapsed: start.duration(to: clock()), outcome: outcome)
    }

    private func run() throws(KindFault) -> ExecutorJobResult.Outcome {
        switch work {
        case .execute(let request, let input, let body, let stored, let attester):
            var execution = try input.execute(request, body: body)
            // Here, so that rows of an earlier run are compared with the plan that this executor commits to.
            if fault == .wrongOutput { execution = execution.withWrongOutput() }
            let proofs = (0..<execution.partCount).map { part in
                stored.proofs[part].flatMap {
                    execution.isProof($0, part: part, prover: executor) ? $0 : nil
                }
            }
            let statements = (0..<execution.partCount).map { part -> [UInt8]? in
                guard let attester, let plan = execution.plan, let body = stored.attestations[part]
                else { return nil }
                return attester.isStatement(body, of: plan, part: part, executor: executor)
                    ? body : nil
            }
            return .executed(
                execution, proofs: proofs, statements: statements,
                outputSize: execution.output.count)
        case .attest(let execution, let part, let attester):
            guard let plan = execution.plan else {
                preconditionFailure("what has no parts is not attested")
            }
            do throws(AttesterFault) {
                return .attested(
                    part, try attester.attest(plan, part: part, executor: executor))
            } catch {
                return .notAttested(part, error.reason)
            }
        case .prove(let execution, let part):
            switch fault {
            case .garbageProofs:
                return .proven(part, try execution.garbage(part: part, prover: executor))
            case .wrongOutput, nil:
                return .proven(part, try execution.prove(part: part, prover: executor))
            }
        case .commit(let execution, let proofs, let price, let statements, let type):
            guard
                let content = execution.commitment(by: executor, proofs: proofs, price: price)?
                    .naming(statements, type: type)
            else { return .failed("a commitment has no room for it") }
            return .content(content, output: execution.output)
        }
    }
}

/// What came of it.
public struct ExecutorJobResult: Sendable {
    enum Outcome: Sendable {
        /// Proofs and statements are those that an earlier run has left.
        case executed(
            KindExecution, proofs: [[UInt8]?], statements: [[UInt8]?], outputSize: Int)
        case attested(Int, EnclaveStatementContent)
        /// The enclave does not vouch for the part, and why.
        case notAttested(Int, String)
        case proven(Int, [UInt8])
        case content(ExecutionCommitmentContent, output: [UInt8])
        case failed(String)
    }

    let id: ExecutorJobID
    let operation: Bytes32
    let elapsed: Duration
    let outcome: Outcome
}
