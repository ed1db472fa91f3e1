import ChoraleBase
import Codec
import Crypto
import DriverUV
import PeerIdentity

extension FuzzTarget {
    static let cryptoTargets: [FuzzTarget] = [
        FuzzTarget(
            "signature",
            "signatures of each kind of key, and VRF proofs; nothing but the genuine one is accepted",
            sizeMax: 300,
            seeds: { Genuine.all.enumerated().map { [UInt8($0.offset)] + $0.element.signature } },
            run: signature),
        FuzzTarget(
            "dns-texts", "a DNS reply with TXT records; limits kept", sizeMax: 1024,
            seeds: { [dnsReply(["dnsaddr=/ip4/8.8.8.8/tcp/1", "x"]), dnsReply([""])] },
            run: dnsTexts),
    ]

    private static func signature(_ input: [UInt8], _ findings: inout Findings) {
        let genuine = Genuine.all[Int(input.first ?? 0) % Genuine.all.count]
        let signature = Array(input.dropFirst())
        let isAccepted = genuine.verify(signature)
        // One message has one signature of ours, and each only one encoding: what is changed is wrong.
        require(isAccepted == (signature == genuine.signature), "\(genuine.name): \(isAccepted)")
        findings.note("signature", isAccepted ? "accepted" : "refused")
    }

    private static func dnsReply(_ texts: [String]) -> [UInt8] {
        let name: [UInt8] = [1, 120, 2, 105, 111, 0]
        var reply: [UInt8] = [0, 1, 0x81, 0x80, 0, 1, 0, UInt8(texts.count), 0, 0, 0, 0]
        reply += name + [0, 16, 0, 1]
        for text in texts {
            let data = [UInt8(text.utf8.count)] + Array(text.utf8)
            reply += [0xC0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, UInt8(data.count)] + data
        }
        return reply
    }

    private static func dnsTexts(_ input: [UInt8], _ findings: inout Findings) {
        unsafe input.withUnsafeBufferPointer { reply in
            do throws(ResolverError) {
                let texts = unsafe try TextRecords.read(reply, countMax: 4)
                require((1...4).contains(texts.count), "\(texts.count) records")
                require(
                    texts.reduce(0) { $0 + $1.utf8.count } <= input.count,
                    "more text than there are bytes")
                findings.note("texts", size: texts.count)
            } catch {
                findings.note("texts", error)
            }
        }
    }
}

/// A signature of the seven bytes `chorale`, and how it is checked.
private struct Genuine: Sendable {
    let name: String
    let signature: [UInt8]
    let verify: @Sendable ([UInt8]) -> Bool

    static let message = Array("chorale".utf8)

    static let all: [Genuine] = {
        let key = Actors.proverKey
        let publicKey = key.publicKey
        let digest = SHA256.hash(message)
        let curve = Actors.secp256k1
        return [
            Genuine(name: "Ed25519", signature: key.sign(message)) {
                Ed25519.verify(signature: $0, message: message, publicKey: publicKey)
            },
            Genuine(name: "secp256k1, DER", signature: curve.signDER(digest: digest)) {
                curve.publicKey.verifyDER($0, digest: digest)
            },
            Genuine(name: "secp256k1, compact", signature: curve.signCompact(digest: digest)) {
                curve.publicKey.verifyCompact($0, digest: digest)
            },
            Genuine(name: "P-256", signature: p256Signature) {
                P256.verify(signatureDER: $0, message: message, subjectPublicKeyInfo: p256)
            },
            Genuine(name: "RSA", signature: rsaSignature) {
                (try? RSA.verify(signature: $0, message: message, subjectPublicKeyInfo: rsa))
                    ?? false
            },
            Genuine(name: "VRF", signature: VRF.prove(alpha: message, privateKey: key)) {
                (try? VRF.verify(proof: $0, alpha: message, publicKey: publicKey)) != nil
            },
        ]
    }()

    // Made with the `openssl` command.

    /// SubjectPublicKeyInfo.
    static let p256 = bytes(
        """
        3059301306072a8648ce3d020106082a8648ce3d03010703420004664b903818f8ee96e98f45ca9f2e3f\
        654e67dc68f6b42f3b1eec70f2d40baf16f67d4bdd2014d069ccb350461a32b9b059bb817a23e946e0bb\
        78888c761c556c
        """)

    /// DER.
    static let p256Signature = bytes(
        """
        3045022069de6a22c1bc08c1329d245a4093b9cfdf7e8ee59cf37a930d2428d727b6654d022100b9ea80\
        7ef263e474ba56f6d928f6bd508540fe5a4bf6ee25cd75cd309fe158d9
        """)

    /// 2,048 bits.
    static let rsa = bytes(
        """
        30820122300d06092a864886f70d01010105000382010f003082010a0282010100d9c4fdc194defc95fa\
        a0524eb7f5d8d99b02eb53cc1fcb7ae177bbe04f60cac9b068d8c6674779b5c4bdfa2cb57833cb0fe858\
        a803e338f2ff170808145859aed1522b6d05e5761183caf25bab0a198d8e2862813e7ce0002d922bc84a\
        b77a42699f889b8726351c416165860c8237fa4f3496a5fa36de04aae32fbdc39c3cadc601f2c3077d9c\
        2343dc5bc3dc1467074d2422084480559c671c40f88fa3999313bd011553635d03c1666a7307e7b7547c\
        b3c30b4e1d6884d1471c132fe09282b6700c37337d97ebfc1160139e7a96f443f00ee652c1d95c06937a\
        35669a7f00bbee1a86f10b981d8139df9cdce2679a190c3e31c8a8ae112e9d9614b825f5070203010001
        """)

    /// PKCS#1.
    static let rsaSignature = bytes(
        """
        35fa05186c0a24486ff77feccee38252e7ab3ea2062a486c8b364cead1ba65f0c6576fe40c3177529078\
        4afdd02920003c1b8e82e4602b51c6d061557e1658a0db9bedf4fe95160677f31e17a01f70b9321c6770\
        92c00c6fdbb987b0c07f6960673b036d45ddbb217a242ce17f45402b0b040a0c4db358ca8dfcf4eb637a\
        019fbbf5b8c13b08572945aa58f02c6795ad5b3d8febec73f9e129ae8439c6e3e3b9a215a918ff7090b4\
        8ec7449df645928075e44ef862b9d01e2dcc029eca510ef460a23c97fad266725180d75253ddcd7b877a\
        b4f5aae4d543cbd680ec64848bb3125e7b45255d1719663910fd26468347246aa3a7be4fce9d12befdbb\
        42629d83
        """)

    private static func bytes(_ hex: String) -> [UInt8] { must(try? Hex.decode(hex)) }
}
