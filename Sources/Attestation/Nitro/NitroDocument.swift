import ChoraleBase

/// What the Nitro security module says of an enclave.
///
/// Specification: AWS Nitro Enclaves NSM API, `docs/attestation_process.md`; RFC 9052 section 4.2 for
/// the envelope.
public struct NitroDocument: Hashable, Sendable {
    static let registerCountMax = 32
    static let certificateSizeMax = 1024
    /// The root and three or four below it; each is read and its signature checked.
    static let bundleCountMax = 8

    public let module: String
    /// When the document was made, in milliseconds since 1970.
    public let timestamp: UInt64
    /// Platform configuration registers by number, of 32, 48 or 64 bytes.
    public let registers: [UInt8: [UInt8]]
    public let publicKey: [UInt8]?
    public let userData: [UInt8]?
    public let nonce: [UInt8]?

    /// DER, the leaf's.
    let certificate: [UInt8]
    /// DER, the root first.
    let bundle: [[UInt8]]
    /// What is signed, whole.
    let signed: [UInt8]
    /// r‖s, big-endian, 96 bytes.
    let signature: [UInt8]

    /// Whether the enclave was started in debug mode: nothing was measured.
    public var isDebugMode: Bool {
        (0..<3).allSatisfy { registers[$0]?.allSatisfy { $0 == 0 } ?? true }
    }

    /// The only protected header there is: {1: -35}, ES384.
    private static let protectedHeader: [UInt8] = [0xA1, 0x01, 0x38, 0x22]
    /// COSE_Sign1.
    private static let tag: UInt64 = 18

    public init(_ bytes: [UInt8]) throws(AttestationFault) {
        do {
            self = try Self.read(bytes)
        } catch let error as CBORError {
            throw .document(.malformed(error))
        } catch let error as AttestationFault {
            throw error
        } catch {
            preconditionFailure("reading throws one of two errors: \(error)")
        }
    }

    private static func read(_ bytes: [UInt8]) throws -> NitroDocument {
        var reader = CBORReader(bytes)
        if reader.nextMajor == .tag {
            let found = try reader.tag()
            guard found == tag else { throw AttestationFault.document(.tag(found)) }
        }
        let count = try reader.array(countMax: 16)
        guard count == 4 else { throw AttestationFault.document(.partCount(count)) }
        let header = try reader.byteString(sizeMax: 64)
        guard header == protectedHeader else {
            throw AttestationFault.document(.protectedHeader)
        }
        guard try reader.map(countMax: 16) == 0 else {
            throw AttestationFault.document(.unprotectedHeader)
        }
        let payload = try reader.byteString(sizeMax: AttestationKind.nitro.evidenceSizeMax)
        let signature = try reader.byteString(sizeMax: 1024)
        guard signature.count == 96 else {
            throw AttestationFault.document(.signatureSize(signature.count))
        }
        try reader.finish()
        let fields = try Payload(payload)
        guard let module = fields.module else { throw missing("module_id") }
        guard let digest = fields.digest else { throw missing("digest") }
        guard digest == "SHA384" else { throw AttestationFault.document(.digest(digest)) }
        guard let timestamp = fields.timestamp else { throw missing("timestamp") }
        guard let registers = fields.registers else { throw missing("pcrs") }
        guard let certificate = fields.certificate else { throw missing("certificate") }
        guard let bundle = fields.bundle else { throw missing("cabundle") }
        return NitroDocument(
            module: module, timestamp: timestamp, registers: registers,
            publicKey: fields.publicKey, userData: fields.userData, nonce: fields.nonce,
            certificate: certificate, bundle: bundle, signed: signed(payload),
            signature: signature)
    }

    private static func missing(_ field: String) -> AttestationFault { .document(.field(field)) }

    /// `["Signature1", protected header, no further data, payload]`.
    private static func signed(_ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0x84, 0x6A] + Array("Signature1".utf8)
        bytes += [0x44] + protectedHeader + [0x40]
        switch payload.count {
        case ..<24: bytes.append(0x40 | UInt8(payload.count))
        case ..<0x100: bytes += [0x58, UInt8(payload.count)]
        default:
            // At most 16 KiB.
            bytes.append(0x59)
            bytes.appendBigEndian(UInt16(payload.count))
        }
        return bytes + payload
    }

    private init(
        module: String, timestamp: UInt64, registers: [UInt8: [UInt8]], publicKey: [UInt8]?,
        userData: [UInt8]?, nonce: [UInt8]?, certificate: [UInt8], bundle: [[UInt8]],
        signed: [UInt8], signature: [UInt8]
    ) {
        self.module = module
        self.timestamp = timestamp
        self.registers = registers
        self.publicKey = publicKey
        self.userData = userData
        self.nonce = nonce
        self.certificate = certificate
        self.bundle = bundle
        self.signed = signed
        self.signature = signature
    }

    /// The map inside, each field within its limits. Unknown fields are refused: nobody knows what a
    /// document with more means.
    private struct Payload {
        var module: String?
        var digest: String?
        var timestamp: UInt64?
        var registers: [UInt8: [UInt8]]?
        var certificate: [UInt8]?
        var bundle: [[UInt8]]?
        var publicKey: [UInt8]?
        var userData: [UInt8]?
        var nonce: [UInt8]?

        init(_ bytes: [UInt8]) throws {
            var reader = CBORReader(bytes)
            var seen: Set<String> = []
            for _ in 0..<(try reader.map(countMax: 16)) {
                let start = reader.offset
                let key = try reader.text(sizeMax: 32)
                guard seen.insert(key).inserted else {
                    throw CBORError.repeatedKey(offset: start)
                }
                try read(key, &reader)
            }
            try reader.finish()
        }

        private mutating func read(_ key: String, _ reader: inout CBORReader) throws {
            switch key {
            case "module_id":
                let text = try reader.text(sizeMax: 256)
                guard !text.isEmpty else { throw missing(key) }
                module = text
            case "digest": digest = try reader.text(sizeMax: 16)
            case "timestamp":
                let time = try reader.unsigned()
                guard time > 0 else { throw missing(key) }
                timestamp = time
            case "pcrs": registers = try Self.registers(&reader)
            case "certificate":
                let bytes = try reader.byteString(sizeMax: certificateSizeMax)
                guard !bytes.isEmpty else { throw missing(key) }
                certificate = bytes
            case "cabundle":
                var entries: [[UInt8]] = []
                for _ in 0..<(try reader.array(countMax: bundleCountMax)) {
                    let bytes = try reader.byteString(sizeMax: certificateSizeMax)
                    guard !bytes.isEmpty else { throw missing(key) }
                    entries.append(bytes)
                }
                guard !entries.isEmpty else { throw missing(key) }
                bundle = entries
            case "public_key": publicKey = try Self.optional(&reader, sizeMax: 1024)
            case "user_data": userData = try Self.optional(&reader, sizeMax: 512)
            case "nonce": nonce = try Self.optional(&reader, sizeMax: 512)
            default: throw missing(key)
            }
        }

        private static func optional(
            _ reader: inout CBORReader, sizeMax: Int
        ) throws -> [UInt8]? {
            if reader.takeNull() { return nil }
            return try reader.byteString(sizeMax: sizeMax)
        }

        private static func registers(_ reader: inout CBORReader) throws -> [UInt8: [UInt8]] {
            var registers: [UInt8: [UInt8]] = [:]
            for _ in 0..<(try reader.map(countMax: registerCountMax)) {
                let start = reader.offset
                let number = try reader.unsigned()
                guard number < UInt64(registerCountMax) else {
                    throw AttestationFault.document(.registerIndex(number))
                }
                guard registers[UInt8(number)] == nil else {
                    throw CBORError.repeatedKey(offset: start)
                }
                let value = try reader.byteString(sizeMax: 64)
                guard [32, 48, 64].contains(value.count) else { throw missing("pcrs") }
                registers[UInt8(number)] = value
            }
            guard !registers.isEmpty else { throw missing("pcrs") }
            return registers
        }
    }
}
