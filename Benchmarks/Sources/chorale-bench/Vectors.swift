import ChoraleBase
import Codec
import Glibc

/// Real proofs and documents that others have published, read where they were collected.
struct Vectors {
    let root: String

    func bytes(_ path: String) throws -> [UInt8] { try Self.contents("\(root)/\(path)") }

    func json(_ path: String) throws -> Vector { Vector(path, try JSONValue(parsing: bytes(path))) }

    /// An entry of a file's list, by its name.
    func entry(_ name: String, of path: String, list: String = "vectors") throws -> Vector {
        let entries = try json(path)[list].array
        guard let found = try entries.first(where: { try $0["name"].string == name }) else {
            throw BenchError("\(path) has no \(name)")
        }
        return found
    }

    static func contents(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "rb") else { throw BenchError("cannot read \(path)") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&block, 1, block.count, file)
            if count == 0 { break }
            bytes += block[..<count]
        }
        return bytes
    }
}

/// A value of a vectors' file: what is missing is an error that says where.
struct Vector {
    let place: String
    let value: JSONValue

    init(_ place: String, _ value: JSONValue) {
        self.place = place
        self.value = value
    }

    subscript(name: String) -> Vector {
        get throws {
            guard let member = value[name] else { throw BenchError("\(place) has no '\(name)'") }
            return Vector("\(place): \(name)", member)
        }
    }

    var array: [Vector] {
        get throws {
            guard let values = value.array else { throw BenchError("\(place) is no array") }
            return values.enumerated().map { Vector("\(place)[\($0)]", $1) }
        }
    }

    var string: String {
        get throws {
            guard let text = value.string else { throw BenchError("\(place) is no string") }
            return text
        }
    }

    /// Of hexadecimal digits.
    var hex: [UInt8] {
        get throws {
            let text = try string
            let digits = Array(text.utf8)[(text.hasPrefix("0x") ? 2 : 0)...].map { digit in
                UInt8(String(UnicodeScalar(digit)), radix: 16)
            }
            guard digits.count.isMultiple(of: 2) else {
                throw BenchError("\(place) has an odd number of digits")
            }
            return try stride(from: 0, to: digits.count, by: 2).map { index in
                guard let high = digits[index], let low = digits[index + 1] else {
                    throw BenchError("\(place) is not hexadecimal")
                }
                return high << 4 | low
            }
        }
    }

    var digest: Bytes32 {
        get throws {
            guard let digest = Bytes32(try hex) else { throw BenchError("\(place) is no digest") }
            return digest
        }
    }

    /// The value as a document of its own.
    var document: [UInt8] { value.encoded }

    /// `2026-02-18T10:58:51Z`.
    var time: WallTime {
        get throws {
            let numbers = try string.split { !$0.isNumber }.compactMap { Int32($0) }
            guard numbers.count == 6 else { throw BenchError("\(place) is no time") }
            var parts = tm()
            parts.tm_year = numbers[0] - 1900
            parts.tm_mon = numbers[1] - 1
            parts.tm_mday = numbers[2]
            parts.tm_hour = numbers[3]
            parts.tm_min = numbers[4]
            parts.tm_sec = numbers[5]
            return WallTime(milliseconds: 1000 * Int64(timegm(&parts)))
        }
    }
}
