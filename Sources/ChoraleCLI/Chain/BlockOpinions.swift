import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import CrossValidation
import DriverUV
import Execution
import Node
import NodeHost
import RPCServer
import Telemetry

/// Asks other implementations about each block before this validator votes for it (mechanisms row 2.22).
///
/// For the loop's thread; the questions have threads of their own.
final class BlockOpinions {
    private let validator: CrossValidator
    private let genesis: ChainGenesis
    private let policy: UnreachablePolicy
    private let log: Logger
    private let mailbox: Mailbox<Opinion>
    private let counts: Counts

    /// Changed by the mailbox's callback, which is on the loop as everything here.
    private final class Counts {
        var counters: CrossValidationCounters

        init(_ verifiers: [Verifier]) { counters = CrossValidationCounters(verifiers) }

        func count(_ report: CrossValidationReport?) { counters.count(report) }
    }

    /// What has been said so far.
    var counters: CrossValidationCounters { counts.counters }

    private struct Opinion: Sendable {
        let block: Bytes32
        /// nil: nobody was asked, for want of room.
        let report: CrossValidationReport?
    }

    init(
        _ settings: RunSettings, _ genesis: ChainGenesis, log: Logger, loop: EventLoop,
        _ host: NodeHost
    ) throws(Failure) {
        var options = CrossValidator.Options(verifiers: settings.verifiers)
        options.incidentDirectory = Files.join(settings.dataDirectory, "incident")
        options.whenUnreachable = settings.whenUnreachable
        options.timeMax = Self.timeMax(genesis)
        for (index, verifier) in settings.verifiers.enumerated() {
            guard case .engine(_, let path?) = verifier.target else { continue }
            do throws(TokenSecretError) {
                options.secrets[index] = try TokenSecretFile.read(path)
            } catch {
                throw Failure("\(error)")
            }
            guard options.secrets[index] != nil else { throw Failure("there is no secret \(path)") }
        }
        self.genesis = genesis
        self.log = log
        policy = settings.whenUnreachable
        validator = CrossValidator(options)
        let counts = Counts(settings.verifiers)
        self.counts = counts
        do throws(SystemError) {
            let policy = policy
            mailbox = try Mailbox(loop: loop, capacity: 64) { opinions in
                for opinion in opinions {
                    counts.count(opinion.report)
                    if let report = opinion.report {
                        Self.tell(report, log)
                        // Before the vote, which is the reason for asking.
                        host.keep(
                            ValidationReport(
                                height: report.blockNumber, block: report.blockHash,
                                text: report.json.encoded))
                    }
                    host.crossValidated(
                        opinion.block, refusal: Self.refusal(opinion.report, policy))
                }
            }
        } catch {
            throw Failure("cannot start: \(error)")
        }
    }

    /// How long others are waited for: an interval, twice of which a round may take longer.
    static func timeMax(_ genesis: ChainGenesis) -> Duration { genesis.blockInterval }

    func ask(_ contents: BlockContents, _ requests: [[UInt8]]) {
        let payload: Block
        let witness: Witness
        do {
            payload = try Block(contents.payload.span)
            witness = try WitnessBody.decode(
                contents.witness, sizeMax: BlockContents.partSizeMax)
        } catch {
            preconditionFailure("it was executed: \(error)")
        }
        let header = payload.header
        let item = CrossValidationCase(
            block: payload, witness: witness,
            expected: .init(
                stateRoot: header.stateRoot, receiptsRoot: header.receiptsRoot,
                gasUsed: header.gasUsed),
            requests: requests, chainID: genesis.rules.chainID,
            fork: genesis.rules.epoch(at: header.timestamp).fork,
            config: genesis.execution.config)
        let id = contents.block.id
        let isAsked = validator.ask(item) { [mailbox] report in
            _ = mailbox.send(Opinion(block: id, report: report))
        }
        // As when nobody can be reached.
        if !isAsked { _ = mailbox.send(Opinion(block: id, report: nil)) }
    }

    private static func refusal(
        _ report: CrossValidationReport?, _ policy: UnreachablePolicy
    ) -> String? {
        guard let report else {
            return policy == .accept ? nil : "too many blocks are being checked by others already"
        }
        guard !report.decision.isAccepted else { return nil }
        let tally = report.tally
        return "\(report.decision.name): \(tally.agree) agree, \(tally.disagree) disagree, "
            + "\(tally.silent) are silent"
    }

    private static func tell(_ report: CrossValidationReport, _ log: Logger) {
        let fields: KeyValuePairs<LogKey, LogValue> = [
            .height: LogValue(report.blockNumber), .verdict: LogValue(report.decision.name),
            .count: LogValue(report.tally.agree),
            .disagreeing: LogValue(report.tally.disagree),
        ]
        if report.tally.disagree > 0 {
            log.error("implementations disagree about a block", fields)
        } else {
            log.debug("cross-validated", fields)
        }
    }

    func stop() {
        validator.stop()
        mailbox.close()
    }
}
