import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Execution
import OrderedCollections
import PeerIdentity
import TransactionPool

/// Blocks on their way from a proposer's wish to the head.
extension Chain {
    mutating func build(
        height: UInt64, round: UInt32, _ lastCommit: Commit?, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        guard height == head.height + 1, applying == nil,
            let key = configuration.localKey,
            let proposer = head.rotation.validators.index(of: key)
        else { return }
        // A clock that is behind makes no block older than its parent.
        let time = max(now.wall, head.time.advanced(by: .milliseconds(1)))
        let order = BuildOrder(
            height: height, round: round, time: time, proposer: proposer,
            lastCommit: lastCommit ?? head.commit,
            evidence: evidence.chosen(after: head, ageMax: parameters.evidenceAgeMax),
            items: operationPool.chosen(), transactions: pool.selection())
        if configuration.keepsState {
            outputs.append(.process(.build(order)))
        } else {
            wish(for: order, into: &outputs)
        }
    }

    mutating func answered(
        _ answer: ChainAnswer, now: Now, into outputs: inout [ChainOutput]
    ) {
        switch answer {
        case .candidates(let candidates):
            for contents in candidates {
                hold(contents, from: nil, now: now)
                consider(contents.block.id, now: now, into: &outputs)
            }
        case .orderSigned(let order):
            ordered(order, now: now)
        case .payloadRefused(let height, let round, let fault, let peer):
            payloadRefused(
                height: height, round: round, fault, from: peer, now: now, into: &outputs)
        case .payloadBuilt(let id, let built):
            serveCount -= 1
            outputs.append(.servePayload(id, built))
        case .built(let height, let round, let contents, let facts):
            wish = nil
            guard height == head.height + 1 else { return }
            hold(contents, from: nil, now: now)
            let id = contents.block.id
            guard blocks[id] != nil else { return }
            counters.blocksBuilt += 1
            if asksOthers(about: id, facts, into: &outputs) {
                blocks[id]!.builtFor = round
                return
            }
            blocks[id]!.state = .valid(facts)
            consensusInputs.append(.blockBuilt(height: height, round: round, blockID: id))
        case .buildFailed(let height, _, let text):
            wish = nil
            counters.buildsFailed += 1
            outputs.append(.event(.buildFailed(height: height, text)))
        case .judged(let id, let height, let judgement):
            judged(id, height: height, judgement, now: now, into: &outputs)
        case .committed(let summary):
            let round = applying?.round ?? 0
            let held = blocks[summary.head.blockID]
            var report = CommitReport(summary, round: round, held?.contents?.block.header.proposer)
            report.latency = held?.proposedAt.map { $0.duration(to: committedAt ?? now.instant) }
            lastContents = held?.contents
            adopt(summary, report, now: now, into: &outputs)
            scheduleHeight(now: now)
        case .commitFailed(let height, let text):
            commitFailed(height: height, text, into: &outputs)
        case .imported(let summaries, let failure):
            imported(summaries, failure, now: now, into: &outputs)
        case .blocks(let id, let encodings):
            serveCount -= 1
            outputs.append(.serveBlocks(id, encodings))
        case .served(let id, let encoding):
            stateServeCount -= 1
            outputs.append(.served(id, encoding.map { .item($0) } ?? .absent))
        case .download(let answer):
            downloaded(answer, now: now, into: &outputs)
        case .commitments:
            // Asked for by who verifies parts, and given to it.
            break
        case .transactionChecked(let id, let result):
            checked(id, result, now: now, into: &outputs)
        }
    }

    // MARK: Committing

    mutating func apply(
        _ commit: Commit, now: Now, into outputs: inout [ChainOutput]
    ) {
        guard commit.height == head.height + 1, applying == nil,
            let contents = blocks[commit.blockID]?.contents, contents.isComplete
        else { return }
        applying = commit
        committedAt = now.instant
        outputs.append(.process(.commit(contents, commit)))
    }

    private mutating func commitFailed(
        height: UInt64, _ text: String, into outputs: inout [ChainOutput]
    ) {
        applying = nil
        // Sync was quicker, or the disk is full. Without the block nothing goes on here; blocks of others
        // are asked for, and will find room or not.
        guard height == head.height + 1 else { return }
        counters.commitsFailed += 1
        refused(text, into: &outputs)
    }

    /// The store took no block. Others fill the disk for long, so that it is said once.
    mutating func refused(_ text: String, into outputs: inout [ChainOutput]) {
        guard storeRefusal != text else { return }
        storeRefusal = text
        outputs.append(.event(.stopped(text)))
    }

    /// Follows the store to its new head.
    mutating func adopt(
        _ summary: CommittedSummary, _ report: CommitReport, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        precondition(summary.head.height == head.height + 1, "heights ascend by one")
        head = summary.head
        if CheckpointID.isCheckpoint(head.height) { checkpoint = CheckpointID(head) }
        applying = nil
        storeRefusal = nil
        blocks = [:]
        heldSize = 0
        wish = nil
        payloadRounds = []
        counters.blocksCommitted += 1
        counters.transactionsCommitted += UInt64(summary.facts.transactionCount)
        counters.gasUsed += summary.facts.gasUsed
        counters.evidenceCommitted += UInt64(summary.evidence.count)
        counters.partEvidenceCommitted += UInt64(summary.slashedForParts.count)
        if let advance = summary.advance {
            var results: [TransactionPool.Output] = []
            pool.handle(.advanced(advance), now: now, into: &results)
        }
        evidence.advance(to: head, ageMax: parameters.evidenceAgeMax)
        operationPool.advance(to: head)
        if !summary.operationChanges.isEmpty || !summary.slashedForParts.isEmpty {
            outputs.append(
                .event(
                    .operations(
                        OperationReport(
                            height: head.height, changes: summary.operationChanges,
                            commitments: summary.commitments,
                            slashed: summary.slashedForParts))))
        }
        lastReport = report
        outputs.append(.statusChanged(status))
        outputs.append(.event(.committed(report)))
    }

    /// The next height starts an interval after this one did, or at once when others are there already.
    func nextStart(now: Now) -> MonotonicInstant {
        max(now.instant, heightStartedAt.advanced(by: parameters.blockInterval))
    }

    private mutating func scheduleHeight(now: Now) {
        nextHeightAt = nextStart(now: now)
    }
}

extension CommitReport {
    init(_ summary: CommittedSummary, round: UInt32, _ proposer: ValidatorIndex?) {
        self.init(
            height: summary.head.height, round: round, blockID: summary.head.blockID,
            blockHash: summary.head.header.hash, proposer: proposer ?? summary.proposer,
            facts: summary.facts, latency: nil, evidenceCount: summary.evidence.count,
            partEvidenceCount: summary.slashedForParts.count)
    }
}
