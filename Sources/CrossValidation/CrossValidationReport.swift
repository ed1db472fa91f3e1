public import ChoraleBase
public import Codec
public import Execution

/// What one verifier said about a block.
public struct VerifierAnswer: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        case agree
        /// In words: invalid and why, or other roots.
        case disagree(String)
        /// Neither, in words.
        case silent(String)
    }

    public var verifier: Verifier
    public var outcome: Outcome
    /// As it came, for an incident.
    public var bytes: [UInt8]
    public var seconds: Double

    public init(verifier: Verifier, outcome: Outcome, bytes: [UInt8], seconds: Double) {
        self.verifier = verifier
        self.outcome = outcome
        self.bytes = bytes
        self.seconds = seconds
    }

    var json: JSONValue {
        let (name, detail): (String, String?) =
            switch outcome {
            case .agree: ("agree", nil)
            case .disagree(let detail): ("disagree", detail)
            case .silent(let detail): ("silent", detail)
            }
        return .object([
            "family": .string(verifier.family), "verifier": .string(verifier.place),
            "outcome": .string(name), "detail": JSONValue(detail), "seconds": .number(seconds),
        ])
    }
}

extension VerifierAnswer.Outcome {
    /// Of a `StatelessPayloadStatus`: an engine's result, or what a command wrote.
    ///
    /// - Parameter expected: what the host has computed.
    init(_ status: JSONValue, expected: StatelessVerdict.Roots) {
        func digest(_ name: String) -> String? { status[name]?.string?.lowercased() }
        switch status["status"]?.string {
        case "VALID":
            guard let state = digest("stateRoot"), let receipts = digest("receiptsRoot") else {
                self = .silent("VALID without both roots")
                return
            }
            var differences: [String] = []
            if state != "0x\(expected.stateRoot)" {
                differences.append("state root \(state.prefix(66)), not 0x\(expected.stateRoot)")
            }
            if receipts != "0x\(expected.receiptsRoot)" {
                differences.append(
                    "receipts root \(receipts.prefix(66)), not 0x\(expected.receiptsRoot)")
            }
            self =
                differences.isEmpty ? .agree : .disagree(differences.joined(separator: "; "))
        case "INVALID":
            let reason = status["validationError"]?.string ?? "without a reason"
            self = .disagree("invalid: " + String(reason.prefix(500)))
        case let other:
            self = .silent("status \(other.map { String($0.prefix(32)) } ?? "missing")")
        }
    }
}

/// What everybody who was asked said about one block, and what follows.
public struct CrossValidationReport: Hashable, Sendable {
    public var blockHash: Bytes32
    public var blockNumber: UInt64
    /// What the host has computed.
    public var expected: StatelessVerdict.Roots
    /// In the order in which verifiers were configured.
    public var answers: [VerifierAnswer]
    public var tally: Tally
    public var decision: CrossValidationDecision
    /// Where block, witness and answers were put; nil when there was no disagreement.
    public var incident: String?
    /// Why an incident could not be kept.
    public var incidentFailure: String?

    public var json: JSONValue {
        .object([
            "blockHash": .string("0x\(blockHash)"), "blockNumber": JSONValue(blockNumber),
            "stateRoot": .string("0x\(expected.stateRoot)"),
            "receiptsRoot": .string("0x\(expected.receiptsRoot)"),
            "decision": .string(decision.name), "agree": JSONValue(tally.agree),
            "disagree": JSONValue(tally.disagree), "silent": JSONValue(tally.silent),
            "answers": .array(answers.map(\.json)), "incident": JSONValue(incident),
            "incidentFailure": JSONValue(incidentFailure),
        ])
    }
}
