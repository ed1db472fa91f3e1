public import Attestation
public import ChoraleBase
public import Codec
public import OrderedCollections

/// An entry of the list of what may vouch for operations of a kind.
public struct AllowedEnclave: Hashable, Sendable {
    /// The operations' kind.
    public let kind: UInt16
    /// With the first and the last epoch in which it may.
    public let entry: AllowedMeasurement

    public init(kind: UInt16, _ entry: AllowedMeasurement) {
        self.kind = kind
        self.entry = entry
    }
}

/// Which enclaves may vouch for parts, and which platforms were caught: consensus state.
///
/// Memory: ``allowedMax`` entries of 51 bytes and ``revokedMax`` keys.
public struct EnclaveRegistry: Hashable, Sendable {
    /// Most measurements.
    public static let allowedMax = 256
    /// Most platforms that are remembered as revoked; the oldest is forgotten first. Each has cost somebody a bond.
    public static let revokedMax = 1024

    public internal(set) var allowed: [AllowedEnclave]
    /// Keys of platforms, in the order in which they were revoked.
    public internal(set) var revoked: OrderedSet<Bytes32> = []

    public init(allowed: [AllowedEnclave] = []) {
        precondition(allowed.count <= Self.allowedMax, "\(allowed.count) enclaves")
        self.allowed = allowed
    }

    /// Whether a measurement may vouch for operations of a kind.
    public func allows(_ measurement: EnclaveMeasurement, kind: UInt16, epoch: UInt64) -> Bool {
        allowed.contains {
            $0.kind == kind && $0.entry.measurement == measurement
                && $0.entry.epochs.contains(epoch)
        }
    }

    /// Throws unless a statement by this platform may count now.
    public func check(
        _ content: EnclaveStatementContent, platform: Bytes32, kind: UInt16, epoch: UInt64
    ) throws(EnclaveFault) {
        guard allows(content.measurement, kind: kind, epoch: epoch) else {
            throw .notAllowed(content.measurement, kind: kind, epoch: epoch)
        }
        guard !revoked.contains(platform) else { throw .revoked(platform) }
    }

    mutating func revoke(_ platform: Bytes32) {
        guard revoked.append(platform).inserted, revoked.count > Self.revokedMax else { return }
        revoked.removeFirst()
    }
}

extension AllowedEnclave: SSZContainer {
    public static let sszLayout = SSZLayout(UInt16.self, SSZByteVector<49>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let encoded = SSZByteVector<49>(entry.encoded) else {
            preconditionFailure("an entry has \(AllowedMeasurement.encodedSize) bytes")
        }
        fields.visit(kind)
        fields.visit(encoded)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        kind = try fields.next(in: input)
        let encoded = try fields.next(SSZByteVector<49>.self, in: input)
        guard let entry = AllowedMeasurement(decoding: encoded.bytes) else {
            throw .invalidValue("no entry of a measurement")
        }
        self.entry = entry
    }
}

extension EnclaveRegistry: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZList<AllowedEnclave, 256>.self, SSZList<Bytes32, 1024>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let allowed = SSZList<AllowedEnclave, 256>(allowed),
            let revoked = SSZList<Bytes32, 1024>(Array(revoked))
        else { preconditionFailure("a registry keeps to its limits") }
        fields.visit(allowed)
        fields.visit(revoked)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        allowed = try fields.next(SSZList<AllowedEnclave, 256>.self, in: input).elements
        let keys = try fields.next(SSZList<Bytes32, 1024>.self, in: input).elements
        revoked = OrderedSet(keys)
        guard revoked.count == keys.count else {
            throw .invalidValue("a platform that is revoked twice")
        }
    }
}
