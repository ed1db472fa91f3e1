import Admin
import ArgumentParser
import ChoraleBase
import Codec
import Node
import PeerIdentity

struct PingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping",
        abstract: "Measure round trips to a peer, from a node that exists only for this.",
        discussion: "EXAMPLE\n  chorale ping /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW… -c 3")

    @Argument(help: "A multiaddr; with /p2p/<peer id> at its end, that peer must answer.")
    var address: String

    @Option(name: [.customShort("c"), .long], help: "How many round trips.")
    var count = 4

    @Flag(help: "Print JSON, one object a line: each round trip, then the summary.")
    var json = false

    func validate() throws {
        guard (1...10_000).contains(count) else {
            throw ValidationError("--count must be from 1 to 10000, not \(count)")
        }
    }

    func run() throws {
        let address = try parsedAddress(address)
        var times: [Double] = []
        var peerID: PeerID?
        try LocalNode.perform(.ping(address, count: count), patience: .seconds(30)) {
            reply throws(Failure) in
            guard case .pinged(let sequence, let peer, let roundTrip) = reply else { return }
            let milliseconds = Double(roundTrip.wholeNanoseconds) / 1e6
            times.append(milliseconds)
            peerID = peer
            if json {
                Console.print(
                    .object([
                        "sequence": JSONValue(sequence), "peer": .string("\(peer)"),
                        "roundTripMs": .number(milliseconds),
                    ]))
            } else {
                Console.print("\(peer)  seq \(sequence)  \(thousandths(milliseconds)) ms")
            }
        }
        let sum = times.reduce(0, +)
        let least = times.min() ?? 0
        let most = times.max() ?? 0
        let mean = times.isEmpty ? 0 : sum / Double(times.count)
        if json {
            Console.print(
                .object([
                    "peer": JSONValue(peerID?.description), "count": JSONValue(times.count),
                    "minMs": .number(least), "meanMs": .number(mean), "maxMs": .number(most),
                ]))
        } else {
            Console.print(
                "\(times.count) round trips: min \(thousandths(least)), mean \(thousandths(mean)), "
                    + "max \(thousandths(most)) ms")
        }
    }
}

struct PerfCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perf",
        abstract: "Measure throughput to a peer over /libp2p/perf/1.0.0.",
        discussion:
            "EXAMPLE\n  chorale perf /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW… --download 1000000000")

    @Argument(help: "A multiaddr; with /p2p/<peer id> at its end, that peer must answer.")
    var address: String

    @Option(help: ArgumentHelp("Bytes to send.", valueName: "bytes"))
    var upload: UInt64 = 0

    @Option(help: ArgumentHelp("Bytes to receive.", valueName: "bytes"))
    var download: UInt64 = 0

    @Option(help: ArgumentHelp("Give up after so long.", valueName: "seconds"))
    var timeout = 300

    @Flag(help: "Print JSON instead of text.")
    var json = false

    func validate() throws {
        guard upload > 0 || download > 0 else {
            throw ValidationError("give --upload, --download or both, in bytes")
        }
        guard upload <= 1 << 40, download <= 1 << 40 else {
            throw ValidationError("--upload and --download are at most \(1 << 40) bytes")
        }
        guard (1...86_400).contains(timeout) else {
            throw ValidationError("--timeout must be from 1 to 86400 seconds, not \(timeout)")
        }
    }

    func run() throws {
        let address = try parsedAddress(address)
        try LocalNode.perform(
            .perf(address, upload: upload, download: download), patience: .seconds(timeout)
        ) { reply throws(Failure) in
            guard case .perf(let info) = reply else { return }
            let upSeconds = Double(info.uploadTime.wholeNanoseconds) / 1e9
            let downSeconds = Double(info.downloadTime.wholeNanoseconds) / 1e9
            let rate = { (bytes: UInt64, seconds: Double) in
                seconds > 0 ? Double(bytes) / seconds : 0
            }
            if json {
                Console.print(
                    .object([
                        "uploaded": JSONValue(info.uploaded), "uploadSeconds": .number(upSeconds),
                        "uploadBytesPerSecond": .number(rate(info.uploaded, upSeconds)),
                        "downloaded": JSONValue(info.downloaded),
                        "downloadSeconds": .number(downSeconds),
                        "downloadBytesPerSecond": .number(rate(info.downloaded, downSeconds)),
                    ]))
            } else {
                var table = Table("", "BYTES", "TIME", "RATE")
                for (name, bytes, seconds) in [
                    ("upload", info.uploaded, upSeconds),
                    ("download", info.downloaded, downSeconds),
                ] where bytes > 0 {
                    table.add(
                        name, "\(bytes)", "\(thousandths(seconds)) s",
                        "\(Human.decimal(rate(bytes, seconds) / 1e6)) MB/s")
                }
                Console.print(table.lines.joined(separator: "\n"))
            }
        }
    }
}

private func parsedAddress(_ text: String) throws(Failure) -> Multiaddr {
    let example = "like /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW…"
    let address: Multiaddr
    do throws(Multiaddr.ParseError) {
        address = try Multiaddr(text)
    } catch {
        throw .usage("`\(text)` is not a multiaddr, \(example): \(error)")
    }
    guard address.tcpEndpoint != nil || address.dnsaddrName != nil else {
        throw .usage("`\(text)` has no TCP port to dial, \(example)")
    }
    return address
}

private func thousandths(_ value: Double) -> String {
    "\((value * 1000).rounded() / 1000)"
}
