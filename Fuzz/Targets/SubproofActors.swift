import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Subproof

/// Forty validators, so that there are some whom no first tranche asks, and six operations.
enum SubproofActors {
    static let network = must(NetworkDigest([7, 7, 7, 7]))
    static let keyBytes = (0..<40).map { index in
        BodyDescription.producer(
            of: IdentityKey(
                ed25519Seed: SecretBytes(copying: SHA256.hash([UInt8(index), 0x5B]))))
    }
    static let validators = must(
        try? ValidatorSet(keyBytes.map { Validator(key: $0, stake: 1) }))
    static let signature = must(SignatureBytes([UInt8](repeating: 1, count: 64)))
    private static let contexts = (0..<4).map { number in
        must(
            OperationContext(
                operation: operation(number), commitment: SHA256.hash([7, UInt8(number)]),
                height: UInt64(5 + number), validators: validators, beacon: SHA256.hash([1]),
                outputHash: output(0),
                method: .parts(
                    (0...number).map { part in
                        must(
                            PartContext(
                                proof: SHA256.hash([2, UInt8(number), UInt8(part)]),
                                proofType: 64, proofSize: 9000,
                                prover: SHA256.hash([3, UInt8(number / 2)]),
                                output: output(0)))
                    }), expiresAt: .zero))
    }
    private static let committees = (4..<6).map { number in
        must(
            OperationContext(
                operation: operation(number), commitment: SHA256.hash([7, UInt8(number)]),
                height: UInt64(5 + number), validators: validators, beacon: SHA256.hash([1]),
                outputHash: output(0),
                method: .committee, expiresAt: .zero))
    }

    static func context(_ number: Int) -> OperationContext { contexts[number] }
    static func committee(_ number: Int) -> OperationContext { committees[max(4, number) - 4] }
    static func operation(_ number: Int) -> Bytes32 { SHA256.hash([4, UInt8(number)]) }
    static func output(_ number: UInt8) -> Bytes32 { SHA256.hash([5, number]) }

    static func vote(_ content: SubProofVoteContent, by validator: Int) -> SubProofVote {
        SubProofVote(
            content: content, validator: ValidatorIndex(validator), scheme: .ed25519,
            signature: signature)
    }

    /// A part that the operation does not have gets a proof that nobody made.
    static func vote(
        _ context: OperationContext, _ part: Int, _ verdict: SubProofVerdict, by validator: Int
    ) -> SubProofVote {
        var proof = SHA256.hash([6])
        if case .parts(let parts) = context.method, part < parts.count {
            proof = parts[part].proof
        }
        let id = must(
            SubProofID(operation: context.operation, part: UInt16(part), proof: proof))
        return vote(
            SubProofVoteContent(
                id: id, validatorsRoot: context.validators.root, verdict: verdict),
            by: validator)
    }

    static func committeeVote(
        _ content: CommitteeVoteContent, by validator: Int
    ) -> CommitteeVote {
        CommitteeVote(
            content: content, validator: ValidatorIndex(validator), scheme: .ed25519,
            signature: signature)
    }

    static func committeeVote(
        _ context: OperationContext, _ output: UInt8, by validator: Int
    ) -> CommitteeVote {
        committeeVote(
            CommitteeVoteContent(
                operation: context.operation, commitment: context.commitment,
                validatorsRoot: context.validators.root, outputHash: self.output(output)),
            by: validator)
    }

    private static func bits(_ positions: some Sequence<Int>) -> ValidatorBits {
        var bits = must(ValidatorBits(count: validators.count))
        for position in positions { bits[position] = true }
        return bits
    }

    static func certificate(
        _ context: OperationContext, _ part: Int, accepts: Bool, _ tranche: Tranche,
        _ positions: some Collection<Int>
    ) -> SubProofCertificate? {
        let vote = vote(context, part, .valid, by: 0)
        return SubProofCertificate(
            id: vote.id, validatorsRoot: validators.root,
            verdict: accepts
                ? .valid
                : .reject([RejectReason](repeating: .proofFails, count: positions.count)),
            tranche: tranche, scheme: .ed25519, signers: bits(positions),
            signatures: [SignatureBytes](repeating: signature, count: positions.count))
    }

    static func fastPath(
        _ context: OperationContext, _ tranche: Tranche, _ positions: some Collection<Int>
    ) -> FastPathCertificate? {
        FastPathCertificate(
            content: committeeVote(context, 0, by: 0).content, tranche: tranche,
            scheme: .ed25519, signers: bits(positions),
            signatures: [SignatureBytes](repeating: signature, count: positions.count))
    }
}

extension OperationContext {
    /// The same with five minutes from now on.
    func expiring(_ now: MonotonicInstant) -> OperationContext {
        var context = self
        context.expiresAt = now.advanced(by: .seconds(300))
        return context
    }
}
