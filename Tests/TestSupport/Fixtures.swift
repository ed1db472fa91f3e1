import Foundation

/// Finds Ethereum's execution fixtures.
///
/// Data of other projects like ``Vectors``: `$CHORALE_EVM_FIXTURES` names the folder, by default
/// `../shared/evm` beside the checkout.
public enum Fixtures {
    public static let root: URL? = {
        let named = ProcessInfo.processInfo.environment["CHORALE_EVM_FIXTURES"]
        let url =
            named.map { URL(fileURLWithPath: $0) }
            ?? Vectors.checkout.deletingLastPathComponent().appendingPathComponent("shared/evm")
        return FileManager.default.fileExists(atPath: url.path) ? url : nil
    }()

    public static let absence =
        "no EVM fixtures: set CHORALE_EVM_FIXTURES to their folder (default ../shared/evm)"

    /// A file as it is.
    public static func data(_ path: String) throws -> [UInt8] {
        guard let root else { throw Absent() }
        return [UInt8](try Data(contentsOf: root.appendingPathComponent(path)))
    }

    /// A JSON file; one whose name ends in `.gz` is unpacked on the way.
    public static func json(_ path: String) throws -> JSON {
        guard let root else { throw Absent() }
        let url = root.appendingPathComponent(path)
        let data = path.hasSuffix(".gz") ? try unpacked(url) : try Data(contentsOf: url)
        return JSON(try JSONSerialization.jsonObject(with: data))
    }

    /// The lines of a packed file, each a JSON value.
    public static func lines(_ path: String) throws -> [JSON] {
        guard let root else { throw Absent() }
        return try unpacked(root.appendingPathComponent(path)).split(separator: 10).map {
            JSON(try JSONSerialization.jsonObject(with: Data($0)))
        }
    }

    /// The files of a folder, sorted, as paths for ``json(_:)``.
    public static func files(in folder: String) -> [String] {
        guard let root else { return [] }
        let path = root.appendingPathComponent(folder).path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.filter { $0.contains(".json") }.sorted().map { "\(folder)/\($0)" }
    }

    private static func unpacked(_ url: URL) throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc", url.path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw NotGzip(path: url.path) }
        return data
    }

    public struct Absent: Error, CustomStringConvertible {
        public var description: String { Fixtures.absence }
    }

    public struct NotGzip: Error, CustomStringConvertible {
        let path: String
        public var description: String { "gzip could not unpack \(path)" }
    }
}
