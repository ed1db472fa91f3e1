import ChoraleBase
import Codec
import Execution
import JSONRPC

/// A parameter of an engine call, or a part of one, with the name that an error gives it.
///
/// Specification: Ethereum execution APIs, "Encoding": `QUANTITY` and `DATA`.
struct EngineValue {
    let json: JSONValue
    let name: String

    init(_ json: JSONValue, name: String) {
        self.json = json
        self.name = name
    }

    subscript(member: String) -> EngineValue {
        get throws(RPCError) {
            guard let found = optional(member) else {
                throw .parameter("\(name).\(member)", nil, expected: "a member of the payload")
            }
            return found
        }
    }

    /// A member that may be missing or null.
    func optional(_ member: String) -> EngineValue? {
        guard let value = json[member], value != .null else { return nil }
        return EngineValue(value, name: "\(name).\(member)")
    }

    var array: [EngineValue] {
        get throws(RPCError) {
            guard let values = json.array else { throw mismatch("an array") }
            return values.enumerated().map { EngineValue($1, name: "\(name)[\($0)]") }
        }
    }

    /// `DATA`: any number of bytes.
    var bytes: [UInt8] {
        get throws(RPCError) {
            let expected = "bytes as 0x and an even number of hexadecimal digits"
            guard let text = json.string, text.hasPrefix("0x") else { throw mismatch(expected) }
            var bytes: [UInt8] = []
            let digits = Array(text.utf8)
            guard (try? Hex.decode(digits.span.extracting(2...), into: &bytes)) != nil else {
                throw mismatch(expected)
            }
            return bytes
        }
    }

    /// `DATA` of 32 bytes.
    var digest: Bytes32 {
        get throws(RPCError) {
            let bytes = try bytes
            guard let digest = Bytes32(bytes.span) else { throw mismatch("32 bytes") }
            return digest
        }
    }

    /// `DATA` of 20 bytes.
    var address: Address {
        get throws(RPCError) {
            let bytes = try bytes
            guard let address = Address(bytes.span) else { throw mismatch("20 bytes") }
            return address
        }
    }

    /// `QUANTITY` below 2²⁵⁶. Leading zeros are let pass, as other clients do.
    var word: UInt256 {
        get throws(RPCError) {
            let expected = "a number as 0x and 1 to 64 hexadecimal digits"
            guard let text = json.string, text.hasPrefix("0x"), (3...66).contains(text.utf8.count)
            else { throw mismatch(expected) }
            var digits = Array(text.utf8.dropFirst(2))
            if !digits.count.isMultiple(of: 2) { digits.insert(0x30, at: 0) }
            var bytes: [UInt8] = []
            guard (try? Hex.decode(digits.span, into: &bytes)) != nil,
                let word = UInt256(bigEndian: bytes.span)
            else { throw mismatch(expected) }
            return word
        }
    }

    /// `QUANTITY` of 64 bits.
    var uint64: UInt64 {
        get throws(RPCError) {
            guard let number = try word.uint64 else { throw mismatch("a number below 2^64") }
            return number
        }
    }

    func mismatch(_ expected: String) -> RPCError {
        .parameter(name, json, expected: expected)
    }
}
