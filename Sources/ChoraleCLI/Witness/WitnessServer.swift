import ChoraleBase
import Codec
import DriverUV
import EngineAPI
import Execution
import Glibc
import JSONRPC

/// Serves ``StatelessService`` on a Unix socket.
///
/// The loop's thread has the connections; calls run on workers, which take a line and return one.
final class WitnessServer {
    /// Connections at once.
    private static let connectionsMax = 32
    /// Calls accepted for each worker, waiting and running; more are refused.
    private static let callsPerWorker = 4

    private struct Answer: Sendable {
        let client: UInt64
        /// nil where nobody asked for an answer.
        let line: [UInt8]?
    }

    private let loop: EventLoop
    private let services: Services
    private let path: String
    private var pool: WorkerPool<Answer>?
    private var listener: UnixListener?
    private var connections: [UInt64: UnixConnection] = [:]
    private var lastTag: UInt64 = 0

    init(
        path: String, rules: ChainRules, mode: StatelessExecution.Mode, workerCount: Int,
        requestSizeMax: Int
    ) throws(Failure) {
        // Requests of many megabytes come and go.
        ProcessMemory.keepHeap(threadCount: workerCount + 1)
        self.path = path
        services = Services(rules: rules, mode: mode)
        do throws(SystemError) {
            loop = try EventLoop()
            pool = try WorkerPool(
                loop: loop, name: "witness", threadCount: workerCount,
                inFlightMax: workerCount * Self.callsPerWorker,
                deliver: { [unowned self] answers in for answer in answers { send(answer) } })
        } catch {
            throw Failure("cannot start: \(error)")
        }
        var options = UnixOptions()
        options.lineSizeMax = requestSizeMax
        do throws(UnixListenError) {
            listener = try UnixListener(on: loop, path: path, options: options, delegate: self)
        } catch {
            pool?.shutDown(discarding: true)
            loop.close()
            throw Failure("\(error)")
        }
    }

    /// Returns when a signal asked for it.
    func run() throws(Failure) {
        defer { close() }
        do throws(SystemError) {
            for signal in [SIGTERM, SIGINT] {
                try loop.onSignal(signal) { [unowned self] in loop.stop() }
            }
        } catch {
            throw Failure("cannot watch for signals: \(error)")
        }
        Console.error("serving on \(path)")
        loop.run()
    }

    private func close() {
        // Calls that run are finished or not, as the process ends: asked again, it ends at once.
        signal(SIGTERM, SIG_DFL)
        signal(SIGINT, SIG_DFL)
        listener?.close()
        for tag in connections.keys.sorted() { connections[tag]?.close() }
        pool?.shutDown(discarding: true)
        loop.close()
    }

    private func send(_ answer: Answer) {
        guard let line = answer.line else { return }
        _ = connections[answer.client]?.send(line)
    }

    private func received(_ line: [UInt8], from client: UInt64) {
        let services = services
        let submission = pool?.submit { Answer(client: client, line: services.answer(line)) }
        switch submission {
        case .accepted: break
        case .full, .closed, nil:
            // The id is inside of what nobody has time to read.
            let error = RPCError(code: -32004, message: "too many calls are running; try again")
            send(Answer(client: client, line: RPCResponse.failure(error, id: .null)))
        }
    }
}

extension WitnessServer: UnixListenerDelegate {
    func listener(
        _ listener: UnixListener, didAccept connection: UnixConnection
    ) -> (any UnixConnectionDelegate)? {
        guard connections.count < Self.connectionsMax else { return nil }
        lastTag += 1
        connection.tag = lastTag
        connections[lastTag] = connection
        return self
    }
}

extension WitnessServer: UnixConnectionDelegate {
    func connectionDidOpen(_ connection: UnixConnection) {}

    func connection(_ connection: UnixConnection, didReceive line: [UInt8]) {
        received(line, from: connection.tag)
    }

    func connectionDidDrain(_ connection: UnixConnection) {}

    func connectionDidClose(_ connection: UnixConnection, reason: TransportCloseReason) {
        connections.removeValue(forKey: connection.tag)
        if case .lineTooLong = reason {
            Console.error("a client was dropped: its request is longer than --request-max")
        }
    }
}

/// Answers lines.
private final class Services: Sendable {
    private let services: StatelessServices

    init(rules: ChainRules, mode: StatelessExecution.Mode) {
        services = StatelessServices(rules: rules, mode: mode)
    }

    /// - Returns: nil for a notification, which asks for no answer.
    func answer(_ line: [UInt8]) -> [UInt8]? {
        let clock = ContinuousClock()
        let start = clock.now
        let request: RPCRequest
        do throws(RPCRequest.Refusal) {
            request = try RPCRequest(line: line, limits: WitnessInput.jsonLimits)
        } catch {
            return RPCResponse.failure(error.error, id: error.id)
        }
        do throws(RPCError) {
            var result = try services.answer(request)
            if request.method == StatelessService.executeBlock, var object = result.object {
                object["seconds"] = .number(start.duration(to: clock.now) / .seconds(1))
                result = .object(object)
            }
            return request.id.map { RPCResponse.result(result, id: $0) }
        } catch {
            return request.id.map { RPCResponse.failure(error, id: $0) }
        }
    }
}
