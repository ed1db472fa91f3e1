public import ChoraleBase
import ChoraleTypes

/// What happens by itself.
extension SubproofPool {
    public var nextDeadline: MonotonicInstant? {
        var next = budgetAt
        // Where they are: the loop asks after every input, and an operation is large to copy.
        for index in operations.indices {
            next = earliest(next, operations[index].context.expiresAt)
            next = earliest(next, operations[index].resendAt)
            next = earliest(
                next, expandsAt(operations[index].openedAt, operations[index].tranche))
            next = earliest(next, operations[index].retryAt)
            next = earliest(next, operations[index].publishAt)
            next = earliest(next, operations[index].committee?.finalAt)
        }
        return next
    }

    private func expandsAt(
        _ openedAt: MonotonicInstant, _ tranche: Tranche
    ) -> MonotonicInstant? {
        switch tranche {
        case .first: openedAt.advanced(by: timing.expansionInterval)
        case .second: openedAt.advanced(by: timing.expansionInterval * 2)
        case .everyone: nil
        }
    }

    mutating func passTime(_ now: MonotonicInstant, _ outputs: inout [SubproofOutput]) {
        for index in operations.indices.reversed() {
            if operations[index].context.expiresAt <= now {
                outputs.append(.event(.operationExpired(operations[index].context.operation)))
                remove(index, &outputs)
                continue
            }
            while let expandsAt = expandsAt(operations[index].openedAt, operations[index].tranche),
                expandsAt <= now
            {
                expand(index, now, &outputs)
            }
            if let retryAt = operations[index].retryAt, retryAt <= now {
                retry(index, now, &outputs)
            }
            if let publishAt = operations[index].publishAt, publishAt <= now {
                publishCertificates(index, now, &outputs)
            }
            if let finalAt = operations[index].committee?.finalAt, finalAt <= now {
                endChallenge(index, &outputs)
            }
            if operations[index].resendAt <= now { resend(index, now, &outputs) }
        }
    }

    /// Too few were heard in time: more are asked about what is not certified.
    private mutating func expand(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let next = operations[index].tranche.next else { return }
        if next == .everyone { reportSilence(index, &outputs) }
        operations[index].tranche = next
        var open = 0
        for part in operations[index].parts.indices {
            operations[index].parts[part].tranche = next
            if operations[index].parts[part].certificate == nil { open += 1 }
            advance(index, part, now, &outputs)
        }
        if operations[index].committee?.widen(to: next) == true {
            open += 1
            advanceCommittee(index, now, &outputs)
        }
        guard open > 0 else { return }
        outputs.append(
            .event(.expanded(operation: operations[index].context.operation, to: next, parts: open))
        )
    }

    private mutating func retry(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        operations[index].retryAt = nil
        for part in operations[index].parts.indices {
            guard case .waiting(let until) = operations[index].parts[part].work else { continue }
            if until <= now {
                operations[index].parts[part].work = .idle
                advance(index, part, now, &outputs)
            } else {
                operations[index].retryAt = earliest(operations[index].retryAt, until)
            }
        }
    }

    /// Votes get lost. What is not certified is said again, until somebody answers with a certificate.
    private mutating func resend(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        operations[index].resendAt = now.advanced(by: timing.resendInterval)
        guard !operations[index].isDecided else { return }
        var sent = 0
        for state in operations[index].parts where sent < limits.resendMax {
            guard let vote = state.ownVote, state.certificate == nil || state.isContested,
                state.certificate?.tranche != .everyone
            else { continue }
            outputs.append(.publishVote(vote, subnet: vote.id.subnet, isAgain: true))
            sent += 1
        }
        let missing = operations[index].parts.filter { $0.certificate == nil }
        if !missing.isEmpty {
            outputs.append(
                .requestCertificates(
                    operation: operations[index].context.operation,
                    parts: missing.map(\.id.part)))
        }
        if let committee = operations[index].committee, committee.certificate == nil {
            outputs.append(
                .requestCertificates(operation: committee.context.operation, parts: []))
        }
        if let vote = operations[index].committee?.voteToRepeat {
            outputs.append(.publishCommitteeVote(vote, isAgain: true))
        }
    }

    /// Once an operation: who was asked first and has not said a word.
    mutating func reportSilence(_ index: Int, _ outputs: inout [SubproofOutput]) {
        guard !operations[index].hasReportedSilence else { return }
        operations[index].hasReportedSilence = true
        let operation = operations[index].context.operation
        for state in operations[index].parts {
            let silent = state.silent
            guard !silent.isEmpty else { continue }
            outputs.append(.noShow(operation: operation, part: state.id.part, silent))
        }
        if let silent = operations[index].committee?.silent, !silent.isEmpty {
            outputs.append(.noShow(operation: operation, part: nil, silent))
        }
    }
}
