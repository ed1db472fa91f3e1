import Attestation
import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import OperationKinds
import Operations
import OrderedCollections
import PartVerification

/// The way of one operation from its bodies to its commitment.
extension ExecutorAgent {
    // MARK: Places

    var placesTaken: Int { assignments.values.count(where: \.isWorking) }

    /// Gives free places to operations that may be worked on, those that expire first going first.
    mutating func fillPlaces(now: MonotonicInstant, into outputs: inout [ExecutorOutput]) {
        guard case .done = scan else { return }
        while placesTaken < ExecutorLimits.places {
            let next = assignments.filter {
                guard case .idle = $0.value.phase else { return false }
                return $0.value.mayWork
            }.min { $0.value.request.expiry < $1.value.request.expiry }
            guard let (name, _) = next else { return }
            begin(name, now: now, into: &outputs)
        }
    }

    private mutating func begin(
        _ name: Bytes32, now: MonotonicInstant, into outputs: inout [ExecutorOutput]
    ) {
        if assignments[name]?.hasBegun == false {
            assignments[name]?.hasBegun = true
            outputs.append(.event(.began(operation: name)))
        }
        if recorded.contains(name) {
            readRows(of: name, Assignment.Rows(), from: name.bytes, now: now, into: &outputs)
        } else {
            readInput(of: name, Assignment.Rows(), now: now, into: &outputs)
        }
    }

    /// The step that an operation is at; nil when it has no place.
    func step(of name: Bytes32) -> Assignment.Step? {
        guard case .working(let step, _)? = assignments[name]?.phase else { return nil }
        return step
    }

    mutating func take(_ step: Assignment.Step, _ name: Bytes32, deadline: MonotonicInstant? = nil)
    {
        assignments[name]?.phase = .working(step, deadline: deadline)
    }

    /// A body is not here, or the disk does not answer: the place is given away for a while.
    mutating func miss(_ name: Bytes32, _ root: Bytes32?, now: MonotonicInstant) {
        guard let misses = assignments[name]?.misses else { return }
        let wait = ExecutorLimits.bodyInterval * (1 << min(misses, ExecutorLimits.bodyDoublings))
        assignments[name]?.misses = misses + 1
        assignments[name]?.phase = .missing(root: root, until: now.advanced(by: wait))
    }

    // MARK: Bodies

    mutating func readInput(
        of name: Bytes32, _ rows: Assignment.Rows, now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        guard let request = assignments[name]?.request else { return }
        guard request.inputSize > 0 else {
            fail(name, "it has no input", into: &outputs)
            return
        }
        take(
            .input(rows, hasArrived: false), name,
            deadline: now.advanced(by: ExecutorLimits.retryInterval))
        outputs.append(.readBody(root: request.inputRoot))
    }

    mutating func bodyArrived(_ root: Bytes32) {
        for (name, assignment) in assignments {
            switch assignment.phase {
            case .missing(root, _):
                assignments[name]?.phase = .idle
                assignments[name]?.misses = 0
            // It may have come after the answer that is on its way, which then says that it is not here.
            case .working(.input(let rows, _), let deadline)
            where assignment.request.inputRoot == root:
                take(.input(rows, hasArrived: true), name, deadline: deadline)
            case .working(.body(let input, let rows, _), let deadline) where input.bodyRoot == root:
                take(.body(input, rows, hasArrived: true), name, deadline: deadline)
            case .idle, .missing, .working, .said, .superseded, .onChain, .failed: break
            }
        }
    }

    mutating func bodyRead(
        _ root: Bytes32, _ body: [UInt8]?, now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        // Several may have asked for one model.
        for name in assignments.keys {
            switch step(of: name) {
            case .input(let rows, let hasArrived) where assignments[name]?.request.inputRoot == root:
                if let body {
                    inputRead(name, body, rows, now: now, into: &outputs)
                } else if hasArrived {
                    readInput(of: name, rows, now: now, into: &outputs)
                } else {
                    miss(name, root, now: now)
                }
            case .body(let input, let rows, let hasArrived) where input.bodyRoot == root:
                if let body {
                    assignments[name]?.misses = 0
                    take(.ready(input, body: body, rows), name)
                } else if hasArrived {
                    readBody(of: name, input, rows, now: now, into: &outputs)
                } else {
                    miss(name, root, now: now)
                }
            case nil, .rows, .input, .body, .ready, .executing, .proving, .shelving, .recording:
                break
            }
        }
    }

    private mutating func inputRead(
        _ name: Bytes32, _ body: [UInt8], _ rows: Assignment.Rows, now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        guard let kind = assignments[name]?.kind else { return }
        let input: KindInput
        do throws(KindFault) {
            input = try KindInput(kind, body: body)
        } catch {
            fail(name, "\(error)", into: &outputs)
            return
        }
        readBody(of: name, input, rows, now: now, into: &outputs)
    }

    private mutating func readBody(
        of name: Bytes32, _ input: KindInput, _ rows: Assignment.Rows, now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        take(
            .body(input, rows, hasArrived: false), name,
            deadline: now.advanced(by: ExecutorLimits.retryInterval))
        outputs.append(.readBody(root: input.bodyRoot))
    }

    // MARK: Jobs

    /// Gives workers what there is to do, of those that expire first.
    mutating func giveJobs(into outputs: inout [ExecutorOutput]) {
        while jobsRunning.count < max(1, configuration.workers) {
            let next = assignments.filter { work(for: $0.value) != nil }
                .min { $0.value.request.expiry < $1.value.request.expiry }
            guard let (name, assignment) = next, let work = work(for: assignment) else { return }
            let id = ExecutorJobID(rawValue: nextID())
            jobsRunning.insert(id)
            switch (work, step(of: name)) {
            case (.prove(_, let part), .proving(var proving)):
                proving.running[part] = id
                take(.proving(proving), name)
            case (.commit, .proving(var proving)):
                proving.committing = id
                take(.proving(proving), name)
            case (.attest(_, let part, _), .proving(var proving)):
                proving.attestations[part] = .running(id)
                take(.proving(proving), name)
            case (.execute, _): take(.executing(id), name)
            case (.prove, _), (.commit, _), (.attest, _): preconditionFailure("it is being proven")
            }
            outputs.append(
                .run(
                    ExecutorJob(
                        id: id, operation: name, executor: key, fault: configuration.fault,
                        work: work)))
        }
    }

    /// What a worker could do for an operation.
    private func work(for assignment: Assignment) -> ExecutorJob.Work? {
        switch assignment.phase {
        case .working(.ready(let input, let body, let rows), _):
            return .execute(
                assignment.request, input, body: body, stored: rows, attester(for: assignment))
        case .working(.proving(let proving), _):
            // What an enclave says is there long before a proof.
            if let part = proving.nextAttestation, let attester = attester(for: assignment) {
                return .attest(proving.execution, part: part, attester)
            }
            if let part = proving.nextPart { return .prove(proving.execution, part: part) }
            let proofs = proving.proofs.compactMap { $0 }
            guard proofs.count == proving.proofs.count, proving.committing == nil,
                !proving.isAttesting
            else { return nil }
            let percent = UInt128(min(configuration.pricePercent, 100))
            return .commit(
                proving.execution, proofs: proofs, price: assignment.request.fee * percent / 100,
                statements: proving.statements,
                type: configuration.attester?.kind.rawValue ?? 0)
        case .idle, .missing, .working, .said, .superseded, .onChain, .failed: return nil
        }
    }

    /// What comes for an operation that was dropped meanwhile, or is begun anew, counts only as time.
    mutating func finished(
        _ result: ExecutorJobResult, now: MonotonicInstant, into outputs: inout [ExecutorOutput]
    ) {
        guard jobsRunning.remove(result.id) != nil else { return }
        let name = result.operation
        switch (result.outcome, step(of: name)) {
        case (.executed(let execution, let proofs, let statements, let outputSize), let step):
            counters.executionTime += result.elapsed
            counters.executed += 1
            guard case .executing(result.id)? = step else { return }
            executed(
                name, execution, proofs, statements, outputSize: outputSize,
                elapsed: result.elapsed, into: &outputs)
        case (.attested(let part, let content), let step):
            attested(name, part, content, result.id, step, into: &outputs)
        case (.notAttested(let part, let reason), let step):
            outputs.append(.event(.notAttested(operation: name, part: part, reason)))
            guard case .proving(var proving)? = step,
                case .running(result.id) = proving.attestations[part]
            else { return }
            proving.attestations[part] = .absent
            take(.proving(proving), name)
        case (.proven(let part, let proof), let step):
            counters.provingTime += result.elapsed
            counters.proven += 1
            // Kept even if it is not needed now: it is the operation's, whoever asks.
            guard assignments[name] != nil else { return }
            recorded.insert(name)
            _ = store(
                .write(
                    [
                        .put(
                            .execution, key: ExecutionRow.proof(part: part).key(of: name),
                            value: proof)
                    ],
                    sync: true), into: &outputs)
            guard case .proving(var proving)? = step, proving.running[part] == result.id else {
                return
            }
            proving.running[part] = nil
            proving.proofs[part] = proof
            take(.proving(proving), name)
            assignments[name]?.proven += 1
            outputs.append(
                .event(
                    .proven(
                        operation: name, part: part, of: proving.proofs.count,
                        elapsed: result.elapsed)))
        case (.content(let content, let output), .proving(let proving)?)
        where proving.committing == result.id:
            commit(name, content, output, proving, now: now, into: &outputs)
        case (.content, _): break
        case (.failed(let reason), .executing(result.id)?): fail(name, reason, into: &outputs)
        case (.failed(let reason), .proving(let proving)?)
        where proving.committing == result.id || proving.running.values.contains(result.id):
            fail(name, reason, into: &outputs)
        case (.failed, _): break
        }
    }

    private mutating func executed(
        _ name: Bytes32, _ execution: KindExecution, _ proofs: [[UInt8]?],
        _ statements: [[UInt8]?], outputSize: Int, elapsed: Duration,
        into outputs: inout [ExecutorOutput]
    ) {
        guard let assignment = assignments[name] else { return }
        let limits = assignment.limits
        outputs.append(
            .event(.executed(operation: name, elapsed: elapsed, parts: proofs.count)))
        // What no block would take is not proven.
        guard outputSize <= RecordedCommitment.outputSizeMax, outputSize <= limits.outputSizeMax
        else {
            fail(name, "an output of \(outputSize) bytes", into: &outputs)
            return
        }
        guard proofs.count <= limits.partsMax else {
            fail(name, "\(proofs.count) parts, limit \(limits.partsMax)", into: &outputs)
            return
        }
        let hasAttester = attester(for: assignment) != nil
        let attestations = statements.map { statement in
            statement.map { Assignment.Attesting.done($0) } ?? (hasAttester ? .wanted : .absent)
        }
        take(
            .proving(
                Assignment.Proving(
                    execution: execution, proofs: proofs, attestations: attestations)), name)
        for body in statements {
            if let statement = body.flatMap({ try? EnclaveStatement(ssz: $0.span) }) {
                outputs.append(.attest(statement))
            }
        }
        assignments[name]?.parts = proofs.count
        assignments[name]?.proven = proofs.count { $0 != nil }
        for (part, proof) in proofs.enumerated() where proof != nil {
            outputs.append(
                .event(.proven(operation: name, part: part, of: proofs.count, elapsed: nil)))
        }
    }

    // MARK: Commitment

    private mutating func commit(
        _ name: Bytes32, _ content: ExecutionCommitmentContent, _ output: [UInt8],
        _ proving: Assignment.Proving, now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        let signed = ExecutionCommitment(
            signing: content, with: configuration.key, network: configuration.network)
        guard let record = RecordedCommitment(signed, output: output) else {
            preconditionFailure("its size was checked when it was executed")
        }
        shelve(
            name,
            .shelving(
                proving.proofs.compactMap { $0 } + proving.statements.compactMap { $0 }, record,
                isRecorded: false), now: now, into: &outputs)
    }

    mutating func shelve(
        _ name: Bytes32, _ step: Assignment.Step, now: MonotonicInstant,
        into outputs: inout [ExecutorOutput]
    ) {
        guard case .shelving(let proofs, _, _) = step else {
            preconditionFailure("it is being shelved")
        }
        take(step, name, deadline: now.advanced(by: ExecutorLimits.retryInterval))
        outputs.append(.shelve(operation: name, proofs))
    }

    mutating func shelved(
        _ name: Bytes32, now: MonotonicInstant, into outputs: inout [ExecutorOutput]
    ) {
        guard case .shelving(_, let record, let isRecorded)? = step(of: name) else { return }
        if isRecorded {
            say(name, record, into: &outputs)
        } else {
            self.record(name, record, now: now, into: &outputs)
        }
    }

    /// It is on disk: from now on there is no other.
    mutating func say(
        _ name: Bytes32, _ record: RecordedCommitment, into outputs: inout [ExecutorOutput]
    ) {
        guard let head else { return }
        let output = record.output.bytes
        assignments[name]?.phase = .said(
            Assignment.Said(
                commitment: record.commitment, output: StoredOutput(output), height: head.height))
        outputs.append(.publishBody(.generic, height: head.height, output))
        outputs.append(.say(.commitment(record.commitment)))
    }
}
