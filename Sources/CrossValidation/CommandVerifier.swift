import Codec
import Glibc
package import HTTP

/// Runs a program once: bytes in, bytes out, an end at the latest at the deadline.
package enum CommandVerifier {
    package enum Failure: Error {
        case notStarted(String)
        case timedOut
        case cancelled
        case tooLarge(limit: Int)
        /// It ended without an answer.
        case ended(String)
    }

    /// - Returns: what the program wrote until it closed its output.
    package static func run(
        _ path: String, input: [UInt8], deadline: ContinuousClock.Instant, outputSizeMax: Int,
        cancellation: HTTPClient.Cancellation
    ) throws(Failure) -> (output: [UInt8], status: Int32) {
        // Standard input is a socket, because writing to one raises no signal if nobody reads.
        var sockets: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &sockets) == 0 else {
            throw .notStarted(String(cString: strerror(errno)))
        }
        var pipes: [Int32] = [-1, -1]
        guard pipe(&pipes) == 0 else {
            let detail = String(cString: strerror(errno))
            for descriptor in sockets { close(descriptor) }
            throw .notStarted(detail)
        }
        for descriptor in pipes { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        let spawned = spawn(path, input: sockets[1], output: pipes[1])
        close(sockets[1])
        close(pipes[1])
        defer {
            close(sockets[0])
            close(pipes[0])
        }
        guard let process = spawned.process else {
            throw .notStarted(String(cString: strerror(spawned.code)))
        }
        var exchange = Exchange(
            input: sockets[0], output: pipes[0], bytes: input, outputSizeMax: outputSizeMax)
        let failure = exchange.run(deadline, cancellation)
        // Also when it has answered: what it started ends with it, and nobody waits for a program that
        // has closed its output and goes on.
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        if let failure { throw failure }
        return (exchange.received, status)
    }

    private static func spawn(
        _ path: String, input: Int32, output: Int32
    ) -> (process: pid_t?, code: Int32) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that all of it can be ended; and no signals that we hold back.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        // Nothing of our environment but what programs need to find others.
        var environment: [UnsafeMutablePointer<CChar>?] = []
        for name in ["PATH", "HOME", "LANG"] {
            guard let value = getenv(name) else { continue }
            environment.append(strdup("\(name)=\(String(cString: value))"))
        }
        var arguments = [strdup(path), nil]
        var terminated = environment + [nil]
        defer {
            for text in environment { free(text) }
            free(arguments[0])
        }
        var process = pid_t()
        let code = posix_spawn(&process, path, &actions, &attributes, &arguments, &terminated)
        return (code == 0 ? process : nil, code)
    }

    /// Writes the input while it reads the output.
    private struct Exchange {
        let input: Int32
        let output: Int32
        let bytes: [UInt8]
        let outputSizeMax: Int
        var received: [UInt8] = []
        private var sent = 0

        init(input: Int32, output: Int32, bytes: [UInt8], outputSizeMax: Int) {
            self.input = input
            self.output = output
            self.bytes = bytes
            self.outputSizeMax = outputSizeMax
        }

        /// - Returns: nil when the program has closed its output.
        mutating func run(
            _ deadline: ContinuousClock.Instant, _ cancellation: HTTPClient.Cancellation
        ) -> Failure? {
            var isWriting = true
            while true {
                let left = ContinuousClock.now.duration(to: deadline) / .milliseconds(1)
                if left <= 0 { return .timedOut }
                if cancellation.isCancelled { return .cancelled }
                var polled = [
                    pollfd(fd: output, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: isWriting ? input : -1, events: Int16(POLLOUT), revents: 0),
                ]
                // Wakes up for a cancellation.
                guard poll(&polled, 2, Int32(min(left.rounded(.up), 100))) >= 0 || errno == EINTR
                else { return .ended(String(cString: strerror(errno))) }
                if polled[1].revents != 0 {
                    isWriting = write()
                    if !isWriting { shutdown(input, Int32(SHUT_WR)) }
                }
                if polled[0].revents != 0 {
                    guard read() else { return nil }
                    if received.count > outputSizeMax { return .tooLarge(limit: outputSizeMax) }
                }
            }
        }

        /// - Returns: whether there is more to write.
        private mutating func write() -> Bool {
            let size = bytes.withUnsafeBytes { buffer in
                send(
                    input, buffer.baseAddress.map { $0 + sent }, buffer.count - sent,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if size < 0 { return errno == EAGAIN || errno == EINTR }
            sent += size
            return sent < bytes.count
        }

        /// - Returns: false at the end.
        private mutating func read() -> Bool {
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            let size = Glibc.read(output, &chunk, chunk.count)
            if size < 0 { return errno == EINTR }
            received.append(contentsOf: chunk[..<size])
            return size > 0
        }
    }
}
