import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Testing

@testable import Subproof

/// Validators, operations and messages for tests.
enum World {
    static let network = NetworkDigest([5, 5, 5, 5])!

    static let keys: [IdentityKey] = (0..<1000).map { index in
        var seed: [UInt8] = [55]
        seed.appendLittleEndian(UInt16(index))
        return IdentityKey(ed25519Seed: SecretBytes(copying: SHA256.hash(seed)))
    }
    static let keyBytes = keys.map { BodyDescription.producer(of: $0) }
    static let hundred = validators([UInt64](repeating: 1, count: 100))
    static let thousand = validators([UInt64](repeating: 1, count: 1000))

    static func validators(_ stakes: [UInt64]) -> ValidatorSet {
        try! ValidatorSet(
            stakes.enumerated().map { Validator(key: keyBytes[$0], stake: $1) })
    }

    static func digest(_ words: String) -> Bytes32 { SHA256.hash(Array(words.utf8)) }

    static func at(_ milliseconds: Int) -> Now {
        Now(
            instant: MonotonicInstant(nanoseconds: Int64(milliseconds) * 1_000_000),
            wall: WallTime(milliseconds: 1_700_000_000_000 + Int64(milliseconds)))
    }

    static func part(_ name: String, size: UInt64 = 40_000, prover: String = "prover")
        -> PartContext
    {
        PartContext(
            proof: digest("proof of \(name)"), proofType: 64, proofSize: size,
            prover: digest(prover), output: digest("output of \(name)"))!
    }

    static func operation(
        _ name: String, validators: ValidatorSet, parts: Int, height: UInt64 = 7,
        prover: String = "prover", expires: Int = 60_000
    ) -> OperationContext {
        OperationContext(
            operation: digest(name), commitment: digest("commitment to \(name)"),
            height: height, validators: validators, beacon: digest("beacon"),
            outputHash: digest("output of \(name)"),
            method: .parts((0..<parts).map { part("\(name) \($0)", prover: prover) }),
            expiresAt: at(expires).instant)!
    }

    static func committee(
        _ name: String, validators: ValidatorSet, expires: Int = 600_000
    ) -> OperationContext {
        OperationContext(
            operation: digest(name), commitment: digest("commitment to \(name)"), height: 7,
            validators: validators, beacon: digest("beacon"),
            outputHash: digest("output of \(name)"),
            method: .committee, expiresAt: at(expires).instant)!
    }

    static func id(_ context: OperationContext, _ part: Int) -> SubProofID {
        guard case .parts(let parts) = context.method else { fatalError("no parts") }
        return SubProofID(
            operation: context.operation, part: UInt16(part), proof: parts[part].proof)!
    }

    /// Signed, or with 64 bytes that stand for a signature.
    static func vote(
        _ context: OperationContext, _ part: Int, _ verdict: SubProofVerdict,
        by validator: ValidatorIndex, signs: Bool = false
    ) -> SubProofVote {
        vote(
            SubProofVoteContent(
                id: id(context, part), validatorsRoot: context.validators.root, verdict: verdict),
            by: validator, signs: signs)
    }

    static func vote(
        _ content: SubProofVoteContent, by validator: ValidatorIndex, signs: Bool = false
    ) -> SubProofVote {
        if signs {
            return SubProofVote(
                signing: content, as: validator, with: keys[validator.position],
                network: network)
        }
        return SubProofVote(
            content: content, validator: validator, scheme: .ed25519,
            signature: filler(validator))
    }

    static func committeeVote(
        _ content: CommitteeVoteContent, by validator: ValidatorIndex, signs: Bool = false
    ) -> CommitteeVote {
        if signs {
            return CommitteeVote(
                signing: content, as: validator, with: keys[validator.position],
                network: network)
        }
        return CommitteeVote(
            content: content, validator: validator, scheme: .ed25519,
            signature: filler(validator))
    }

    private static func filler(_ validator: ValidatorIndex) -> SignatureBytes {
        SignatureBytes(
            [UInt8](repeating: UInt8(truncatingIfNeeded: validator.position), count: 64))!
    }

    /// A certificate by whoever is named, whether that is enough or not.
    static func certificate(
        _ context: OperationContext, _ part: Int, _ verdict: SubProofCertificate.Verdict,
        _ tranche: Tranche, by signers: [ValidatorIndex], signs: Bool = false
    ) -> SubProofCertificate? {
        var bits = ValidatorBits(count: context.validators.count)!
        var signatures: [SignatureBytes] = []
        for (number, signer) in signers.sorted().enumerated() {
            bits[signer.position] = true
            let said: SubProofVerdict =
                switch verdict {
                case .valid: .valid
                case .reject(let reasons): .reject(reasons[number])
                }
            signatures.append(
                vote(context, part, said, by: signer, signs: signs).signature)
        }
        return SubProofCertificate(
            id: id(context, part), validatorsRoot: context.validators.root, verdict: verdict,
            tranche: tranche, scheme: .ed25519, signers: bits, signatures: signatures)
    }
}

/// A pool, its clock, and what it said.
final class PoolDriver {
    var pool: SubproofPool
    var milliseconds = 0
    /// Of the last input.
    private(set) var outputs: [SubproofOutput] = []

    init(as validator: Int?, limits: SubproofLimits = .init(), timing: SubproofTiming = .init()) {
        pool = SubproofPool(
            localKey: validator.map { World.keyBytes[$0] }, limits: limits, timing: timing)
    }

    func callAsFunction(_ input: SubproofInput) {
        outputs = []
        pool.handle(input, now: World.at(milliseconds), into: &outputs)
    }

    func wait(_ more: Int) {
        milliseconds += more
        self(.timeout)
    }

    func hear(_ vote: SubProofVote) {
        self(.voteReceived(VerifiedSubProofVote(trusting: vote)))
    }

    var pulls: [(SubproofJobID, ProofJob)] {
        outputs.compactMap { if case .pull(let job, let proof) = $0 { (job, proof) } else { nil } }
    }

    var signs: [SubproofSignRequest] {
        outputs.compactMap { if case .sign(let request, _) = $0 { request } else { nil } }
    }

    var events: [SubproofEvent] {
        outputs.compactMap { if case .event(let event) = $0 { event } else { nil } }
    }

    var certificates: [SubProofCertificate] {
        outputs.compactMap { if case .publishCertificate(let value) = $0 { value } else { nil } }
    }

    var slashed: [SubProofEvidence] {
        outputs.compactMap { if case .slash(let value) = $0 { value } else { nil } }
    }

    var dropped: SubproofDrop? {
        for case .drop(let reason) in outputs { return reason }
        return nil
    }
}
