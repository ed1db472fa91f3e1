import ChoraleBase

/// Which enclave may make attestation keys, and how good its versions are.
///
/// Specification: Intel SGX and TDX Provisioning Certification Service API, version 4, "Get Quoting
/// Enclave Identity", version 2 of the structure.
struct QuotingEnclaveIdentity: Hashable, Sendable {
    struct Level: Hashable, Sendable {
        let securityVersion: UInt16
        let status: TCBStatus
        let advisories: [String]
    }

    let kind: AttestationKind
    let validity: ClosedRange<Int64>
    let miscellaneousSelect: [UInt8]
    let miscellaneousMask: [UInt8]
    let attributes: [UInt8]
    let attributesMask: [UInt8]
    let signer: [UInt8]
    let product: UInt16
    /// Newest first.
    let levels: [Level]

    init(_ text: [UInt8]) throws(AttestationFault) {
        let statement = try StatementReader(text, .quotingEnclaveIdentity)
        let version = try statement.number("version", UInt64.self)
        guard version == 2 else { throw .statement(.quotingEnclaveIdentity, .version(version)) }
        let identifier = try statement.text("id")
        switch identifier {
        case "QE": kind = .sgx
        case "TD_QE": kind = .tdx
        default: throw .statement(.quotingEnclaveIdentity, .identifier(identifier))
        }
        validity = try statement.validity()
        miscellaneousSelect = try statement.bytes("miscselect", count: 4)
        miscellaneousMask = try statement.bytes("miscselectMask", count: 4)
        attributes = try statement.bytes("attributes", count: 16)
        attributesMask = try statement.bytes("attributesMask", count: 16)
        signer = try statement.bytes("mrsigner", count: 32)
        product = try statement.number("isvprodid", UInt16.self)
        var levels: [Level] = []
        for element in try statement.member("tcbLevels").elements() {
            levels.append(
                Level(
                    securityVersion: try element.member("tcb").number("isvsvn", UInt16.self),
                    status: try element.status(), advisories: try element.advisories()))
        }
        self.levels = levels
    }

    /// The level of a quoting enclave.
    ///
    /// - Throws: when the enclave is another, or lower than every level.
    func level(of report: EnclaveReport) throws(AttestationFault) -> Level {
        // Written as the bytes stand in a report.
        guard
            Masked.isEqual(
                Array(report.miscellaneousSelect), miscellaneousSelect, mask: miscellaneousMask)
        else { throw .platform(.quotingEnclave(.miscellaneousSelect)) }
        guard Masked.isEqual(Array(report.attributes), attributes, mask: attributesMask) else {
            throw .platform(.quotingEnclave(.attributes))
        }
        guard report.signer == signer else { throw .platform(.quotingEnclave(.signer)) }
        guard report.product == product else { throw .platform(.quotingEnclave(.product)) }
        guard let level = levels.first(where: { $0.securityVersion <= report.securityVersion })
        else { throw .platform(.quotingEnclaveLevel(serial: report.securityVersion)) }
        guard level.status != .revoked else { throw .platform(.quotingEnclaveRevoked) }
        return level
    }
}

enum Masked {
    /// Whether two strings of equal length agree in the bits of a mask.
    ///
    /// Both sides are masked: what is expected may have bits outside of it.
    static func isEqual(_ found: [UInt8], _ expected: [UInt8], mask: [UInt8]) -> Bool {
        zip(mask, zip(found, expected)).allSatisfy { mask, pair in
            (pair.0 ^ pair.1) & mask == 0
        }
    }
}
