import Attestation
import ChoraleBase
import Codec
import Crypto

/// An enclave whose maker is the test, with rules by which it may vouch: of Nitro's form, whose evidence is the
/// smallest.
package struct MadeEnclave: Sendable {
    private static let root = MadeDocument().root.encoding

    /// Believes the tests' maker.
    package static let verifier: AttestationVerifier = {
        var anchors = TrustAnchors.pinned
        anchors.nitro = SHA256.hash(root)
        return AttestationVerifier(anchors: anchors)
    }()

    /// A second before and after the documents.
    package static let rules: AttestationRules = {
        let now = UInt64(MadeDocument.now.milliseconds)
        return AttestationRules(
            times: now - 1000...now + 1000, policy: AttestationPolicy(allowed: []))!
    }()

    /// Of what runs in all of them.
    package static let measurement: EnclaveMeasurement = {
        var bytes = Array("chorale/enclave/1".utf8) + [0, AttestationKind.nitro.rawValue]
        for _ in 0..<3 { bytes += [48] + [UInt8](repeating: 9, count: 48) }
        return EnclaveMeasurement(kind: .nitro, digest: SHA256.hash(bytes))
    }()

    private let key: MadeKey

    /// - Parameter number: of the machine, from 1.
    package init(_ number: UInt8) { key = MadeKey(100 + number, .p384) }

    /// The key by which it is known.
    package var platform: Bytes32 { SHA256.hash(key.subjectPublicKeyInfo) }

    /// Has the hardware sign it.
    package func attest(_ reportData: [UInt8]) -> AttestationProof {
        var document = MadeDocument()
        document.leaf.key = key
        document.signer = key
        document.set("user_data", CBOR.bytes(reportData))
        return AttestationProof(
            time: UInt64(MadeDocument.now.milliseconds),
            evidence: .init(document.encoded(root: Self.root))!,
            collateral: .init(Collateral.none.encoded)!)
    }
}
