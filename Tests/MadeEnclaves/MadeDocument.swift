import Attestation
import ChoraleBase
import Crypto

/// A document of Nitro's form whose maker is the test.
package struct MadeDocument {
    package static let rootKey = MadeKey(41, .p384)
    package static let zoneKey = MadeKey(42, .p384)
    package static let leafKey = MadeKey(43, .p384)

    package var root = MadeCertificate(
        name: "aws.nitro-enclaves", issuer: "aws.nitro-enclaves", serial: 1, key: rootKey,
        signer: rootKey, isAuthority: true, usage: 0x86)
    package var zone = MadeCertificate(
        name: "zone", issuer: "aws.nitro-enclaves", serial: 2, key: zoneKey, signer: rootKey,
        isAuthority: true, pathLength: 0, usage: 0x86)
    package var leaf = MadeCertificate(
        name: "enclave", issuer: "zone", serial: 3, key: leafKey, signer: zoneKey, usage: 0x80)
    /// Of the document.
    package var signer = leafKey

    /// Each field: its name and its value's encoding; nil for one that is left out.
    package var fields: [(String, [UInt8]?)] = [
        ("module_id", CBOR.text("i-0-enc0")), ("digest", CBOR.text("SHA384")),
        // 2026-01-15T00:00:00Z.
        ("timestamp", CBOR.head(0, 1_768_435_200_000)), ("pcrs", registers([0, 1, 2, 8])),
        ("certificate", nil), ("cabundle", nil), ("public_key", CBOR.null),
        ("user_data", CBOR.bytes([1, 2, 3])), ("nonce", CBOR.null),
    ]

    /// Registers of 48 bytes, none of them zero.
    package static func registers(_ numbers: [UInt64], value: UInt8 = 9, size: Int = 48) -> [UInt8]
    {
        CBOR.head(5, UInt64(numbers.count))
            + numbers.flatMap {
                CBOR.head(0, $0) + CBOR.bytes(.init(repeating: value, count: size))
            }
    }

    package mutating func set(_ name: String, _ value: [UInt8]) {
        for index in fields.indices where fields[index].0 == name { fields[index].1 = value }
    }

    package init() {}

    /// 2026-01-15T00:00:00Z, when everything is current.
    package static let now = WallTime(milliseconds: 1_768_435_200_000)

    /// As an enclave gives it.
    ///
    /// - Parameter root: of ``root``. ECDSA has a random part, so that whatever must be the same twice is made once.
    package func encoded(root rootBytes: [UInt8]) -> [UInt8] {
        var written = fields
        for index in written.indices where written[index].1 == nil {
            written[index].1 =
                written[index].0 == "certificate"
                ? CBOR.bytes(leaf.encoding)
                : CBOR.head(4, 2) + CBOR.bytes(rootBytes) + CBOR.bytes(zone.encoding)
        }
        let payload =
            CBOR.head(5, UInt64(written.count))
            + written.flatMap { CBOR.text($0.0) + ($0.1 ?? []) }
        let header: [UInt8] = [0xA1, 0x01, 0x38, 0x22]
        let signed =
            CBOR.head(4, 4) + CBOR.text("Signature1") + CBOR.bytes(header) + CBOR.bytes([])
            + CBOR.bytes(payload)
        return CBOR.head(4, 4) + CBOR.bytes(header) + CBOR.head(5, 0) + CBOR.bytes(payload)
            + CBOR.bytes(signer.sign(signed))
    }

    package func verify() throws -> VerifiedAttestation {
        let rootBytes = root.encoding
        var anchors = TrustAnchors.pinned
        anchors.nitro = SHA256.hash(rootBytes)
        return try AttestationVerifier(anchors: anchors).verify(
            Evidence(kind: .nitro, bytes: encoded(root: rootBytes)), with: .none, now: Self.now)
    }
}

/// Writes CBOR.
package enum CBOR {
    package static let null: [UInt8] = [0xF6]

    package static func head(_ major: UInt8, _ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        switch value {
        case ..<24: return [major << 5 | UInt8(value)]
        case ..<0x100:
            bytes = [major << 5 | 24]
            bytes.appendBigEndian(UInt8(value))
        case ..<0x1_0000:
            bytes = [major << 5 | 25]
            bytes.appendBigEndian(UInt16(value))
        case ..<0x1_0000_0000:
            bytes = [major << 5 | 26]
            bytes.appendBigEndian(UInt32(value))
        default:
            bytes = [major << 5 | 27]
            bytes.appendBigEndian(value)
        }
        return bytes
    }

    package static func bytes(_ content: [UInt8]) -> [UInt8] {
        head(2, UInt64(content.count)) + content
    }

    package static func text(_ text: String) -> [UInt8] {
        head(3, UInt64(text.utf8.count)) + text.utf8
    }
}
