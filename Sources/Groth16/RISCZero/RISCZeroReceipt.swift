public import ChoraleBase
import Crypto

/// A Groth16 receipt as RISC Zero's host writes it to a file (bincode).
///
/// Only what ``RISCZeroClaim`` says is taken: the program halted with zero, without input and assumptions.
/// The receipt's own claim is compared and then not used.
///
/// Specification: risc0/risc0 `Receipt`, `Groth16Receipt` and `ReceiptClaim`; bincode 1 with fixed-size
/// little-endian integers.
public struct RISCZeroReceipt: Hashable, Sendable {
    /// Largest journal, in bytes.
    public static let journalSizeMax = 64 << 10

    /// Why bytes are no such receipt.
    public enum Fault: Error, Hashable, Sendable {
        case unexpectedEnd(offset: Int)
        /// Something follows the receipt.
        case trailingBytes(offset: Int)
        /// A tag that is not one of those expected here.
        case tag(UInt32, offset: Int)
        /// A size that is not the one expected, or above the limit, in bytes.
        case size(found: UInt64, limit: Int, offset: Int)
        /// The program did not halt with zero.
        case exitCode(system: UInt32, user: UInt32)
        /// The claim is not that of a program that halted well and left this journal.
        case claim(offset: Int)
        /// Two places name different parameters.
        case parameters
    }

    public let imageID: Bytes32
    public let journal: [UInt8]
    /// Selector, then A, B and C: what ``RISCZeroKey/verify(_:claim:)`` takes.
    public let seal: [UInt8]

    public init(bincode bytes: Span<UInt8>) throws(Fault) {
        var reader = BincodeReader()
        // Of the kinds of receipts, Groth16 is the third.
        let kind = try reader.integer(UInt32.self, in: bytes)
        guard kind == 2 else { throw .tag(kind, offset: 0) }
        let points = try reader.bytes(
            in: bytes, sizes: Self.pointsSize...Self.pointsSize)

        // The claim: state before, state after, exit code, input, output.
        guard try !reader.isPruned(in: bytes) else { throw .claim(offset: reader.offset) }
        imageID = try Self.state(&reader, in: bytes)
        let post = reader.offset
        guard try Self.state(&reader, in: bytes) == RISCZeroClaim.haltedState else {
            throw .claim(offset: post)
        }
        let system = try reader.integer(UInt32.self, in: bytes)
        let user = try reader.integer(UInt32.self, in: bytes)
        guard system == 0, user == 0 else { throw .exitCode(system: system, user: user) }
        let input = reader.offset
        guard try reader.isPruned(in: bytes), try reader.digest(in: bytes) == .zero else {
            throw .claim(offset: input)
        }
        let output = reader.offset
        guard try !reader.isPruned(in: bytes), try reader.byte(in: bytes) == 1 else {
            throw .claim(offset: output)
        }
        let claimed: Bytes32
        if try reader.isPruned(in: bytes) {
            claimed = try reader.digest(in: bytes)
        } else {
            claimed = SHA256.hash(try reader.bytes(in: bytes, sizes: 0...Self.journalSizeMax))
        }
        let assumptions = reader.offset
        if try reader.isPruned(in: bytes) {
            guard try reader.digest(in: bytes) == .zero else {
                throw .claim(offset: assumptions)
            }
        } else {
            _ = try reader.bytes(in: bytes, sizes: 0...0)
        }
        let parameters = try reader.digest(in: bytes)
        let place = reader.offset
        journal = try reader.bytes(in: bytes, sizes: 0...Self.journalSizeMax)
        guard SHA256.hash(journal) == claimed else { throw .claim(offset: place) }
        guard try reader.digest(in: bytes) == parameters else { throw .parameters }
        guard reader.offset == bytes.count else { throw .trailingBytes(offset: reader.offset) }
        seal = parameters.bytes.prefix(4) + points
    }

    /// The digest of a machine's state, given or as program counter and memory.
    private static func state(
        _ reader: inout BincodeReader, in bytes: Span<UInt8>
    ) throws(Fault) -> Bytes32 {
        if try reader.isPruned(in: bytes) { return try reader.digest(in: bytes) }
        let programCounter = try reader.integer(UInt32.self, in: bytes)
        let memory = try reader.digest(in: bytes)
        var data: [UInt8] = []
        data.appendLittleEndian(programCounter)
        return TaggedDigest.of("risc0.SystemState", [memory], data)
    }

    /// Size of A, B and C, in bytes.
    private static var pointsSize: Int { RISCZeroKey.sealSize - 4 }
}

/// Reads bincode, of which each value has one encoding.
private struct BincodeReader {
    private(set) var offset = 0

    private mutating func advance(_ size: Int, in bytes: Span<UInt8>) throws(RISCZeroReceipt.Fault)
    {
        guard size <= bytes.count - offset else { throw .unexpectedEnd(offset: offset) }
        offset += size
    }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _: Value.Type, in bytes: Span<UInt8>
    ) throws(RISCZeroReceipt.Fault) -> Value {
        let start = offset
        try advance(MemoryLayout<Value>.size, in: bytes)
        return bytes.loadLittleEndian(Value.self, at: start)
    }

    mutating func byte(in bytes: Span<UInt8>) throws(RISCZeroReceipt.Fault) -> UInt8 {
        try integer(UInt8.self, in: bytes)
    }

    mutating func digest(in bytes: Span<UInt8>) throws(RISCZeroReceipt.Fault) -> Bytes32 {
        let start = offset
        try advance(32, in: bytes)
        return Bytes32(bytes.extracting(start..<offset)) ?? .zero
    }

    /// Whether a digest stands for a value (1) or the value itself does (0).
    mutating func isPruned(in bytes: Span<UInt8>) throws(RISCZeroReceipt.Fault) -> Bool {
        let start = offset
        switch try integer(UInt32.self, in: bytes) {
        case 0: return false
        case 1: return true
        case let tag: throw .tag(tag, offset: start)
        }
    }

    /// Bytes behind their count.
    mutating func bytes(
        in bytes: Span<UInt8>, sizes: ClosedRange<Int>
    ) throws(RISCZeroReceipt.Fault) -> [UInt8] {
        let start = offset
        let size = try integer(UInt64.self, in: bytes)
        guard let count = Int(exactly: size), sizes.contains(count) else {
            throw .size(found: size, limit: sizes.upperBound, offset: start)
        }
        let first = offset
        try advance(count, in: bytes)
        return bytes.extracting(first..<offset).copied()
    }
}
