import Codec
import Execution
import JSONRPC

/// Specification: Ethereum execution APIs, engine, "Errors".
extension RPCError {
    static func unknownPayload(_ id: String) -> RPCError {
        RPCError(code: -38_001, message: "Unknown payload: no \(id.prefix(32)) is being built")
    }

    static func forkchoiceState(_ reason: String) -> RPCError {
        RPCError(code: -38_002, message: "Invalid forkchoice state: \(reason)")
    }

    static func payloadAttributes(_ reason: String) -> RPCError {
        RPCError(code: -38_003, message: "Invalid payload attributes: \(reason)")
    }

    static func tooLargeRequest(_ count: UInt64, limit: Int) -> RPCError {
        RPCError(code: -38_004, message: "Too large request: \(count), \(limit) at most")
    }

    static func unsupportedFork(_ method: String, _ fork: Fork, at time: UInt64) -> RPCError {
        RPCError(
            code: -38_005,
            message: "unsupported fork: \(method) is not for \(fork), which holds at \(time)")
    }

    static func tooDeepReorg(_ depth: UInt64, limit: UInt64) -> RPCError {
        RPCError(code: -38_006, message: "Too deep reorg: \(depth) blocks, \(limit) at most")
    }

    /// The head is not for whoever calls to choose.
    static let consensusDecides = RPCError(
        code: -32_000, message: "Server error",
        data: [
            "err": .string(
                "this node's own consensus decides its head: it verifies payloads, and follows no "
                    + "forkchoice of others")
        ])

    /// What is broken here, as a disk that is full: the same call may do later.
    static func internalError(_ reason: String) -> RPCError {
        RPCError(code: -32_603, message: "Internal error", data: ["err": .string(reason)])
    }

    /// Of no fault of whoever calls.
    static func engine(_ reason: String) -> RPCError {
        RPCError(code: -32_000, message: "Server error", data: ["err": .string(reason)])
    }
}
