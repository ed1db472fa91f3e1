public import Codec

/// One call as it came on a line.
public struct RPCRequest: Sendable {
    /// A string, a number or null, given back as it came. Nil for a notification, which asks for
    /// no answer.
    public let id: JSONValue?
    public let method: String
    public let params: JSONValue?

    /// A refusal, and the id to answer it with as far as one was found (§5: null otherwise).
    public struct Refusal: Error {
        public let id: JSONValue
        public let error: RPCError
    }

    public init(line: [UInt8], limits: JSONValue.Limits) throws(Refusal) {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue(parsing: line, limits: limits)
        } catch {
            throw Refusal(id: .null, error: .parse(error))
        }
        try self.init(document)
    }

    /// One request by itself, or an element of a batch.
    public init(_ document: JSONValue) throws(Refusal) {
        switch document {
        case .object(let object): self = try Self(object)
        case .array:
            throw Refusal(
                id: .null,
                error: .invalidRequest("batches are not served; send one object per line"))
        default:
            throw Refusal(
                id: .null, error: .invalidRequest("expected an object, not \(document.kind)"))
        }
    }

    private init(_ object: JSONObject) throws(Refusal) {
        switch object["id"] {
        case nil: id = nil
        case .string(let text)? where text.utf8.count > Self.idSizeMax:
            throw Refusal(
                id: .null,
                error: .invalidRequest("`id` is longer than \(Self.idSizeMax) bytes"))
        case let value?:
            switch value {
            case .null, .string, .integer, .unsigned, .number: id = value
            case .bool, .array, .object:
                throw Refusal(
                    id: .null,
                    error: .invalidRequest(
                        "`id` must be a string, a number or null, not \(value.kind)"))
            }
        }
        let answerID = id ?? .null
        guard object["jsonrpc"] == .string("2.0") else {
            throw Refusal(id: answerID, error: .invalidRequest("`jsonrpc` must be \"2.0\""))
        }
        guard case .string(let method)? = object["method"] else {
            throw Refusal(id: answerID, error: .invalidRequest("`method` must be a string"))
        }
        self.method = method
        switch object["params"] {
        case nil, .null?: params = nil
        case let value?:
            switch value {
            case .array, .object: params = value
            default:
                throw Refusal(
                    id: answerID,
                    error: .invalidRequest(
                        "`params` must be an array or an object, not \(value.kind)"))
            }
        }
    }

    /// Ids are kept while a call runs; clients use numbers or UUIDs.
    public static let idSizeMax = 256
}
