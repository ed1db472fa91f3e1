import ChoraleBase

/// How good platforms of one family are, by the versions of their parts.
///
/// Specification: Intel SGX and TDX Provisioning Certification Service API, version 4, "Get TCB Info",
/// version 3 of the structure.
struct TCBInfo: Hashable, Sendable {
    struct Level: Hashable, Sendable {
        /// Sixteen.
        let components: [UInt8]
        let provisioningEnclaveVersion: UInt16
        /// Sixteen, for TDX only.
        let teeComponents: [UInt8]?
        let date: Int64
        let status: TCBStatus
        let advisories: [String]
    }

    struct ModuleLevel: Hashable, Sendable {
        let securityVersion: UInt8
        let status: TCBStatus
        let advisories: [String]
    }

    /// Who signs a TDX module, and its attributes.
    struct Module: Hashable, Sendable {
        let signer: [UInt8]
        let attributes: [UInt8]
        let mask: [UInt8]
        /// Empty for the module of TDX 1.0, which the platform's levels cover.
        let levels: [ModuleLevel]
    }

    let kind: AttestationKind
    let validity: ClosedRange<Int64>
    /// FMSPC.
    let family: [UInt8]
    /// PCEID.
    let provisioningEnclave: [UInt8]
    /// `tcbEvaluationDataNumber`: rises with each revision of the levels.
    let evaluationNumber: UInt32
    /// Newest first.
    let levels: [Level]
    /// Of TDX 1.0.
    let module: Module?
    /// By the first byte of their versions, which is not zero.
    let modules: [UInt8: Module]

    init(_ text: [UInt8]) throws(AttestationFault) {
        let statement = try StatementReader(text, .tcbInfo)
        let version = try statement.number("version", UInt64.self)
        guard version == 3 else { throw .statement(.tcbInfo, .version(version)) }
        let identifier = try statement.text("id")
        switch identifier {
        case "SGX": kind = .sgx
        case "TDX": kind = .tdx
        default: throw .statement(.tcbInfo, .identifier(identifier))
        }
        // The one way of comparing levels that is defined.
        guard try statement.number("tcbType", UInt32.self) == 0 else {
            throw try statement.member("tcbType").fault
        }
        validity = try statement.validity()
        family = try statement.bytes("fmspc", count: 6)
        provisioningEnclave = try statement.bytes("pceId", count: 2)
        evaluationNumber = try statement.number("tcbEvaluationDataNumber", UInt32.self)
        var levels: [Level] = []
        for element in try statement.member("tcbLevels").elements() {
            levels.append(try Self.level(element, kind: kind))
        }
        self.levels = levels
        module = try statement.optional("tdxModule").map(Self.module) ?? nil
        var modules: [UInt8: Module] = [:]
        if let identities = statement.optional("tdxModuleIdentities") {
            for element in try identities.elements() {
                let version = try Self.moduleVersion(element)
                guard modules[version] == nil else { throw element.fault }
                modules[version] = try Self.module(element)
            }
        }
        self.modules = modules
    }

    private static func level(
        _ reader: StatementReader, kind: AttestationKind
    ) throws(AttestationFault) -> Level {
        let tcb = try reader.member("tcb")
        return Level(
            components: try components(tcb.member("sgxtcbcomponents")),
            provisioningEnclaveVersion: try tcb.number("pcesvn", UInt16.self),
            teeComponents: kind == .tdx ? try components(tcb.member("tdxtcbcomponents")) : nil,
            date: try reader.time("tcbDate"), status: try reader.status(),
            advisories: try reader.advisories())
    }

    private static func components(
        _ reader: StatementReader
    ) throws(AttestationFault) -> [UInt8] {
        let elements = try reader.elements()
        guard elements.count == 16 else { throw reader.fault }
        var components: [UInt8] = []
        for element in elements { components.append(try element.number("svn", UInt8.self)) }
        return components
    }

    /// Of `TDX_03`, 3: two hexadecimal digits.
    private static func moduleVersion(
        _ reader: StatementReader
    ) throws(AttestationFault) -> UInt8 {
        let text = try reader.text("id")
        guard text.utf8.count == 6, text.hasPrefix("TDX_"),
            let version = UInt8(text.dropFirst(4), radix: 16), version != 0
        else { throw try reader.member("id").fault }
        return version
    }

    private static func module(_ reader: StatementReader) throws(AttestationFault) -> Module {
        var levels: [ModuleLevel] = []
        if let list = reader.optional("tcbLevels") {
            for element in try list.elements() {
                levels.append(
                    ModuleLevel(
                        securityVersion: try element.member("tcb").number("isvsvn", UInt8.self),
                        status: try element.status(), advisories: try element.advisories()))
            }
        }
        return Module(
            signer: try reader.bytes("mrsigner", count: 48),
            attributes: try reader.bytes("attributes", count: 8),
            mask: try reader.bytes("attributesMask", count: 8), levels: levels)
    }
}
