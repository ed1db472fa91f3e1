import ChoraleBase
import Execution

/// What the data of a revert says, for people.
///
/// Specification: Solidity's ABI, `Error(string)` and `Panic(uint256)`.
enum RevertReason {
    /// Longest text that is put into a message, in bytes. The data has it whole.
    static let sizeMax = 4096

    /// - Returns: nil when the data is neither of the two.
    static func text(_ data: [UInt8]) -> String? {
        guard data.count >= 4 else { return nil }
        let body = data.span.extracting(4...)
        switch Array(data[..<4]) {
        case [0x08, 0xC3, 0x79, 0xA0]: return error(body)
        case [0x4E, 0x48, 0x7B, 0x71]: return panic(body)
        default: return nil
        }
    }

    private static func word(_ body: Span<UInt8>, at offset: Int) -> UInt256? {
        guard offset <= body.count - 32 else { return nil }
        return UInt256(bigEndian: body.extracting(offset..<offset + 32))
    }

    private static func error(_ body: Span<UInt8>) -> String? {
        guard let offset = word(body, at: 0)?.int, offset <= body.count,
            let size = word(body, at: offset)?.int, size <= body.count - offset - 32
        else { return nil }
        let bytes = body.extracting(offset + 32..<offset + 32 + min(size, sizeMax)).copied()
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func panic(_ body: Span<UInt8>) -> String? {
        guard body.count == 32, let code = word(body, at: 0) else { return nil }
        let meaning: String? =
            switch code.uint64 {
            case 0x00: "generic panic"
            case 0x01: "assert(false)"
            case 0x11: "arithmetic underflow or overflow"
            case 0x12: "division or modulo by zero"
            case 0x21: "enum overflow"
            case 0x22: "invalid encoded storage byte array accessed"
            case 0x31: "out-of-bounds array access; popping on an empty array"
            case 0x32: "out-of-bounds access of an array or bytesN"
            case 0x41: "out of memory"
            case 0x51: "uninitialized function"
            default: nil
            }
        return meaning ?? "unknown panic code: \(code)"
    }
}
