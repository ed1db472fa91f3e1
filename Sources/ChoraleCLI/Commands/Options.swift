import Admin
import ArgumentParser
import Codec
import Glibc

/// How a command finds the node that it talks to, and how it prints.
struct AdminOptions: ParsableArguments {
    @Option(help: "The node's admin socket. (default: chorale.ipc in the data directory)")
    var adminSocket: String?

    @Option(help: "The node's data directory, to find its socket.")
    var dataDir: String?

    @Flag(help: "Print JSON instead of text.")
    var json = false

    func client() throws(Failure) -> AdminClient { try AdminClient(path: try socketPath()) }

    /// Flags and the environment.
    private func values() -> SettingValues {
        var values = SettingValues()
        if let adminSocket { values.add(.adminSocket, [adminSocket], .flag(.adminSocket)) }
        if let dataDir { values.add(.dataDirectory, [dataDir], .flag(.dataDirectory)) }
        // A directory on the command line says more than a socket in the environment.
        var environment = Environment.load()
        if dataDir != nil { environment[Setting.adminSocket.variable] = nil }
        values.addEnvironment(environment)
        return values
    }

    /// What the node's data directory says besides; nothing when no directory is known.
    func nodeSettings() throws(Failure) -> SettingValues {
        var values = values()
        guard let directory = values[.dataDirectory]?.texts.first else { return values }
        let config = Files.join(directory, RunSettings.configFile)
        if Files.exists(config) { try values.addFile(try Files.text(config), path: config) }
        return values
    }

    /// Flags, then the environment, then what the data directory's config.yaml says.
    func socketPath() throws(Failure) -> String {
        var values = values()
        if let path = values[.adminSocket]?.texts.first { return path }
        guard let directory = values[.dataDirectory]?.texts.first else {
            throw .usage(
                "which node? give --data-dir or --admin-socket, or set "
                    + "\(Setting.dataDirectory.variable)")
        }
        let config = Files.join(directory, RunSettings.configFile)
        if Files.exists(config) { try values.addFile(try Files.text(config), path: config) }
        return values[.adminSocket]?.texts.first ?? Files.join(directory, RunSettings.socketFile)
    }
}

struct WatchOptions: ParsableArguments {
    @Flag(help: "Repeat until interrupted.")
    var watch = false

    @Option(help: ArgumentHelp("Seconds between repetitions.", valueName: "seconds"))
    var interval = 2

    func validate() throws {
        guard (1...86_400).contains(interval) else {
            throw ValidationError("--interval must be from 1 to 86400 seconds, not \(interval)")
        }
    }
}

extension CommandConfiguration {
    /// Of a command that an abstract and one line say enough about.
    init(_ abstract: String, example: String) {
        self.init(abstract: abstract, discussion: "EXAMPLE\n  \(example)")
    }
}

/// A call to the admin socket.
struct AdminCall {
    let method: String
    let params: JSONObject

    init(_ method: String, _ params: JSONObject = [:]) {
        self.method = method
        self.params = params
    }
}

/// A command that makes one call and prints its result.
protocol AdminQuery: ParsableCommand {
    var options: AdminOptions { get }
    /// Nil for commands that are not repeated.
    var repetition: WatchOptions? { get }
    func call() throws(Failure) -> AdminCall
    /// Lines for people.
    func lines(_ result: JSONValue) -> [String]
}

/// One that `--watch` repeats.
protocol WatchedQuery: AdminQuery {
    var watching: WatchOptions { get }
}

extension WatchedQuery {
    var repetition: WatchOptions? { watching }
}

extension AdminQuery {
    var repetition: WatchOptions? { nil }

    func run() throws {
        let call = try call()
        let client = try options.client()
        while true {
            let result = try client.call(call.method, call.params)
            let isRepeated = repetition?.watch ?? false
            if options.json {
                Console.print(result)
            } else {
                // Clears the screen, so that the table stands still.
                if isRepeated, Console.isTerminal {
                    Console.write("\u{1b}[H\u{1b}[2J", to: STDOUT_FILENO)
                }
                Console.print(lines(result).joined(separator: "\n"))
            }
            guard isRepeated, let repetition else { return }
            sleep(UInt32(repetition.interval))
        }
    }
}
