public import Codec

/// Answers what came as the body of one HTTP request: a call, or a batch of them (§6).
public struct RPCBody: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Calls in one batch.
        public var batchCountMax: Int
        /// Bytes of a batch's answers after which its other calls are refused.
        public var batchSizeMax: Int
        /// Bytes of one answer.
        public var answerSizeMax: Int
        public var json: JSONValue.Limits

        public init(
            batchCountMax: Int = 100, batchSizeMax: Int = 25 << 20,
            answerSizeMax: Int = 25 << 20,
            json: JSONValue.Limits = JSONValue.Limits()
        ) {
            self.batchCountMax = batchCountMax
            self.batchSizeMax = batchSizeMax
            self.answerSizeMax = answerSizeMax
            self.json = json
        }
    }

    public typealias Handler = (RPCRequest) throws(RPCError) -> JSONValue

    private let limits: Limits

    public init(limits: Limits = Limits()) { self.limits = limits }

    /// - Returns: the body of the answer; nil when nothing is to be answered, as for notifications.
    public func answer(_ body: [UInt8], _ handler: Handler) -> [UInt8]? {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue(parsing: body, limits: limits.json)
        } catch {
            return RPCResponse.failure(.parse(error), id: .null)
        }
        guard case .array(let calls) = document else {
            return answer(document, handler)
        }
        guard !calls.isEmpty else {
            return RPCResponse.failure(.invalidRequest("the batch is empty"), id: .null)
        }
        guard calls.count <= limits.batchCountMax else {
            return RPCResponse.failure(
                .invalidRequest(
                    "batch too large: \(calls.count) calls, \(limits.batchCountMax) at most"),
                id: .null)
        }
        var answers: [UInt8] = []
        for call in calls {
            let isTooLate = answers.count > limits.batchSizeMax
            guard let answer = answer(call, isTooLate: isTooLate, handler) else { continue }
            answers.append(UInt8(ascii: answers.isEmpty ? "[" : ","))
            answers.append(contentsOf: answer)
        }
        return answers.isEmpty ? nil : answers + [UInt8(ascii: "]")]
    }

    private func answer(
        _ document: JSONValue, isTooLate: Bool = false, _ handler: Handler
    ) -> [UInt8]? {
        let request: RPCRequest
        do throws(RPCRequest.Refusal) {
            request = try RPCRequest(document)
        } catch {
            return RPCResponse.failure(error.error, id: error.id)
        }
        do throws(RPCError) {
            guard !isTooLate else {
                throw Self.tooLarge("the batch's answers have passed \(limits.batchSizeMax) bytes")
            }
            let result = try handler(request)
            guard let id = request.id else { return nil }
            let answer = RPCResponse.result(result, id: id)
            guard answer.count <= limits.answerSizeMax else {
                throw Self.tooLarge(
                    "\(answer.count) bytes, \(limits.answerSizeMax) at most")
            }
            return answer
        } catch {
            return request.id.map { RPCResponse.failure(error, id: $0) }
        }
    }

    private static func tooLarge(_ detail: String) -> RPCError {
        RPCError(code: -32003, message: "response too large: \(detail)")
    }
}
