import Execution

/// What the fixtures call the reasons for which blocks are refused, and what they are called here.
///
/// Names of the older collection that begin with `TR_` are of transactions that its maker left out of the
/// header's root, so that for them the root is what is found wrong.
enum ExpectedException {
    static func matches(_ exception: String, _ error: any Error) -> Bool {
        exception.split(separator: "|").contains { isNameOf(error, String($0)) }
    }

    private static func isNameOf(_ error: any Error, _ name: String) -> Bool {
        let name = name.split(separator: ".").last.map(String.init) ?? name
        switch error {
        case BlockFailure.rejected(.transaction(_, let rejection)):
            return transaction(rejection).contains(name)
        case BlockFailure.rejected(let rejection): return block(rejection).contains(name)
        case let rejection as BlockRejection: return block(rejection).contains(name)
        case ExecutionError.rejected(let rejection): return transaction(rejection).contains(name)
        case TransactionError.rlp:
            return ["TYPE_3_TX_CONTRACT_CREATION", "TR_RLP_WRONGVALUE"].contains(name)
        case BlockError.rlp: return encodings.contains(name)
        case BlockError.transaction: return name == "TYPE_3_TX_CONTRACT_CREATION"
        case ChainFault.unknownParent: return name == "UnknownParent"
        default: return false
        }
    }

    private static let encodings: Set<String> = [
        "INPUT_UNMARSHAL_ERROR", "INPUT_UNMARSHAL_ADDRESS_ERROR", "INCORRECT_BLOCK_FORMAT",
        "RLP_STRUCTURES_ENCODING",
    ]

    private static func block(_ rejection: BlockRejection) -> Set<String> {
        switch rejection {
        case .ommersHash, .ommers: ["PostParisUncleHashIsNotEmpty"]
        case .excessBlobGas: ["INCORRECT_EXCESS_BLOB_GAS"]
        case .requestsHash: ["INVALID_REQUESTS"]
        case .timestamp: ["InvalidTimestampOlderParent"]
        case .gasLimitStep: ["InvalidGasLimit2", "INVALID_GASLIMIT"]
        case .gasLimitTooLow: ["InvalidGasLimit2", "INVALID_GASLIMIT"]
        case .depositLayout: ["INVALID_DEPOSIT_EVENT_LAYOUT"]
        case .systemCallFailed: ["SYSTEM_CONTRACT_CALL_FAILED"]
        case .systemContractMissing: ["SYSTEM_CONTRACT_EMPTY"]
        case .withdrawalsRoot:
            ["INVALID_WITHDRAWALS_ROOT", "InvalidWithdrawals", "RLP_ExpectedAsList"]
        case .baseFee: ["INVALID_BASEFEE_PER_GAS", "1559BlockImportImpossible_BaseFeeWrong"]
        case .extraDataTooLong: ["ExtraDataTooBig"]
        case .difficultyNotZero: ["PostParisDifficultyIsNot0"]
        case .number: ["InvalidNumber"]
        case .bloom: ["InvalidLogBloom"]
        case .gasUsed: ["InvalidGasUsed"]
        case .stateRoot: ["InvalidStateRoot"]
        case .receiptsRoot: ["InvalidReceiptsStateRoot"]
        case .transactionsRoot:
            [
                "InvalidTransactionsRoot", "TR_NoFunds", "TR_IntrinsicGas", "TR_TipGtFeeCap",
                "TR_FeeCapLessThanBlocksORNoFunds", "TR_GasLimitReached", "TR_NoFundsOrGas",
                "TR_FeeCapLessThanBlocks", "TR_NonceTooHigh", "TR_NonceTooLow",
                "TR_FeeCapLessThanBlocksORGasLimitReached", "SenderNotEOAorNoCASH",
            ]
        default: []
        }
    }

    private static func transaction(_ rejection: TransactionRejection) -> Set<String> {
        switch rejection {
        case .funds: ["INSUFFICIENT_ACCOUNT_FUNDS", "TR_NoFunds", "TR_NoFundsOrGas"]
        case .senderHasCode: ["SENDER_NOT_EOA", "SenderNotEOA"]
        case .maxFeeBelowBaseFee: ["INSUFFICIENT_MAX_FEE_PER_GAS", "TR_FeeCapLessThanBlocks"]
        case .maxBlobFeeBelowBaseFee: ["INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"]
        case .nonce(let found, let expected):
            [found < expected ? "NONCE_MISMATCH_TOO_LOW" : "NONCE_MISMATCH_TOO_HIGH"]
        case .blockGas: ["GAS_ALLOWANCE_EXCEEDED", "TR_GasLimitReached"]
        case .blobGas:
            ["TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED", "TYPE_3_TX_BLOB_COUNT_EXCEEDED"]
        case .signature: []
        case .fault(let fault): Self.fault(fault)
        }
    }

    private static func fault(_ fault: TransactionFault) -> Set<String> {
        switch fault {
        case .typeNotYet(.blob, _): ["TYPE_3_TX_PRE_FORK"]
        case .typeNotYet: ["TYPE_4_TX_PRE_FORK"]
        case .nonceMax: ["NONCE_IS_MAX", "TR_NonceHasMaxValue"]
        case .priorityAboveMax: ["PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"]
        case .costOverflow: ["GASLIMIT_PRICE_PRODUCT_OVERFLOW"]
        case .intrinsicGas: ["INTRINSIC_GAS_TOO_LOW", "TR_NoFundsOrGas"]
        case .floorGas: ["INTRINSIC_GAS_BELOW_FLOOR_GAS_COST"]
        case .initcodeTooLarge: ["INITCODE_SIZE_EXCEEDED"]
        case .gasAboveCap: ["GAS_LIMIT_EXCEEDS_MAXIMUM"]
        case .noBlobs: ["TYPE_3_TX_ZERO_BLOBS"]
        case .tooManyBlobs:
            // Ten are too many for a transaction, and for the block.
            ["TYPE_3_TX_BLOB_COUNT_EXCEEDED", "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED"]
        case .blobVersion: ["TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"]
        case .noAuthorizations: ["TYPE_4_EMPTY_AUTHORIZATION_LIST"]
        case .chainID: []
        }
    }
}
