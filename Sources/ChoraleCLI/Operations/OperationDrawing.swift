import Codec
import ProofSystems

/// Operations as people read them, from what the admin socket answers.
enum OperationDrawing {
    static func list(_ operations: JSONValue) -> [String] {
        var table = Table(
            "OPERATION", "KIND", "STATUS", "BLOCK", "UNTIL", "FEE", "PROGRESS", "PARTS")
        for operation in operations.array ?? [] {
            let commitment = operation["commitment"]
            let parts = commitment?["partCount"]?.int.flatMap { count in
                count == 0 ? nil : "\(commitment?["partsCertified"]?.int ?? 0)/\(count)"
            }
            table.add(
                operation.text(of: "operation"), kind(operation), operation.text(of: "status"),
                operation.text(of: "requestedAt"), operation.text(of: "expiry"),
                wei(operation["fee"]), progress(operation), parts ?? "-")
        }
        return table.lines
    }

    static func details(_ operation: JSONValue) -> [String] {
        var table = Table("operation", operation.text(of: "operation"))
        table.add("kind", kind(operation))
        table.add(
            "requested",
            "in block \(operation.text(of: "requestedAt")) by \(operation.text(of: "requester"))")
        table.add("fee", "\(wei(operation["fee"])) at most")
        table.add("status", status(operation))
        for (rank, candidate) in (operation["executors"]?.array ?? []).enumerated() {
            let refused = candidate["isRefused"] == .bool(true) ? ", refused" : ""
            table.add(
                rank == 0 ? "executor" : "standby \(rank)",
                "\(candidate.text(of: "key")) from block \(candidate.text(of: "turn"))\(refused)")
        }
        table.add("progress", progress(operation))
        guard let commitment = operation["commitment"], commitment != .null else {
            return table.lines
        }
        table.add(
            "committed",
            "in block \(commitment.text(of: "height")) by \(commitment.text(of: "executor"))")
        table.add("price", wei(commitment["price"]))
        table.add(
            "output",
            "\(Human.bytes(commitment["outputSize"]?.uint64 ?? 0)), hash "
                + commitment.text(of: "outputHash"))
        table.add("output body", commitment.text(of: "outputRoot"))
        table.add("confirmation", operation.text(of: "confirmation"))
        if let committee = operation["committee"], committee != .null {
            add(committee, to: &table)
        }
        let parts = commitment["parts"]?.array ?? []
        return parts.isEmpty ? table.lines : table.lines + [""] + self.parts(parts).lines
    }

    private static func add(_ committee: JSONValue, to table: inout Table) {
        table.add(
            "committee",
            "\(committee.text(of: "votes")) of \(committee.text(of: "asked")) heard "
                + "(\(committee.text(of: "tranche")))")
        if committee["outputHash"] ?? .null != .null {
            table.add(
                "certified",
                "\(committee.text(of: "outputHash")), by \(committee.text(of: "certifiedBy"))")
        }
        if committee["ownOutputHash"] ?? .null != .null {
            table.add("ours", committee.text(of: "ownOutputHash"))
        }
    }

    private static func parts(_ parts: [JSONValue]) -> Table {
        var table = Table(
            "PART", "PROOF", "SIZE", "TRANCHE", "VOTES", "CERTIFIED", "VERDICT", "OURS", "LEVEL",
            "ON CHAIN")
        for part in parts {
            let contested = part["isContested"] == .bool(true) ? ", contested" : ""
            table.add(
                part.text(of: "part"), proofType(part), Human.bytes(part["proofSize"]?.uint64 ?? 0),
                part.text(of: "tranche"), "\(part.text(of: "votes"))/\(part.text(of: "asked"))",
                yes(part["isCertified"]), part.text(of: "verdict") + contested,
                part.text(of: "ownVerdict"), part.text(of: "level"), yes(part["isOnChain"]))
        }
        return table
    }

    static func assignments(_ assignments: JSONValue) -> [String] {
        let list = assignments.array ?? []
        guard !list.isEmpty else { return ["no block of this height has committed to anything"] }
        var table = Table("OPERATION", "PART", "OURS", "VALIDATORS")
        for part in list {
            let validators = (part["validators"]?.array ?? []).map(\.text)
            table.add(
                part.text(of: "operation"), part.text(of: "part"), yes(part["isOurs"]),
                validators.joined(separator: " "))
        }
        return table.lines
    }

    static func proofs(_ proofs: JSONValue) -> [String] {
        let count = { (name: String) in proofs.text(of: name) }
        var table = Table("parts seen", count("partsSeen"))
        table.add(
            "operations",
            "\(count("operationsCertified")) certified, \(count("operationsRejected")) rejected")
        table.add(
            "proofs verified",
            "\(count("verifications")) in "
                + "\(Human.milliseconds(proofs["verificationMs"]?.double ?? 0)): "
                + "\(count("verdictsValid")) valid, \(count("verdictsReject")) rejected, "
                + "\(count("abstentions")) abstentions")
        table.add(
            "votes",
            "\(count("votesPublished")) published, \(count("votesReceived")) received, "
                + "\(count("votesDropped")) dropped")
        table.add(
            "certificates",
            "\(count("certificatesMade")) made, \(count("certificatesPublished")) published, "
                + "\(count("certificatesReceived")) received")
        table.add(
            "faults",
            "\(count("evidenceFound")) found, \(count("signersMuted")) signers muted")
        table.add(
            "proofs fetched",
            "\(count("proofsFetched")), \(Human.bytes(proofs["proofBytesFetched"]?.uint64 ?? 0))")
        table.add(
            "proofs kept",
            "\(count("proofsShelved")), \(Human.bytes(proofs["shelfSize"]?.uint64 ?? 0)); "
                + "\(count("proofsServed")) served")
        var lines = table.lines
        let silent = proofs["silentValidators"]?.array ?? []
        if !silent.isEmpty { lines += [""] + silence(silent).lines }
        guard let executor = proofs["executor"], executor != .null else { return lines }
        return lines + [""] + self.executor(executor)
    }

    /// Who was asked first and did not always speak.
    private static func silence(_ validators: [JSONValue]) -> Table {
        var table = Table("VALIDATOR", "SCORE", "ASKED", "SILENT")
        for validator in validators.prefix(16) {
            table.add(
                validator.text(of: "validator"), validator.text(of: "score"),
                validator.text(of: "asked"), validator.text(of: "silent"))
        }
        return table
    }

    static func executor(_ executor: JSONValue) -> [String] {
        var table = Table("executor", executor.text(of: "key"))
        table.add(
            "bond",
            executor["bondGwei"]?.uint64.map { Ether.text(UInt128($0) * 1_000_000_000) }
                ?? "not registered: `chorale executor register`")
        table.add(
            "done",
            "\(executor.text(of: "executed")) executed, \(executor.text(of: "proven")) parts "
                + "proven, \(executor.text(of: "committed")) committed, "
                + "\(executor.text(of: "settled")) settled, \(executor.text(of: "failed")) failed")
        table.add(
            "time",
            "\(Human.milliseconds(executor["executionMs"]?.double ?? 0)) executing, "
                + "\(Human.milliseconds(executor["provingMs"]?.double ?? 0)) proving")
        let jobs = executor["jobs"]?.array ?? []
        guard !jobs.isEmpty else { return table.lines }
        var list = Table("OPERATION", "RANK", "STATE", "PROVEN")
        for job in jobs {
            list.add(
                job.text(of: "operation"),
                job["rank"] == .integer(0) ? "primary" : "standby \(job.text(of: "rank"))",
                job.text(of: "state"), "\(job.text(of: "proven"))/\(job.text(of: "parts"))")
        }
        return table.lines + [""] + list.lines
    }

    // MARK: Words

    private static func kind(_ operation: JSONValue) -> String {
        let number = operation["kind"]?.int ?? 0
        let known = UInt16(exactly: number).flatMap(SubmittedKind.init(number:))
        return known?.rawValue ?? "kind \(number)"
    }

    private static func status(_ operation: JSONValue) -> String {
        let status = operation.text(of: "status")
        var disputed = operation["isDisputed"] == .bool(true) ? ", disputed" : ""
        if status == "justified", let end = operation["unchallengedAt"]?.uint64 {
            disputed += " (safe; final from block \(end) unless somebody disputes it)"
        }
        if let end = operation["endedAt"]?.uint64 { return "\(status) in block \(end)\(disputed)" }
        return "\(status)\(disputed), to be settled until block \(operation.text(of: "expiry"))"
    }

    private static func progress(_ operation: JSONValue) -> String {
        // A quick executor commits without having said how far it was.
        let isCommitted = operation["commitment"] ?? .null != .null
        let tenths = isCommitted ? 1000 : operation["progress"]?.int ?? 0
        return "\(Human.decimal(Double(tenths) / 10)) %"
    }

    static func wei(_ amount: JSONValue?) -> String {
        amount?.string.flatMap(Ether.digits).map(Ether.text) ?? "-"
    }

    private static func proofType(_ part: JSONValue) -> String {
        guard let number = part["proofType"]?.int.flatMap(UInt8.init(exactly:)) else { return "-" }
        return "\(ProofType(rawValue: number))"
    }

    private static func yes(_ value: JSONValue?) -> String {
        value == .bool(true) ? "yes" : "no"
    }
}
