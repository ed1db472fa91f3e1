import ChoraleBase
import ChoraleTypes
import Codec
import Subproof

extension FuzzTarget {
    static let subproofTargets: [FuzzTarget] = [
        FuzzTarget(
            "ssz-subproofs",
            "votes on parts, certificates, evidence, committees' votes, stored rows; canonical SSZ, and "
                + "nothing forged is verified",
            seeds: {
                let context = SubproofActors.context(1)
                let (one, other) = (
                    SubproofActors.vote(context, 0, .valid, by: 3),
                    SubproofActors.vote(context, 0, .reject(.proofFails), by: 3)
                )
                let claim = must(VoteOnProof(vote: other, proofType: 64, proofSize: 9000))
                let outputs = [1, 2].map { SubproofActors.committeeVote(context, UInt8($0), by: 3) }
                let evidence: [SubProofEvidence] = [
                    .reject(must(RejectEvidence(claim))),
                    .falseVerdict(FalseVerdictEvidence(claim)),
                    .equivocation(must(VerdictEquivocation(one, other))),
                    .outputEquivocation(must(OutputEquivocation(outputs[0], outputs[1]))),
                    .falseOutput(
                        must(
                            FalseOutputEvidence(
                                outputs[1],
                                must(SubproofActors.fastPath(context, .everyone, 0..<3))))),
                ]
                let certificates = [
                    must(SubproofActors.certificate(context, 0, accepts: true, .first, 0..<3)),
                    must(SubproofActors.certificate(context, 0, accepts: false, .everyone, 0..<3)),
                ]
                let rows = [
                    SubproofRow(height: 5, content: .voteIntent(one.content)),
                    SubproofRow(height: 5, content: .certificate(certificates[1])),
                ]
                return [[0] + one.sszEncoded(), [0] + other.sszEncoded()]
                    + certificates.map { [1] + $0.sszEncoded() }
                    + evidence.map { [2] + $0.sszEncoded() }
                    + [[3] + outputs[0].sszEncoded()]
                    + [[4] + must(SubproofActors.fastPath(context, .first, 0..<3)).sszEncoded()]
                    + rows.map { [5] + $0.key + $0.value }
            }, run: sszSubproofs),
        FuzzTarget(
            "subproof-sequence",
            "operations, votes, certificates, evidence, verdicts, crashes and time in any order: one answer "
                + "a message, one verdict signed a proof and only after it is written, certificates with "
                + "their quorum, no timer that stands still; bounded", sizeMax: 1024,
            run: subproofSequence),
    ]

    private static func sszSubproofs(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        let context = SubproofActors.context(1)
        switch (input.first ?? 0) % 6 {
        case 0:
            canonical(SubProofVote.self, bytes, &findings, "vote")
            // Seeds carry no signature, and nobody here can make one.
            guard let vote = try? SubProofVote(ssz: bytes.span) else { return }
            let check: Void? = try? vote.verify(
                validators: SubproofActors.validators, network: SubproofActors.network)
            require(check == nil, "a forged vote is verified")
        case 1:
            canonical(SubProofCertificate.self, bytes, &findings, "certificate")
            guard let certificate = try? SubProofCertificate(ssz: bytes.span) else { return }
            require(
                certificate.votes.count == certificate.signatures.count, "votes without signatures")
            for vote in certificate.votes {
                require(certificate.vote(of: vote.validator) == vote, "another vote")
            }
            do throws(CertificateError) {
                try certificate.verify(rule: context.rules[0], network: SubproofActors.network)
                require(false, "a forged certificate is verified")
            } catch {
                findings.note("certificate", error)
            }
        case 2:
            canonical(SubProofEvidence.self, bytes, &findings, "evidence")
            guard let evidence = try? SubProofEvidence(ssz: bytes.span) else { return }
            let check: Void? = try? evidence.verifySignatures(
                validators: SubproofActors.validators, network: SubproofActors.network)
            require(check == nil, "forged evidence is verified")
        case 3: canonical(CommitteeVote.self, bytes, &findings, "committee vote")
        case 4:
            canonical(FastPathCertificate.self, bytes, &findings, "fast path")
            guard let certificate = try? FastPathCertificate(ssz: bytes.span) else { return }
            let check: Void? = try? certificate.verify(
                rule: SubproofActors.committee(1).rules[0], network: SubproofActors.network)
            require(check == nil, "a forged certificate is verified")
        default:
            let key = Array(bytes.prefix(SubproofRow.keySize))
            let value = Array(bytes.dropFirst(SubproofRow.keySize))
            do throws(SubproofRow.ReadError) {
                let row = try SubproofRow(key: key.span, value: value.span)
                require(row.key == key && row.value == value, "a row of two forms")
                findings.note("row", "valid")
            } catch {
                findings.note("row", error)
            }
        }
    }

    // MARK: The machine

    /// A validator, what its disk holds, and what it may never do.
    private struct Life: ~Copyable {
        var pool = Life.machine()
        var time = Now.start
        var rows: [SubproofRow] = []
        var signed: [SubProofID: SubProofVerdict] = [:]
        var outputsSigned: [Bytes32: Bytes32] = [:]
        var contexts: [Int: OperationContext] = [:]
        var pulls: [SubproofJobID] = []
        var verifications: [SubproofJobID] = []
        var requests: [SubproofSignRequest] = []

        static func machine() -> SubproofPool {
            var limits = SubproofLimits()
            limits.operationsMax = 4
            limits.partsMax = 9
            limits.votesMax = 100
            limits.earlyVotesMax = 8
            limits.worksMax = 4
            limits.workSizeMax = 30_000
            limits.guardEntriesMax = 64
            limits.proverBurst = 6
            limits.rejecterBurst = 2
            return SubproofPool(localKey: SubproofActors.keyBytes[0], limits: limits)
        }
    }

    private static func subproofSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var life = Life()
        while !program.isAtEnd {
            if program.below(40) == 0 {
                // Killed: what was written is all that is left.
                findings.note("life", counters: life.pool.counters)
                life.pool = Life.machine()
                life.pulls = []
                life.verifications = []
                life.requests = []
                perform(.restored(life.rows, floor: 0), &life, &findings)
                continue
            }
            guard let input = instruction(&program, &life) else { continue }
            perform(input, &life, &findings)
        }
        findings.note("life", counters: life.pool.counters)
    }

    private static func perform(
        _ input: SubproofInput, _ life: inout Life, _ findings: inout Findings
    ) {
        var outputs: [SubproofOutput] = []
        let before = life.pool.counters.accepted + life.pool.counters.droppedTotal
        life.pool.handle(input, now: life.time, into: &outputs)
        var answers = 0
        for output in outputs {
            switch output {
            case .accepted: answers += 1
            case .drop(let reason):
                answers += 1
                findings.note("drop", reason)
            default: perform(output, &life, &findings)
            }
        }
        let isMessage =
            switch input {
            case .restored, .timeout: false
            default: true
            }
        require(answers == (isMessage ? 1 : 0), "\(answers) answers to one message")
        let after = life.pool.counters.accepted + life.pool.counters.droppedTotal
        require(after - before == UInt64(answers), "counters that do not add up")
        require(life.pulls.count + life.verifications.count <= 4, "work without bound")
        if case .timeout = input, let deadline = life.pool.nextDeadline {
            require(deadline > life.time.instant, "a timer that stands still")
        }
    }

    private static func perform(
        _ output: SubproofOutput, _ life: inout Life, _ findings: inout Findings
    ) {
        switch output {
        case .persist(let row): life.rows.append(row)
        case .pull(let job, _): life.pulls.append(job)
        case .verify(let job, _):
            life.pulls.removeAll { $0 == job }
            life.verifications.append(job)
        case .cancel(let job):
            life.pulls.removeAll { $0 == job }
            life.verifications.removeAll { $0 == job }
        case .sign(.vote(let content), let validator):
            require(validator == ValidatorIndex(0), "signed as another")
            require(
                life.rows.contains { $0.content == .voteIntent(content) },
                "signed before it was written")
            require(
                life.signed.updateValue(content.verdict, forKey: content.id) ?? content.verdict
                    == content.verdict, "two verdicts of one proof")
            life.requests.append(.vote(content))
        case .sign(.committeeVote(let content), _):
            require(
                life.rows.contains { $0.content == .committeeIntent(content) },
                "signed before it was written")
            require(
                life.outputsSigned.updateValue(content.outputHash, forKey: content.operation)
                    ?? content.outputHash == content.outputHash, "two outputs of one operation")
            life.requests.append(.committeeVote(content))
        case .publishCertificate(let certificate):
            let context = life.contexts.values.first {
                $0.operation == certificate.id.operation
            }
            guard let context else { return require(false, "of no operation") }
            let check: Void? = try? context.rules[Int(certificate.id.part)].check(
                signers: certificate.signers, tranche: certificate.tranche,
                accepts: certificate.verdict.isValid)
            require(check != nil, "a certificate without a quorum")
        case .event(let event): findings.note("event", event)
        default: break
        }
    }

    /// What the chain, others, a worker or the clock does next.
    private static func instruction(
        _ program: inout Program, _ life: inout Life
    ) -> SubproofInput? {
        switch program.below(16) {
        case 0:
            let number = program.below(6)
            let context =
                number < 4 ? SubproofActors.context(number) : SubproofActors.committee(number)
            life.contexts[number] = context
            return .commitmentIncluded(context.expiring(life.time.instant))
        case 1: return .operationClosed(SubproofActors.operation(program.below(6)))
        case 2...5: return vote(&program)
        case 6:
            // Most of the votes that a quorum needs, at once.
            let context = SubproofActors.context(program.below(4))
            let part = program.below(context.rules.count)
            let rule = context.rules[part]
            let tranche = program.chance(1, in: 2) ? Tranche.first : .everyone
            let accepts = program.chance(2, in: 3) || tranche != .everyone
            let members = rule.order.members(of: tranche).prefix(20 + program.below(21))
            let certificate = SubproofActors.certificate(
                context, part, accepts: accepts, tranche, members.map(\.position).sorted())
            guard let certificate else { return nil }
            let verified = try? VerifiedSubProofCertificate(trusting: certificate, rule: rule)
            return verified.map { .certificateReceived($0) }
        case 7: return evidence(&program)
        case 8:
            guard !life.pulls.isEmpty else { return nil }
            let job = life.pulls[program.below(life.pulls.count)]
            if program.chance(3, in: 4) { return .bodyArrived(job) }
            life.pulls.removeAll { $0 == job }
            return .bodyMissing(job)
        case 9:
            guard !life.verifications.isEmpty else {
                return .verified(SubproofJobID(rawValue: UInt64(program.byte())), .valid)
            }
            let job = life.verifications.remove(at: program.below(life.verifications.count))
            let outcomes: [ProofOutcome] = [
                .valid, .valid, .invalid(.proofFails), .invalid(.malformed), .unsupported,
            ]
            return .verified(job, outcomes[program.below(5)])
        case 10:
            guard !life.requests.isEmpty else { return nil }
            switch life.requests.remove(at: program.below(life.requests.count)) {
            case .vote(let content): return .signed(SubproofActors.vote(content, by: 0))
            case .committeeVote(let content):
                return .committeeSigned(SubproofActors.committeeVote(content, by: 0))
            }
        case 11:
            let context = SubproofActors.committee(4 + program.below(2))
            return .committeeVoteReceived(
                VerifiedCommitteeVote(
                    trusting: SubproofActors.committeeVote(
                        context, UInt8(program.below(3)), by: program.below(41))))
        case 12:
            return .executed(
                operation: SubproofActors.operation(4 + program.below(2)),
                outputHash: program.chance(3, in: 4)
                    ? SubproofActors.output(UInt8(program.below(2))) : nil)
        case 13:
            let context = SubproofActors.context(program.below(4))
            let part = UInt16(program.below(5))
            let output = SubproofActors.output(UInt8(program.below(2)))
            if program.chance(1, in: 3) {
                return .proofFinal(operation: context.operation, part: part, output: output)
            }
            return .attested(
                operation: context.operation, part: part, output: output,
                enclave: SubproofActors.output(UInt8(program.below(12))))
        case 14:
            let context = SubproofActors.committee(4 + program.below(2))
            let rule = context.rules[0]
            let members = rule.order.members(of: .first).prefix(20 + program.below(13))
            let certificate = SubproofActors.fastPath(
                context, program.chance(1, in: 2) ? .first : .everyone,
                members.map(\.position).sorted())
            let verified = certificate.flatMap {
                try? VerifiedFastPathCertificate(trusting: $0, rule: rule)
            }
            return verified.map { .fastPathReceived($0) }
        default:
            if program.chance(1, in: 2), let deadline = life.pool.nextDeadline {
                if deadline > life.time.instant {
                    life.time.advance(life.time.instant.duration(to: deadline))
                }
            } else {
                life.time.advance(program.duration())
            }
            return .timeout
        }
    }

    private static func vote(_ program: inout Program) -> SubproofInput {
        let context = SubproofActors.context(program.below(4))
        let verdicts: [SubProofVerdict] = [
            .valid, .valid, .valid, .reject(.proofFails), .reject(.malformed),
        ]
        let vote = SubproofActors.vote(
            context, program.below(5), verdicts[program.below(5)], by: program.below(41))
        return program.chance(7, in: 8)
            ? .voteReceived(VerifiedSubProofVote(trusting: vote)) : .voteEarly(vote)
    }

    private static func evidence(_ program: inout Program) -> SubproofInput? {
        let context = SubproofActors.context(program.below(4))
        let part = program.below(4)
        let voter = program.below(41)
        let valid = SubproofActors.vote(context, part, .valid, by: voter)
        let reject = SubproofActors.vote(context, part, .reject(.otherStatement), by: voter)
        let size: UInt64 = program.chance(7, in: 8) ? 9000 : 9001
        let evidence: SubProofEvidence? =
            switch program.below(5) {
            case 0:
                VoteOnProof(vote: reject, proofType: 64, proofSize: size)
                    .flatMap { RejectEvidence($0) }.map { .reject($0) }
            case 1:
                VoteOnProof(vote: valid, proofType: 64, proofSize: size)
                    .map { .falseVerdict(FalseVerdictEvidence($0)) }
            case 2: VerdictEquivocation(valid, reject).map { .equivocation($0) }
            case 3:
                SubproofActors.fastPath(SubproofActors.committee(4), .everyone, 0..<40).flatMap {
                    FalseOutputEvidence(
                        SubproofActors.committeeVote(SubproofActors.committee(4), 1, by: voter), $0)
                }.map { .falseOutput($0) }
            default:
                OutputEquivocation(
                    SubproofActors.committeeVote(SubproofActors.committee(4), 0, by: voter),
                    SubproofActors.committeeVote(SubproofActors.committee(4), 1, by: voter)
                ).map { .outputEquivocation($0) }
            }
        return evidence.map { .evidenceReceived(VerifiedSubProofEvidence(trusting: $0)) }
    }
}
