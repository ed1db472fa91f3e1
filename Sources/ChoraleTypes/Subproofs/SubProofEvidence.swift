public import ChoraleBase
public import Codec

/// A vote with what is needed to have its proof and to verify it again.
///
/// With a vote that rejects it is what sends a part to every validator; with either verdict, and a
/// proof that verifies otherwise, it is what its author is slashed for. Both need no more than the
/// vote and the proof, which anybody can look at.
public struct VoteOnProof: Hashable, Sendable {
    public let vote: SubProofVote
    /// The proof system's number.
    public let proofType: UInt8
    /// In bytes, `1...`; at most ``SubProofBounds/proofSizeMax``.
    public let proofSize: UInt64

    /// Nil when no proof has this size.
    public init?(vote: SubProofVote, proofType: UInt8, proofSize: UInt64) {
        guard (1...SubProofBounds.proofSizeMax).contains(proofSize) else { return nil }
        self.vote = vote
        self.proofType = proofType
        self.proofSize = proofSize
    }
}

extension VoteOnProof: SSZContainer {
    public static let sszLayout = SSZLayout(SubProofVote.self, UInt8.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(vote)
        fields.visit(proofType)
        fields.visit(proofSize)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let vote = try fields.next(SubProofVote.self, in: input)
        let type = try fields.next(UInt8.self, in: input)
        let size = try fields.next(UInt64.self, in: input)
        guard let value = Self(vote: vote, proofType: type, proofSize: size) else {
            throw .invalidValue("a proof of \(size) bytes")
        }
        self = value
    }
}

/// "This proof is bad": a vote that rejects, and where its proof is.
public struct RejectEvidence: Hashable, Sendable {
    public let claim: VoteOnProof

    /// Nil for a vote that does not reject.
    public init?(_ claim: VoteOnProof) {
        guard !claim.vote.verdict.isValid else { return nil }
        self.claim = claim
    }
}

/// "This vote is false": verifying its proof gives the other verdict.
///
/// True exactly when the vote is signed, the chain's commitment names this proof for the part, and the
/// verifier contradicts the vote. A proof that is not to be had, or of a type that is not understood,
/// contradicts nobody.
public struct FalseVerdictEvidence: Hashable, Sendable {
    public let claim: VoteOnProof

    public init(_ claim: VoteOnProof) { self.claim = claim }
}

/// One validator's two verdicts on one proof.
public struct VerdictEquivocation: Hashable, Sendable {
    public let valid: SubProofVote
    public let reject: SubProofVote

    /// In either order. Nil when the two do not contradict each other.
    public init?(_ one: SubProofVote, _ other: SubProofVote) {
        guard one.validator == other.validator, one.id == other.id,
            one.content.validatorsRoot == other.content.validatorsRoot,
            one.verdict.isValid != other.verdict.isValid
        else { return nil }
        valid = one.verdict.isValid ? one : other
        reject = one.verdict.isValid ? other : one
    }
}

/// One validator's two outputs for one commitment.
public struct OutputEquivocation: Hashable, Sendable {
    public let first: CommitteeVote
    public let second: CommitteeVote

    /// In either order. Nil when the two do not contradict each other.
    public init?(_ one: CommitteeVote, _ other: CommitteeVote) {
        guard one.validator == other.validator, one.operation == other.operation,
            one.content.commitment == other.content.commitment,
            one.content.validatorsRoot == other.content.validatorsRoot,
            one.outputHash != other.outputHash
        else { return nil }
        first = one.outputHash < other.outputHash ? one : other
        second = one.outputHash < other.outputHash ? other : one
    }
}

/// "This output is false": everyone has found another.
///
/// True where two executions of the operation have one output. It carries everyone's certificate, so that nobody has to
/// remember what was found of operations that are over.
public struct FalseOutputEvidence: Hashable, Sendable {
    public let vote: CommitteeVote
    /// Of ``Tranche/everyone``.
    public let certificate: FastPathCertificate

    /// Nil when the two do not contradict each other, or the certificate is of fewer.
    public init?(_ vote: CommitteeVote, _ certificate: FastPathCertificate) {
        guard certificate.tranche == .everyone, vote.operation == certificate.operation,
            vote.content.commitment == certificate.content.commitment,
            vote.content.validatorsRoot == certificate.content.validatorsRoot,
            vote.outputHash != certificate.content.outputHash
        else { return nil }
        self.vote = vote
        self.certificate = certificate
    }
}

/// What one validator did wrong, or says that an executor did: for anyone who has the validators.
///
/// In SSZ a union: one byte for the kind, then the value.
public enum SubProofEvidence: Hashable, Sendable {
    /// No fault of its author's, unless it is false.
    case reject(RejectEvidence)
    case falseVerdict(FalseVerdictEvidence)
    case equivocation(VerdictEquivocation)
    case outputEquivocation(OutputEquivocation)
    case falseOutput(FalseOutputEvidence)

    /// Largest encoding, in bytes: with everyone's certificate.
    public static let encodedSizeMax =
        1 + 8 + CommitteeVote.encodedSizeMax + FastPathCertificate.encodedSizeMax

    /// Who signed it.
    public var validator: ValidatorIndex {
        switch self {
        case .reject(let evidence): evidence.claim.vote.validator
        case .falseVerdict(let evidence): evidence.claim.vote.validator
        case .equivocation(let pair): pair.valid.validator
        case .outputEquivocation(let pair): pair.first.validator
        case .falseOutput(let evidence): evidence.vote.validator
        }
    }

    public var operation: Bytes32 {
        switch self {
        case .reject(let evidence): evidence.claim.vote.id.operation
        case .falseVerdict(let evidence): evidence.claim.vote.id.operation
        case .equivocation(let pair): pair.valid.id.operation
        case .outputEquivocation(let pair): pair.first.operation
        case .falseOutput(let evidence): evidence.vote.operation
        }
    }

    /// What verifying the proof again must give for this to be true; nil where signatures are enough.
    public var verdictExpected: (claim: VoteOnProof, isValid: Bool)? {
        switch self {
        case .reject(let evidence): (evidence.claim, false)
        case .falseVerdict(let evidence): (evidence.claim, !evidence.claim.vote.verdict.isValid)
        case .equivocation, .outputEquivocation, .falseOutput: nil
        }
    }

    /// Checks the signatures; of a certificate not whether they are enough.
    public func verifySignatures(
        validators: ValidatorSet, network: NetworkDigest
    ) throws(SubProofSignatureError) {
        switch self {
        case .reject(let evidence):
            try evidence.claim.vote.verify(validators: validators, network: network)
        case .falseVerdict(let evidence):
            try evidence.claim.vote.verify(validators: validators, network: network)
        case .equivocation(let pair):
            try pair.valid.verify(validators: validators, network: network)
            try pair.reject.verify(validators: validators, network: network)
        case .outputEquivocation(let pair):
            try pair.first.verify(validators: validators, network: network)
            try pair.second.verify(validators: validators, network: network)
        case .falseOutput(let evidence):
            try evidence.vote.verify(validators: validators, network: network)
            try evidence.certificate.verifySignatures(validators: validators, network: network)
        }
    }
}

extension VerdictEquivocation: SSZContainer {
    public static let sszLayout = SSZLayout(SubProofVote.self, SubProofVote.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(valid)
        fields.visit(reject)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let first = try fields.next(SubProofVote.self, in: input)
        let second = try fields.next(SubProofVote.self, in: input)
        guard let pair = Self(first, second), pair.valid == first else {
            throw .invalidValue("two votes that do not contradict each other, or in no order")
        }
        self = pair
    }
}

extension OutputEquivocation: SSZContainer {
    public static let sszLayout = SSZLayout(CommitteeVote.self, CommitteeVote.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(first)
        fields.visit(second)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let first = try fields.next(CommitteeVote.self, in: input)
        let second = try fields.next(CommitteeVote.self, in: input)
        guard let pair = Self(first, second), pair.first == first else {
            throw .invalidValue("two votes that do not contradict each other, or in no order")
        }
        self = pair
    }
}

extension FalseOutputEvidence: SSZContainer {
    public static let sszLayout = SSZLayout(CommitteeVote.self, FastPathCertificate.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(vote)
        fields.visit(certificate)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let vote = try fields.next(CommitteeVote.self, in: input)
        let certificate = try fields.next(FastPathCertificate.self, in: input)
        guard let evidence = Self(vote, certificate) else {
            throw .invalidValue("an output that everyone's certificate does not contradict")
        }
        self = evidence
    }
}

extension SubProofEvidence: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { nil }

    private var selector: UInt8 {
        switch self {
        case .reject: 0
        case .falseVerdict: 1
        case .equivocation: 2
        case .outputEquivocation: 3
        case .falseOutput: 4
        }
    }

    public func sszEncode(into bytes: inout [UInt8]) {
        bytes.append(selector)
        switch self {
        case .reject(let evidence): evidence.claim.sszEncode(into: &bytes)
        case .falseVerdict(let evidence): evidence.claim.sszEncode(into: &bytes)
        case .equivocation(let pair): pair.sszEncode(into: &bytes)
        case .outputEquivocation(let pair): pair.sszEncode(into: &bytes)
        case .falseOutput(let evidence): evidence.sszEncode(into: &bytes)
        }
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        let root =
            switch self {
            case .reject(let evidence): evidence.claim.hashTreeRoot(hash)
            case .falseVerdict(let evidence): evidence.claim.hashTreeRoot(hash)
            case .equivocation(let pair): pair.hashTreeRoot(hash)
            case .outputEquivocation(let pair): pair.hashTreeRoot(hash)
            case .falseOutput(let evidence): evidence.hashTreeRoot(hash)
            }
        // mix_in_selector
        return Hash.combine(root, selector.hashTreeRoot(hash))
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard !input.isEmpty else { throw .tooShort(found: 0, minimum: 1) }
        let value = input.extracting(1..<input.count)
        switch input[0] {
        case 0:
            guard let evidence = RejectEvidence(try VoteOnProof(ssz: value)) else {
                throw .invalidValue("evidence of a reject from a vote that does not reject")
            }
            self = .reject(evidence)
        case 1: self = .falseVerdict(FalseVerdictEvidence(try VoteOnProof(ssz: value)))
        case 2: self = .equivocation(try VerdictEquivocation(ssz: value))
        case 3: self = .outputEquivocation(try OutputEquivocation(ssz: value))
        case 4: self = .falseOutput(try FalseOutputEvidence(ssz: value))
        case let other: throw .invalidValue("evidence of kind \(other)")
        }
    }
}
