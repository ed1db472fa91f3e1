public import ChoraleBase
public import Codec
public import Execution

/// A block that the host has found valid, with all that others need to find it so.
public struct CrossValidationCase: Sendable {
    public var block: Block
    public var witness: Witness
    public var expected: StatelessVerdict.Roots
    /// From Prague on, of the block's execution.
    public var requests: [[UInt8]]
    public var chainID: UInt64
    public var fork: Fork
    /// The member `config` of the chain's genesis file, for verifiers that are not configured for it.
    public var config: JSONValue?

    public init(
        block: Block, witness: Witness, expected: StatelessVerdict.Roots,
        requests: [[UInt8]], chainID: UInt64, fork: Fork, config: JSONValue? = nil
    ) {
        self.block = block
        self.witness = witness
        self.expected = expected
        self.requests = requests
        self.chainID = chainID
        self.fork = fork
        self.config = config
    }

    public var blockHash: Bytes32 { block.header.hash }

    /// Without what the verifier shall find out.
    var withheld: Block {
        var block = block
        block.header.stateRoot = .zero
        block.header.receiptsRoot = .zero
        return block
    }

    /// The object that a command gets, and `chorale witness execute` reads.
    func json(of block: Block) -> JSONObject {
        func texts(_ parts: [Range<Int>]) -> JSONValue {
            .array(parts.map { .string("0x" + Hex.encode(witness.bytes[$0])) })
        }
        var object: JSONObject = [
            "blockHash": .string("0x\(blockHash)"), "chainId": JSONValue(chainID),
            "fork": .string("\(fork)".capitalizedOnce),
            "block": .string("0x" + Hex.encode(block.encoded)),
            "witness": .object([
                "state": texts(witness.nodes), "codes": texts(witness.codes),
                "headers": texts(witness.headers),
            ]),
        ]
        if let config { object["config"] = config }
        return object
    }
}

extension String {
    /// Forks are called `Prague` in files.
    fileprivate var capitalizedOnce: String { prefix(1).uppercased() + dropFirst() }
}
