public import ChoraleBase
import Codec

/// What an operator trusts to begin at a height: the height, and a value that everything at it follows from.
///
/// The value is the hash tree root of the ``ChainHead`` at that height without its commit. A block alone would
/// not do: it names the validators that vote on it and on the next, but neither the registry nor the sets of
/// before, and what is not covered would rest on a peer's word. The head has the block's name, from which
/// the block follows with its payload, and the execution header, from which follow the state, the requests and the
/// headers before. Why the block is final is shown by signatures of the validators that the head has; which of
/// them a node has seen differs.
public struct CheckpointID: Hashable, Sendable {
    /// Checkpoints are the heights that are multiples of this: often enough that a new one is less than
    /// half a minute old, and few enough that keeping the heads of them costs nothing.
    public static let interval: UInt64 = 16

    public let height: UInt64
    public let root: Bytes32

    public init(height: UInt64, root: Bytes32) {
        self.height = height
        self.root = root
    }

    /// The checkpoint that a head is.
    public init(_ head: ChainHead) {
        self.init(height: head.height, root: head.checkpointRoot)
    }

    /// Reads `HEIGHT:0xROOT`; nil for anything else, and for heights that are none of a checkpoint.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let height = UInt64(parts[0]), parts[1].hasPrefix("0x"),
            CheckpointID.isCheckpoint(height),
            let bytes = try? Hex.decode(String(parts[1].dropFirst(2))),
            let root = Bytes32(bytes)
        else { return nil }
        self.init(height: height, root: root)
    }

    /// Whether a height is one of a checkpoint.
    public static func isCheckpoint(_ height: UInt64) -> Bool {
        height > 0 && height.isMultiple(of: interval)
    }
}

extension CheckpointID: CustomStringConvertible {
    public var description: String { "\(height):0x\(root)" }
}
