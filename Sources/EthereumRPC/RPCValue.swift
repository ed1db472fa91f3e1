import ChoraleBase
import Codec
import Execution
import JSONRPC

/// A parameter, or a part of one, with the name that an error gives it.
///
/// Specification: Ethereum execution APIs, "Encoding". As strict as geth: quantities have no leading zeros,
/// data has an even number of digits, and both begin with `0x`.
struct RPCValue {
    let json: JSONValue
    let name: String

    init(_ json: JSONValue, name: String) {
        self.json = json
        self.name = name
    }

    /// A member that may be missing or null.
    subscript(member: String) -> RPCValue? {
        guard let value = json[member], value != .null else { return nil }
        return RPCValue(value, name: "\(name).\(member)")
    }

    func mismatch(_ expected: String) -> RPCError {
        .parameter(name, json, expected: expected)
    }

    func object() throws(RPCError) -> JSONObject {
        guard let object = json.object else { throw mismatch("an object") }
        return object
    }

    func array(countMax: Int? = nil) throws(RPCError) -> [RPCValue] {
        guard let values = json.array else { throw mismatch("an array") }
        if let countMax, values.count > countMax {
            throw .parameters("`\(name)` has \(values.count) entries, more than \(countMax)")
        }
        return values.enumerated().map { RPCValue($1, name: "\(name)[\($0)]") }
    }

    func bool() throws(RPCError) -> Bool {
        guard let value = json.bool else { throw mismatch("true or false") }
        return value
    }

    private func digits(_ expected: String) throws(RPCError) -> Substring.UTF8View {
        guard let text = json.string, text.hasPrefix("0x") || text.hasPrefix("0X") else {
            throw mismatch(expected)
        }
        return text.dropFirst(2).utf8
    }

    // MARK: Data

    /// Any number of bytes.
    func bytes() throws(RPCError) -> [UInt8] {
        let expected = "bytes as 0x and an even number of hexadecimal digits"
        var bytes: [UInt8] = []
        let digits = Array(try digits(expected))
        guard (try? Hex.decode(digits.span, into: &bytes)) != nil else {
            throw mismatch(expected)
        }
        return bytes
    }

    func digest() throws(RPCError) -> Bytes32 {
        let bytes = try bytes()
        guard let digest = Bytes32(bytes.span) else { throw mismatch("32 bytes") }
        return digest
    }

    func address() throws(RPCError) -> Address {
        let bytes = try bytes()
        guard let address = Address(bytes.span) else { throw mismatch("20 bytes") }
        return address
    }

    // MARK: Quantities

    /// Below 2²⁵⁶.
    func word() throws(RPCError) -> UInt256 {
        let expected = "a number as 0x and 1 to 64 hexadecimal digits without leading zeros"
        var digits = Array(try digits(expected))
        guard (1...64).contains(digits.count), digits.count == 1 || digits[0] != 0x30 else {
            throw mismatch(expected)
        }
        if !digits.count.isMultiple(of: 2) { digits.insert(0x30, at: 0) }
        var bytes: [UInt8] = []
        guard (try? Hex.decode(digits.span, into: &bytes)) != nil,
            let word = UInt256(bigEndian: bytes.span)
        else { throw mismatch(expected) }
        return word
    }

    /// Below 2⁶⁴.
    func number() throws(RPCError) -> UInt64 {
        guard let number = try word().uint64 else { throw mismatch("a number below 2^64") }
        return number
    }

    /// A slot of a storage: up to 32 bytes, with any number of digits, as geth takes it here.
    func slot() throws(RPCError) -> UInt256 {
        let expected = "a slot as 0x and up to 64 hexadecimal digits"
        var digits = Array(try digits(expected))
        guard digits.count <= 64 else { throw mismatch(expected) }
        if !digits.count.isMultiple(of: 2) { digits.insert(0x30, at: 0) }
        var bytes: [UInt8] = []
        guard (try? Hex.decode(digits.span, into: &bytes)) != nil,
            let word = UInt256(bigEndian: bytes.span)
        else { throw mismatch(expected) }
        return word
    }
}

/// Parameters by their position.
struct RPCParameters {
    private let values: [JSONValue]
    private let names: [String]

    /// - Parameter names: of those that the method takes, in order.
    init(_ params: JSONValue?, _ names: [String]) throws(RPCError) {
        switch params {
        case nil: values = []
        case .array(let values)?: self.values = values
        default: throw .parameters("parameters are given by position, in an array")
        }
        self.names = names
        guard values.count <= names.count else {
            throw .parameters("too many arguments, want at most \(names.count)")
        }
    }

    /// The parameter at a position; nil when it is missing or null.
    func optional(_ index: Int) -> RPCValue? {
        guard index < values.count, values[index] != .null else { return nil }
        return RPCValue(values[index], name: names[index])
    }

    func required(_ index: Int) throws(RPCError) -> RPCValue {
        guard let value = optional(index) else {
            throw RPCError(
                code: -32602,
                message: "missing value for required argument \(index): `\(names[index])`")
        }
        return value
    }
}

// MARK: Answers

extension JSONValue {
    static func quantity(_ value: UInt64) -> JSONValue { .string("0x" + String(value, radix: 16)) }

    static func quantity(_ value: Int) -> JSONValue { .string("0x" + String(value, radix: 16)) }

    static func quantity(_ value: UInt256) -> JSONValue { .string("\(value)") }

    static func data(_ bytes: [UInt8]) -> JSONValue { .string("0x" + Hex.encode(bytes)) }

    static func data(_ digest: Bytes32) -> JSONValue { .string("0x\(digest)") }

    /// In lower case: checksums are for people.
    static func data(_ address: Address) -> JSONValue { .string("\(address)") }
}
