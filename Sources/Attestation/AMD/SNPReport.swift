import ChoraleBase

/// What the secure processor of AMD's says of a guest: 1,184 bytes.
///
/// Nothing is checked here but the form.
///
/// Specification: AMD 56860, SEV-SNP Firmware ABI, ATTESTATION_REPORT; all little-endian.
public struct SNPReport: Hashable, Sendable {
    public static let size = 1184
    /// Where the signature begins: what is before is signed.
    static let signedSize = 0x2A0

    /// Which key signs.
    enum SigningKey: UInt8 {
        /// VCEK, of the chip.
        case chip = 0
        /// VLEK, of whoever runs the machine; the chip holds it.
        case loaded = 1
    }

    /// The whole report.
    public let bytes: [UInt8]
    let signingKey: SigningKey
    /// r‖s, big-endian, 96 bytes.
    let signature: [UInt8]

    public init(_ bytes: [UInt8]) throws(AttestationFault) {
        guard bytes.count == Self.size else { throw .report(.size(bytes.count)) }
        let version = bytes.span.loadLittleEndian(UInt32.self, at: 0)
        guard (2...5).contains(version) else { throw .report(.version(version)) }
        // ECDSA P-384 with SHA-384.
        let algorithm = bytes.span.loadLittleEndian(UInt32.self, at: 0x34)
        guard algorithm == 1 else { throw .report(.signatureAlgorithm(algorithm)) }
        let key = UInt8(bytes.span.loadLittleEndian(UInt32.self, at: 0x48) >> 2 & 0x7)
        guard let signingKey = SigningKey(rawValue: key) else { throw .report(.signingKey(key)) }
        // Two numbers of 72 bytes each, of which a curve of 384 bits uses 48.
        let (r, s) = (bytes[0x2A0..<0x2E8], bytes[0x2E8..<0x330])
        guard r.dropFirst(48).allSatisfy({ $0 == 0 }), s.dropFirst(48).allSatisfy({ $0 == 0 }),
            bytes[0x330...].allSatisfy({ $0 == 0 })
        else { throw .report(.signatureEncoding) }
        self.bytes = bytes
        self.signingKey = signingKey
        signature = r.prefix(48).reversed() + s.prefix(48).reversed()
    }

    var signed: ArraySlice<UInt8> { bytes[..<Self.signedSize] }

    public var policy: UInt64 { bytes.span.loadLittleEndian(UInt64.self, at: 0x08) }
    /// Who inside the guest asked, from 0, the most privileged, to 3; 2^32 − 1 when the host did.
    public var privilegeLevel: UInt32 { bytes.span.loadLittleEndian(UInt32.self, at: 0x30) }
    public var reportData: [UInt8] { Array(bytes[0x50..<0x90]) }
    /// Of what was loaded at the start.
    public var measurement: [UInt8] { Array(bytes[0x90..<0xC0]) }
    /// What the host gave the guest as its configuration.
    public var hostData: [UInt8] { Array(bytes[0xC0..<0xE0]) }
    /// By which the chip's certificate was chosen.
    var reportedTCB: ArraySlice<UInt8> { bytes[0x180..<0x188] }
    var chipID: ArraySlice<UInt8> { bytes[0x1A0..<0x1E0] }

    public var tcb: AMDTCB? { AMDTCB(bytes: Array(reportedTCB)) }

    /// Whether the host may read and write the guest.
    public var isDebuggable: Bool { policy & 1 << 19 != 0 }
    /// Whether a migration agent may be bound to the guest.
    public var allowsMigration: Bool { policy & 1 << 18 != 0 }

    /// Guest SVN, policy, family ID and image ID; privilege level; measurement, host data, and the
    /// digests of the keys that signed the guest's ID block and that key.
    var identity: [UInt8] {
        Array(bytes[0x04..<0x34]) + bytes[0x90..<0x140]
    }
}
