import Chain
import ChoraleBase
import ChoraleTypes
import Operations
import OrderedCollections
import PartVerification

/// What the chain says of this executor's operations.
extension ExecutorAgent {
    mutating func follow(
        _ head: OperationHead, changes: [OperationChange], into outputs: inout [ExecutorOutput]
    ) {
        let isFirst = self.head == nil
        self.head = head
        close(head, changes, into: &outputs)
        for (name, operation) in head.operations.operations {
            guard let election = operation.election, let rank = election.index(of: key),
                let record = configuration.parameters.kind(operation.request.kind),
                let kind = ExecutableKind(record)
            else { continue }
            if assignments[name] == nil {
                assignments[name] = Assignment(operation.request, kind, record, rank: rank)
                outputs.append(
                    .event(
                        .elected(
                            operation: name, rank: rank, turn: election.candidates[rank].turn)))
            }
            let mayWork = mayWork(on: operation, rank, head)
            assignments[name]?.mayWork = mayWork
            guard let commitment = operation.commitment else {
                isOpen(name, election, rank, head, into: &outputs)
                continue
            }
            if commitment.executor == key {
                isCommitted(name, commitment, isNew: !isFirst, into: &outputs)
                settle(name, operation, head, into: &outputs)
            } else {
                supersede(name, into: &outputs)
            }
        }
    }

    /// Its turn once come stays: only the next one's is moved by renewals.
    private func mayWork(on operation: OpenOperation, _ rank: Int, _ head: OperationHead) -> Bool {
        guard operation.status == .requested, let election = operation.election,
            head.operations.executors[key] != nil
        else { return false }
        return election.candidates[rank].turn <= head.height
            && election.mayCommit(key, at: head.height + 1)
    }

    /// Forgets operations that are over, with their rows.
    private mutating func close(
        _ head: OperationHead, _ changes: [OperationChange], into outputs: inout [ExecutorOutput]
    ) {
        for (name, assignment) in assignments where head.operations.operations[name] == nil {
            switch assignment.phase {
            case .onChain where changes.contains(.settled(name)):
                counters.settled += 1
                outputs.append(.event(.settled(operation: name)))
            case .superseded, .failed: break
            case .idle, .missing, .working, .said, .onChain:
                drop(name, into: &outputs)
            }
        }
        assignments.removeAll { head.operations.operations[$0.key] == nil }
        for name in recorded.sorted() where head.operations.operations[name] == nil {
            recorded.remove(name)
            // What a failing disk leaves is deleted by the next start's scan.
            _ = store(
                .write([ExecutionRow.deletion(of: name)], sync: false), into: &outputs)
        }
    }

    /// Nobody's commitment is on chain.
    private mutating func isOpen(
        _ name: Bytes32, _ election: ExecutorElection, _ rank: Int, _ head: OperationHead,
        into outputs: inout [ExecutorOutput]
    ) {
        guard let assignment = assignments[name] else { return }
        switch assignment.phase {
        case .onChain:
            // There was one, and it is gone: it was found to be wrong.
            fail(name, "its commitment was rejected", into: &outputs)
        case .superseded: assignments[name]?.phase = .idle
        case .said(var said):
            if election.candidates[rank].isRefused {
                fail(name, "its commitment was rejected", into: &outputs)
            } else if assignment.mayWork,
                head.height >= said.height + ExecutorLimits.commitmentInterval
            {
                said.height = head.height
                assignments[name]?.phase = .said(said)
                outputs.append(.say(.commitment(said.commitment)))
            }
        case .working:
            guard !assignment.mayWork else { return }
            // It left, was slashed, or the time is over.
            drop(name, into: &outputs)
            assignments[name]?.phase = .idle
        case .idle, .missing, .failed: break
        }
    }

    /// Somebody else was first. It stays here in case that is found to be wrong.
    private mutating func supersede(_ name: Bytes32, into outputs: inout [ExecutorOutput]) {
        switch assignments[name]?.phase {
        case nil, .superseded, .failed: return
        case .idle, .missing, .working, .said, .onChain:
            drop(name, into: &outputs)
            assignments[name]?.phase = .superseded
        }
    }

    /// What it has begun is given up; it may begin anew when its turn comes again.
    private mutating func drop(_ name: Bytes32, into outputs: inout [ExecutorOutput]) {
        guard assignments[name]?.hasBegun == true else { return }
        assignments[name]?.hasBegun = false
        outputs.append(.event(.dropped(operation: name)))
    }

    /// - Parameter isNew: it was not there when this run began.
    private mutating func isCommitted(
        _ name: Bytes32, _ commitment: CommittedExecution, isNew: Bool,
        into outputs: inout [ExecutorOutput]
    ) {
        guard let assignment = assignments[name] else { return }
        let output: Assignment.Committed.Output
        switch assignment.phase {
        case .onChain(var committed):
            guard case .unread = committed.output else { return }
            committed.output = readOutput(of: name, into: &outputs)
            assignments[name]?.phase = .onChain(committed)
            return
        case .said(let said) where said.commitment.content.outputHash == commitment.outputHash:
            output = .known(said.output)
        case .idle, .missing, .working, .said, .superseded, .failed:
            output =
                commitment.outputSize <= OperationsContract.storedOutputMax
                ? readOutput(of: name, into: &outputs) : .lost
        }
        assignments[name]?.hasBegun = true
        assignments[name]?.phase = .onChain(
            Assignment.Committed(outputHash: commitment.outputHash, output: output))
        guard isNew else { return }
        counters.committed += 1
        outputs.append(.event(.committed(operation: name)))
    }

    private mutating func settle(
        _ name: Bytes32, _ operation: OpenOperation, _ head: OperationHead,
        into outputs: inout [ExecutorOutput]
    ) {
        guard let settlement = operation.settlement,
            case .onChain(var committed)? = assignments[name]?.phase
        else { return }
        if let last = committed.settledAt,
            head.height < last + ExecutorLimits.settlementInterval
        {
            return
        }
        var output: [UInt8] = []
        if settlement.outputSize <= OperationsContract.storedOutputMax {
            guard case .known(let stored) = committed.output else { return }
            output = stored.bytes
        }
        if committed.settledAt == nil { outputs.append(.event(.settling(operation: name))) }
        committed.settledAt = head.height
        assignments[name]?.phase = .onChain(committed)
        outputs.append(.settle(settlement, output: output))
    }

    /// The output was read that a settlement waits for.
    mutating func settleNow(_ name: Bytes32, into outputs: inout [ExecutorOutput]) {
        guard let head, let operation = head.operations.operations[name] else { return }
        settle(name, operation, head, into: &outputs)
    }

    /// Says how far operations at work are: at most once a block, and again while no block has it.
    mutating func renew(into outputs: inout [ExecutorOutput]) {
        guard let head else { return }
        for (name, assignment) in assignments {
            guard let progress = assignment.progress,
                let election = head.operations.operations[name]?.election,
                election.mayRenew(key, progress: progress, at: head.height + 1)
            else { continue }
            if let last = assignment.renewal {
                guard head.height > last.height else { continue }
                guard
                    progress > last.progress
                        || head.height >= last.height + ExecutorLimits.renewalInterval
                else { continue }
            }
            guard
                let content = LeaseRenewalContent(
                    operation: name, executor: key, progress: progress)
            else { continue }
            assignments[name]?.renewal = (progress, head.height)
            outputs.append(
                .say(
                    .renewal(
                        LeaseRenewal(
                            signing: content, with: configuration.key,
                            network: configuration.network))))
        }
    }
}
