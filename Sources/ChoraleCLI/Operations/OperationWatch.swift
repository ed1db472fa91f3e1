import Admin
import ChoraleBase
import Codec
import Crypto
import Inference

/// Follows an operation through a node's admin socket until it is settled, and reads its output.
struct OperationWatch {
    let client: AdminClient
    let id: Bytes32
    /// In how many parts it is proven, when that is known.
    let partCount: Int?
    /// How long to follow it, in seconds.
    let timeout: Double
    /// Besides the node: the contract, which stores short outputs.
    let wallet: ContractWallet?

    /// How many looks a request may be missing once it is included, or an output: about ten seconds.
    private static let missesMax = 40

    /// - Returns: the operation as it ended.
    /// - Throws: when it expires, or is not settled in time.
    func run(_ drawing: ProgressDrawing) throws(Failure) -> JSONValue {
        var misses = 0
        var wasCommitted = false
        while true {
            let found = try client.find("chorale_operation", ["id": .string("0x\(id)")])
            if let operation = found {
                misses = 0
                try Self.checkEnd(operation, id)
                let isCommitted = operation["commitment"] ?? .null != .null
                if wasCommitted, !isCommitted {
                    drawing.note(
                        "the commitment was found to be wrong; the next executor has its turn")
                }
                wasCommitted = isCommitted
                drawing.detail = Self.detail(operation)
                let progress = OperationProgress(operation, partCount: partCount)
                drawing.show(progress, Self.fields(operation, id))
                if progress.phase == .settled { return operation }
            } else {
                misses += 1
                guard misses < Self.missesMax else {
                    throw Failure(
                        "the node knows no operation 0x\(id): is it another network's, or was it "
                            + "refused for its kind's limits? \(Self.refund(id))")
                }
            }
            guard drawing.seconds < timeout else {
                drawing.clear()
                throw Failure(
                    "not settled after \(OperationTimeline.text(timeout)); it goes on: "
                        + "`chorale op watch 0x\(id)`")
            }
            drawing.tick()
            Pause.short()
        }
    }

    private static func checkEnd(_ operation: JSONValue, _ id: Bytes32) throws(Failure) {
        guard operation["status"] == .string("expired") else { return }
        throw Failure(
            "operation 0x\(id) expired at height \(operation.text(of: "endedAt")): it was not "
                + "certified and settled in time, and costs nothing. " + refund(id))
    }

    private static func refund(_ id: Bytes32) -> String {
        "`chorale op expire 0x\(id)` gets the fee back once its time is over"
    }

    /// What is being waited for.
    private static func detail(_ operation: JSONValue) -> String {
        switch operation.text(of: "status") {
        case "requested":
            let count = operation["executors"]?.array?.count ?? 0
            return count == 0 ? "waiting for an executor" : ""
        case "committed": return ""
        case "justified":
            let end = operation["unchallengedAt"]?.uint64.map { " from block \($0)" } ?? ""
            return "safe; final\(end) unless somebody disputes it"
        case "frozen": return "disputed: everybody is asked"
        case "certified": return "waiting for the settlement"
        default: return ""
        }
    }

    private static func fields(_ operation: JSONValue, _ id: Bytes32) -> JSONObject {
        var fields: JSONObject = ["operation": .string("0x\(id)")]
        if let executor = operation["commitment"]?["executor"] { fields["executor"] = executor }
        return fields
    }

    // MARK: The output

    /// The output's bytes, as the commitment names them.
    ///
    /// - Throws: when nobody near has it, or what is there is something else.
    func output(of operation: JSONValue) throws(Failure) -> [UInt8] {
        guard let commitment = operation["commitment"],
            let hash = commitment["outputHash"]?.string.flatMap(Bytes32.init(hexText:))
        else { throw Failure("the node does not say what came out") }
        let root = commitment["outputRoot"]?.string
        var found: [UInt8]?
        // Its body may still be on its way to this node.
        for attempt in 0..<Self.missesMax where found == nil {
            if attempt > 0 { Pause.short() }
            if let root { found = body(root) }
            if found == nil { found = wallet?.output(id) }
        }
        guard let bytes = found else {
            throw Failure(
                "the output is not here: the node does not hold its body yet "
                    + "(`chorale body get \(commitment.text(of: "outputRoot"))`)")
        }
        guard Keccak256.hash(bytes) == hash else {
            throw Failure("what the node holds is not the output that was certified, 0x\(hash)")
        }
        return bytes
    }

    /// Nil when the node does not hold it.
    private func body(_ root: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        do throws(Failure) {
            try client.stream("chorale_streamBody", ["root": .string(root)]) {
                chunk throws(Failure) in
                guard let part = chunk["base64"]?.string.flatMap(Base64.decode) else {
                    throw Failure("a chunk without content")
                }
                bytes += part
                return true
            }
        } catch {
            return nil
        }
        return bytes
    }
}

/// An output as people and scripts read it.
struct OutputReport {
    let hash: Bytes32
    let bytes: [UInt8]
    /// nil for what is no vector.
    let vector: QuantisedVector?

    /// Values that a line shows.
    private static let shownMax = 32

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        hash = Keccak256.hash(bytes)
        vector = try? QuantisedVector(decoding: bytes)
    }

    private var element: String {
        if case .int32? = vector { return "int32" }
        return "int8"
    }

    var lines: [String] {
        guard let vector else { return ["output  \(bytes.count) bytes, hash 0x\(hash)"] }
        let shown = vector.values.prefix(Self.shownMax).map { "\($0)" }.joined(separator: " ")
        let more = vector.count > Self.shownMax ? " … \(vector.count - Self.shownMax) more" : ""
        var lines = ["output  \(vector.count) values of \(element): \(shown)\(more)"]
        if let largest = vector.indexOfMaximum {
            lines.append("largest at index \(largest)")
        }
        return lines
    }

    var fields: JSONObject {
        var fields: JSONObject = [
            "outputHash": .string("0x\(hash)"), "outputSize": JSONValue(bytes.count),
        ]
        guard let vector else { return fields }
        fields["element"] = .string(element)
        fields["values"] = .array(vector.values.map { JSONValue($0) })
        fields["largest"] = vector.indexOfMaximum.map { JSONValue($0) } ?? .null
        return fields
    }
}
