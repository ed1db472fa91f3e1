import ChoraleBase

// The one encoding of an element of ristretto255. RFC 9496, sections 4.3.1 and 4.3.2.

extension Point {
    /// Size of an encoding, in bytes.
    static var encodedSize: Int { 32 }

    /// Affine coordinates of an element, or nil for what is not the encoding of any.
    ///
    /// - Precondition: 32 bytes lie within the span.
    static func decode(
        _ bytes: Span<UInt8>, at offset: Int
    ) -> (x: BaseField, y: BaseField, t: BaseField)? {
        let limbs = (
            bytes.loadLittleEndian(UInt64.self, at: offset),
            bytes.loadLittleEndian(UInt64.self, at: offset + 8),
            bytes.loadLittleEndian(UInt64.self, at: offset + 16),
            bytes.loadLittleEndian(UInt64.self, at: offset + 24)
        )
        guard limbs.0 & 1 == 0, let s = BaseField(canonical: limbs) else { return nil }
        let ss = s.squared()
        let u1 = .one - ss
        let u2 = .one + ss
        let u2Squared = u2.squared()
        let v = -(.d * u1.squared()) - u2Squared
        let (isSquare, inverseRoot) = BaseField.squareRootOfRatio(.one, v * u2Squared)
        let xDenominator = inverseRoot * u2
        let yDenominator = inverseRoot * xDenominator * v
        let x = ((s + s) * xDenominator).magnitude
        let y = u1 * yDenominator
        let t = x * y
        guard isSquare, !t.isNegative, !y.isZero else { return nil }
        return (x, y, t)
    }

    /// The element of an encoding, or nil.
    init?(_ encoding: Bytes32) {
        guard let (x, y, t) = Self.decode(encoding.storage.span, at: 0) else { return nil }
        self.init(x: x, y: y, z: .one, t: t)
    }

    var encoding: Bytes32 {
        let u1 = (z + y) * (z - y)
        let u2 = x * y
        let (_, inverseRoot) = BaseField.squareRootOfRatio(.one, u1 * u2.squared())
        let den1 = inverseRoot * u1
        let den2 = inverseRoot * u2
        let zInverse = den1 * den2 * t
        let isRotated = (t * zInverse).isNegative
        let newX = isRotated ? y * .squareRootOfMinusOne : x
        var newY = isRotated ? x * .squareRootOfMinusOne : y
        let denominator = isRotated ? den1 * .inverseRootOfAMinusD : den2
        if (newX * zInverse).isNegative { newY = (-newY) * .one }
        let limbs = (denominator * (z - newY)).magnitude.canonical
        var bytes = Bytes32.zero
        for (index, limb) in [limbs.0, limbs.1, limbs.2, limbs.3].enumerated() {
            for byte in 0..<8 {
                bytes.storage[8 * index + byte] = UInt8(
                    truncatingIfNeeded: limb &>> UInt64(8 * byte))
            }
        }
        return bytes
    }
}

extension AffinePoint {
    /// The element of an encoding, or nil.
    init?(_ encoding: Bytes32) {
        guard let (x, y, t) = Point.decode(encoding.storage.span, at: 0) else { return nil }
        self.init(x: x, y: y, t: t)
    }
}
