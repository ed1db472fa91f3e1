public import ChoraleBase
public import Codec

/// Votes of a quorum of a tranche that agree on a part: what a block includes.
///
/// A value has as many signatures as bits set, and at least one. A certificate that rejects has one
/// reason a signer and is of ``Tranche/everyone``: nothing smaller can reject. Whether the signers are
/// of the tranche and enough, the module `Subproof` says, which knows the order of validators; whether
/// they signed, ``verifySignatures(validators:network:)``.
///
/// Specification: mechanisms row 0.12.
public struct SubProofCertificate: Hashable, Sendable {
    /// Largest encoding, in bytes: 1,024 signatures with their offsets and reasons.
    public static let encodedSizeMax =
        66 + 32 + 1 + 1 + 12 + 129 + ConsensusBounds.validatorsMax * (1 + 4 + 96)
    /// Largest encoding that travels by gossip, in bytes. Enough for the first two tranches, and for
    /// everyone as long as at most 470 sign with Ed25519; larger ones are asked for.
    ///
    /// Specification: mechanisms section 6.2, `certificate`.
    public static let gossipSizeMax = 32 * 1024

    public enum Verdict: Hashable, Sendable {
        case valid
        /// What each signer says is wrong, in the order of the bits set.
        case reject([RejectReason])

        public var isValid: Bool { self == .valid }
    }

    public let id: SubProofID
    public let validatorsRoot: Bytes32
    public let verdict: Verdict
    public let tranche: Tranche
    /// Of all signatures.
    public let scheme: SignatureScheme
    /// One bit for each validator of the set.
    public let signers: ValidatorBits
    /// In the order of the bits set.
    public let signatures: [SignatureBytes]

    /// Nil when the parts do not fit together.
    public init?(
        id: SubProofID, validatorsRoot: Bytes32, verdict: Verdict, tranche: Tranche,
        scheme: SignatureScheme, signers: ValidatorBits, signatures: [SignatureBytes]
    ) {
        guard !signatures.isEmpty, signatures.count == signers.setCount else { return nil }
        if case .reject(let reasons) = verdict {
            guard reasons.count == signatures.count, tranche == .everyone else { return nil }
        }
        self.id = id
        self.validatorsRoot = validatorsRoot
        self.verdict = verdict
        self.tranche = tranche
        self.scheme = scheme
        self.signers = signers
        self.signatures = signatures
    }

    /// The votes it is made of, in the order of the set.
    public var votes: [SubProofVote] {
        var votes: [SubProofVote] = []
        votes.reserveCapacity(signatures.count)
        for position in 0..<signers.count where signers[position] {
            let next = votes.count
            let verdict: SubProofVerdict =
                switch self.verdict {
                case .valid: .valid
                case .reject(let reasons): .reject(reasons[next])
                }
            votes.append(
                SubProofVote(
                    content: SubProofVoteContent(
                        id: id, validatorsRoot: validatorsRoot, verdict: verdict),
                    validator: ValidatorIndex(position), scheme: scheme,
                    signature: signatures[next]))
        }
        return votes
    }

    /// What one signer said. Nil for who did not sign.
    public func vote(of validator: ValidatorIndex) -> SubProofVote? {
        guard validator.position < signers.count, signers[validator.position] else { return nil }
        var before = 0
        for position in 0..<validator.position where signers[position] { before += 1 }
        let verdict: SubProofVerdict =
            switch self.verdict {
            case .valid: .valid
            case .reject(let reasons): .reject(reasons[before])
            }
        return SubProofVote(
            content: SubProofVoteContent(
                id: id, validatorsRoot: validatorsRoot, verdict: verdict),
            validator: validator, scheme: scheme, signature: signatures[before])
    }

    /// Checks every signature, those beyond the quorum too.
    ///
    /// - Complexity: one signature check a signer.
    public func verifySignatures(
        validators: ValidatorSet, network: NetworkDigest
    ) throws(SubProofSignatureError) {
        guard validatorsRoot == validators.root else {
            throw .otherValidators(validatorsRoot, expected: validators.root)
        }
        // All who agree signed the same bytes; at most one message for each reason.
        var messages: [SubProofVerdict: [UInt8]] = [:]
        for vote in votes {
            let message =
                messages[vote.verdict] ?? vote.content.signedMessage(network: network)
            messages[vote.verdict] = message
            try validators.check(
                root: validatorsRoot, vote.signature, scheme: scheme, by: vote.validator,
                message: message)
        }
    }
}

extension SubProofCertificate: SSZContainer {
    public static let sszLayout = SSZLayout(
        SubProofID.self, Bytes32.self, SSZByteList<1024>.self, Tranche.self, SignatureScheme.self,
        ValidatorBits.self, SSZList<SignatureBytes, 1024>.self)

    private var reasons: [RejectReason] {
        switch verdict {
        case .valid: []
        case .reject(let reasons): reasons
        }
    }

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let list = SSZList<SignatureBytes, 1024>(signatures),
            let reasons = SSZByteList<1024>(reasons.map(\.rawValue))
        else { preconditionFailure("a certificate keeps to its limits") }
        fields.visit(id)
        fields.visit(validatorsRoot)
        fields.visit(reasons)
        fields.visit(tranche)
        fields.visit(scheme)
        fields.visit(signers)
        fields.visit(list)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let id = try fields.next(SubProofID.self, in: input)
        let validatorsRoot = try fields.next(Bytes32.self, in: input)
        let bytes = try fields.next(SSZByteList<1024>.self, in: input).bytes
        let tranche = try fields.next(Tranche.self, in: input)
        let scheme = try fields.next(SignatureScheme.self, in: input)
        let signers = try fields.next(ValidatorBits.self, in: input)
        let signatures = try fields.next(SSZList<SignatureBytes, 1024>.self, in: input).elements
        var reasons: [RejectReason] = []
        for byte in bytes {
            guard let reason = RejectReason(rawValue: byte) else {
                throw .invalidValue("a reason \(byte)")
            }
            reasons.append(reason)
        }
        guard
            let value = Self(
                id: id, validatorsRoot: validatorsRoot,
                verdict: reasons.isEmpty ? .valid : .reject(reasons), tranche: tranche,
                scheme: scheme, signers: signers, signatures: signatures)
        else {
            throw .invalidValue(
                "\(signatures.count) signatures and \(reasons.count) reasons for "
                    + "\(signers.setCount) bits of tranche \(tranche)")
        }
        self = value
    }
}
