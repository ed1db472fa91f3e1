public import ChoraleBase
public import Codec

/// The precommits of more than two thirds: what makes a block final.
///
/// A value has as many signatures as bits set, and at least one. Whether they are good and enough is
/// for ``verify(validators:network:)``.
public struct Commit: Hashable, Sendable {
    /// Largest encoding, in bytes: 1,024 signatures of 96 bytes with their offsets.
    public static let encodedSizeMax =
        8 + 4 + 32 + 1 + 8 + 129 + ConsensusBounds.validatorsMax * (4 + 96)

    public let height: UInt64
    public let round: UInt32
    public let blockID: Bytes32
    /// Of all signatures. A scheme that aggregates will have one signature for all bits.
    public let scheme: SignatureScheme
    /// One bit for each validator of the height's set.
    public let signers: ValidatorBits
    /// In the order of the bits set.
    public let signatures: [SignatureBytes]

    /// Nil when the parts do not fit together, or a number is out of its range.
    public init?(
        height: UInt64, round: UInt32, blockID: Bytes32, scheme: SignatureScheme,
        signers: ValidatorBits, signatures: [SignatureBytes]
    ) {
        guard (1...ConsensusBounds.heightMax).contains(height),
            round <= ConsensusBounds.roundMax, blockID != .zero,
            !signatures.isEmpty, signatures.count == signers.setCount
        else { return nil }
        self.height = height
        self.round = round
        self.blockID = blockID
        self.scheme = scheme
        self.signers = signers
        self.signatures = signatures
    }

    /// Why a commit does not make its block final.
    public enum VerifyError: Error, Hashable, Sendable {
        /// Another number of bits than validators.
        case wrongBitCount(Int, validators: Int)
        case notEnoughStake(UInt64, total: UInt64)
        case signature(ConsensusSignatureError)
    }

    /// What each signer signed.
    public var content: VoteContent {
        VoteContent(kind: .precommit, height: height, round: round, blockID: blockID)
    }

    /// The precommits it is made of, in the order of the set.
    public var votes: [Vote] {
        var next = 0
        var votes: [Vote] = []
        votes.reserveCapacity(signatures.count)
        for position in 0..<signers.count where signers[position] {
            votes.append(
                Vote(
                    content: content, validator: ValidatorIndex(position), scheme: scheme,
                    signature: signatures[next]))
            next += 1
        }
        return votes
    }

    /// Checks that > 2/3 of the stake of the height's set signed.
    ///
    /// Every signature is checked, those beyond the quorum too: a block's last commit says who was
    /// there, and must not be able to lie about it.
    ///
    /// - Complexity: one signature check a signer, after the stake was found enough.
    public func verify(
        validators: ValidatorSet, network: NetworkDigest
    ) throws(VerifyError) {
        let stake = try stake(in: validators)
        guard validators.isQuorum(stake) else {
            throw .notEnoughStake(stake, total: validators.totalStake)
        }
        let message = content.signedMessage(network: network)
        for vote in votes {
            do throws(ConsensusSignatureError) {
                try validators.verify(
                    vote.signature.bytes, scheme: scheme, by: vote.validator, message: message)
            } catch {
                throw .signature(error)
            }
        }
    }

    /// Stake of those whose bits are set.
    public func stake(in validators: ValidatorSet) throws(VerifyError) -> UInt64 {
        guard signers.count == validators.count else {
            throw .wrongBitCount(signers.count, validators: validators.count)
        }
        var stake: UInt64 = 0
        for position in 0..<signers.count where signers[position] {
            stake += validators.validators[position].stake
        }
        return stake
    }
}

extension Commit: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt64.self, UInt32.self, Bytes32.self, SignatureScheme.self, ValidatorBits.self,
        SSZList<SignatureBytes, 1024>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let list = SSZList<SignatureBytes, 1024>(signatures) else {
            preconditionFailure("a commit keeps to its limits")
        }
        fields.visit(height)
        fields.visit(round)
        fields.visit(blockID)
        fields.visit(scheme)
        fields.visit(signers)
        fields.visit(list)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let height = try fields.next(UInt64.self, in: input)
        let round = try fields.next(UInt32.self, in: input)
        let blockID = try fields.next(Bytes32.self, in: input)
        let scheme = try fields.next(SignatureScheme.self, in: input)
        let signers = try fields.next(ValidatorBits.self, in: input)
        let signatures = try fields.next(SSZList<SignatureBytes, 1024>.self, in: input).elements
        try ConsensusBounds.check(height: height)
        try ConsensusBounds.check(round: round)
        guard blockID != .zero else { throw .invalidValue("a commit of no block") }
        guard
            let value = Commit(
                height: height, round: round, blockID: blockID, scheme: scheme,
                signers: signers, signatures: signatures)
        else {
            throw .invalidValue("\(signatures.count) signatures for \(signers.setCount) bits")
        }
        self = value
    }
}
