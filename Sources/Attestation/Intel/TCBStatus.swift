/// How far a platform is from what Intel recommends.
///
/// Which of these are good enough is a matter of policy (``AttestationPolicy``).
public enum TCBStatus: UInt8, Hashable, Sendable, CaseIterable {
    case upToDate
    /// Software inside the enclave must work around something.
    case softwareHardeningNeeded
    case configurationNeeded
    case configurationAndSoftwareHardeningNeeded
    case outOfDate
    case outOfDateConfigurationNeeded
    /// No policy accepts it: the verifier refuses it.
    case revoked

    /// As Intel writes it.
    public var name: String {
        switch self {
        case .upToDate: "UpToDate"
        case .softwareHardeningNeeded: "SWHardeningNeeded"
        case .configurationNeeded: "ConfigurationNeeded"
        case .configurationAndSoftwareHardeningNeeded: "ConfigurationAndSWHardeningNeeded"
        case .outOfDate: "OutOfDate"
        case .outOfDateConfigurationNeeded: "OutOfDateConfigurationNeeded"
        case .revoked: "Revoked"
        }
    }

    public init?(name: String) {
        guard let status = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = status
    }

    /// What is left to do; a status is a set of these.
    private struct Flaws: OptionSet {
        let rawValue: UInt8

        static let hardening = Flaws(rawValue: 1)
        static let configuration = Flaws(rawValue: 2)
        static let outOfDate = Flaws(rawValue: 4)
        static let revoked = Flaws(rawValue: 8)
    }

    private var flaws: Flaws {
        switch self {
        case .upToDate: []
        case .softwareHardeningNeeded: .hardening
        case .configurationNeeded: .configuration
        case .configurationAndSoftwareHardeningNeeded: [.configuration, .hardening]
        case .outOfDate: .outOfDate
        case .outOfDateConfigurationNeeded: [.outOfDate, .configuration]
        case .revoked: .revoked
        }
    }

    /// The status of two parts of one platform together: never better than either.
    ///
    /// There is no name for what is out of date and needs hardening; the update brings what is needed.
    func combined(with other: TCBStatus) -> TCBStatus {
        let flaws = self.flaws.union(other.flaws)
        if flaws.contains(.revoked) { return .revoked }
        if flaws.contains(.outOfDate) {
            return flaws.contains(.configuration) ? .outOfDateConfigurationNeeded : .outOfDate
        }
        if flaws.contains(.configuration) {
            return flaws.contains(.hardening)
                ? .configurationAndSoftwareHardeningNeeded : .configurationNeeded
        }
        return flaws.contains(.hardening) ? .softwareHardeningNeeded : .upToDate
    }
}
