import ChoraleBase
public import Codec

/// What a request is refused or answered with when it fails (JSON-RPC 2.0 §5.1).
///
/// Codes and the `kind` of `data` are stable; messages are for people.
public struct RPCError: Error, Hashable, Sendable {
    public let code: Int
    public let message: String
    public let data: JSONValue?

    public init(code: Int, message: String, data: JSONObject? = nil) {
        self.code = code
        self.message = message
        self.data = data.map(JSONValue.object)
    }

    /// With data that is no object, as protocols other than ours have it.
    public init(code: Int, message: String, value: JSONValue) {
        self.code = code
        self.message = message
        data = value
    }

    /// The line is not JSON.
    public static func parse(_ error: JSONError) -> RPCError {
        RPCError(code: -32700, message: "not a JSON document: \(error)")
    }

    /// JSON, and not a request.
    public static func invalidRequest(_ reason: String) -> RPCError {
        RPCError(code: -32600, message: "not a JSON-RPC 2.0 request: \(reason)")
    }

    public static func unknownMethod(_ name: String, nearest: String?) -> RPCError {
        let hint = nearest.map { "; did you mean `\($0)`?" } ?? "; `rpc_methods` lists them"
        return RPCError(
            code: -32601, message: "no method is called `\(name.prefix(64))`\(hint)",
            data: nearest.map { ["nearest": .string($0)] })
    }

    /// - Parameters:
    ///   - value: what was given, nil when nothing was.
    ///   - expected: what would be accepted, as in "`kind` must be …".
    public static func parameter(_ field: String, _ value: JSONValue?, expected: String) -> RPCError
    {
        var data: JSONObject = ["field": .string(field), "expected": .string(expected)]
        guard let value else {
            return RPCError(
                code: -32602, message: "`\(field)` is missing: it must be \(expected)", data: data)
        }
        // A megabyte that was given is not worth sending back.
        let text = String(decoding: value.encoded.prefix(120), as: UTF8.self)
        data["value"] = .string(text)
        return RPCError(
            code: -32602, message: "`\(field)` must be \(expected), not \(text)", data: data)
    }

    public static func parameters(_ message: String) -> RPCError {
        RPCError(code: -32602, message: message)
    }

    public var json: JSONObject {
        var object: JSONObject = ["code": JSONValue(code), "message": .string(message)]
        if let data { object["data"] = data }
        return object
    }
}
