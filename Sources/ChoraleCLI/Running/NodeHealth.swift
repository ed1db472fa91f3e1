import Chain
import HTTP
import Node
import Telemetry

/// Whether a node does what it is there for, as `/health` tells it: what is wrong, until it is right again.
struct NodeHealth {
    /// Why the database does not work.
    private var store: String?
    /// Why the chain stands still here.
    private var chain: String?
    /// Why this validator signs nothing.
    private var signing: String?

    mutating func note(_ event: NodeEvent) {
        switch event {
        case .storeFailed(let reason): store = reason
        case .storeRecovered: store = nil
        case .chain(.stopped(let reason)): chain = reason
        case .chain(.committed): chain = nil
        case .chain(.signingStopped(let reason)): signing = reason
        case .chain(.signingResumed): signing = nil
        default: break
        }
    }

    /// The first of what is wrong.
    var report: Health {
        (store ?? chain ?? signing).map { .unhealthy(reason: $0) } ?? .healthy
    }
}
