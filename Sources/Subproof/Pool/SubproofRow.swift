import ChoraleBase
public import ChoraleTypes
public import Codec

/// What is kept on disk: for a restart, for who asks, and so that nothing is signed twice.
///
/// A key begins with the height of the commitment's block, so that what is old goes as one range.
///
/// | bytes of a key | |
/// | --- | --- |
/// | 8 | height, big-endian |
/// | 1 | kind |
/// | 32 | operation |
/// | 2 | part, big-endian; 0 for a whole operation |
/// | 32 | digest of the proof; hash of the output; zeros |
/// | 2 | validator, big-endian |
public struct SubproofRow: Hashable, Sendable {
    public enum Content: Hashable, Sendable {
        /// What is about to be signed.
        case voteIntent(SubProofVoteContent)
        /// Our own, signed.
        case vote(SubProofVote)
        case certificate(SubProofCertificate)
        case evidence(SubProofEvidence)
        /// What is about to be signed.
        case committeeIntent(CommitteeVoteContent)
        /// Our own, signed.
        case committeeVote(CommitteeVote)
        case fastPath(FastPathCertificate)
    }

    /// Size of every key, in bytes.
    public static let keySize = 8 + 1 + 32 + 2 + 32 + 2

    /// Of the block with the operation's commitment.
    public let height: UInt64
    public let content: Content

    public init(height: UInt64, content: Content) {
        self.height = height
        self.content = content
    }

    /// Whether it must be on disk before a later signature leaves: without it a validator that is killed
    /// could sign something else.
    public var needsSync: Bool {
        switch content {
        case .voteIntent, .committeeIntent: true
        case .vote, .certificate, .evidence, .committeeVote, .fastPath: false
        }
    }

    private var kind: UInt8 {
        switch content {
        case .voteIntent: 1
        case .vote: 2
        case .certificate: 3
        case .evidence: 4
        case .committeeIntent: 5
        case .committeeVote: 6
        case .fastPath: 7
        }
    }

    public var key: [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(Self.keySize)
        key.appendBigEndian(height)
        key.append(kind)
        let (operation, part, name, validator) = place
        key += operation.bytes
        key.appendBigEndian(part)
        key += name.bytes
        key.appendBigEndian(validator)
        return key
    }

    private var place: (Bytes32, UInt16, Bytes32, UInt16) {
        func of(_ id: SubProofID, _ validator: UInt16) -> (Bytes32, UInt16, Bytes32, UInt16) {
            (id.operation, id.part, id.proof, validator)
        }
        switch content {
        case .voteIntent(let content): return of(content.id, 0)
        case .vote(let vote): return of(vote.id, vote.validator.rawValue)
        case .certificate(let certificate): return of(certificate.id, 0)
        case .evidence(let evidence):
            return (evidence.operation, 0, evidence.hashTreeRoot, evidence.validator.rawValue)
        case .committeeIntent(let content): return (content.operation, 0, .zero, 0)
        case .committeeVote(let vote):
            return (vote.operation, 0, .zero, vote.validator.rawValue)
        case .fastPath(let certificate): return (certificate.operation, 0, .zero, 0)
        }
    }

    /// In SSZ.
    public var value: [UInt8] {
        switch content {
        case .voteIntent(let content): content.sszEncoded()
        case .vote(let vote): vote.sszEncoded()
        case .certificate(let certificate): certificate.sszEncoded()
        case .evidence(let evidence): evidence.sszEncoded()
        case .committeeIntent(let content): content.sszEncoded()
        case .committeeVote(let vote): vote.sszEncoded()
        case .fastPath(let certificate): certificate.sszEncoded()
        }
    }

    /// Why a row was refused: the store is damaged, or another version wrote it.
    public enum ReadError: Error, Hashable, Sendable {
        case keySize(Int, expected: Int)
        case unknownKind(UInt8)
        case value(SSZError)
        /// The value belongs at another place.
        case otherKey
    }

    public init(key: Span<UInt8>, value: Span<UInt8>) throws(ReadError) {
        guard key.count == Self.keySize else {
            throw .keySize(key.count, expected: Self.keySize)
        }
        height = key.loadBigEndian(UInt64.self, at: 0)
        do throws(SSZError) {
            switch key[8] {
            case 1: content = .voteIntent(try SubProofVoteContent(ssz: value))
            case 2: content = .vote(try SubProofVote(ssz: value))
            case 3: content = .certificate(try SubProofCertificate(ssz: value))
            case 4: content = .evidence(try SubProofEvidence(ssz: value))
            case 5: content = .committeeIntent(try CommitteeVoteContent(ssz: value))
            case 6: content = .committeeVote(try CommitteeVote(ssz: value))
            case 7: content = .fastPath(try FastPathCertificate(ssz: value))
            case let kind: throw SSZError.invalidValue("kind \(kind)")
            }
        } catch {
            guard (1...7).contains(key[8]) else { throw .unknownKind(key[8]) }
            throw .value(error)
        }
        guard self.key.span.isEqual(to: key) else { throw .otherKey }
    }
}
