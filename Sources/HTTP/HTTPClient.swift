import CCurl
import Glibc
import Synchronization

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

    /// Ends requests of other threads.
    public final class Cancellation: Sendable {
        private let flag = Atomic(false)

        public init() {}

        public var isCancelled: Bool { flag.load(ordering: .relaxed) }
        public func cancel() { flag.store(true, ordering: .relaxed) }
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
        guard isReady else { throw .failed("the HTTP library did not start") }
        var post = chorale_post()
        let milliseconds = Int((timeout / .milliseconds(1)).rounded(.up))
        post.timeout_milliseconds = max(1, milliseconds)
        post.answer_max = answerSizeMax
        post.is_cancelled = { context in
            guard let context else { return 0 }
            let flag = Unmanaged<Cancellation>.fromOpaque(context).takeUnretainedValue()
            return flag.isCancelled ? 1 : 0
        }
        post.context = cancellation.map { Unmanaged.passUnretained($0).toOpaque() }
        let authorization = bearer.map { "Authorization: Bearer \($0)" }
        let code = url.withCString { url in
            post.url = url
            return body.withUnsafeBytes { bytes in
                post.body = bytes.baseAddress
                post.body_size = bytes.count
                guard let authorization else { return chorale_post_perform(&post) }
                return authorization.withCString { text in
                    post.authorization = text
                    return chorale_post_perform(&post)
                }
            }
        }
        withExtendedLifetime(cancellation) {}
        defer { free(post.answer) }
        guard code == 0 else {
            if post.is_too_large != 0 { throw .tooLarge(limit: answerSizeMax) }
            switch UInt32(code) {
            case CURLE_OPERATION_TIMEDOUT.rawValue: throw .timedOut
            case CURLE_ABORTED_BY_CALLBACK.rawValue: throw .cancelled
            default:
                let detail = withUnsafeBytes(of: post.error) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                throw .failed(detail)
            }
        }
        let answer = UnsafeBufferPointer(start: post.answer, count: post.answer_size)
        return (post.status, Array(answer))
    }
}
