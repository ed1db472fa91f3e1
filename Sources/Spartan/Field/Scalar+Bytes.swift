public import ChoraleBase

extension Scalar {
    /// Size of the encoding, in bytes.
    public static let size = 32

    /// The element of a little-endian integer below ℓ; nil for ℓ and above, and for other sizes.
    public init?(canonical bytes: Span<UInt8>) {
        guard bytes.count == Self.size else { return nil }
        self.init(canonical: bytes, at: 0)
    }

    /// The element of 32 little-endian bytes within the span; nil for ℓ and above.
    init?(canonical bytes: Span<UInt8>, at offset: Int) {
        let l0 = bytes.loadLittleEndian(UInt64.self, at: offset)
        let l1 = bytes.loadLittleEndian(UInt64.self, at: offset + 8)
        let l2 = bytes.loadLittleEndian(UInt64.self, at: offset + 16)
        let l3 = bytes.loadLittleEndian(UInt64.self, at: offset + 24)
        var carry: UInt64 = 1
        _ = subtract(l0, Order.limb0, &carry)
        _ = subtract(l1, Order.limb1, &carry)
        _ = subtract(l2, 0, &carry)
        _ = subtract(l3, Order.limb3, &carry)
        guard carry == 0 else { return nil }
        self.init(limbs: (l0, l1, l2, l3))
    }

    /// The residue of a little-endian integer of 64 bytes: uniform bytes give an element whose
    /// distance from uniform is below 2⁻²⁵⁶.
    ///
    /// - Precondition: there are 64 bytes.
    init(wide bytes: Span<UInt8>) {
        precondition(bytes.count == 64, "a wide integer has 64 bytes")
        func limbs(_ offset: Int) -> (UInt64, UInt64, UInt64, UInt64) {
            (
                bytes.loadLittleEndian(UInt64.self, at: offset),
                bytes.loadLittleEndian(UInt64.self, at: offset + 8),
                bytes.loadLittleEndian(UInt64.self, at: offset + 16),
                bytes.loadLittleEndian(UInt64.self, at: offset + 24)
            )
        }
        self.init(low: limbs(0), high: limbs(32))
    }

    /// The integer in 0 ..< ℓ as 32 little-endian bytes.
    public var bytes: Bytes32 {
        let limbs = canonical
        var bytes = Bytes32.zero
        for (index, limb) in [limbs.0, limbs.1, limbs.2, limbs.3].enumerated() {
            for byte in 0..<8 {
                bytes.storage[8 * index + byte] = UInt8(
                    truncatingIfNeeded: limb &>> UInt64(8 * byte))
            }
        }
        return bytes
    }

    /// Appends the integer in 0 ..< ℓ as 32 little-endian bytes.
    func append(to bytes: inout [UInt8]) {
        let limbs = canonical
        bytes.appendLittleEndian(limbs.0)
        bytes.appendLittleEndian(limbs.1)
        bytes.appendLittleEndian(limbs.2)
        bytes.appendLittleEndian(limbs.3)
    }
}

extension Scalar: CustomStringConvertible {
    /// The integer of least magnitude when that fits 63 bits, else the encoding in hexadecimal.
    public var description: String {
        let (own, negative) = (canonical, (-self).canonical)
        if own.1 | own.2 | own.3 == 0, own.0 >> 63 == 0 { return "\(own.0)" }
        if negative.1 | negative.2 | negative.3 == 0, negative.0 >> 63 == 0 {
            return "-\(negative.0)"
        }
        return Hex.encode(bytes.bytes)
    }
}
