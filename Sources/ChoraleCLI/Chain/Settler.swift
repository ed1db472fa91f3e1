import ChoraleBase
import DriverUV
import EthereumRPC
import Operations
import Telemetry

/// Sends the settlements of what this node has executed, signed by an account of the operator.
///
///      settle ──▶ thread: in a block? ──yes──▶ nothing
///                         in the pool? ──yes──▶ nothing
///                         else: sign, and give it to the pool
///
/// 1. One transaction for a settlement at a time: who asks again gets another one only when the last is
///    neither in a block nor in the pool any more. Checked in `SettlementDesk.settle`.
/// 2. A settlement is only what the node has asked for: it follows from what is certified on the chain, and
///    anybody may send it, so that sending it twice costs gas and nothing else.
///
/// Belongs to the loop; signing, and waiting for the node's answers, has a thread of its own.
final class Settler {
    /// Wishes under way. The node repeats what is not done, so that the rest is not lost.
    private static let inFlightMax = 64

    private let pool: WorkerPool<SettlementDesk.Outcome>
    private let desk: SettlementDesk

    init(
        _ account: LoadAccount, _ service: EthereumService, on loop: EventLoop, log: Logger
    ) throws(Failure) {
        desk = SettlementDesk(account, ChainClient(service))
        do throws(SystemError) {
            pool = try WorkerPool(
                loop: loop, name: "settle", threadCount: 1, inFlightMax: Self.inFlightMax
            ) { outcomes in
                for outcome in outcomes { Self.tell(outcome, log) }
            }
        } catch {
            throw Failure("cannot start: \(error)")
        }
    }

    func settle(_ settlement: Settlement, output: [UInt8]) {
        let desk = desk
        // A full queue is as good as a lost wish: it comes again.
        _ = pool.submit { desk.settle(settlement, output) }
    }

    /// Waits for what is being sent.
    func stop() { pool.shutDown(discarding: true) }

    private static func tell(_ outcome: SettlementDesk.Outcome, _ log: Logger) {
        switch outcome {
        case .waiting: break
        case .sent(let operation, let transaction):
            log.info(
                "settlement sent",
                [.operation: LogValue(operation), .transaction: LogValue(transaction)])
        case .failed(let operation, let reason):
            log.warning(
                "settlement not sent",
                [.operation: LogValue(operation), .reason: LogValue(reason)])
        }
    }
}
