package import ChoraleBase
package import Codec
package import Execution

/// What a fixture lacks or has wrong, and where in the file.
package struct FixtureError: Error, Hashable, CustomStringConvertible {
    /// Names and positions from the root of the document.
    package let path: String
    package let problem: String

    package init(path: String, problem: String) {
        self.path = path
        self.problem = problem
    }

    package var description: String { path.isEmpty ? problem : "\(path): \(problem)" }
}

/// A part of a fixture that knows where it stands, for errors that say so.
package struct FixtureValue {
    package let json: JSONValue
    package let path: String

    package init(_ json: JSONValue, path: String = "") {
        self.json = json
        self.path = path
    }

    package func error(_ problem: String) -> FixtureError {
        FixtureError(path: path, problem: problem)
    }

    private func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    // MARK: Members

    package subscript(name: String) -> FixtureValue {
        get throws(FixtureError) {
            guard let member = optional(name) else {
                throw error("`\(name)` is not there")
            }
            return member
        }
    }

    /// A member that may be missing or null.
    package func optional(_ name: String) -> FixtureValue? {
        guard let member = json[name], member != .null else { return nil }
        return FixtureValue(member, path: place(name))
    }

    /// The first of two members that is there.
    package func first(of name: String, _ other: String) throws(FixtureError) -> FixtureValue {
        if let member = optional(name) { return member }
        return try self[other]
    }

    /// Names and values of an object, in the order of the file.
    package var members: [(name: String, value: FixtureValue)] {
        get throws(FixtureError) {
            guard let object = json.object else { throw mismatch("an object") }
            return object.members.map { ($0.name, FixtureValue($0.value, path: place($0.name))) }
        }
    }

    package var array: [FixtureValue] {
        get throws(FixtureError) {
            guard let values = json.array else { throw mismatch("an array") }
            return values.enumerated().map { FixtureValue($1, path: "\(path)[\($0)]") }
        }
    }

    // MARK: Values

    package var string: String {
        get throws(FixtureError) {
            guard let text = json.string else { throw mismatch("a string") }
            return text
        }
    }

    package var bool: Bool {
        get throws(FixtureError) {
            guard let value = json.bool else { throw mismatch("true or false") }
            return value
        }
    }

    /// Bytes in hexadecimal, with or without `0x`.
    package var bytes: [UInt8] {
        get throws(FixtureError) {
            let text = try string
            var bytes: [UInt8] = []
            do throws(Hex.DecodeError) {
                let digits = Array(text.utf8)
                let start = text.hasPrefix("0x") ? 2 : 0
                try Hex.decode(digits.span.extracting(start...), into: &bytes)
            } catch {
                switch error {
                case .oddLength(let count): throw self.error("\(count) hexadecimal digits are odd")
                case .notHexadecimal(let position):
                    throw self.error("character \(position) is no hexadecimal digit")
                }
            }
            return bytes
        }
    }

    /// A number below 2²⁵⁶: hexadecimal behind `0x`, leading zeros allowed, else decimal.
    package var word: UInt256 {
        get throws(FixtureError) {
            if let number = json.uint64 { return UInt256(number) }
            let text = try string
            guard text.hasPrefix("0x") else {
                guard let number = UInt64(text) else { throw error("`\(text)` is no number") }
                return UInt256(number)
            }
            var digits = Array(text.utf8.dropFirst(2).drop { $0 == 0x30 })
            if !digits.count.isMultiple(of: 2) { digits.insert(0x30, at: 0) }
            var bytes: [UInt8] = []
            guard (try? Hex.decode(digits.span, into: &bytes)) != nil,
                let word = UInt256(bigEndian: bytes.span)
            else { throw error("`\(text.prefix(80))` is no number below 2^256") }
            return word
        }
    }

    package var uint64: UInt64 {
        get throws(FixtureError) {
            guard let number = try word.uint64 else { throw error("2^64 or more") }
            return number
        }
    }

    /// 32 bytes.
    package var digest: Bytes32 {
        get throws(FixtureError) {
            let bytes = try bytes
            guard let digest = Bytes32(bytes.span) else {
                throw error("\(bytes.count) bytes instead of 32")
            }
            return digest
        }
    }

    /// 20 bytes.
    package var address: Address {
        get throws(FixtureError) {
            let bytes = try bytes
            guard let address = Address(bytes.span) else {
                throw error("\(bytes.count) bytes instead of 20")
            }
            return address
        }
    }

    private func mismatch(_ wanted: String) -> FixtureError {
        error("\(json.kind) instead of \(wanted)")
    }
}
