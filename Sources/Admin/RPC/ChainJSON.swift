public import Chain
import ChoraleBase
import ChoraleTypes
public import Codec
import Consensus
import Operations
import Node

extension ReplyJSON {
    /// A chain as `chorale_chain` shows it. Heights are numbers, hashes hex with `0x`.
    static func object(_ info: ChainInfo) -> JSONObject {
        var object: JSONObject = [
            "chainId": JSONValue(info.chainID), "genesis": .string("0x\(info.genesisID)"),
            "latest": JSONValue(info.head.height), "safe": JSONValue(info.safe),
            "finalized": JSONValue(info.finalized), "blockId": .string("0x\(info.head.blockID)"),
            "blockHash": .string("0x\(info.blockHash)"),
            "stateRoot": .string("0x\(info.stateRoot)"), "time": JSONValue(info.headTime),
            "height": JSONValue(info.consensus.height),
            "round": JSONValue(UInt64(info.consensus.round)),
            "step": .string(word(for: info.consensus.phase)),
            "validators": JSONValue(info.validatorCount),
            "validator": info.validator.map { JSONValue(Int($0.rawValue)) } ?? .null,
            "isSigning": .bool(info.isSigning), "keepsState": .bool(info.keepsState),
            "isSyncing": .bool(info.sync != nil), "peersHighest": JSONValue(info.highest),
            "peers": JSONValue(info.peerCount), "pool": JSONValue(info.poolCount),
            "poolPending": JSONValue(info.poolPending), "evidence": JSONValue(info.evidenceCount),
            "evidenceCount": JSONValue(info.counters.evidenceCommitted),
            "validatorCount": JSONValue(info.validatorCount),
            "slashed": JSONValue(info.slashedCount),
            "blocksCommitted": JSONValue(info.counters.blocksCommitted),
            "blocksImported": JSONValue(info.counters.blocksImported),
            "transactionsCommitted": JSONValue(info.counters.transactionsCommitted),
            "gasCommitted": JSONValue(info.counters.gasUsed),
        ]
        if let sync = info.sync {
            object["sync"] = .object([
                "from": JSONValue(sync.from), "to": JSONValue(sync.to),
                "secondsLeft": sync.secondsLeft.map { .number($0) } ?? .null,
            ])
        }
        object["checkpoint"] = info.checkpoint.map { .string("\($0)") } ?? .null
        if let download = info.download { object["download"] = .object(self.object(download)) }
        if let last = info.last {
            for member in self.object(last).members where object[member.name] == nil {
                object[member.name] = member.value
            }
        }
        return object
    }

    /// The download of a checkpoint's state.
    static func object(_ info: ChainInfo.DownloadInfo) -> JSONObject {
        [
            "checkpoint": .string("\(info.checkpoint)"), "phase": .string(info.phase.rawValue),
            "share": .number(info.share),
            "secondsLeft": info.secondsLeft.map { .number($0) } ?? .null,
            "accounts": JSONValue(info.accountCount), "slots": JSONValue(info.slotCount),
            "codes": JSONValue(info.codeCount), "bytes": JSONValue(info.size),
            "sources": JSONValue(info.sourceCount),
        ]
    }

    /// A height that is final.
    static func object(_ report: CommitReport) -> JSONObject {
        [
            "committedHeight": JSONValue(report.height),
            "committedRound": JSONValue(UInt64(report.round)),
            "committedId": .string("0x\(report.blockID)"),
            "proposer": JSONValue(Int(report.proposer.rawValue)),
            "transactionCount": JSONValue(report.facts.transactionCount),
            "gasUsed": JSONValue(report.facts.gasUsed),
            "blockBytes": JSONValue(report.facts.payloadSize),
            "witnessBytes": JSONValue(report.facts.witnessSize),
            "commitMilliseconds": report.latency.map(milliseconds) ?? .null,
            "evidenceInBlock": JSONValue(report.evidenceCount),
            "partEvidenceInBlock": JSONValue(report.partEvidenceCount),
        ]
    }

    private static func word(for phase: ConsensusStatus.Phase) -> String {
        switch phase {
        case .idle: "idle"
        case .waiting: "waiting"
        case .step(.propose): "propose"
        case .step(.prevote): "prevote"
        case .step(.precommit): "precommit"
        case .committed: "committed"
        }
    }
}

extension ChainEvent {
    /// The event's stable name, as in logs and in `chorale_watchEvents`.
    public var name: String {
        switch self {
        case .consensus(.roundStarted): "round_started"
        case .consensus(.locked): "locked"
        case .consensus(.timedOut): "round_timed_out"
        case .consensus(.abstaining): "abstaining"
        case .consensus(.committedBlockIsInvalid): "committed_block_invalid"
        case .committed: "committed"
        case .invalidBlock: "block_invalid"
        case .undecided: "block_undecided"
        case .buildFailed: "build_failed"
        case .executor: "executor_statement"
        case .operations: "operations"
        case .evidence: "evidence"
        case .partEvidence: "part_evidence"
        case .syncing: "syncing"
        case .synced: "synced"
        case .downloading: "checkpoint_download"
        case .signingStopped: "signing_stopped"
        case .signingResumed: "signing_resumed"
        case .stopped: "chain_stopped"
        }
    }

    public var fields: JSONObject {
        switch self {
        case .consensus(let event): return Self.fields(of: event)
        case .committed(let report): return ReplyJSON.object(report)
        case .invalidBlock(let height, let id, let fault):
            return [
                "height": JSONValue(height), "blockId": .string("0x\(id)"),
                "fault": .string(fault.label), "reason": .string("\(fault)"),
            ]
        case .undecided(let height, let id, let reason):
            return [
                "height": JSONValue(height), "blockId": .string("0x\(id)"),
                "reason": .string(reason),
            ]
        case .buildFailed(let height, let reason):
            return ["height": JSONValue(height), "reason": .string(reason)]
        case .executor(let statement):
            return [
                "operation": .string("0x\(statement.operation)"),
                "executor": .string("0x\(statement.executor)"),
            ]
        case .operations(let report):
            return [
                "height": JSONValue(report.height),
                "changes": .array(report.changes.map { .object(Self.fields(of: $0)) }),
                "slashed": .array(report.slashed.map { .string("0x\(Hex.encode($0.bytes))") }),
            ]
        case .evidence(let height, let validator):
            return ["height": JSONValue(height), "validator": JSONValue(Int(validator.rawValue))]
        case .partEvidence(let operation, let validator):
            return [
                "operation": .string("0x\(operation)"),
                "validator": JSONValue(Int(validator.rawValue)),
            ]
        case .syncing(let from, let to): return ["from": JSONValue(from), "to": JSONValue(to)]
        case .synced(let height): return ["height": JSONValue(height)]
        case .downloading(let id, let event):
            var fields: JSONObject = ["checkpoint": .string("\(id)"), "step": .string(event.word)]
            switch event {
            case .progress(let info): fields["download"] = .object(ReplyJSON.object(info))
            case .waiting(let reason), .failed(let reason): fields["reason"] = .string(reason)
            case .asking, .began, .resumed, .finished: break
            }
            return fields
        case .signingStopped(let reason), .stopped(let reason): return ["reason": .string(reason)]
        case .signingResumed: return [:]
        }
    }

    private static func fields(of change: OperationChange) -> JSONObject {
        var fields: JSONObject = ["change": .string(change.label)]
        if let operation = change.operation { fields["operation"] = .string("0x\(operation)") }
        if let executor = change.executor { fields["executor"] = .string("0x\(executor)") }
        switch change {
        case .renewed(_, let progress): fields["progress"] = JSONValue(Int(progress))
        case .partCertified(_, let part), .partJudged(_, let part):
            fields["part"] = JSONValue(Int(part))
        case .ignored(_, let reason): fields["reason"] = .string("\(reason)")
        default: break
        }
        return fields
    }

    private static func fields(of event: ConsensusEvent) -> JSONObject {
        switch event {
        case .roundStarted(let height, let round, let proposer):
            return [
                "height": JSONValue(height), "round": JSONValue(UInt64(round)),
                "proposer": JSONValue(Int(proposer.rawValue)),
            ]
        case .locked(let height, let round, let block):
            return [
                "height": JSONValue(height), "round": JSONValue(UInt64(round)),
                "blockId": .string("0x\(block)"),
            ]
        case .timedOut(let height, let round, let step):
            return [
                "height": JSONValue(height), "round": JSONValue(UInt64(round)),
                "step": .string("\(step)"),
            ]
        case .abstaining(let height, let signed):
            return ["height": JSONValue(height), "signedHeight": JSONValue(signed.height)]
        case .committedBlockIsInvalid(let height, let block):
            return ["height": JSONValue(height), "blockId": .string("0x\(block)")]
        }
    }
}

extension DownloadEvent {
    fileprivate var word: String {
        switch self {
        case .asking: "asking"
        case .began: "began"
        case .resumed: "resumed"
        case .progress: "progress"
        case .waiting: "waiting"
        case .finished: "finished"
        case .failed: "failed"
        }
    }
}
