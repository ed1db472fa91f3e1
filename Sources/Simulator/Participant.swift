import ChoraleBase
import Crypto
import Node
import Swarm

/// What can stand at the end of a simulated wire: a node, or something that misbehaves.
///
/// The same calls that a driver makes, and no others, so that whatever runs here runs on sockets too.
protocol Participant: AnyObject {
    var nextDeadline: MonotonicInstant? { get }

    func handle(_ input: NodeInput, now: Now, into outputs: inout [NodeOutput])

    func receive(
        _ id: ConnectionID, _ bytes: inout MutableSpan<UInt8>, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Int

    /// - Returns: whether there may be more to send.
    func transmit(
        _ id: ConnectionID, into buffer: inout [UInt8], sizeMax: Int, now: Now,
        outputs: inout [NodeOutput]
    ) -> Bool
}

/// An honest node.
final class NodeParticipant: Participant {
    var node: Node

    init(configuration: NodeConfiguration, now: Now) {
        node = Node(configuration: configuration, now: now)
    }

    var nextDeadline: MonotonicInstant? { node.nextDeadline }

    func handle(_ input: NodeInput, now: Now, into outputs: inout [NodeOutput]) {
        node.handle(input, now: now, into: &outputs)
    }

    func receive(
        _ id: ConnectionID, _ bytes: inout MutableSpan<UInt8>, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Int {
        node.receive(id, &bytes, now: now, into: &outputs)
    }

    func transmit(
        _ id: ConnectionID, into buffer: inout [UInt8], sizeMax: Int, now: Now,
        outputs: inout [NodeOutput]
    ) -> Bool {
        node.transmit(id, into: &buffer, sizeMax: sizeMax, now: now, outputs: &outputs)
    }
}
