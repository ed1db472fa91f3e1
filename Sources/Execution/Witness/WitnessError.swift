public import ChoraleBase
public import Codec

/// What is wrong with a witness by itself, before anything is executed.
public enum WitnessError: Error, Hashable, Sendable {
    case rlp(RLPError)
    case ssz(offset: Int)
    /// Not an object with the members that a witness has, or their values not hexadecimal.
    case json(member: String)
    case tooLarge(Int, limit: Int)
    /// A list has more items than its limit.
    case tooMany(WitnessPart, limit: Int)
    case noHeaders
    /// The header at this place is none.
    case header(Int, RLPError)
    /// The headers at this place and the next are not parent and child.
    case headersNotLinked(Int)
    /// None of the two ends of the headers is the block's parent.
    case parentMissing(Bytes32)
    /// Nodes, codes or headers that execution did not need; refused in strict mode only.
    case unused(WitnessPart, count: Int)
}

public enum WitnessPart: Hashable, Sendable { case headers, codes, nodes, keys }
