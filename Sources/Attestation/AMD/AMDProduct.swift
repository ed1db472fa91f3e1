/// A line of processors with a root of its own.
public enum AMDProduct: UInt8, Hashable, Sendable, CaseIterable {
    case milan, genoa, turin

    /// As certificates write it.
    var name: String {
        switch self {
        case .milan: "Milan"
        case .genoa: "Genoa"
        case .turin: "Turin"
        }
    }

    /// Bytes of the chip's identifier that are used.
    var chipIDSize: Int { self == .turin ? 8 : 64 }

    /// Where the parts of a TCB version lie.
    ///
    /// Specification: AMD 56860, SEV-SNP Firmware ABI, table 3.
    var components: [AMDTCBComponent] {
        switch self {
        case .milan, .genoa:
            [
                .init(.bootLoader, offset: 0), .init(.tee, offset: 1), .init(.snp, offset: 6),
                .init(.microcode, offset: 7),
            ]
        case .turin:
            [
                .init(.firmwareManagement, offset: 0), .init(.bootLoader, offset: 1),
                .init(.tee, offset: 2), .init(.snp, offset: 3), .init(.microcode, offset: 7),
            ]
        }
    }
}

/// One part of a TCB version.
struct AMDTCBComponent {
    /// The raw value is the last part of the certificate extension's identifier.
    enum Name: UInt8 {
        case bootLoader = 1, tee = 2, snp = 3, microcode = 8, firmwareManagement = 9
    }

    let name: Name
    /// In the eight bytes of a version.
    let offset: Int

    init(_ name: Name, offset: Int) {
        self.name = name
        self.offset = offset
    }

    /// Identifier of the certificate extension with this part.
    var identifier: String { "1.3.6.1.4.1.3704.1.3.\(name.rawValue)" }
}

/// The versions of the firmware below a guest, as a report has them: eight bytes.
public struct AMDTCB: Hashable, Sendable {
    /// As they stand in a report; what they mean depends on the product.
    public let bytes: [UInt8]

    /// - Returns: nil for any other count than eight.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 8 else { return nil }
        self.bytes = bytes
    }

    /// Whether no part is lower than in another version.
    ///
    /// Reserved bytes are zero in both, so that comparing them changes nothing.
    public func reaches(_ other: AMDTCB) -> Bool {
        zip(bytes, other.bytes).allSatisfy { $0 >= $1 }
    }
}
