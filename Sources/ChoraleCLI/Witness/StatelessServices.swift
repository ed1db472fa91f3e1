import Codec
import EngineAPI
import Execution
import JSONRPC
import Synchronization

/// One service for each call that runs, kept for the next: each has codes that it has met.
final class StatelessServices: Sendable {
    /// Bytes of code that one keeps.
    private static let codeCacheSize = 32 << 20

    private let rules: ChainRules
    private let mode: StatelessExecution.Mode
    private let idle = Mutex<[Lent]>([])

    /// Unchecked, because the compiler cannot see that a service is either in ``idle`` or in the hands
    /// of the one thread that took it out.
    private struct Lent: @unchecked Sendable {
        let service: StatelessService
    }

    init(rules: ChainRules, mode: StatelessExecution.Mode) {
        self.rules = rules
        self.mode = mode
    }

    /// Answers one call, on the calling thread.
    func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
        let lent = idle.withLock { $0.popLast() } ?? make()
        defer { idle.withLock { $0.append(lent) } }
        return try lent.service.answer(request)
    }

    private func make() -> Lent {
        Lent(
            service: StatelessService(
                StatelessExecution(
                    rules: rules, mode: mode, codeCache: CodeCache(sizeMax: Self.codeCacheSize))))
    }
}
