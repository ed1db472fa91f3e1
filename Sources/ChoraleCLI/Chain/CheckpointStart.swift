import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import NodeHost
import Store
import Telemetry

/// Where a database begins that an operator gives a checkpoint.
enum CheckpointChoice {
    /// The checkpoint that is to be downloaded; nil when the database has a height, or begins with the genesis.
    static func checkpoint(
        _ settings: RunSettings, _ database: ChainDatabase, _ log: Logger
    ) throws(Failure) -> CheckpointID? {
        let given = settings.checkpoint
        if let height = database.height {
            guard let given else { return nil }
            guard height >= given.height else {
                throw Failure(
                    "this database is at height \(height), before the checkpoint at "
                        + "\(given.height): start without --\(Setting.checkpoint.name), and it catches "
                        + "up block by block, or with an empty data directory")
            }
            log.info(
                "the database is past the checkpoint, which is ignored",
                [.height: LogValue(height), .checkpoint: LogValue(given)])
            return nil
        }
        let unfinished: CheckpointID?
        do throws(StoreFailure) {
            unfinished = try database.unfinishedCheckpoint()
        } catch {
            throw Failure("\(error)")
        }
        guard let unfinished else { return given }
        guard let given, given != unfinished else { return unfinished }
        log.info(
            "another checkpoint was being downloaded, which is given up",
            [.checkpoint: LogValue(unfinished)])
        return given
    }
}

/// Reads checkpoints and states for peers, on a thread of its own.
// @unchecked: one thread uses the reader.
final class CheckpointReader: ChainExecutor, @unchecked Sendable {
    private let reader: ChainReader

    init(_ reader: ChainReader) { self.reader = reader }

    func perform(_ task: ChainTask) -> ChainAnswer {
        switch task {
        case .readCheckpoint(let id, let request):
            return .served(id, (try? reader.answer(request))??.sszEncoded())
        case .readState(let id, let request):
            return .served(id, (try? reader.answer(request))??.sszEncoded())
        case .readCandidates, .build, .signOrder, .assemble, .buildPayload, .judge, .commit,
            .importBlocks, .readBlocks, .download, .checkTransaction, .readCommitments:
            preconditionFailure("the owner's thread does this")
        }
    }
}
