import Foundation

/// Finds the published test vectors.
///
/// They are data of other projects and not part of this checkout: `$CHORALE_VECTORS` names the
/// folder, by default `../shared/vectors` beside the checkout.
public enum Vectors {
    public static let root: URL? = {
        let environment = ProcessInfo.processInfo.environment["CHORALE_VECTORS"]
        let url =
            environment.map { URL(fileURLWithPath: $0) }
            ?? checkout.deletingLastPathComponent().appendingPathComponent("shared/vectors")
        var isDirectory: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory)
        return exists && isDirectory.boolValue ? url : nil
    }()

    /// Why the vector suites did not run, for a person.
    public static let absence =
        "no test vectors: set CHORALE_VECTORS to their folder (looked in \(expectedPath))"

    private static var expectedPath: String {
        ProcessInfo.processInfo.environment["CHORALE_VECTORS"] ?? "../shared/vectors"
    }

    /// The root of this checkout.
    public static let checkout = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every file below `folder` except its READMEs, as paths relative to the root, sorted.
    public static func files(in folder: String) -> [String] {
        guard let root else { return [] }
        let base = root.appendingPathComponent(folder)
        guard let walker = FileManager.default.enumerator(atPath: base.path) else { return [] }
        var paths: [String] = []
        for case let path as String in walker where !path.hasSuffix("README.md") {
            var isDirectory: ObjCBool = false
            let full = base.appendingPathComponent(path).path
            guard FileManager.default.fileExists(atPath: full, isDirectory: &isDirectory) else {
                continue
            }
            if !isDirectory.boolValue { paths.append("\(folder)/\(path)") }
        }
        return paths.sorted()
    }

    public static func data(_ path: String) throws -> [UInt8] {
        guard let root else { throw Absent() }
        return [UInt8](try Data(contentsOf: root.appendingPathComponent(path)))
    }

    /// A JSON file whose top level is an object.
    public static func json(_ path: String) throws -> JSON {
        JSON(try JSONSerialization.jsonObject(with: Data(try data(path))))
    }

    public struct Absent: Error, CustomStringConvertible {
        public var description: String { Vectors.absence }
    }
}

/// A loosely typed JSON value for reading vectors: a missing member is a thrown error that names it.
public struct JSON {
    public let value: Any

    public init(_ value: Any) { self.value = value }

    public struct Mismatch: Error, CustomStringConvertible { public let description: String }

    public subscript(_ key: String) -> JSON {
        get throws {
            guard let object = value as? [String: Any], let member = object[key] else {
                throw Mismatch(description: "no member `\(key)` in \(keys)")
            }
            return JSON(member)
        }
    }

    public func optional(_ key: String) -> JSON? {
        guard let member = (value as? [String: Any])?[key], !(member is NSNull) else { return nil }
        return JSON(member)
    }

    public var keys: [String] { ((value as? [String: Any])?.keys).map { $0.sorted() } ?? [] }

    public var array: [JSON] {
        get throws {
            guard let array = value as? [Any] else { throw Mismatch(description: "not an array") }
            return array.map(JSON.init)
        }
    }

    public var string: String {
        get throws {
            guard let string = value as? String else {
                throw Mismatch(description: "not a string: \(value)")
            }
            return string
        }
    }

    public var int: Int {
        get throws {
            guard let number = value as? NSNumber else {
                throw Mismatch(description: "not a number: \(value)")
            }
            return number.intValue
        }
    }

    public var uint64: UInt64 {
        get throws {
            if let string = value as? String, let parsed = UInt64(string) { return parsed }
            guard let number = value as? NSNumber else {
                throw Mismatch(description: "not a number: \(value)")
            }
            return number.uint64Value
        }
    }

    public var bool: Bool {
        get throws {
            guard let number = value as? NSNumber else {
                throw Mismatch(description: "not a boolean: \(value)")
            }
            return number.boolValue
        }
    }

    /// A string of hexadecimal digits as bytes.
    public var hex: [UInt8] {
        get throws { try Hexadecimal.decode(try string) }
    }
}

enum Hexadecimal {
    static func decode(_ text: String) throws -> [UInt8] {
        let digits = Array(text.hasPrefix("0x") ? text.dropFirst(2) : text[...])
        guard digits.count.isMultiple(of: 2) else {
            throw JSON.Mismatch(description: "odd number of hexadecimal digits")
        }
        return try stride(from: 0, to: digits.count, by: 2).map { index in
            guard let byte = UInt8(String(digits[index...index + 1]), radix: 16) else {
                throw JSON.Mismatch(description: "not hexadecimal: \(text.prefix(40))")
            }
            return byte
        }
    }
}
