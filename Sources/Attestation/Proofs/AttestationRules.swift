public import ChoraleBase
public import Codec

/// A network's policy for one stretch of time, as an artefact: state names it by its SHA-256 in the keys
/// that parts may be proven with.
///
/// It is how time gets into a verdict that must be the same on every node: governance, or the chain at
/// each epoch, names new rules, and proofs under old ones are no longer of a key that is allowed.
public struct AttestationRules: Hashable, Sendable {
    /// First and last time at which evidence may be judged, in milliseconds since 1970.
    public let times: ClosedRange<UInt64>
    /// A bit for each ``TCBStatus``, the lowest for ``TCBStatus/upToDate``; never the one for revoked.
    public let statuses: UInt8
    /// ``AttestationPolicy/requiresAMDRevocationList``.
    public let requiresAMDRevocationList: Bool
    /// ``AttestationPolicy/evaluationNumberMin``.
    public let evaluationNumberMin: UInt32
    /// ``AttestationPolicy/collateralAgeMax``, in seconds.
    public let collateralAgeMax: UInt32
    /// ``AttestationPolicy/documentAgeMax``, in seconds.
    public let documentAgeMax: UInt32
    /// ``AttestationPolicy/minimumTCB`` of Milan, Genoa and Turin, eight bytes each; all ones for a product
    /// that is not accepted.
    public let minimumTCB: SSZByteVector<24>
    /// ``AttestationPolicy/revokedPlatforms``, sorted, each once.
    public let revokedPlatforms: SSZList<Bytes32, 1024>

    /// - Parameter policy: of which the list of measurements and the advisories are not part of the rules.
    /// - Returns: nil when a duration is not whole seconds of 32 bits, or there are too many platforms.
    public init?(times: ClosedRange<UInt64>, policy: AttestationPolicy) {
        guard times.upperBound <= UInt64(Int64.max),
            let collateralAge = Self.seconds(policy.collateralAgeMax),
            let documentAge = Self.seconds(policy.documentAgeMax),
            let revoked = SSZList<Bytes32, 1024>(policy.revokedPlatforms.sorted())
        else { return nil }
        var minimum: [UInt8] = []
        for product in AMDProduct.allCases {
            minimum += policy.minimumTCB[product]?.bytes ?? .init(repeating: 0xFF, count: 8)
        }
        guard let minimumTCB = SSZByteVector<24>(minimum) else { return nil }
        self.times = times
        var statuses: UInt8 = 0
        for status in policy.acceptedStatuses where status != .revoked {
            statuses |= 1 << status.rawValue
        }
        self.statuses = statuses
        requiresAMDRevocationList = policy.requiresAMDRevocationList
        evaluationNumberMin = policy.evaluationNumberMin
        collateralAgeMax = collateralAge
        documentAgeMax = documentAge
        self.minimumTCB = minimumTCB
        revokedPlatforms = revoked
    }

    private static func seconds(_ duration: Duration) -> UInt32? {
        guard duration.components.attoseconds == 0 else { return nil }
        return UInt32(exactly: duration.components.seconds)
    }

    /// The policy for one measurement, in force in epoch 0: which measurements are allowed in which epoch
    /// is for whoever lists the keys.
    func policy(allowing measurement: EnclaveMeasurement) -> AttestationPolicy {
        var policy = AttestationPolicy(allowed: [
            AllowedMeasurement(measurement: measurement, epochs: 0...0)
        ])
        policy.acceptedStatuses = Set(
            TCBStatus.allCases.filter { $0 != .revoked && statuses & 1 << $0.rawValue != 0 })
        policy.requiresAMDRevocationList = requiresAMDRevocationList
        policy.evaluationNumberMin = evaluationNumberMin
        policy.collateralAgeMax = .seconds(Int64(collateralAgeMax))
        policy.documentAgeMax = .seconds(Int64(documentAgeMax))
        for (index, product) in AMDProduct.allCases.enumerated() {
            let bytes = Array(minimumTCB.bytes[(8 * index)..<(8 * index + 8)])
            guard bytes.contains(where: { $0 != 0xFF }) else { continue }
            policy.minimumTCB[product] = AMDTCB(bytes: bytes)
        }
        policy.revokedPlatforms = Set(revokedPlatforms.elements)
        return policy
    }
}

extension AttestationRules: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt64.self, UInt64.self, UInt8.self, Bool.self, UInt32.self, UInt32.self, UInt32.self,
        SSZByteVector<24>.self, SSZList<Bytes32, 1024>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(times.lowerBound)
        fields.visit(times.upperBound)
        fields.visit(statuses)
        fields.visit(requiresAMDRevocationList)
        fields.visit(evaluationNumberMin)
        fields.visit(collateralAgeMax)
        fields.visit(documentAgeMax)
        fields.visit(minimumTCB)
        fields.visit(revokedPlatforms)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let first = try fields.next(UInt64.self, in: input)
        let last = try fields.next(UInt64.self, in: input)
        statuses = try fields.next(in: input)
        requiresAMDRevocationList = try fields.next(in: input)
        evaluationNumberMin = try fields.next(in: input)
        collateralAgeMax = try fields.next(in: input)
        documentAgeMax = try fields.next(in: input)
        minimumTCB = try fields.next(in: input)
        revokedPlatforms = try fields.next(in: input)
        guard first <= last, last <= UInt64(Int64.max) else {
            throw .invalidValue("times from \(first) to \(last)")
        }
        guard statuses < 1 << TCBStatus.revoked.rawValue else {
            throw .invalidValue("statuses \(statuses)")
        }
        let platforms = revokedPlatforms.elements
        guard zip(platforms, platforms.dropFirst()).allSatisfy({ $0 < $1 }) else {
            throw .invalidValue("revoked platforms out of order")
        }
        times = first...last
    }
}
