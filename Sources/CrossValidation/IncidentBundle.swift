import ChoraleBase
import Codec
import Execution
import Glibc

/// Why an incident was not kept.
struct IncidentError: Error, CustomStringConvertible {
    let description: String
}

/// `incident/<block hash>/`: everything that is needed to find out later who was right.
///
/// `case.json` has the block as it came, its witness and what the host computed; `chorale witness execute
/// case.json` executes it again. `block.rlp` and `witness.rlp` are the same for other tools; `report.json`
/// says who said what, `answer-….json` has the words.
enum IncidentBundle {
    /// - Parameters:
    ///   - directory: where incidents are, made if it is not there.
    ///   - countMax: incidents that are kept; whoever sends bad blocks fills no disk.
    /// - Returns: where it is. One that is there already is left as it is.
    static func write(
        _ report: CrossValidationReport, _ item: CrossValidationCase, in directory: String,
        countMax: Int
    ) throws(IncidentError) -> String {
        let path = "\(directory)/\(report.blockHash)"
        if access(path, F_OK) == 0 { return path }
        try makeDirectory(directory)
        let count = entryCount(directory)
        guard count < countMax else {
            throw IncidentError(
                description: "\(directory) has \(count) incidents already, which is the limit")
        }
        // Under another name until it is whole.
        let draft = "\(directory)/.\(report.blockHash).new"
        var names: [String] = []
        func put(_ name: String, _ bytes: [UInt8]) throws(IncidentError) {
            names.append(name)
            try create("\(draft)/\(name)", bytes)
        }
        try makeDirectory(draft)
        do throws(IncidentError) {
            var record = item.json(of: item.block)
            record["expect"] = .object([
                "status": .string("VALID"),
                "stateRoot": .string("0x\(item.expected.stateRoot)"),
                "receiptsRoot": .string("0x\(item.expected.receiptsRoot)"),
                "gasUsed": JSONValue(item.expected.gasUsed),
            ])
            try put("case.json", JSONValue.object(record).encoded)
            try put("block.rlp", item.block.encoded)
            try put("witness.rlp", item.witness.rlp())
            try put("report.json", report.json.encoded)
            for (index, answer) in report.answers.enumerated() {
                try put("answer-\(index)-\(answer.verifier.family).json", answer.bytes)
            }
            guard rename(draft, path) == 0 else { throw failure("rename", draft) }
        } catch {
            for name in names { unlink("\(draft)/\(name)") }
            rmdir(draft)
            throw error
        }
        return path
    }

    private static func failure(_ verb: String, _ path: String) -> IncidentError {
        IncidentError(description: "cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }

    private static func makeDirectory(_ path: String) throws(IncidentError) {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw failure("make", path) }
    }

    private static func entryCount(_ directory: String) -> Int {
        guard let stream = opendir(directory) else { return 0 }
        defer { closedir(stream) }
        var count = 0
        while let entry = readdir(stream) {
            // Neither `.` and `..` nor what is not whole.
            if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
        }
        return count
    }

    private static func create(_ path: String, _ bytes: [UInt8]) throws(IncidentError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure("create", path) }
        defer { close(file) }
        var sent = 0
        while sent < bytes.count {
            let size = bytes.withUnsafeBytes { buffer in
                Glibc.write(file, buffer.baseAddress.map { $0 + sent }, buffer.count - sent)
            }
            if size < 0, errno == EINTR { continue }
            guard size > 0 else { throw failure("write", path) }
            sent += size
        }
    }
}
