import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import PeerIdentity

extension FuzzTarget {
    static let consensusTargets: [FuzzTarget] = [
        FuzzTarget(
            "ssz-consensus",
            "votes, proposals, commits, evidence, blocks, summaries; canonical SSZ",
            seeds: {
                let votes = Assembly.votes
                let pair = must(Evidence.DuplicateVote(votes[1], votes[2]))
                return [
                    [0] + votes[0].sszEncoded(), [0] + votes[1].sszEncoded(),
                    [1] + Assembly.proposal.sszEncoded(), [2] + Assembly.commit.sszEncoded(),
                    [3] + Evidence.duplicateVote(pair).sszEncoded(),
                    [4] + Assembly.validators.sszEncoded(),
                    [5]
                        + must(
                            VoteSummary(height: 5, round: 1, hasProposal: true, sets: [])
                        ).sszEncoded(),
                ]
            }, run: sszConsensus),
        FuzzTarget(
            "consensus-log", "a validator's log: what is good of it is a log with the same records",
            seeds: {
                var writer = ConsensusLog.Writer()
                var bytes = ConsensusLog.magic
                writer.append(.heightStarted(5))
                writer.append(.roundStarted(height: 5, round: 0))
                writer.append(.voteIntent(Assembly.votes[1].content))
                bytes += writer.seal()
                writer.append(.vote(Assembly.votes[1]))
                writer.append(.commit(Assembly.commit))
                bytes += writer.seal()
                return [bytes, Array(bytes.dropLast(7)), ConsensusLog.magic]
            }, run: consensusLog),
        FuzzTarget(
            "signing-state", "the record of what was signed last: one encoding, never two messages",
            sizeMax: 256,
            seeds: {
                var guardian = SigningGuard(freshFrom: 3)
                guardian.signed(
                    SigningPosition(height: 5, round: 1, step: .prevote), messageHash: .zero,
                    signature: Assembly.votes[0].signature)
                return [guardian.record, SigningGuard(freshFrom: 0).record]
            }, run: signingState),
        FuzzTarget(
            "tendermint",
            "votes, proposals, verdicts, commits and time in any order: one vote a step, ascending; "
                + "one commit a height, with its votes; bounded", sizeMax: 512, run: tendermint),
    ]

    private static func sszConsensus(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        switch (input.first ?? 0) % 7 {
        case 0: canonical(Vote.self, bytes, &findings, "vote")
        case 1: canonical(Proposal.self, bytes, &findings, "proposal")
        case 2: canonical(Commit.self, bytes, &findings, "commit")
        case 3: canonical(Evidence.self, bytes, &findings, "evidence")
        case 4: canonical(ValidatorSet.self, bytes, &findings, "validators")
        case 5: canonical(VoteSummary.self, bytes, &findings, "summary")
        default: canonical(ConsensusBlock.self, bytes, &findings, "block")
        }
    }

    private static func consensusLog(_ input: [UInt8], _ findings: inout Findings) {
        do throws(ConsensusLog.ReadError) {
            let contents = try ConsensusLog.read(input.span)
            require(
                contents.size + contents.tornSize == input.count,
                "bytes that are neither kept nor cut")
            let kept = Array(input.prefix(contents.size))
            guard let again = try? ConsensusLog.read(kept.span) else {
                require(false, "what is kept of a log is none")
                return
            }
            require(
                again.records == contents.records && again.tornSize == 0
                    && again.nextGroup == contents.nextGroup, "what is kept says something else")
            // A validator goes on from here.
            var writer = ConsensusLog.Writer(nextGroup: contents.nextGroup)
            writer.append(.heightStarted(9))
            let start = kept.isEmpty ? ConsensusLog.magic : kept
            let more = start + writer.seal()
            let longer = try? ConsensusLog.read(more.span)
            require(
                longer?.records == contents.records + [.heightStarted(9)],
                "what is appended is lost")
            findings.note("log", size: contents.records.count)
        } catch {
            findings.note("log", error)
        }
    }

    private static func signingState(_ input: [UInt8], _ findings: inout Findings) {
        do throws(SigningGuard.OpenError) {
            let state = try SigningGuard(record: input)
            require(state.record == input, "a signing state with two encodings")
            // Only these bytes may be signed again here.
            for hash in [state.messageHash, SHA256.hash([7])] {
                switch state.decide(state.last, messageHash: hash) {
                case .reuse(let signature):
                    require(
                        hash == state.messageHash && signature == state.signature,
                        "another message's signature")
                case .sign: require(false, "two messages for one place")
                case .refuse: break
                }
            }
            findings.note("signing state", "valid")
        } catch {
            findings.note("signing state", error)
        }
    }

    // MARK: Tendermint

    /// What a run must never see twice or out of order.
    private struct Watch {
        var lastSigned: SigningPosition?
        var committed: Set<UInt64> = []
    }

    private static func tendermint(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var machine = Tendermint(localKey: Assembly.keyBytes[0], seed: UInt64(program.byte()))
        var time = 1_000_000_000 as Int64
        var height: UInt64 = 1
        var watch = Watch()
        var pending: [ConsensusInput] = [
            .heightStarted(Assembly.context(height, parent: nil), nil)
        ]
        while true {
            while let input = pending.popLast() {
                var outputs: [ConsensusOutput] = []
                let now = Now(
                    instant: MonotonicInstant(nanoseconds: time),
                    wall: WallTime(milliseconds: time / 1_000_000))
                machine.handle(input, now: now, into: &outputs)
                for output in outputs {
                    perform(output, &program, &height, &pending, &watch, &findings)
                }
            }
            require(
                machine.voteCount <= machine.limits.votesMax(validators: 4), "votes without bound")
            guard !program.isAtEnd else { break }
            if let next = instruction(&program, height, &time, machine.nextDeadline) {
                pending = [next]
            }
        }
        findings.note("commits", size: watch.committed.count)
        findings.note("rounds", size: Int(clamping: machine.counters.roundsStarted))
        findings.note("evidence", size: Int(clamping: machine.counters.evidenceFound))
    }

    private static func perform(
        _ output: ConsensusOutput, _ program: inout Program, _ height: inout UInt64,
        _ pending: inout [ConsensusInput], _ watch: inout Watch, _ findings: inout Findings
    ) {
        switch output {
        case .sign(let request):
            if let last = watch.lastSigned {
                require(request.position > last, "\(request.position) is signed after \(last)")
            }
            watch.lastSigned = request.position
            // Some signatures come late, and some not at all.
            if program.chance(7, in: 8) { pending.insert(Assembly.signed(request), at: 0) }
        case .build(let height, let round, _):
            if program.chance(3, in: 4) {
                pending.insert(
                    .blockBuilt(
                        height: height, round: round, blockID: Assembly.blocks[program.below(2)]),
                    at: 0)
            }
        case .validate(let height, _, let block):
            if program.chance(3, in: 4) {
                pending.insert(.blockJudged(height: height, blockID: block, .valid), at: 0)
            }
        case .commit(let commit):
            require(commit.height == height, "a commit of height \(commit.height) at \(height)")
            require(watch.committed.insert(commit.height).inserted, "two commits at a height")
            let stake = (try? commit.stake(in: Assembly.validators)) ?? 0
            require(Assembly.validators.isQuorum(stake), "a commit of \(stake) of 4")
            height += 1
            guard height < 6 else { return }
            pending.insert(.heightStarted(Assembly.context(height, parent: commit), nil), at: 0)
        case .event(let event): findings.note("event", event)
        default: break
        }
    }

    /// What the network, the executor or the clock does next.
    private static func instruction(
        _ program: inout Program, _ height: UInt64, _ time: inout Int64,
        _ deadline: MonotonicInstant?
    ) -> ConsensusInput? {
        switch program.below(8) {
        case 0...3:
            let far = program.chance(1, in: 16)
            let block = program.below(3)
            let content = VoteContent(
                kind: program.chance(1, in: 2) ? .prevote : .precommit,
                height: height + UInt64(program.below(6) == 0 ? 1 : 0),
                round: far ? UInt32(program.word()) << 14 : UInt32(program.below(4)),
                blockID: block == 2 ? nil : Assembly.blocks[block])
            return .voteReceived(
                VerifiedVote(trusting: Assembly.vote(content, by: program.below(5))))
        case 4:
            let round = UInt32(program.below(4))
            let content = ProposalContent(
                height: height, round: round,
                validRound: round > 0 && program.chance(1, in: 2) ? round - 1 : nil,
                blockID: Assembly.blocks[program.below(2)])
            return .proposalReceived(
                VerifiedProposal(
                    trusting: Proposal(
                        content: content, proposer: ValidatorIndex(program.below(5)),
                        scheme: .ed25519, signature: Assembly.signature)))
        case 5:
            return .blockJudged(
                height: height, blockID: Assembly.blocks[program.below(2)],
                program.chance(1, in: 8) ? .invalid : .valid)
        case 6:
            let sets = [VoteSetSummary]()
            return VoteSummary(
                height: height, round: UInt32(program.below(4)),
                hasProposal: program.chance(1, in: 2), sets: sets
            ).map { .summaryReceived($0, from: Actors.peers[1]) }
        default:
            if program.chance(1, in: 2), let deadline {
                time = max(time, deadline.nanoseconds)
            } else {
                time += program.duration().wholeNanoseconds
            }
            return .timeout
        }
    }

    /// Four validators and what they sign; most of it without keys, which cost time and change nothing.
    private enum Assembly {
        static let keyBytes = Actors.keys.prefix(4).map { BodyDescription.producer(of: $0) }
        static let validators = must(
            try? ValidatorSet(keyBytes.map { Validator(key: $0, stake: 1) }))
        static let blocks = [SHA256.hash([0xA]), SHA256.hash([0xB])]
        static let signature = must(SignatureBytes([UInt8](repeating: 1, count: 64)))

        static func context(_ height: UInt64, parent: Commit?) -> HeightContext {
            HeightContext(
                height: height, rotation: ProposerRotation(validators: validators),
                nextValidators: validators,
                parent: parent.map { ParentCommit(commit: $0, validators: validators) })
        }

        static func vote(_ content: VoteContent, by validator: Int) -> Vote {
            Vote(
                content: content, validator: ValidatorIndex(validator), scheme: .ed25519,
                signature: signature)
        }

        static func signed(_ request: SignRequest) -> ConsensusInput {
            switch request {
            case .vote(let content): .voteSigned(vote(content, by: 0))
            case .proposal(let content):
                .proposalSigned(
                    Proposal(
                        content: content, proposer: ValidatorIndex(0), scheme: .ed25519,
                        signature: signature))
            }
        }

        /// For nil, and for two blocks by one validator.
        static let votes = [nil, blocks[0], blocks[1]].map {
            Assembly.vote(
                VoteContent(kind: .precommit, height: 5, round: 2, blockID: $0), by: 1)
        }
        static let proposal = Proposal(
            content: ProposalContent(height: 5, round: 2, validRound: 1, blockID: blocks[0]),
            proposer: ValidatorIndex(2), scheme: .ed25519, signature: signature)
        static let commit: Commit = {
            var signers = must(ValidatorBits(count: 4))
            for position in 0..<3 { signers[position] = true }
            return must(
                Commit(
                    height: 5, round: 2, blockID: blocks[0], scheme: .ed25519, signers: signers,
                    signatures: [signature, signature, signature]))
        }()
    }
}
