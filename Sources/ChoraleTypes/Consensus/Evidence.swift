public import ChoraleBase
public import Codec

/// Two contradicting messages signed by one validator: proof of its fault for anyone who has the
/// validators of the height.
///
/// A value always contradicts itself: one author, height and round (and kind of vote), two contents,
/// in the order of their roots, so that one pair has one encoding. Whether both are signed is for
/// ``verify(validators:network:)``.
///
/// In SSZ a union: one byte for the kind, then the pair.
public enum Evidence: Hashable, Sendable {
    case duplicateVote(DuplicateVote)
    case duplicateProposal(DuplicateProposal)

    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 1 + 8 + 2 * max(Vote.encodedSizeMax, Proposal.encodedSizeMax)

    public struct DuplicateVote: Hashable, Sendable {
        public let first: Vote
        public let second: Vote

        /// Puts the two in order. Nil when they do not contradict each other.
        public init?(_ one: Vote, _ other: Vote) {
            guard one.validator == other.validator, one.kind == other.kind,
                one.height == other.height, one.round == other.round,
                one.content != other.content
            else { return nil }
            let isOrdered = one.content.hashTreeRoot < other.content.hashTreeRoot
            first = isOrdered ? one : other
            second = isOrdered ? other : one
        }
    }

    public struct DuplicateProposal: Hashable, Sendable {
        public let first: Proposal
        public let second: Proposal

        /// Puts the two in order. Nil when they do not contradict each other.
        public init?(_ one: Proposal, _ other: Proposal) {
            guard one.proposer == other.proposer, one.height == other.height,
                one.round == other.round, one.content != other.content
            else { return nil }
            let isOrdered = one.content.hashTreeRoot < other.content.hashTreeRoot
            first = isOrdered ? one : other
            second = isOrdered ? other : one
        }
    }

    /// Who did it: an index into the set of ``height``.
    public var validator: ValidatorIndex {
        switch self {
        case .duplicateVote(let pair): pair.first.validator
        case .duplicateProposal(let pair): pair.first.proposer
        }
    }

    public var height: UInt64 {
        switch self {
        case .duplicateVote(let pair): pair.first.height
        case .duplicateProposal(let pair): pair.first.height
        }
    }

    public var round: UInt32 {
        switch self {
        case .duplicateVote(let pair): pair.first.round
        case .duplicateProposal(let pair): pair.first.round
        }
    }

    /// Checks both signatures.
    ///
    /// - Parameter validators: the set of ``height``.
    public func verify(
        validators: ValidatorSet, network: NetworkDigest
    ) throws(ConsensusSignatureError) {
        switch self {
        case .duplicateVote(let pair):
            try pair.first.verify(validators: validators, network: network)
            try pair.second.verify(validators: validators, network: network)
        case .duplicateProposal(let pair):
            try pair.first.verify(validators: validators, network: network)
            try pair.second.verify(validators: validators, network: network)
        }
    }
}

extension Evidence.DuplicateVote: SSZContainer {
    public static let sszLayout = SSZLayout(Vote.self, Vote.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(first)
        fields.visit(second)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let first = try fields.next(Vote.self, in: input)
        let second = try fields.next(Vote.self, in: input)
        guard let pair = Self(first, second), pair.first == first else {
            throw .invalidValue("two votes that do not contradict each other, or in no order")
        }
        self = pair
    }
}

extension Evidence.DuplicateProposal: SSZContainer {
    public static let sszLayout = SSZLayout(Proposal.self, Proposal.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(first)
        fields.visit(second)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let first = try fields.next(Proposal.self, in: input)
        let second = try fields.next(Proposal.self, in: input)
        guard let pair = Self(first, second), pair.first == first else {
            throw .invalidValue("two proposals that do not contradict each other, or in no order")
        }
        self = pair
    }
}

extension Evidence: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { nil }

    private var selector: UInt8 {
        switch self {
        case .duplicateVote: 0
        case .duplicateProposal: 1
        }
    }

    public func sszEncode(into bytes: inout [UInt8]) {
        bytes.append(selector)
        switch self {
        case .duplicateVote(let pair): pair.sszEncode(into: &bytes)
        case .duplicateProposal(let pair): pair.sszEncode(into: &bytes)
        }
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        let root =
            switch self {
            case .duplicateVote(let pair): pair.hashTreeRoot(hash)
            case .duplicateProposal(let pair): pair.hashTreeRoot(hash)
            }
        // mix_in_selector
        return Hash.combine(root, selector.hashTreeRoot(hash))
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard !input.isEmpty else { throw .tooShort(found: 0, minimum: 1) }
        let value = input.extracting(1..<input.count)
        switch input[0] {
        case 0: self = .duplicateVote(try DuplicateVote(ssz: value))
        case 1: self = .duplicateProposal(try DuplicateProposal(ssz: value))
        case let other: throw .invalidValue("evidence of kind \(other)")
        }
    }
}
