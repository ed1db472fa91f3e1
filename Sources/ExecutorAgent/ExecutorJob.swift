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
        case execute(OperationRequest, KindInput, body: [UInt8], stored: [Int: [UInt8]])
        case prove(KindExecution, part: Int)
        /// Hashes all proofs.
        case commit(KindExecution, proofs: [[UInt8]], price: UInt128)
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
        case .execute(let request, let input, let body, let stored):
            let execution = try input.execute(request, body: body)
            let proofs = execution.plan.parts.indices.map { part in
                stored[part].flatMap {
                    execution.isProof($0, part: part, prover: executor) ? $0 : nil
                }
            }
            return .executed(execution, proofs: proofs, outputSize: execution.output.count)
        case .prove(let execution, let part):
            switch fault {
            case .garbageProofs:
                return .proven(part, try execution.garbage(part: part, prover: executor))
            case nil: return .proven(part, try execution.prove(part: part, prover: executor))
            }
        case .commit(let execution, let proofs, let price):
            guard
                let content = execution.commitment(by: executor, proofs: proofs, price: price)
            else { return .failed("a commitment has no room for it") }
            return .content(content, output: execution.output)
        }
    }
}

/// What came of it.
public struct ExecutorJobResult: Sendable {
    enum Outcome: Sendable {
        /// Proofs are those that an earlier run has left.
        case executed(KindExecution, proofs: [[UInt8]?], outputSize: Int)
        case proven(Int, [UInt8])
        case content(ExecutionCommitmentContent, output: [UInt8])
        case failed(String)
    }

    let id: ExecutorJobID
    let operation: Bytes32
    let elapsed: Duration
    let outcome: Outcome
}
