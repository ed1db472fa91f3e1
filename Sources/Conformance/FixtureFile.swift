import Codec

/// Files of fixtures: JSON documents, or one document a line, plain or packed with gzip.
package enum FixtureFile {
    /// Bytes of a file when unpacked: the largest official ones have fifteen million.
    package static let sizeMax = 512 << 20

    /// Values that one document may have.
    private static let limits = {
        var limits = JSONValue.Limits()
        limits.valueCountMax = 32 << 20
        return limits
    }()

    /// The text of a file that may be packed.
    package static func text(_ bytes: [UInt8]) throws(FixtureError) -> [UInt8] {
        guard Gzip.isPacked(bytes) else { return bytes }
        do throws(Gzip.DecodeError) {
            return try Gzip.unpacked(bytes, sizeMax: sizeMax)
        } catch {
            throw FixtureError(path: "", problem: "\(error)")
        }
    }

    /// The one document of a file.
    package static func document(_ bytes: [UInt8]) throws(FixtureError) -> FixtureValue {
        FixtureValue(try parsed(try text(bytes), path: ""))
    }

    /// The documents of a file that has one a line. Empty lines are passed over.
    package static func lines(_ bytes: [UInt8]) throws(FixtureError) -> [FixtureValue] {
        var values: [FixtureValue] = []
        for (index, line) in try text(bytes).split(separator: 10).enumerated() {
            let path = "line \(index + 1)"
            values.append(FixtureValue(try parsed(Array(line), path: path), path: path))
        }
        return values
    }

    private static func parsed(
        _ text: [UInt8], path: String
    ) throws(FixtureError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue(parsing: text, limits: limits)
        } catch {
            throw FixtureError(path: path, problem: "not JSON: \(error)")
        }
    }
}
