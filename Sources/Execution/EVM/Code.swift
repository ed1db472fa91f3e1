public import ChoraleBase
import Crypto

/// A contract's code, with what running it needs: zeros behind it and a map of where jumps may go.
///
/// A class, because one code is run by many frames and shared by many blocks, and its memory must not
/// move. Immutable from its initializer on.
///
/// Safe: the memory is allocated with `size + paddingSize` bytes and one bit for each byte of code, and
/// never written again.
@safe
public final class Code: @unchecked Sendable {
    /// Zero bytes behind the code: the longest instruction, and the 32 bytes that a PUSH reads.
    static let paddingSize = 72

    /// Bytes.
    public let size: Int
    /// Keccak-256 of the code, as a word.
    public let hash: UInt256

    private let base: UnsafeMutablePointer<UInt8>
    private let jumps: UnsafeMutablePointer<UInt64>

    public static let empty = Code([UInt8]().span, hash: Account.emptyCodeHash)

    /// - Parameter hash: of the bytes; nil to compute it.
    public convenience init(_ bytes: [UInt8], hash: Bytes32? = nil) {
        self.init(bytes.span, hash: UInt256(hash ?? Keccak256.hash(bytes)))
    }

    /// - Parameter hash: of the bytes, or anything for code that is run without being deployed.
    init(_ bytes: Span<UInt8>, hash: UInt256) {
        size = bytes.count
        self.hash = hash
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: size + Self.paddingSize)
        unsafe bytes.withUnsafeBufferPointer {
            if let start = $0.baseAddress { unsafe copy.initialize(from: start, count: $0.count) }
        }
        unsafe base = copy
        unsafe (base + size).initialize(repeating: 0, count: Self.paddingSize)

        let wordCount = size / 64 + 1
        unsafe jumps = .allocate(capacity: wordCount)
        unsafe jumps.initialize(repeating: 0, count: wordCount)
        var position = 0
        while position < size {
            let opcode = unsafe base[position]
            if opcode == Opcode.jumpdest {
                unsafe jumps[position >> 6] |= 1 << UInt64(position & 63)
            }
            // The bytes that a PUSH takes are no instructions.
            position += opcode >= Opcode.push1 && opcode <= Opcode.push32 ? Int(opcode) - 0x5E : 1
        }
    }

    deinit {
        unsafe base.deallocate()
        unsafe jumps.deallocate()
    }

    /// Valid as long as the code lives.
    var cursor: CodeCursor { unsafe CodeCursor(UnsafePointer(base)) }

    /// Where jumps may go. Valid as long as the code lives.
    var jumpMap: JumpMap { unsafe JumpMap(bits: UnsafePointer(jumps), size: size) }

    public var bytes: [UInt8] { withSpan { $0.copied() } }

    func withSpan<Result: ~Copyable, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe Span(_unsafeStart: UnsafePointer(base), count: size))
    }

    /// Whose code an account with this code runs, if it is a designator (EIP-7702).
    var delegate: UInt256? {
        guard size == 23, unsafe base[0] == 0xEF, unsafe base[1] == 1, unsafe base[2] == 0 else {
            return nil
        }
        return withSpan { UInt256(bigEndian: $0.extracting(3..<23)) }
    }

    /// The designator that lets an account run the code at `address` (EIP-7702).
    static func delegating(to address: Address) -> Code {
        Code([0xEF, 0x01, 0x00] + address.storage.span.copied())
    }
}

/// The positions of JUMPDEST instructions, one bit for each byte of the code.
///
/// Safe: positions are checked against the size of the code.
@safe
struct JumpMap: BitwiseCopyable {
    private let bits: UnsafePointer<UInt64>
    private let size: Int

    init(bits: UnsafePointer<UInt64>, size: Int) {
        unsafe self.bits = bits
        self.size = size
    }

    @inline(__always)
    func allows(_ target: UInt256) -> Bool {
        guard target.l1 | target.l2 | target.l3 == 0, target.l0 < UInt64(size) else { return false }
        let position = Int(target.l0)
        return unsafe bits[position >> 6] >> UInt64(position & 63) & 1 == 1
    }
}
