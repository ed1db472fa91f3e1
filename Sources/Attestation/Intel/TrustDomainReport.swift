import ChoraleBase

/// What a TDX module says of a trust domain: 584 bytes, or 648 as of TDX 1.5.
///
/// Specification: Intel TDX Module ABI, TDREPORT_STRUCT; Intel TDX DCAP Quoting Library, appendix
/// A.3.2; all little-endian.
public struct TrustDomainReport: Hashable, Sendable {
    public static let size = 584
    public static let sizeOfVersion15 = 648

    /// The whole report.
    public let bytes: [UInt8]

    /// - Precondition: `bytes` has one of the two sizes.
    init(_ bytes: ArraySlice<UInt8>) {
        precondition(
            bytes.count == Self.size || bytes.count == Self.sizeOfVersion15,
            "a report of \(bytes.count) bytes")
        self.bytes = Array(bytes)
    }

    /// TEE_TCB_SVN: the versions of the module and what it stands on, 16 bytes.
    var teeTCB: ArraySlice<UInt8> { bytes[0..<16] }
    /// Low byte of the module's version, by which it is listed.
    var moduleSecurityVersion: UInt8 { bytes[0] }
    /// Major version of the module: 0 for TDX 1.0.
    var moduleVersion: UInt8 { bytes[1] }
    /// MRSIGNERSEAM.
    var moduleSigner: ArraySlice<UInt8> { bytes[64..<112] }
    var moduleAttributes: ArraySlice<UInt8> { bytes[112..<120] }
    var attributes: ArraySlice<UInt8> { bytes[120..<128] }
    /// MRTD: what was loaded at the start.
    public var measurement: [UInt8] { Array(bytes[136..<184]) }
    /// MRCONFIGID, MROWNER, MROWNERCONFIG: what the host gave the domain as its configuration.
    var configuration: ArraySlice<UInt8> { bytes[184..<328] }
    /// RTMR0 to RTMR3: what was measured since.
    public var runtimeMeasurements: [[UInt8]] {
        (0..<4).map { Array(bytes[(328 + 48 * $0)..<(376 + 48 * $0)]) }
    }
    public var reportData: [UInt8] { Array(bytes[520..<584]) }

    /// Whether someone else may read and write the domain: any bit of the group TUD, of which the
    /// first is DEBUG and the others are reserved for more of the kind.
    public var isDebuggable: Bool { bytes[120] != 0 }

    /// Whether a service domain is bound to this one: it can move the domain to another machine.
    public var hasServiceDomain: Bool {
        bytes.count == Self.sizeOfVersion15 && bytes[600..<648].contains { $0 != 0 }
    }
}
