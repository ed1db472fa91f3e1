import ChoraleBase
import Crypto
import Testing

@Suite struct SecretBytesTests {
    @Test func holdsACopy() {
        let secret = SecretBytes(copying: [1, 2, 3])
        #expect(secret.count == 3)
        #expect(secret.withSpan { $0.copied() } == [1, 2, 3])
        #expect(SecretBytes(copying: []).withSpan { $0.count } == 0)
    }

    @Test func equality() {
        let secret = SecretBytes(copying: [1, 2, 3])
        #expect(secret.isEqual(to: SecretBytes(copying: [1, 2, 3])))
        #expect(!secret.isEqual(to: SecretBytes(copying: [1, 2, 4])))
        #expect(!secret.isEqual(to: SecretBytes(copying: [1, 2])))
        #expect(SecretBytes(copying: []).isEqual(to: SecretBytes(copying: [])))
        #expect(equal([1, 2], [1, 2]))
        #expect(!equal([1, 2], [1, 3]))
        #expect(!equal([1, 2], [1]))
        #expect(equal([], []))
    }

    private func equal(_ first: [UInt8], _ second: [UInt8]) -> Bool {
        constantTimeEqual(first.span, second.span)
    }

    @Test func randomIsNotRepeated() {
        #expect(!SecretBytes.random(count: 32).isEqual(to: .random(count: 32)))
        #expect(SecretBytes.random(count: 0).count == 0)
        #expect(SystemRandom.seed() != SystemRandom.seed())
    }

    /// Neither printing nor reflection shows a secret, whichever type holds it.
    @Test func isNeverPrinted() throws {
        let bytes = [UInt8](repeating: 0xAB, count: 32)
        let secret = SecretBytes(copying: bytes)
        let holders: [Any] = [
            secret, Ed25519.PrivateKey(seed: secret), try Secp256k1.PrivateKey(secret),
            ChaCha20Poly1305(key: secret), (secret, [secret]),
        ]
        for holder in holders {
            var text = "\(holder) \(String(reflecting: holder)) "
            dump(holder, to: &text)
            let lowered = text.lowercased()
            #expect(!lowered.contains("abab") && !lowered.contains("171, 171"), "\(text)")
            #expect(!lowered.contains("0x0000"), "an address is shown: \(text)")
        }
        #expect("\(secret)" == "32 secret bytes")
    }

    /// The same key used from many threads at once.
    @Test func keysAreUsableFromAnyThread() async {
        let key = Ed25519.PrivateKey.random()
        let expected = key.sign([1, 2, 3])
        let secp = Secp256k1.PrivateKey.random()
        let digest = SHA256.hash([4])
        let same = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    key.sign([1, 2, 3]) == expected
                        && Ed25519.verify(
                            signature: expected, message: [1, 2, 3], publicKey: key.publicKey)
                        && secp.publicKey.verifyDER(
                            secp.signDER(digest: digest), digest: digest)
                }
            }
            return await group.reduce(true) { $0 && $1 }
        }
        #expect(same)
    }
}
