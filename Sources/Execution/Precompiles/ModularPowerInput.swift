import ChoraleBase
import Crypto

/// The input of the precompile at address 5: three sizes, then base, exponent and modulus, with zeros
/// where there are no more bytes.
///
/// Specification: EIP-198, 2565, 7823, 7883.
struct ModularPowerInput {
    private let baseSize: Int
    private let exponentSize: Int
    private let modulusSize: Int
    /// The first 32 bytes of the exponent, or all if it has fewer.
    private let exponentHead: UInt256

    /// A base or modulus beyond this costs over 2⁴⁰ gas, in bytes.
    private static let sizeMax = 1 << 24
    /// An exponent beyond this costs over 2³¹ gas, in bytes, unless nothing is raised to it.
    private static let exponentSizeMax = 1 << 30

    /// nil when a number is so large that no block has the gas.
    init?(_ input: Span<UInt8>) {
        func size(_ index: Int) -> UInt256 {
            let (start, end) = (min(32 * index, input.count), min(32 * index + 32, input.count))
            return UInt256(leftAligned: input.extracting(start..<end))
        }
        guard let base = size(0).int, let modulus = size(2).int, base <= Self.sizeMax,
            modulus <= Self.sizeMax
        else { return nil }
        var exponent = min(size(1).int ?? .max, Self.exponentSizeMax + 1)
        if exponent > Self.exponentSizeMax {
            // Then the claim costs nothing, and nothing is computed.
            guard base == 0, modulus == 0 else { return nil }
            exponent = Self.exponentSizeMax
        }
        (baseSize, exponentSize, modulusSize) = (base, exponent, modulus)
        let headSize = min(32, exponent)
        let start = min(96 + base, input.count)
        let end = min(start + headSize, input.count)
        exponentHead =
            UInt256(leftAligned: input.extracting(start..<end)) >> (256 - 8 * headSize)
    }

    /// nil when the sizes are refused (EIP-7823).
    func gas(at fork: Fork) -> UInt64? {
        let size = UInt64(max(baseSize, modulusSize))
        let words = (size + 7) / 8
        let headBits = UInt64(max(exponentHead.bitWidth - 1, 0))
        let tail = UInt64(max(exponentSize - 32, 0))
        if fork >= .osaka {
            guard max(baseSize, exponentSize, modulusSize) <= 1024 else { return nil }
            let complexity = size <= 32 ? 16 : 2 * words * words
            return max(500, complexity * max(16 * tail + headBits, 1))
        }
        let (cost, overflow) = (words * words).multipliedReportingOverflow(
            by: max(8 * tail + headBits, 1))
        return overflow ? nil : max(200, cost / 3)
    }

    /// As many bytes as the modulus has.
    func compute(_ input: Span<UInt8>) -> [UInt8] {
        guard modulusSize > 0 else { return [] }
        func part(_ offset: Int, _ size: Int) -> [UInt8] {
            let (start, end) = (min(offset, input.count), min(offset + size, input.count))
            var bytes = input.extracting(start..<end).copied()
            bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
            return bytes
        }
        let base = part(96, baseSize)
        let exponent = part(96 + baseSize, exponentSize)
        let modulus = part(96 + baseSize + exponentSize, modulusSize)
        return ModularPower.compute(
            base: base.span, exponent: exponent.span, modulus: modulus.span)
    }
}
