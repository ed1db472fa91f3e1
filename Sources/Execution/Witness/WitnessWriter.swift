/// A client that writes, or wrote, witnesses with a deviation.
///
/// What is said here was read in the clients' public repositories between June 2024 and September 2026;
/// clients change, so each entry says when, and where it can be read.
public struct WitnessWriter: Hashable, Sendable, CustomStringConvertible {
    public var client: String
    /// Versions, modes or dates.
    public var when: String
    /// Pull request, issue or document.
    public var source: String

    init(_ client: String, _ when: String, _ source: String) {
        self.client = client
        self.when = when
        self.source = source
    }

    public var description: String { "\(client), \(when) (\(source))" }
}

extension WitnessDeviation {
    /// Who writes it so, as far as it is known. Empty when nobody is known to.
    public var writers: [WitnessWriter] {
        switch self {
        case .threeLists:
            [
                .draft,
                .init("geth", "2024 and 2025, before there were keys", "go-ethereum 32216"),
            ]
        case .keys:
            [
                .init("reth", "addresses and slots", "execution-apis 845"),
                .init("Nethermind", "since witness generation, 2026", "nethermind 9949"),
                .init("Erigon", "July 2026", "execution-apis 845"),
                .init("Nimbus", "each address before its slots", "nimbus-eth1 3487"),
            ]
        case .keysNull:
            [
                .init("geth", "August 2026", "go-ethereum 35606"),
                .init("Erigon", "second half of May 2026", "erigon 21224, 21532"),
            ]
        case .headersAsObjects:
            [
                .init("geth", "debug_executionWitness, August 2026", "go-ethereum 35606"),
                .init("Erigon", "second half of May 2026", "erigon 21224, 21543"),
            ]
        case .map(_, .byHash):
            [.init("reth", "until hashes were left out in 2025", "reth 14503, alloy 1293")]
        case .headersNewestFirst:
            [
                .draft, .init("geth", "2024 and 2025", "go-ethereum core/stateless/witness.go"),
                .init("Erigon", "until May 2026", "erigon 21532"),
            ]
        case .unsorted(let entries) where entries.part != .headers:
            [
                .init("reth", "legacy mode, the default in April 2026", "reth 22289"),
                .init("geth", "2024 and 2025: order of a Go map", "go-ethereum core/stateless"),
                .init("Nimbus", "until April 2026", "nimbus-eth1 4141"),
            ]
        case .empty(let entries) where entries.part == .codes:
            [
                .init("reth", "legacy mode", "reth 22289"),
                .init("Erigon", "legacy mode", "erigon 21661"),
            ]
        case .emptyNode, .unusedStorageRoots: [.init("reth", "legacy mode", "reth 22289")]
        case .createdCodes:
            [
                .init("geth", "July 2026", "execution-apis 845"),
                .init("reth", "legacy mode", "reth 11673, 22289"),
                .init("Erigon", "until May 2026", "erigon 21518"),
            ]
        case .unused(let entries) where entries.part == .nodes:
            [.init("Erigon", "May 2026: up to 18 nodes beside collapses", "erigon 21312, 21491")]
        case .missingNode(_, _, .account):
            [.init("geth", "until June 2026: accounts that do not exist", "go-ethereum 35256")]
        case .missingNode(_, _, .storage):
            [.init("Erigon", "2026: slots that do not exist", "erigon 21810")]
        case .missingNode(_, _, .change):
            [.init("Erigon", "until June 2026: neighbours of collapses", "erigon 21892")]
        default: []
        }
    }
}

extension WitnessWriter {
    static let draft = WitnessWriter("the first draft", "June 2024", "execution-apis 557")
}
