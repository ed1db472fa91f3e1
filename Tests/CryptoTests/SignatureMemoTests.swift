import ChoraleBase
import Testing

@testable import Crypto

/// A memo of signatures changes no answer.
@Suite struct SignatureMemoTests {
    private let key = Ed25519.PrivateKey(seed: SecretBytes(copying: SHA256.hash([1])))
    private let other = Ed25519.PrivateKey(seed: SecretBytes(copying: SHA256.hash([2])))

    @Test func whatIsGoodIsRememberedAndNothingElse() {
        let memo = SignatureMemo()
        let signature = key.sign([7])
        func isGood(_ signature: [UInt8], _ message: [UInt8], _ key: Bytes32) -> Bool {
            memo.remembering {
                Ed25519.verify(signature: signature, message: message, publicKey: key)
            }
        }
        for round in 0..<3 {
            #expect(isGood(signature, [7], key.publicKey), "\(round)")
            #expect(memo.count == 1)
            // Nothing near it is good because it is.
            #expect(!isGood(signature, [8], key.publicKey))
            #expect(!isGood(signature, [7], other.publicKey))
            var changed = signature
            changed[63] ^= 1
            #expect(!isGood(changed, [7], key.publicKey))
            #expect(!isGood(signature + [0], [7], key.publicKey))
            #expect(!isGood([], [7], key.publicKey))
            #expect(memo.count == 1)
        }
        // Outside of it nothing is remembered.
        #expect(Ed25519.verify(signature: key.sign([9]), message: [9], publicKey: key.publicKey))
        #expect(memo.count == 1)
    }

    @Test func proofsOfAVRFGiveWhatTheyGave() throws {
        let memo = SignatureMemo()
        let proof = VRF.prove(alpha: [7], privateKey: key)
        let output = try VRF.verify(proof: proof, alpha: [7], publicKey: key.publicKey)
        try memo.remembering { () throws -> Void in
            for _ in 0..<3 {
                let repeated = try VRF.verify(proof: proof, alpha: [7], publicKey: key.publicKey)
                #expect(repeated == output)
                #expect(memo.count == 1)
                #expect(throws: VRF.VerifyError.challengeMismatch) {
                    try VRF.verify(proof: proof, alpha: [8], publicKey: key.publicKey)
                }
                #expect(throws: VRF.VerifyError.challengeMismatch) {
                    try VRF.verify(proof: proof, alpha: [7], publicKey: other.publicKey)
                }
                #expect(throws: VRF.VerifyError.wrongProofSize(79)) {
                    try VRF.verify(
                        proof: Array(proof.dropLast()), alpha: [7], publicKey: key.publicKey)
                }
                #expect(memo.count == 1)
            }
        }
    }

    @Test func itForgetsTheOldestAndKeepsToItsBound() {
        let memo = SignatureMemo(countMax: 8)
        let digests = (0..<40).map { SHA256.hash([$0]) }
        for digest in digests {
            memo.insert(digest)
            #expect(memo.contains(digest))
            #expect(memo.count <= 8)
        }
        #expect(!memo.contains(digests[0]))
        // The last four at least.
        #expect(digests.suffix(4).allSatisfy { memo.contains($0) })
    }
}
