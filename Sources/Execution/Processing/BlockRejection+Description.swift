import ChoraleBase

// Sentences for people, without their full stop: the rule that is broken, what was found, what it should have
// been. Amounts in decimal, hashes in hexadecimal.

extension BlockRejection: CustomStringConvertible {
    public var description: String {
        switch self {
        case .extraDataTooLong(let size, let limit):
            "extra data has \(size) bytes, more than \(limit) (yellow paper 4.4.4)"
        case .gasLimitTooLow(let gas, let limit):
            "gas limit \(gas) is below \(limit) (yellow paper 4.4.4)"
        case .gasLimitTooHigh(let gas): "gas limit \(gas) is not below 2^63 (EIP-1985)"
        case .gasUsedAboveLimit(let used, let limit): "gas used \(used) is above gas limit \(limit)"
        case .difficultyNotZero(let difficulty):
            "difficulty \(difficulty.decimal) is not 0 (EIP-3675)"
        case .nonceNotZero(let nonce): "nonce \(nonce) is not 0 (EIP-3675)"
        case .ommers(let count): "the block has ommers: \(count) instead of 0 (EIP-3675)"
        case .ommersHash(let found, let expected):
            "ommers hash \(difference(found, expected)), the hash of no ommers (EIP-3675)"
        case .field(let field, let isThere, let fork):
            isThere
                ? "\(field) is in the header, but not before \(field.fork) (\(field.proposal)); "
                    + "the block is of \(fork)"
                : "\(field) is not in the block, but has to be from \(field.fork) on "
                    + "(\(field.proposal)); the block is of \(fork)"
        case .tooLarge(let size, let limit):
            "the block has \(size) bytes, more than \(limit) (EIP-7934)"

        case .parentHash(let found, let expected):
            "parent hash \(difference(found, expected)), the hash of the parent"
        case .number(let found, let expected):
            "number \(found) is not \(expected), the one after the parent's"
        case .timestamp(let found, let parent):
            "timestamp \(found) is not after the parent's \(parent)"
        case .gasLimitStep(let found, let parent):
            "gas limit \(found) is \(parent / 1024) or more away from the parent's \(parent), "
                + "a 1024th of it (yellow paper 4.4.4)"
        case .baseFee(let found, let expected):
            "base fee \(found.decimal) is not \(expected.decimal), which the parent's base fee, gas used and gas "
                + "limit give (EIP-1559)"
        case .excessBlobGas(let found, let expected):
            "excess blob gas \(found) is not \(expected), which the parent's excess, blob gas used "
                + "and base fee give (EIP-4844, 7918)"

        case .transactionsRoot(let found, let expected):
            "transactions root \(difference(found, expected)), the root of the block's transactions"
        case .withdrawalsRoot(let found, let expected):
            "withdrawals root \(difference(found, expected)), the root of the block's withdrawals "
                + "(EIP-4895)"
        case .blobGasUsed(let found, let expected):
            "blob gas used \(found) is not \(expected), which the block's blobs take (EIP-4844)"
        case .transaction(let index, let rejection): "transaction \(index): \(rejection)"

        case .gasUsed(let found, let expected):
            "gas used \(found) is not \(expected), which the transactions took"
        case .bloom(let found, let expected):
            "bloom is not that of the logs: \(bloomDifference(found, expected))"
        case .requestsHash(let found, let expected):
            "requests hash \(difference(found, expected)), the hash of the requests that execution "
                + "gave (EIP-7685)"
        case .stateRoot(let found, let expected):
            "state root \(difference(found, expected)), the root that execution gave"
        case .receiptsRoot(let found, let expected):
            "receipts root \(difference(found, expected)), the root that execution gave"
        case .systemContractMissing(let address):
            "the system contract \(address) has no code: 0 bytes instead of some (EIP-7002, 7251)"
        case .systemCallFailed(let address):
            "the call of the system contract \(address) failed instead of succeeding "
                + "(EIP-7002, 7251)"
        case .depositLayout:
            "a log of the deposit contract is not the 576 bytes of five fields of 48, 32, 8, 96 "
                + "and 8 bytes that it should be (EIP-6110)"
        }
    }

    private func difference(_ found: Bytes32, _ expected: Bytes32) -> String {
        "0x\(found) is not 0x\(expected)"
    }

    /// 512 digits show nobody anything: how many bits differ, and the first byte that does.
    private func bloomDifference(_ found: [UInt8], _ expected: [UInt8]) -> String {
        guard found.count == expected.count else {
            return "\(found.count) bytes instead of \(expected.count)"
        }
        let pairs = zip(found, expected)
        let bits = pairs.reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
        guard let first = pairs.enumerated().first(where: { $1.0 != $1.1 }) else {
            return "no bit differs"
        }
        return "\(bits) of 2048 bits differ, the first in byte \(first.offset), which is "
            + "0x\(Hex.encode([first.element.0])) and not 0x\(Hex.encode([first.element.1])) "
            + "(yellow paper 4.4.1)"
    }
}

extension HeaderField: CustomStringConvertible {
    public var description: String {
        switch self {
        case .baseFee: "base fee"
        case .withdrawalsRoot: "withdrawals root"
        case .blobGas: "blob gas"
        case .requestsHash: "requests hash"
        }
    }

    /// Where it came from.
    var fork: Fork {
        switch self {
        case .baseFee: .london
        case .withdrawalsRoot: .shanghai
        case .blobGas: .cancun
        case .requestsHash: .prague
        }
    }

    var proposal: String {
        switch self {
        case .baseFee: "EIP-1559"
        case .withdrawalsRoot: "EIP-4895"
        case .blobGas: "EIP-4844"
        case .requestsHash: "EIP-7685"
        }
    }
}

extension Fork: CustomStringConvertible {
    public var description: String {
        switch self {
        case .london: "London"
        case .paris: "Paris"
        case .shanghai: "Shanghai"
        case .cancun: "Cancun"
        case .prague: "Prague"
        case .osaka: "Osaka"
        }
    }
}

extension BlockFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rejected(let rejection): "\(rejection)"
        case .state(let error): "\(error)"
        }
    }
}
