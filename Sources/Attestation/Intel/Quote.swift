import ChoraleBase

/// A DCAP quote, taken apart: a report, a signature with an attestation key, and the report of the
/// quoting enclave that made the key, signed by the platform's.
///
/// Nothing is checked here but the form.
///
/// Specification: Intel SGX ECDSA Quote Library, appendix A.4 (version 3); Intel TDX DCAP Quoting
/// Library, appendix A.3 (versions 4 and 5); all little-endian.
public struct Quote: Hashable, Sendable {
    public enum Body: Hashable, Sendable {
        case enclave(EnclaveReport)
        case trustDomain(TrustDomainReport)
    }

    /// 3, 4 or 5.
    public let version: UInt16
    public let body: Body
    /// Header and body, which the attestation key signs.
    let signed: [UInt8]
    /// r‖s, big-endian.
    let signature: [UInt8]
    /// x‖y, big-endian.
    let attestationKey: [UInt8]
    let quotingEnclave: EnclaveReport
    /// r‖s, big-endian.
    let quotingEnclaveSignature: [UInt8]
    let authenticationData: [UInt8]
    /// PEM.
    let certificates: [UInt8]

    public init(_ bytes: [UInt8]) throws(QuoteFault) {
        var reader = QuoteReader(bytes)
        let version = try reader.uint16()
        guard (3...5).contains(version) else { throw .version(version) }
        let keyType = try reader.uint16()
        guard keyType == Self.p256KeyType else { throw .keyType(keyType) }
        let teeType = try reader.uint32()
        _ = try reader.take(4)  // Versions of the quoting and provisioning enclaves.
        guard Array(try reader.take(16)) == Self.vendor else { throw .vendor }
        _ = try reader.take(20)  // User data.

        body = try Self.body(&reader, version: version, teeType: teeType)
        self.version = version
        signed = Array(bytes[..<reader.offset])

        let claimed = Int(try reader.uint32())
        var data = QuoteReader(try reader.take(claimed))
        signature = Array(try data.take(64))
        attestationKey = Array(try data.take(64))
        if version > 3 {
            // The same block, inside certification data of a type of its own.
            let type = try data.uint16()
            guard type == Self.quotingEnclaveReportType else { throw .certificationDataType(type) }
            let size = Int(try data.uint32())
            guard size == data.remaining else {
                throw .signatureDataSize(claimed: size, used: data.remaining)
            }
        }
        quotingEnclave = EnclaveReport(try data.take(EnclaveReport.size))
        quotingEnclaveSignature = Array(try data.take(64))
        authenticationData = Array(try data.take(Int(try data.uint16())))
        let type = try data.uint16()
        guard type == Self.certificateChainType else { throw .certificationDataType(type) }
        certificates = Array(try data.take(Int(try data.uint32())))
        guard data.remaining == 0 else {
            throw .signatureDataSize(claimed: claimed, used: claimed - data.remaining)
        }
        // Buffers of drivers are longer than the quote inside.
        if let offset = bytes[reader.offset...].firstIndex(where: { $0 != 0 }) {
            throw .trailingBytes(offset: offset)
        }
    }

    /// ECDSA-256-with-P-256.
    private static let p256KeyType: UInt16 = 2
    private static let quotingEnclaveReportType: UInt16 = 6
    /// PCK certificate chain.
    private static let certificateChainType: UInt16 = 5
    private static let sgxType: UInt32 = 0
    private static let tdxType: UInt32 = 0x81
    /// 939a7233-f79c-4ca9-940a-0db3957f0607.
    private static let vendor: [UInt8] = [
        0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94, 0x0A, 0x0D, 0xB3, 0x95, 0x7F, 0x06,
        0x07,
    ]

    private static func body(
        _ reader: inout QuoteReader, version: UInt16, teeType: UInt32
    ) throws(QuoteFault) -> Body {
        // Version 3 knows nothing but SGX; what is the type since was reserved.
        if version == 3 { return .enclave(EnclaveReport(try reader.take(EnclaveReport.size))) }
        guard teeType == sgxType || teeType == tdxType else { throw .teeType(teeType) }
        var size = teeType == sgxType ? EnclaveReport.size : TrustDomainReport.size
        if version == 5 {
            let type = try reader.uint16()
            switch (type, teeType) {
            case (1, sgxType), (2, tdxType): break
            case (3, tdxType): size = TrustDomainReport.sizeOfVersion15
            default: throw .bodyType(type)
            }
            let claimed = try reader.uint32()
            guard claimed == UInt32(size) else {
                throw .bodySize(found: claimed, expected: size)
            }
        }
        let report = try reader.take(size)
        return teeType == sgxType
            ? .enclave(EnclaveReport(report)) : .trustDomain(TrustDomainReport(report))
    }

    /// SGX or TDX.
    public var kind: AttestationKind {
        switch body {
        case .enclave: .sgx
        case .trustDomain: .tdx
        }
    }
}

/// Takes fields from the front; every length is checked against what is left.
private struct QuoteReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var offset: Int { rest.startIndex }
    var remaining: Int { rest.count }

    mutating func take(_ count: Int) throws(QuoteFault) -> ArraySlice<UInt8> {
        guard count <= rest.count else {
            throw .truncated(needed: count, available: rest.count)
        }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func uint16() throws(QuoteFault) -> UInt16 {
        try take(2).reversed().reduce(0) { $0 << 8 | UInt16($1) }
    }

    mutating func uint32() throws(QuoteFault) -> UInt32 {
        try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
