import CCurl
import Glibc

/// Why nobody answered a request.
public enum HTTPClientError: Error, Hashable, Sendable {
    case timedOut
    case cancelled
    case tooLarge(limit: Int)
    /// In the words of the library: refused, no such host, a certificate.
    case failed(String)
}

extension HTTPClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .timedOut: "no answer in time"
        case .cancelled: "cancelled"
        case .tooLarge(let limit): "the answer has more than \(limit) bytes"
        case .failed(let detail): detail
        }
    }
}

/// Asks other servers, on the calling thread.
public enum HTTPClient {
    private static let isReady = chorale_curl_start() == 0

    /// What is sent.
    public struct Request: Hashable, Sendable {
        public enum Method: Hashable, Sendable {
            case get
            case post([UInt8], contentType: String)
        }

        /// Of http or https.
        public var url: String
        public var method: Method
        /// What kind of answer is wanted.
        public var accept: String?
        /// A token.
        public var bearer: String?

        public init(
            _ method: Method, _ url: String, accept: String? = nil, bearer: String? = nil
        ) {
            self.method = method
            self.url = url
            self.accept = accept
            self.bearer = bearer
        }
    }

    /// Sends JSON and waits for the answer. Follows no redirection and uses no proxy.
    ///
    /// - Parameters:
    ///   - url: of http or https.
    ///   - bearer: a token.
    ///   - timeout: from the connection to the last byte.
    ///   - answerSizeMax: bytes of the answer's body.
    /// - Returns: the status and the body, whatever they are.
    public static func post(
        _ url: String, _ body: [UInt8], bearer: String? = nil, timeout: Duration,
        answerSizeMax: Int, cancellation: Cancellation? = nil
    ) throws(HTTPClientError) -> (status: Int, body: [UInt8]) {
        try send(
            Request(.post(body, contentType: "application/json"), url, bearer: bearer),
            timeout: timeout, answerSizeMax: answerSizeMax, cancellation: cancellation)
    }

    /// Sends a request and waits for the answer. Follows no redirection and uses no proxy.
    ///
    /// - Parameters:
    ///   - timeout: from the connection to the last byte.
    ///   - answerSizeMax: bytes of the answer's body.
    /// - Returns: the status and the body, whatever they are.
    public static func send(
        _ request: Request, timeout: Duration, answerSizeMax: Int,
        cancellation: Cancellation? = nil
    ) throws(HTTPClientError) -> (status: Int, body: [UInt8]) {
        var body: [UInt8] = []
        var status = 0
        status = try perform(
            request, timeout: timeout, idle: nil, answerSizeMax: answerSizeMax,
            cancellation: cancellation, received: nil, body: &body)
        return (status, body)
    }

    /// Sends a request and hands out the answer as it comes, for answers without an end.
    ///
    /// - Parameters:
    ///   - timeout: from the connection to the last byte.
    ///   - idle: time without a byte after which the answer is given up, in whole seconds.
    ///   - answerSizeMax: bytes of the answer's body.
    ///   - received: given the status and each piece; false ends the transfer, which is no error.
    /// - Returns: the status.
    public static func stream(
        _ request: Request, timeout: Duration, idle: Duration, answerSizeMax: Int,
        cancellation: Cancellation? = nil, received: (_ status: Int, _ bytes: [UInt8]) -> Bool
    ) throws(HTTPClientError) -> Int {
        var body: [UInt8] = []
        // Does not escape: the transfer is over when `perform` returns.
        let result = withoutActuallyEscaping(received) { received in
            Result<Int, HTTPClientError> { () throws(HTTPClientError) in
                try perform(
                    request, timeout: timeout, idle: idle, answerSizeMax: answerSizeMax,
                    cancellation: cancellation, received: received, body: &body)
            }
        }
        return try result.get()
    }

    /// What the C side calls back with.
    private final class Transfer {
        let cancellation: Cancellation?
        let received: ((Int, [UInt8]) -> Bool)?

        init(_ cancellation: Cancellation?, _ received: ((Int, [UInt8]) -> Bool)?) {
            self.cancellation = cancellation
            self.received = received
        }
    }

    private static func perform(
        _ request: Request, timeout: Duration, idle: Duration?, answerSizeMax: Int,
        cancellation: Cancellation?, received: ((Int, [UInt8]) -> Bool)?, body: inout [UInt8]
    ) throws(HTTPClientError) -> Int {
        guard isReady else { throw .failed("the HTTP library did not start") }
        let transfer = Transfer(cancellation, received)
        var raw = chorale_request()
        raw.timeout_milliseconds = max(1, Int((timeout / .milliseconds(1)).rounded(.up)))
        raw.idle_seconds = idle.map { max(1, Int($0.components.seconds)) } ?? 0
        raw.answer_max = answerSizeMax
        raw.is_cancelled = { context in
            guard let context else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return transfer.cancellation?.isCancelled == true ? 1 : 0
        }
        raw.under_way = { context, handle, isUnderWay in
            guard let context, let handle else { return }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            if isUnderWay != 0 {
                transfer.cancellation?.began(handle)
            } else {
                transfer.cancellation?.ended(handle)
            }
        }
        if received != nil {
            raw.received = { context, status, bytes, count in
                guard let context else { return 1 }
                let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                let piece = UnsafeRawBufferPointer(start: bytes, count: count)
                return transfer.received?(status, Array(piece)) == true ? 0 : 1
            }
        }
        raw.context = Unmanaged.passUnretained(transfer).toOpaque()
        var lines: [String?] = [
            request.bearer.map { "Authorization: Bearer \($0)" },
            request.accept.map { "Accept: \($0)" }, nil,
        ]
        var sent: [UInt8] = []
        if case .post(let bytes, let contentType) = request.method {
            raw.is_post = 1
            sent = bytes
            lines[2] = "Content-Type: \(contentType)"
        }
        let pointers = ([request.url] + lines).map { $0.flatMap { strdup($0) } }
        defer { for pointer in pointers { free(pointer) } }
        raw.url = UnsafePointer(pointers[0])
        raw.authorization = UnsafePointer(pointers[1])
        raw.accept = UnsafePointer(pointers[2])
        raw.content_type = UnsafePointer(pointers[3])
        let code = sent.withUnsafeBytes { bytes in
            raw.body = bytes.baseAddress
            raw.body_size = bytes.count
            return chorale_request_perform(&raw)
        }
        withExtendedLifetime(transfer) {}
        defer { free(raw.answer) }
        if code != 0 && raw.is_ended == 0 {
            if raw.is_too_large != 0 { throw .tooLarge(limit: answerSizeMax) }
            switch UInt32(code) {
            case CURLE_OPERATION_TIMEDOUT.rawValue: throw .timedOut
            case CURLE_ABORTED_BY_CALLBACK.rawValue: throw .cancelled
            default:
                let detail = withUnsafeBytes(of: raw.error) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                throw .failed(detail)
            }
        }
        if let answer = raw.answer {
            body = Array(UnsafeBufferPointer(start: answer, count: raw.answer_size))
        }
        return raw.status
    }
}
