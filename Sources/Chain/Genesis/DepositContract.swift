public import Execution

/// The deposit contract of a Chorale chain: whoever sends it ether with a key asks to become a validator,
/// or adds to a validator's stake.
///
/// It keeps nothing but a count and emits what execution requests of EIP-6110 are made of. Ethereum's own
/// contract, which also builds a tree of deposits that this chain does not need, has 6,358 bytes of code.
///
/// | call data | |
/// | --- | --- |
/// | 0 ..< 48 | public key: 32 bytes of Ed25519, then zeros |
/// | 48 ..< 80 | withdrawal credentials: the fee recipient in the last 20 bytes |
/// | 80 ..< 176 | a signature, or nothing at all, which is a signature of zeros |
///
/// The value is the stake: at least one ether, in whole gwei, below 2^64 of them. Anything else is
/// reverted. Whether the key is one, and what the signature must sign, is for whoever reads the requests.
/// What was deposited stays with the contract.
///
/// Its log is `DepositEvent(bytes pubkey, bytes withdrawal_credentials, bytes amount, bytes signature,
/// bytes index)`, amount in gwei and index in 8 bytes each, little-endian.
///
/// Specification: EIP-6110 for the log.
public enum DepositContract {
    public static let address = SystemContracts.address("0000000000000000000000000000000000006110")

    /// Of a deposit, in bytes: without and with a signature.
    static let callSizes = [80, 176]

    /// Assembled by hand. `fail` is 0x13F.
    static let code = SystemContracts.code([
        // the call data are key and credentials, with or without a signature
        //     CALLDATASIZE DUP1 80 EQ SWAP1 176 EQ OR ISZERO fail JUMPI
        "36806050149060b014171561013f57",
        // the 16 bytes behind the key are zero
        //     32 CALLDATALOAD 128 SHR fail JUMPI
        "60203560801c61013f57",
        // whole gwei
        //     1000000000 CALLVALUE MOD fail JUMPI
        "633b9aca00340661013f57",
        // [amount]
        //     1000000000 CALLVALUE DIV
        "633b9aca003404",
        // at least 10^9 gwei, which is one ether
        //     DUP1 1000000000 SWAP1 LT fail JUMPI
        "80633b9aca00901061013f57",
        // the amount fits into 8 bytes
        //     DUP1 64 SHR fail JUMPI
        "8060401c61013f57",
        // where the five parts are
        //     160 PUSH0 MSTORE 256 32 MSTORE 320 64 MSTORE 384 96 MSTORE 512 128 MSTORE
        "60a05f52610100602052610140604052610180606052610200608052",
        // public key
        //     48 160 MSTORE 48 PUSH0 192 CALLDATACOPY
        "603060a05260305f60c037",
        // withdrawal credentials
        //     32 256 MSTORE 32 48 288 CALLDATACOPY
        "6020610100526020603061012037",
        // amount, little-endian
        //     8 320 MSTORE
        "600861014052",
        // byte by byte: DUP1 352 MSTORE8 8 SHR, and so on to 359
        "806101605360081c",
        "806101615360081c",
        "806101625360081c",
        "806101635360081c",
        "806101645360081c",
        "806101655360081c",
        "806101665360081c",
        "806101675360081c",
        // []
        //     POP
        "50",
        // signature; call data end in zeros
        //     96 384 MSTORE 96 80 416 CALLDATACOPY
        "606061018052606060506101a037",
        // index, little-endian; [index, index]
        //     8 512 MSTORE PUSH0 SLOAD DUP1
        "6008610200525f5480",
        // byte by byte: DUP1 544 MSTORE8 8 SHR, and so on to 551
        "806102205360081c",
        "806102215360081c",
        "806102225360081c",
        "806102235360081c",
        "806102245360081c",
        "806102255360081c",
        "806102265360081c",
        "806102275360081c",
        // the next one's index; []
        //     POP 1 ADD PUSH0 SSTORE
        "506001015f55",
        // DepositEvent(bytes,bytes,bytes,bytes,bytes)
        //     topic 576 PUSH0 LOG1 STOP
        "7f649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c56102405fa100",
        //     fail: JUMPDEST PUSH0 PUSH0 REVERT
        "5b5f5ffd",
    ])
}
