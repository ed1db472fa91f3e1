import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Node
import PeerIdentity
import Swarm
import Telemetry

extension LogKey {
    static let direction = LogKey("direction")
    static let agent = LogKey("agent")
    static let detail = LogKey("detail")
    static let limit = LogKey("limit")
    static let use = LogKey("use")
    static let root = LogKey("root")
    static let kind = LogKey("kind")
    static let size = LogKey("size")
    static let milliseconds = LogKey("milliseconds")
    static let network = LogKey("network")
    static let digest = LogKey("digest")
    static let roles = LogKey("roles")
    static let processID = LogKey("pid")
    static let signal = LogKey("signal")
    static let variable = LogKey("variable")
    static let nearest = LogKey("nearest")
    static let connection = LogKey("connection")
    static let key = LogKey("key")
    static let serving = LogKey("serving")
    static let paths = LogKey("paths")
    static let height = LogKey("height")
    static let checkpoint = LogKey("checkpoint")
    static let percent = LogKey("percent")
    static let secondsLeft = LogKey("seconds_left")
    static let round = LogKey("round")
    static let block = LogKey("block")
    static let proposer = LogKey("proposer")
    static let validator = LogKey("validator")
    static let operation = LogKey("operation")
    static let executor = LogKey("executor")
    static let change = LogKey("change")
    static let part = LogKey("part")
    static let account = LogKey("account")
    static let transaction = LogKey("transaction")
    static let gas = LogKey("gas")
    static let step = LogKey("step")
    static let verdict = LogKey("verdict")
    static let disagreeing = LogKey("disagreeing")
}

extension Logger {
    /// The line that an event is worth.
    ///
    /// `error`: an operator must act; `warning`: may need to; `info`: the life of the node; `debug`
    /// and `trace`: what peers do, misbehaviour included, because they would fill a log at will.
    func log(_ event: NodeEvent) {
        switch event {
        case .started(let peer): info("started", [.peer: LogValue(peer)])
        case .listening(let address): info("listening", [.address: LogValue(address)])
        case .listenFailed(let address, let reason):
            error("cannot listen", [.address: LogValue(address), .reason: LogValue(reason)])
        case .acceptFailed(let address, let reason):
            error(
                "connections are refused: is the limit of open files (ulimit -n) too low?",
                [.address: LogValue(address), .reason: LogValue(reason)])
        case .peerConnected(let peer, let direction, let address):
            info(
                "peer connected",
                [
                    .peer: LogValue(peer), .direction: LogValue(direction.rawValue),
                    .address: LogValue(address),
                ])
        case .peerDisconnected(let peer, let reason):
            info(
                "peer disconnected", [.peer: LogValue(peer), .reason: LogValue(reason.rawValue)])
        case .peerIdentified(let peer, let agent):
            debug("peer identified", [.peer: LogValue(peer), .agent: LogValue(agent)])
        case .connectionClosed(let id, let reason, let detail):
            trace(
                "connection closed",
                [
                    .connection: LogValue(id), .reason: LogValue(reason.rawValue),
                    .detail: LogValue(detail),
                ])
        case .refused(let refusal, let address):
            debug(
                "refused",
                [
                    .limit: LogValue(refusal.scope.rawValue), .use: LogValue(refusal.use),
                    .address: LogValue(address),
                ])
        case .grafted(let peer, let topic):
            trace("grafted", [.peer: LogValue(peer), .topic: LogValue(topic)])
        case .pruned(let peer, let topic):
            trace("pruned", [.peer: LogValue(peer), .topic: LogValue(topic)])
        case .graylisted(let peer): debug("peer graylisted", [.peer: LogValue(peer)])
        case .routingTableSize(let count):
            debug("routing table", [.count: LogValue(count)])
        case .recordRejected(let reason):
            debug("record rejected", [.reason: LogValue(reason)])
        case .equivocation(let key):
            warning("two records with one sequence number", [.key: LogValue(Hex.encode(key))])
        case .peerFault(let peer, let fault):
            debug("peer at fault", [.peer: LogValue(peer), .reason: LogValue(fault)])
        case .bodyAnnounced(let root, let kind, let size):
            debug(
                "body announced",
                [.root: LogValue(root), .kind: LogValue(kind), .size: LogValue(size)])
        case .bodyCompleted(let root, let kind, let size, let sources, let elapsed):
            info(
                "body complete",
                [
                    .root: LogValue(root), .kind: LogValue(kind), .size: LogValue(size),
                    .count: LogValue(sources), .milliseconds: LogValue(elapsed.wholeMilliseconds),
                ])
        case .bodyFailed(let root, let reason):
            warning("body failed", [.root: LogValue(root), .reason: LogValue(reason)])
        case .observedAddress(let address):
            debug("seen from outside", [.address: LogValue(address)])
        case .dhtModeChanged(let serving): info("DHT mode", [.serving: .boolean(serving)])
        case .storeFailed(let reason): error("database failed", [.reason: LogValue(reason)])
        case .storeRecovered: info("database works again")
        case .wrongNetwork(let peer, let digest):
            debug(
                "peer of another network",
                [.peer: LogValue(peer), .digest: LogValue(Hex.encode(digest))])
        case .chain(let event): log(event)
        case .part(let event): log(event)
        case .executor(let event): log(event)
        case .stopping: info("stopping")
        }
    }

    /// What happens to the chain: each height is worth a line, rounds are when they fail.
    private func log(_ event: ChainEvent) {
        switch event {
        case .committed(let report):
            info(
                "committed",
                [
                    .height: LogValue(report.height), .round: LogValue(report.round),
                    .block: LogValue(report.blockID), .proposer: LogValue(report.proposer.rawValue),
                    .count: LogValue(report.facts.transactionCount),
                    .gas: LogValue(report.facts.gasUsed),
                    .milliseconds: LogValue(report.latency?.wholeMilliseconds ?? 0),
                ])
        case .invalidBlock(let height, let id, let fault):
            warning(
                "invalid block",
                [
                    .height: LogValue(height), .block: LogValue(id), .reason: LogValue("\(fault)"),
                ])
        case .undecided(let height, let id, let reason):
            warning(
                "block not judged",
                [.height: LogValue(height), .block: LogValue(id), .reason: LogValue(reason)])
        case .buildFailed(let height, let reason):
            warning("no block made", [.height: LogValue(height), .reason: LogValue(reason)])
        case .executor(let statement):
            debug(
                "an executor says",
                [
                    .operation: LogValue(statement.operation),
                    .executor: LogValue(statement.executor),
                ])
        case .operations(let report):
            for change in report.changes {
                info(
                    "operation",
                    [
                        .height: LogValue(report.height), .change: LogValue(change.label),
                        .operation: LogValue(change.operation.map { "\($0)" } ?? "none"),
                        .executor: LogValue(change.executor.map { "\($0)" } ?? "none"),
                    ])
            }
            for key in report.slashed {
                warning(
                    "a validator was slashed for what it said of a part",
                    [.height: LogValue(report.height), .key: LogValue(Hex.encode(key.bytes))])
            }
        case .evidence(let height, let validator):
            warning(
                "a validator contradicts itself",
                [.height: LogValue(height), .validator: LogValue(validator.rawValue)])
        case .partEvidence(let operation, let validator):
            warning(
                "a validator was wrong about a part",
                [.operation: LogValue(operation), .validator: LogValue(validator.rawValue)])
        case .syncing(let from, let to):
            info("syncing", [.height: LogValue(from), .limit: LogValue(to)])
        case .synced(let height): info("synced", [.height: LogValue(height)])
        case .downloading(let id, let event): log(event, of: id)
        case .signingStopped(let reason):
            error("nothing is signed any more", [.reason: LogValue(reason)])
        case .signingResumed: info("signing again")
        case .stopped(let reason):
            error("the chain stands still", [.reason: LogValue(reason)])
        case .consensus(let event): log(event)
        }
    }

    private func log(_ event: DownloadEvent, of id: CheckpointID) {
        let checkpoint = LogValue("\(id)")
        switch event {
        case .asking: info("asking for the checkpoint", [.checkpoint: checkpoint])
        case .began: info("downloading the checkpoint's state", [.checkpoint: checkpoint])
        case .resumed:
            info("going on with the checkpoint's state", [.checkpoint: checkpoint])
        case .progress(let progress):
            info(
                "downloading the checkpoint's state",
                [
                    .percent: LogValue(Int(progress.share * 100)),
                    .secondsLeft: LogValue(progress.secondsLeft.map { Int($0.rounded(.up)) } ?? 0),
                    .count: LogValue(progress.accountCount), .size: LogValue(progress.size),
                ])
        case .waiting(let reason):
            warning(
                "the checkpoint is waited for",
                [.checkpoint: checkpoint, .reason: LogValue(reason)])
        case .finished: info("the chain begins at the checkpoint", [.checkpoint: checkpoint])
        case .failed(let reason):
            error(
                "the checkpoint cannot be had",
                [.checkpoint: checkpoint, .reason: LogValue(reason)])
        }
    }

    private func log(_ event: ConsensusEvent) {
        switch event {
        case .roundStarted(let height, let round, let proposer):
            debug(
                "round",
                [
                    .height: LogValue(height), .round: LogValue(round),
                    .proposer: LogValue(proposer.rawValue),
                ])
        case .locked(let height, let round, let block):
            debug(
                "locked",
                [.height: LogValue(height), .round: LogValue(round), .block: LogValue(block)])
        case .timedOut(let height, let round, let step):
            info(
                "round timed out",
                [
                    .height: LogValue(height), .round: LogValue(round),
                    .step: LogValue("\(step)"),
                ])
        case .abstaining(let height, let signed):
            warning(
                "not voting at this height: the signing state is ahead of the log",
                [.height: LogValue(height), .limit: LogValue(signed.height)])
        case .committedBlockIsInvalid(let height, let block):
            error(
                "more than two thirds committed a block that is invalid here",
                [.height: LogValue(height), .block: LogValue(block)])
        }
    }
}
