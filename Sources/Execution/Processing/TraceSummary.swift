public import ChoraleBase
import Codec

/// The line that ends a trace (EIP-3155, "Summary and error handling").
public struct TraceSummary: Sendable {
    /// What was executed: members that the EIP does not have, such as a test's name.
    public var subject: Subject
    /// nil when the state did not answer.
    public var stateRoot: Bytes32?
    /// What a transaction returned; nil for a block.
    public var output: [UInt8]?
    public var gasUsed: UInt64
    /// Whether it succeeded: the message of a transaction, or all that a block has to keep.
    public var pass: Bool
    public var fork: String
    /// Why it was refused.
    public var error: String?

    public enum Subject: Hashable, Sendable {
        case test(String)
        /// The block's number.
        case block(UInt64)
    }

    public init(
        _ subject: Subject, stateRoot: Bytes32?, output: [UInt8]?, gasUsed: UInt64, pass: Bool,
        fork: String, error: String? = nil
    ) {
        self.subject = subject
        self.stateRoot = stateRoot
        self.output = output
        self.gasUsed = gasUsed
        self.pass = pass
        self.fork = fork
        self.error = error
    }

    /// One line of JSON with its line feed.
    public var line: [UInt8] {
        var object = JSONObject()
        if let stateRoot { object["stateRoot"] = .string("0x\(stateRoot)") }
        if let output { object["output"] = .string("0x" + Hex.encode(output)) }
        object["gasUsed"] = .string("0x" + String(gasUsed, radix: 16))
        object["pass"] = .bool(pass)
        object["fork"] = .string(fork)
        switch subject {
        case .test(let name): object["test"] = .string(name)
        case .block(let number): object["block"] = JSONValue(number)
        }
        if let error { object["error"] = .string(error) }
        return Array(JSONValue.object(object).text.utf8) + [UInt8(ascii: "\n")]
    }
}
