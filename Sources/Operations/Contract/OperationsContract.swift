public import ChoraleBase
public import Codec
import Crypto

/// An address of the execution layer.
public typealias ExecutionAddress = SSZByteVector<20>

/// The contract through which operations are requested and paid, and executors bond.
///
/// It is part of the genesis, at an address that is reserved for it, and its code is that of
/// `contracts/operations.yul`: any implementation of the EVM executes a block with calls of it. What it
/// cannot know, whether an output is certified, is a rule of consensus (``OperationRegistry``).
///
/// Described in `docs/operations-contract.md`.
public enum OperationsContract {
    public static let address: ExecutionAddress = {
        guard
            let address = ExecutionAddress(
                [UInt8](repeating: 0, count: 16) + [0x0C, 0x40, 0x2A, 0x1E])
        else { preconditionFailure("20 bytes") }
        return address
    }()

    /// Runtime code.
    public static let code: [UInt8] = {
        guard let code = try? Hex.decode(codeDigits) else {
            preconditionFailure("digits, written here")
        }
        return code
    }()

    /// Blocks from a request to the last in which it can be settled.
    public static let ttls: ClosedRange<UInt64> = 16...65_536
    /// Highest fee, in wei.
    public static let feeMax: UInt128 = 1 << 96 - 1
    /// Longest output that is stored, in bytes. Of longer ones the contract has the hash.
    public static let storedOutputMax: UInt64 = 1024
    /// Longest output, in bytes.
    public static let outputSizeMax: UInt64 = 1 << 40 - 1
    /// Most payments of one settlement, besides the reward of whoever sends it and what is given back.
    public static let paymentsMax = 64
    /// Least bond of one call, in gwei: an ether.
    public static let bondMin: UInt64 = 1_000_000_000

    /// First topic of each event.
    public enum Topic {
        public static let requested = hash(
            "Requested(bytes32,address,uint16,bytes32,bytes32,uint64,uint64,uint96)")
        public static let settled = hash("Settled(bytes32,bytes32,uint256,uint256,bytes32)")
        public static let expired = hash("Expired(bytes32)")
        public static let executorRegistered = hash(
            "ExecutorRegistered(bytes32,address,uint256,uint64,bytes32,bytes32)")
        public static let executorExit = hash("ExecutorExit(bytes32,address)")
        public static let owed = hash("Owed(address,uint256)")

        private static func hash(_ signature: String) -> Bytes32 {
            Keccak256.hash(Array(signature.utf8))
        }
    }

    /// The name of an address's request, `nonce` counted from 0: `keccak256(chain ‖ address ‖ nonce)`, a
    /// word each.
    public static func operationID(
        chainID: UInt64, requester: ExecutionAddress, nonce: UInt64
    ) -> Bytes32 {
        Keccak256.hash(
            ABIWord.encode(UInt128(chainID)) + ABIWord.encode(requester)
                + ABIWord.encode(UInt128(nonce)))
    }
}

/// Words of the contract ABI: 32 bytes, numbers big-endian on their right.
enum ABIWord {
    static func encode(_ number: UInt128) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 16)
        bytes.appendBigEndian(number)
        return bytes
    }

    static func encode(_ address: ExecutionAddress) -> [UInt8] {
        [UInt8](repeating: 0, count: 12) + address.bytes
    }

    /// nil when there is something on the left.
    static func address(_ word: Bytes32) -> ExecutionAddress? {
        for index in 0..<12 where word[index] != 0 { return nil }
        return ExecutionAddress(word.bytes[12...])
    }

    /// nil when it does not fit.
    static func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ word: Bytes32, _: Number.Type = Number.self
    ) -> Number? {
        for index in 0..<16 where word[index] != 0 { return nil }
        var number: UInt128 = 0
        for index in 16..<32 { number = number << 8 | UInt128(word[index]) }
        return Number(exactly: number)
    }
}
