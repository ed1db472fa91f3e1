import ChoraleBase

extension WitnessError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unknownForm(let first):
            first.isEmpty
                ? "there are 0 bytes, and no witness has none"
                : "what begins with 0x\(Hex.encode(first)) is neither RLP, SSZ nor JSON of a witness"
        case .hex(let position): "character \(position) ends hexadecimal digits where it should not"
        case .rlp(let error): "the witness is not RLP of three or four lists: \(error)"
        case .ssz(let offset):
            "at byte \(offset) the witness is not SSZ: an offset or size is not in order (EIP-8025)"
        case .json(let member):
            "the witness is not JSON of debug_executionWitness: \(member) is missing, there twice, "
                + "or not what belongs there"
        case .answer(let message): "the file is an error answer: \(message)"
        case .tooLarge(let size, let limit): "the witness has \(size) bytes, more than \(limit)"
        case .tooMany(let part, let limit): "the witness has more than \(limit) \(part.plural)"
        case .noHeaders: "the witness has 0 headers, not at least the parent"
        case .header(let position, let error): "header \(position) of the witness is none: \(error)"
        case .headersNotLinked(let position):
            "headers \(position) and \(position + 1) of the witness are not parent and child"
        case .parentMissing(let hash):
            "neither the first nor the last header of the witness is the parent 0x\(hash)"
        case .unused(let part, let count, let first):
            "the witness has \(count) \(count == 1 ? part.singular : part.plural) that execution "
                + "did not need, the first 0x\(first)"
        case .repeated(let part, let count, let first):
            "the witness has \(count) \(count == 1 ? part.singular : part.plural) more than once, "
                + "the first 0x\(first)"
        }
    }
}

extension StatelessFailure: CustomStringConvertible {
    /// What ``StatelessAnswer/validationError`` says.
    public var description: String {
        switch self {
        case .block(let error): "\(error)"
        case .witness(let error): "\(error)"
        case .gas(let gas, let limit):
            "the block can spend \(gas) gas, more than the \(limit) that are executed"
        case .incomplete(let error): "\(error)"
        case .rejected(let rejection): "\(rejection)"
        }
    }
}
