import ChoraleBase

extension TransactionRejection: CustomStringConvertible {
    public var description: String {
        switch self {
        case .fault(let fault): "\(fault)"
        case .signature(let error): "\(error)"
        case .nonce(let found, let expected):
            "nonce \(found) is not \(expected), the sender's"
        case .funds(let needed, let balance):
            "the sender's balance \(balance.decimal) is less than "
                + (needed?.decimal ?? "the 2^256 or more")
                + " that gas, blobs and value may cost"
        case .senderHasCode: "the sender has code that is no delegation (EIP-3607, 7702)"
        case .maxFeeBelowBaseFee(let maxFee, let baseFee):
            "max fee \(maxFee.decimal) is below the block's base fee \(baseFee.decimal) (EIP-1559)"
        case .maxBlobFeeBelowBaseFee(let maxFee, let baseFee):
            "max blob fee \(maxFee.decimal) is below the block's blob base fee \(baseFee.decimal) (EIP-4844)"
        case .blockGas(let limit, let available):
            "gas limit \(limit) is above the \(available) that the block has left"
        case .blobGas(let used, let available):
            "blob gas \(used) is above the \(available) that the block has left (EIP-4844, 7691)"
        }
    }
}

extension TransactionFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .typeNotYet(let kind, let fork):
            "type \(kind.rawValue) (\(kind.proposal)) does not exist at \(fork)"
        case .chainID(let found, let expected):
            "signed for " + (found.map { "chain \($0.decimal)" } ?? "no chain")
                + ", not for chain \(expected) (EIP-155)"
        case .nonceMax: "nonce \(UInt64.max) is not below 2^64 - 1 (EIP-2681)"
        case .priorityAboveMax: "the priority fee is above the max fee (EIP-1559)"
        case .costOverflow: "gas limit times max fee is not below 2^256"
        case .intrinsicGas(let limit, let needed):
            "gas limit \(limit) is below \(needed), the intrinsic gas (yellow paper 6.2)"
        case .floorGas(let limit, let needed):
            "gas limit \(limit) is below \(needed), the floor for its data (EIP-7623)"
        case .initcodeTooLarge(let size, let limit):
            "initcode has \(size) bytes, more than \(limit) (EIP-3860)"
        case .gasAboveCap(let gas, let limit): "gas limit \(gas) is above \(limit) (EIP-7825)"
        case .noBlobs: "a blob transaction has 0 blobs, not at least 1 (EIP-4844)"
        case .tooManyBlobs(let count, let limit):
            "\(count) blobs in a transaction are more than \(limit) (EIP-7594)"
        case .blobVersion(let version):
            "a blob hash begins with 0x\(Hex.encode([version])), not with 0x01 (EIP-4844)"
        case .noAuthorizations:
            "a set-code transaction has 0 authorizations, not at least 1 (EIP-7702)"
        }
    }
}

extension Transaction.Kind {
    var proposal: String {
        switch self {
        case .legacy: "legacy"
        case .accessList: "EIP-2930"
        case .dynamicFee: "EIP-1559"
        case .blob: "EIP-4844"
        case .setCode: "EIP-7702"
        }
    }
}

extension TransactionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rlp(let error): "no transaction: \(error)"
        case .empty: "no transaction: 0 bytes"
        case .unknownType(let type): "type \(type) is none of 1 to 4 (EIP-2718)"
        case .recoveryValue(let value):
            "recovery value \(value.decimal) is neither 27 nor 28 nor at least 35 (EIP-155)"
        case .yParity(let parity): "y parity \(parity) is neither 0 nor 1 (EIP-2930)"
        case .signatureRange:
            "the signature's r or s is 0 or not below the order, or s above its half (EIP-2)"
        case .notRecoverable: "no key can have made the signature"
        }
    }
}

extension BlockError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rlp(let error): "no block: \(error)"
        case .transaction(let index, let error): "transaction \(index): \(error)"
        }
    }
}

extension PayloadError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .bloomSize(let size): "logs bloom has \(size) bytes, not \(Header.bloomSize)"
        case .extraDataSize(let size):
            "extra data has \(size) bytes, more than \(Header.extraDataLengthMax)"
        case .transaction(let index, let error): "transaction \(index): \(error)"
        case .versionedHashes:
            "the versioned hashes are not those of the transactions' blobs in their order (EIP-4844)"
        }
    }
}

extension ExecutionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .state(let error): "\(error)"
        case .rejected(let rejection): "\(rejection)"
        }
    }
}
