/// What a request says before its body, as far as anybody here needs it.
public struct HTTPRequestHead: Hashable, Sendable {
    public var method: String
    /// Without the query.
    public var path: String
    public var host: String?
    public var origin: String?
    public var contentType: String?
    public var authorization: String?

    public init(
        method: String, path: String, host: String? = nil, origin: String? = nil,
        contentType: String? = nil, authorization: String? = nil
    ) {
        self.method = method
        self.path = path
        self.host = host
        self.origin = origin
        self.contentType = contentType
        self.authorization = authorization
    }
}

/// What is done with a request whose head is there.
public enum HTTPAdmission: Hashable, Sendable {
    /// Its body is read, if it has at most so many bytes; then a worker answers.
    case body(sizeMax: Int)
    /// It is answered at once, and a body is not read.
    case refused(HTTPResponse)
}

public struct HTTPResponse: Hashable, Sendable {
    public struct Field: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public var status: Int
    public var contentType: String
    public var body: [UInt8]
    public var fields: [Field]

    public init(
        status: Int, contentType: String = "text/plain; charset=utf-8", body: [UInt8],
        fields: [Field] = []
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.fields = fields
    }

    /// A sentence for people.
    public static func text(_ status: Int, _ text: String, fields: [Field] = []) -> HTTPResponse {
        HTTPResponse(status: status, body: Array((text + "\n").utf8), fields: fields)
    }
}

/// Who answers. Called by several threads at once.
public protocol HTTPHandler: Sendable {
    /// Runs on the thread that moves the bytes of all connections, so it may not wait.
    func admit(_ head: HTTPRequestHead) -> HTTPAdmission
    /// Runs on a worker, or without workers on the thread that moves the bytes.
    func answer(_ head: HTTPRequestHead, body: [UInt8]) -> HTTPResponse
}
