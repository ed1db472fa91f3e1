import Bodies
import Chain
import ChoraleBase
import ChoraleTypes
import ExecutorAgent
import Operations
import PartVerification

/// What this node executes for others.
extension Node {
    mutating func tellExecutor(
        _ input: ExecutorInput, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let executor else { return }
        var results: [ExecutorOutput] = []
        executor.machine.handle(input, now: now, into: &results)
        for result in results { perform(result, now: now, into: &outputs) }
    }

    private mutating func perform(
        _ output: ExecutorOutput, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch output {
        case .run(let job):
            outputs.append(.run(.executor(job)))
        case .store(let id, let request):
            store(request, for: .executor(id), into: &outputs)
        case .readBody(let root):
            readBody(root, for: .executor, now: now, into: &outputs)
        case .shelve(let operation, let proofs):
            tellParts(.shelve(operation: operation, proofs), now: now, into: &outputs)
        case .attest(let statement):
            tellParts(.attest(statement), now: now, into: &outputs)
        case .publishBody(let kind, let height, let bytes):
            publishChainBody(kind, height: height, bytes, now: now, into: &outputs)
        case .say(let statement):
            tellChain(.say(statement), now: now, into: &outputs)
        case .settle(let settlement, let result):
            outputs.append(.settle(settlement, output: result))
        case .event(let event):
            outputs.append(.event(.executor(event)))
        }
    }

    // MARK: What operators see

    func proofsInfo() -> ProofsInfo? {
        guard let parts else { return nil }
        return ProofsInfo(
            counters: parts.machine.counters, silentValidators: parts.machine.silentValidators,
            executor: executor?.machine.info())
    }

    mutating func answerAboutOperations(
        _ command: Command, _ id: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let parts else {
            let text = "this network has no operations: its config.yaml lists no OPERATION_KINDS"
            finish(id, .failed(.init(.unavailable, text)), into: &outputs)
            return
        }
        switch command {
        case .operations:
            finish(id, .operations(parts.machine.operations(now: now)), into: &outputs)
        case .operation(let name):
            guard let info = parts.machine.operation(name, now: now) else {
                let text =
                    "no operation \(name) is open, or was among those that ended last: its "
                    + "request may not be in a block yet"
                finish(id, .failed(.init(.notFound, text)), into: &outputs)
                return
            }
            finish(id, .operation(info), into: &outputs)
        case .assignments(let height):
            finish(id, .assignments(parts.machine.assignments(height: height)), into: &outputs)
        case .proofs:
            guard let info = proofsInfo() else { return }
            finish(id, .proofs(info), into: &outputs)
        default:
            preconditionFailure("another kind of command")
        }
    }
}

/// The executor's machine. A class for the same reason as ``ChainHolder``.
final class ExecutorHolder {
    var machine: ExecutorAgent

    init(_ machine: consuming ExecutorAgent) { self.machine = machine }
}
