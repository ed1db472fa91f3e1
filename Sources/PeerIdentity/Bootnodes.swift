public import Codec

/// A node to join a network through.
public struct Bootnode: Hashable, Sendable {
    public let peerID: PeerID
    /// Where it listens, without peer id, in the order of the text. At least one.
    public var addresses: [Multiaddr]

    public init(peerID: PeerID, addresses: [Multiaddr]) {
        self.peerID = peerID
        self.addresses = addresses
    }
}

/// The bootnodes in a text of any of the formats that operators have:
///
/// | format | example |
/// | --- | --- |
/// | one a line, with comments | `/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…  # frankfurt` |
/// | YAML list (Lighthouse's `boot_enr.yaml`) | `- enr:-Ku4QHqV…` |
/// | lean `nodes.yaml` | `- enr:-IW4Q…` or `enr: "enr:-IW4Q…"` below `- name: …` |
/// | comma list of a flag | `enr:-Ku4…,/dns/boot.example/tcp/4001/p2p/16Uiu2…` |
/// | node record | `enr:-Ku4QHqV…` |
///
/// They may be mixed. What cannot be used is listed with its line, so that an operator sees every
/// mistake at once. `enode://` is such a mistake: it holds no address that libp2p can dial.
///
/// Specification: Chorale, "Node identity and bootnodes".
public struct Bootnodes: Equatable, Sendable {
    /// Each peer once, in the order of first mention.
    public private(set) var nodes: [Bootnode] = []
    public private(set) var failures: [Failure] = []

    /// An entry that is no bootnode.
    public struct Failure: Equatable, Sendable, CustomStringConvertible {
        /// Counted from 1.
        public let line: Int
        /// The start of the entry, at most 60 characters.
        public let entry: String
        public let reason: Reason

        public var description: String { "line \(line): \(reason): `\(entry)`" }
    }

    public enum Reason: Equatable, Sendable {
        case enode
        case record(NodeRecord.RecordError)
        /// A record without TCP or QUIC port: it serves discovery over UDP only.
        case recordWithoutAddress
        case address(Multiaddr.ParseError)
        /// An address that does not end in `/p2p/…`.
        case addressWithoutPeerID
        /// A peer id alone.
        case peerIDWithoutAddress
        /// A file that deploys a network, such as `validator-config.yaml`: its keys are not repeated.
        case privateKey
        case unknownForm
        case tooManyNodes(limit: Int)
        case textTooLarge(size: Int, limit: Int)
    }

    public struct Limits: Equatable, Sendable {
        /// Largest text, in bytes. The largest list in use has a few hundred lines.
        public var textSizeMax = 1 << 20
        /// Peers kept. Joining needs a handful; the rest is found through the DHT.
        public var nodeCountMax = 1024
        /// Addresses kept of one peer, as many as of a peer record.
        public var addressCountMax = 64

        public init() {}
    }

    /// Reads every entry of `text`.
    public static func parse(_ text: String, limits: Limits = Limits()) -> Bootnodes {
        var result = Bootnodes()
        guard text.utf8.count <= limits.textSizeMax else {
            result.failures.append(
                Failure(
                    line: 1, entry: "",
                    reason: .textTooLarge(size: text.utf8.count, limit: limits.textSizeMax)))
            return result
        }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            if holdsPrivateKey(line) {
                result.failures.append(
                    Failure(line: index + 1, entry: "privkey", reason: .privateKey))
                continue
            }
            for entry in entries(of: line) { result.add(entry, line: index + 1, limits: limits) }
        }
        return result
    }

    private mutating func add(_ entry: Substring, line: Int, limits: Limits) {
        do throws(Refusal) {
            try add(try Self.node(entry), limits: limits)
        } catch {
            failures.append(
                Failure(line: line, entry: String(entry.prefix(60)), reason: error.reason))
        }
    }

    private struct Refusal: Error {
        let reason: Reason

        init(_ reason: Reason) { self.reason = reason }
    }

    private mutating func add(_ node: Bootnode, limits: Limits) throws(Refusal) {
        guard let index = nodes.firstIndex(where: { $0.peerID == node.peerID }) else {
            guard nodes.count < limits.nodeCountMax else {
                throw Refusal(.tooManyNodes(limit: limits.nodeCountMax))
            }
            nodes.append(node)
            return
        }
        for address in node.addresses
        where !nodes[index].addresses.contains(address)
            && nodes[index].addresses.count < limits.addressCountMax
        {
            nodes[index].addresses.append(address)
        }
    }

    private static func node(_ entry: Substring) throws(Refusal) -> Bootnode {
        let text = String(entry)
        if text.hasPrefix("/") { return try node(address: text) }
        if text.hasPrefix("enr:") { return try node(record: text) }
        if text.hasPrefix("enode:") { throw Refusal(.enode) }
        throw Refusal(PeerID(text) == nil ? .unknownForm : .peerIDWithoutAddress)
    }

    private static func node(address text: String) throws(Refusal) -> Bootnode {
        let address: Multiaddr
        do throws(Multiaddr.ParseError) {
            address = try Multiaddr(text)
        } catch {
            throw Refusal(.address(error))
        }
        guard let id = address.peerID else { throw Refusal(.addressWithoutPeerID) }
        guard let rest = address.removingPeerID else { throw Refusal(.peerIDWithoutAddress) }
        return Bootnode(peerID: id, addresses: [rest])
    }

    private static func node(record text: String) throws(Refusal) -> Bootnode {
        let record: NodeRecord
        do throws(NodeRecord.RecordError) {
            record = try NodeRecord(text: text)
        } catch {
            throw Refusal(.record(error))
        }
        let addresses = record.multiaddrs
        guard !addresses.isEmpty else { throw Refusal(.recordWithoutAddress) }
        return Bootnode(peerID: record.peerID, addresses: addresses)
    }
}

extension Bootnodes {
    /// The entries of one line: without comment, list mark, mapping key, brackets and quotes.
    private static func entries(of line: Substring) -> [Substring] {
        var rest = trimmed(withoutComment(line))
        if rest == "---" || rest == "..." { return [] }
        while rest == "-" || rest.hasPrefix("- ") { rest = trimmed(rest.dropFirst()) }
        if let value = valueOfMapping(rest) { rest = value }
        return rest.split(separator: ",").map(entry).filter { !$0.isEmpty }
    }

    /// Whoever gives the file with all private keys for the list of bootnodes has the wrong file.
    private static func holdsPrivateKey(_ line: Substring) -> Bool {
        var rest = trimmed(withoutComment(line))
        while rest.hasPrefix("- ") { rest = trimmed(rest.dropFirst()) }
        return rest.hasPrefix("privkey:")
    }

    /// A `#` starts a comment at the start of a line or behind a space, as in YAML and shells.
    private static func withoutComment(_ line: Substring) -> Substring {
        var previous: Character = " "
        for index in line.indices {
            if line[index] == "#", previous.isWhitespace { return line[..<index] }
            previous = line[index]
        }
        return line
    }

    /// The value of `key: value`, or nil when this is no mapping.
    ///
    /// Only `enr`, `multiaddr` and the like lead to bootnodes: values of other keys (`name: …`)
    /// are skipped, and a key without value is a heading.
    private static func valueOfMapping(_ text: Substring) -> Substring? {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let value = text[text.index(after: colon)...]
        // `enr:-Ku4…` and `enode://…` have no space behind their colon.
        guard value.isEmpty || value.first?.isWhitespace == true else { return nil }
        let key = entry(text[..<colon]).lowercased()
        return keys.contains(key) ? trimmed(value) : ""
    }

    private static let keys: Set<String> = [
        "enr", "multiaddr", "multiaddrs", "address", "addresses", "bootnode", "bootnodes", "nodes",
    ]

    /// Without spaces, quotes and the brackets of a YAML or JSON list.
    private static func entry(_ text: Substring) -> Substring {
        var rest = text
        func isWrapping(_ character: Character) -> Bool {
            character.isWhitespace || "\"'[]".contains(character)
        }
        while let first = rest.first, isWrapping(first) { rest.removeFirst() }
        while let last = rest.last, isWrapping(last) { rest.removeLast() }
        return rest
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var rest = text
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }
}

extension Bootnodes.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .enode:
            "enode:// names a devp2p node; use its enr: record, or /ip4/…/tcp/…/p2p/<peer id>"
        case .record(let error): "not a valid node record (\(error))"
        case .recordWithoutAddress:
            "the record has no address with a tcp or quic port, only discovery"
        case .address(let error): "not a valid multiaddr (\(error))"
        case .addressWithoutPeerID: "the address must end in /p2p/<peer id>"
        case .peerIDWithoutAddress: "a peer id needs an address before it: /ip4/…/tcp/…/p2p/<id>"
        case .privateKey:
            "this file holds private keys and no bootnodes; give nodes.yaml or bootnodes.txt"
        case .unknownForm: "neither a multiaddr nor an enr: record"
        case .tooManyNodes(let limit): "more than \(limit) bootnodes"
        case .textTooLarge(let size, let limit): "\(size) bytes are more than \(limit)"
        }
    }
}
