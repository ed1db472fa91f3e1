import ChoraleBase

/// An entry of the list of what may vouch for operations: state, changed by genesis and governance.
public struct AllowedMeasurement: Hashable, Sendable {
    public let measurement: EnclaveMeasurement
    /// First and last epoch in which it counts. An entry that nobody renews goes out of use by itself.
    public let epochs: ClosedRange<UInt64>

    /// Size of ``encoded``, in bytes.
    public static let encodedSize = 1 + 32 + 8 + 8

    public init(measurement: EnclaveMeasurement, epochs: ClosedRange<UInt64>) {
        self.measurement = measurement
        self.epochs = epochs
    }

    /// Kind, digest, first and last epoch, little-endian: as state holds it.
    public var encoded: [UInt8] {
        var bytes = [measurement.kind.rawValue] + measurement.digest.bytes
        bytes.appendLittleEndian(epochs.lowerBound)
        bytes.appendLittleEndian(epochs.upperBound)
        return bytes
    }

    /// - Returns: nil for anything that ``encoded`` does not give.
    public init?(decoding bytes: [UInt8]) {
        guard bytes.count == Self.encodedSize,
            let kind = AttestationKind(rawValue: bytes[0]), let digest = Bytes32(bytes[1..<33])
        else { return nil }
        let first = bytes.span.loadLittleEndian(UInt64.self, at: 33)
        let last = bytes.span.loadLittleEndian(UInt64.self, at: 41)
        guard first <= last else { return nil }
        measurement = EnclaveMeasurement(kind: kind, digest: digest)
        epochs = first...last
    }
}
