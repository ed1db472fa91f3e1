import Admin
import ArgumentParser
import Codec

extension AdminCommand {
    struct Validations: WatchedQuery {
        static let configuration = CommandConfiguration(
            "What other implementations said of blocks, the last ones or those of one height.",
            example: "chorale admin validations --data-dir node 1234")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions
        @Argument(help: "A height. (default: the last 16)") var height: UInt64?

        func call() throws(Failure) -> AdminCall {
            guard let height else { return AdminCall("chorale_validations") }
            return AdminCall("chorale_validations", ["height": JSONValue(height)])
        }

        func lines(_ result: JSONValue) -> [String] {
            let reports = result.array ?? []
            guard !reports.isEmpty else {
                return ["nobody was asked: see --cross-validate of `chorale run`"]
            }
            guard height == nil else { return reports.flatMap(Self.details) }
            var table = Table("HEIGHT", "BLOCK", "DECISION", "AGREE", "DISAGREE", "SILENT", "SAID")
            for report in reports {
                let said = (report["answers"]?.array ?? []).map { answer in
                    "\(answer.text(of: "family")) \(answer.text(of: "outcome"))"
                }
                table.add(
                    report.text(of: "blockNumber"),
                    String(report.text(of: "blockHash").prefix(12)), report.text(of: "decision"),
                    report.text(of: "agree"), report.text(of: "disagree"),
                    report.text(of: "silent"), said.joined(separator: ", "))
            }
            return table.lines
        }

        /// A block with every answer.
        private static func details(_ report: JSONValue) -> [String] {
            var table = Table(
                "block", "\(report.text(of: "blockNumber"))  \(report.text(of: "blockHash"))")
            table.add("state root", report.text(of: "stateRoot"))
            table.add("receipts root", report.text(of: "receiptsRoot"))
            table.add(
                "decision",
                "\(report.text(of: "decision")): \(report.text(of: "agree")) agree, this one "
                    + "counted, \(report.text(of: "disagree")) disagree, "
                    + "\(report.text(of: "silent")) silent")
            for answer in report["answers"]?.array ?? [] {
                let detail = answer["detail"]?.string.map { ": \($0)" } ?? ""
                let seconds = Human.milliseconds((answer["seconds"]?.double ?? 0) * 1000)
                table.add(
                    answer.text(of: "family"),
                    "\(answer.text(of: "outcome"))\(detail) (\(seconds), "
                        + "\(answer.text(of: "verifier")))")
            }
            if let incident = report["incident"]?.string { table.add("kept in", incident) }
            if let failure = report["incidentFailure"]?.string { table.add("not kept", failure) }
            return table.lines + [""]
        }
    }
}
