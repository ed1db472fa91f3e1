/// What a PCK certificate says of its platform beside its key.
///
/// Specification: Intel SGX PCK Certificate and CRL Profile, section 1.3.5 (version 1.5).
struct PlatformCertificate: Hashable, Sendable {
    /// The extension's identifier.
    static let identifier = "1.2.840.113741.1.13.1"
    /// 1.2.840.113741.1.13.1, as the identifiers of all its parts begin.
    private static let prefix: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 0x01, 0x0D, 0x01]
    private static let componentCount = 16

    /// Security versions of the sixteen components.
    let components: [UInt8]
    /// PCESVN.
    let provisioningEnclaveVersion: UInt16
    /// PCEID, two bytes.
    let provisioningEnclave: [UInt8]
    /// FMSPC: family, model, stepping, platform type and custom SKU; six bytes.
    let family: [UInt8]

    init(_ value: [UInt8]) throws(DERReader.Malformed) {
        var outer = DERReader(value[...])
        var parts = DERReader(try outer.next(.sequence))
        guard outer.isAtEnd else { throw DERReader.Malformed() }
        var components: [UInt8] = []
        var version: UInt16?
        var provisioningEnclave: [UInt8]?
        var family: [UInt8]?
        while !parts.isAtEnd {
            var part = DERReader(try parts.next(.sequence))
            let name = try part.next(.objectIdentifier)
            guard name.starts(with: Self.prefix) else { throw DERReader.Malformed() }
            switch Array(name.dropFirst(Self.prefix.count)) {
            case [2]:
                guard components.isEmpty else { throw DERReader.Malformed() }
                (components, version) = try Self.tcb(try part.next(.sequence))
            case [3]:
                let value = try part.next(.octetString)
                guard provisioningEnclave == nil, value.count == 2 else {
                    throw DERReader.Malformed()
                }
                provisioningEnclave = Array(value)
            case [4]:
                let value = try part.next(.octetString)
                guard family == nil, value.count == 6 else { throw DERReader.Malformed() }
                family = Array(value)
            default: continue
            }
            guard part.isAtEnd else { throw DERReader.Malformed() }
        }
        guard components.count == Self.componentCount, let version, let provisioningEnclave,
            let family
        else { throw DERReader.Malformed() }
        self.components = components
        provisioningEnclaveVersion = version
        self.provisioningEnclave = provisioningEnclave
        self.family = family
    }

    /// Components 1 to 16 in order, PCESVN, and the CPUSVN that says the same again.
    private static func tcb(
        _ content: ArraySlice<UInt8>
    ) throws(DERReader.Malformed) -> ([UInt8], UInt16) {
        var reader = DERReader(content)
        var components: [UInt8] = []
        for index in 1...componentCount {
            guard
                let component = UInt8(exactly: try numbered(UInt8(index), &reader))
            else { throw DERReader.Malformed() }
            components.append(component)
        }
        guard let version = UInt16(exactly: try numbered(17, &reader)) else {
            throw DERReader.Malformed()
        }
        return (components, version)
    }

    private static func numbered(
        _ index: UInt8, _ reader: inout DERReader
    ) throws(DERReader.Malformed) -> UInt32 {
        var part = DERReader(try reader.next(.sequence))
        guard Array(try part.next(.objectIdentifier)) == prefix + [2, index] else {
            throw DERReader.Malformed()
        }
        let value = try part.nextUnsigned()
        guard part.isAtEnd else { throw DERReader.Malformed() }
        return value
    }
}
