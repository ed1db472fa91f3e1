public import Codec

/// The lines that answer.
public enum RPCResponse {
    public static func result(_ result: JSONValue, id: JSONValue) -> [UInt8] {
        line(["jsonrpc": .string("2.0"), "id": id, "result": result])
    }

    public static func failure(_ error: RPCError, id: JSONValue) -> [UInt8] {
        line(["jsonrpc": .string("2.0"), "id": id, "error": .object(error.json)])
    }

    /// A message that answers nothing: one item of a stream, or its end.
    public static func notification(_ method: String, _ params: JSONObject) -> [UInt8] {
        line(["jsonrpc": .string("2.0"), "method": .string(method), "params": .object(params)])
    }

    private static func line(_ object: JSONObject) -> [UInt8] { JSONValue.object(object).encoded }
}
