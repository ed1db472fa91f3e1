public import ChoraleBase

/// What is told to whoever asked for a stateless execution: the fields of engines' `StatelessPayloadStatus`,
/// and two more.
public struct StatelessAnswer: Hashable, Sendable {
    public enum Status: String, Hashable, Sendable {
        case valid = "VALID"
        case invalid = "INVALID"
    }

    public var status: Status
    /// As computed; zero when invalid.
    public var stateRoot: Bytes32
    /// As computed; zero when invalid.
    public var receiptsRoot: Bytes32
    /// Zero when invalid.
    public var gasUsed: UInt64
    /// The rule that was broken, with what was found and what was expected; nil when valid.
    public var validationError: String?
    /// From the first byte decoded to the answer, as the caller measured it.
    public var seconds: Double

    public init(_ result: Result<StatelessVerdict, StatelessFailure>, seconds: Double) {
        self.seconds = seconds
        switch result {
        case .success(let verdict):
            status = .valid
            stateRoot = verdict.roots.stateRoot
            receiptsRoot = verdict.roots.receiptsRoot
            gasUsed = verdict.roots.gasUsed
        case .failure(let failure):
            status = .invalid
            stateRoot = .zero
            receiptsRoot = .zero
            gasUsed = 0
            validationError = failure.description
        }
    }

    /// One line of JSON.
    public var json: String {
        let error = validationError.map { Self.quoted($0) } ?? "null"
        return "{\"status\":\"\(status.rawValue)\",\"stateRoot\":\"0x\(stateRoot)\","
            + "\"receiptsRoot\":\"0x\(receiptsRoot)\",\"gasUsed\":\(gasUsed),"
            + "\"validationError\":\(error),\"seconds\":\(seconds.isFinite ? seconds : 0)}"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20:
                result += "\\u00" + Hex.encode([UInt8(scalar.value)])
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension StatelessExecution {
    /// What ``verdict(_:_:)`` returns or throws.
    public func result(
        _ encoding: Span<UInt8>, _ witness: Witness
    ) -> Result<StatelessVerdict, StatelessFailure> {
        do throws(StatelessFailure) { return .success(try verdict(encoding, witness)) } catch {
            return .failure(error)
        }
    }
}
