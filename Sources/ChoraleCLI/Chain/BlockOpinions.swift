import Chain
import ChoraleBase
import Codec
import CrossValidation
import DriverUV
import Execution
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
    private let mailbox: Mailbox<(Bytes32, CrossValidationReport)>

    init(
        _ settings: RunSettings, _ genesis: ChainGenesis, log: Logger, loop: EventLoop,
        _ host: NodeHost
    ) throws(Failure) {
        var options = CrossValidator.Options(verifiers: settings.verifiers)
        options.incidentDirectory = Files.join(settings.dataDirectory, "incident")
        options.whenUnreachable = settings.whenUnreachable
        for (index, verifier) in settings.verifiers.enumerated() {
            guard case .engine(_, let path?) = verifier.target else { continue }
            do throws(TokenSecretFile.ReadError) {
                options.secrets[index] = try TokenSecretFile.read(path)
            } catch {
                throw Failure("\(error)")
            }
        }
        self.genesis = genesis
        self.log = log
        policy = settings.whenUnreachable
        validator = CrossValidator(options)
        do throws(SystemError) {
            mailbox = try Mailbox(loop: loop, capacity: 64) { reports in
                for (block, report) in reports {
                    Self.tell(report, log)
                    host.crossValidated(block, refusal: report.refusal)
                }
            }
        } catch {
            throw Failure("cannot start: \(error)")
        }
    }

    func ask(_ contents: BlockContents, _ requests: [[UInt8]]) -> String? {
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
            fork: genesis.rules.epoch(at: header.timestamp).fork)
        let id = contents.block.id
        let isAsked = validator.ask(item) { [mailbox] report in
            _ = mailbox.send((id, report))
        }
        guard !isAsked else { return nil }
        // As when nobody can be reached.
        return policy == .accept ? "" : "too many blocks are being checked by others already"
    }

    private static func tell(_ report: CrossValidationReport, _ log: Logger) {
        let fields: [LogKey: LogValue] = [
            .height: LogValue(report.blockNumber), .verdict: LogValue(report.decision.name),
            .count: LogValue(report.tally.agree), .use: LogValue(report.tally.disagree),
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
