public import ChoraleBase
public import Codec

/// What is wrong with a witness by itself, before anything is executed.
public enum WitnessError: Error, Hashable, Sendable {
    /// Neither RLP, nor SSZ, nor JSON, nor hexadecimal digits of one of the first two.
    case unknownForm(first: [UInt8])
    /// Not a digit, or one too many, in hexadecimal text.
    case hex(position: Int)
    case rlp(RLPError)
    case ssz(offset: Int)
    /// Not an object with the members that a witness has, or their values not hexadecimal.
    case json(member: String)
    /// A JSON-RPC answer that says why there is no witness.
    case answer(String)
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
    ///
    /// With the hash of the first, in the order of the witness.
    case unused(WitnessPart, count: Int, first: Bytes32)
    /// Nodes or codes that are there more than once; refused in strict mode only.
    case repeated(WitnessPart, count: Int, first: Bytes32)
}

public enum WitnessPart: Hashable, Sendable { case headers, codes, nodes, keys }
