import ChoraleBase

/// What an SGX processor says of an enclave: 384 bytes.
///
/// Specification: Intel SDM volume 3D, section 38.15, REPORT; all little-endian.
public struct EnclaveReport: Hashable, Sendable {
    public static let size = 384

    /// The whole report.
    public let bytes: [UInt8]

    /// - Precondition: `bytes` has ``size`` bytes.
    init(_ bytes: ArraySlice<UInt8>) {
        precondition(bytes.count == Self.size, "a report of \(bytes.count) bytes")
        self.bytes = Array(bytes)
    }

    var miscellaneousSelect: ArraySlice<UInt8> { bytes[16..<20] }
    /// ISVEXTPRODID.
    var extendedProduct: ArraySlice<UInt8> { bytes[32..<48] }
    var attributes: ArraySlice<UInt8> { bytes[48..<64] }
    /// MRENCLAVE: what was loaded.
    public var measurement: [UInt8] { Array(bytes[64..<96]) }
    /// MRSIGNER: who signed it.
    public var signer: [UInt8] { Array(bytes[128..<160]) }
    /// CONFIGID: what the host gave the enclave as its configuration.
    var configuration: ArraySlice<UInt8> { bytes[192..<256] }
    /// ISVPRODID.
    public var product: UInt16 { bytes.span.loadLittleEndian(UInt16.self, at: 256) }
    /// ISVSVN.
    public var securityVersion: UInt16 { bytes.span.loadLittleEndian(UInt16.self, at: 258) }
    /// CONFIGSVN.
    var configurationVersion: ArraySlice<UInt8> { bytes[260..<262] }
    /// ISVFAMILYID.
    var family: ArraySlice<UInt8> { bytes[304..<320] }
    public var reportData: [UInt8] { Array(bytes[320..<384]) }

    /// Whether a debugger may read and write the enclave.
    public var isDebuggable: Bool { bytes[48] & 0x02 != 0 }
}
