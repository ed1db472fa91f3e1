import Codec
import JSONRPC
import Node

extension RPCError {
    /// A limit of the admin interface itself.
    static func overloaded(_ message: String) -> RPCError {
        RPCError(CommandFailure(.overloaded, message))
    }

    /// What the node answered.
    init(_ failure: CommandFailure) {
        let code =
            switch failure.kind {
            case .invalidArgument: -32602
            case .notFound: -32001
            case .unreachable: -32002
            case .refused: -32003
            case .overloaded: -32004
            case .unavailable: -32005
            case .timedOut: -32006
            case .shuttingDown: -32007
            }
        self.init(
            code: code, message: failure.message, data: ["kind": .string(failure.kind.rawValue)])
    }
}
