import ChoraleBase
import Codec
import JSONRPC
import PeerIdentity

/// The parameters of one call, by name or by position, and how they become values.
///
/// Each accessor throws an error that names the field, what was given and what is expected.
struct RPCParameters: Sendable {
    private let names: [String]
    private let values: [JSONValue?]

    /// - Parameter names: all that the method takes, in the order of positions.
    init(_ params: JSONValue?, names: [String]) throws(RPCError) {
        self.names = names
        var values = [JSONValue?](repeating: nil, count: names.count)
        switch params {
        case .array(let positional)?:
            guard positional.count <= names.count else {
                let list = names.isEmpty ? "none" : names.joined(separator: ", ")
                throw .parameters(
                    "\(positional.count) parameters were given and the method takes "
                        + "\(names.count): \(list)")
            }
            for (index, value) in positional.enumerated() where value != .null {
                values[index] = value
            }
        case .object(let object)?:
            for member in object.members {
                guard let index = names.firstIndex(of: member.name) else {
                    throw Self.unknown(member.name, names)
                }
                if member.value != .null { values[index] = member.value }
            }
        default: break
        }
        self.values = values
    }

    private static func unknown(_ name: String, _ names: [String]) -> RPCError {
        let hint =
            if let nearest = NearestName.of(name, among: names) {
                "did you mean `\(nearest)`?"
            } else if names.isEmpty {
                "the method takes none"
            } else {
                "the method takes \(names.joined(separator: ", "))"
            }
        return .parameters("no parameter is called `\(name.prefix(64))`; \(hint)")
    }

    subscript(name: String) -> JSONValue? {
        guard let index = names.firstIndex(of: name) else {
            preconditionFailure("a method reads the parameters that it lists")
        }
        return values[index]
    }

    // MARK: Values

    func optionalString(_ name: String, sizeMax: Int = 4096) throws(RPCError) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string, text.utf8.count <= sizeMax, !text.isEmpty else {
            throw .parameter(name, value, expected: "a string of 1 to \(sizeMax) bytes")
        }
        return text
    }

    func string(_ name: String, sizeMax: Int = 4096) throws(RPCError) -> String {
        guard let text = try optionalString(name, sizeMax: sizeMax) else {
            throw .parameter(name, nil, expected: "a string of 1 to \(sizeMax) bytes")
        }
        return text
    }

    func integer(
        _ name: String, in range: ClosedRange<Int>, default fallback: Int
    ) throws(RPCError) -> Int {
        guard let value = self[name] else { return fallback }
        guard let integer = value.int, range.contains(integer) else {
            throw .parameter(
                name, value,
                expected: "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    func address(_ name: String) throws(RPCError) -> Multiaddr {
        let text = try string(name)
        do throws(Multiaddr.ParseError) {
            return try Multiaddr(text)
        } catch {
            throw .parameter(
                name, .string(text),
                expected: "a multiaddr like /ip4/192.0.2.7/tcp/4001/p2p/<peer id> (\(error))")
        }
    }

    /// A peer id, or an address that ends in one.
    func peer(_ name: String) throws(RPCError) -> PeerID {
        let text = try string(name)
        if let peer = PeerID(text) { return peer }
        if text.hasPrefix("/"), let address = try? Multiaddr(text), let peer = address.peerID {
            return peer
        }
        throw .parameter(name, .string(text), expected: "a peer id, such as 12D3KooW…")
    }

    func root(_ name: String) throws(RPCError) -> Bytes32 {
        let text = try string(name)
        guard let bytes = Self.hex(text), let root = Bytes32(bytes) else {
            throw .parameter(name, .string(text), expected: "32 bytes in hex, with or without 0x")
        }
        return root
    }

    /// Content in exactly one of `hex`, `base64` and `text`.
    func content(sizeMax: Int) throws(RPCError) -> [UInt8]? {
        var found: [UInt8]?
        for name in ["hex", "base64", "text"] where names.contains(name) {
            guard let value = self[name] else { continue }
            guard found == nil else {
                throw .parameters("give one of `hex`, `base64` and `text`, not several")
            }
            guard let text = value.string else {
                throw .parameter(name, value, expected: "a string")
            }
            let bytes: [UInt8]? =
                switch name {
                case "hex": Self.hex(text)
                case "base64": Base64.decode(text)
                default: Array(text.utf8)
                }
            guard let bytes else {
                throw .parameter(name, value, expected: "bytes in \(name)")
            }
            guard bytes.count <= sizeMax else {
                throw .parameter(
                    name, .string("\(bytes.count) bytes"), expected: "at most \(sizeMax) bytes")
            }
            found = bytes
        }
        return found
    }

    /// A DHT key: `0x…` are its bytes, anything else is text, such as `/pk/…`.
    func key(_ name: String) throws(RPCError) -> [UInt8] {
        let text = try string(name)
        guard text.hasPrefix("0x") else { return Array(text.utf8) }
        guard let bytes = Self.hex(text), !bytes.isEmpty else {
            throw .parameter(name, .string(text), expected: "a key as text, or as 0x and hex")
        }
        return bytes
    }

    /// What provider records are kept under: the multihash of a CID, or `0x…` bytes.
    func contentKey(_ name: String) throws(RPCError) -> [UInt8] {
        let text = try string(name)
        if text.hasPrefix("0x"), let bytes = Self.hex(text), !bytes.isEmpty { return bytes }
        do throws(CID.DecodeError) {
            return try CID(text).multihash.bytes
        } catch {
            throw .parameter(
                name, .string(text), expected: "a CID, such as bafy…, or 0x and a multihash in hex")
        }
    }

    /// `0x` in front is allowed.
    static func hex(_ text: String) -> [UInt8]? {
        try? Hex.decode(text)
    }
}
