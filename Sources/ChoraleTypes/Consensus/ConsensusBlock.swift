public import ChoraleBase
public import Codec

/// What votes are about: the part of a block whose root names it.
public struct BlockHeader: Hashable, Sendable {
    public let network: NetworkDigest
    /// Within `1...heightMax`.
    public let height: UInt64
    /// In which the block was made. It may be proposed again in later ones.
    public let round: UInt32
    /// ``id`` of the block before; of the genesis for the first.
    public let parentID: Bytes32
    /// The proposer's clock, later than the parent's time.
    public let time: WallTime
    /// Who made the block: the proposer of ``round``.
    public let proposer: ValidatorIndex
    /// Root of the set that votes on this height.
    public let validatorsRoot: Bytes32
    /// Root of the set that votes on the next. Differs at the end of an epoch only.
    public let nextValidatorsRoot: Bytes32
    /// Root of the proposers' priorities before this height, so that whoever joins at a checkpoint
    /// knows whose turn it is.
    public let prioritiesRoot: Bytes32
    /// The proposer's VRF proof over the parent's beacon value.
    public let beaconProof: SSZByteVector<80>
    /// The beacon value that follows from it.
    public let beaconValue: Bytes32
    /// The execution payload.
    public let payload: ContentReference
    /// Roots of the four parts of ``BlockBody``.
    public let lastCommitRoot: Bytes32
    public let evidenceRoot: Bytes32
    public let referencesRoot: Bytes32
    public let itemsRoot: Bytes32

    /// - Precondition: height, round and time are within their ranges.
    public init(
        network: NetworkDigest, height: UInt64, round: UInt32, parentID: Bytes32, time: WallTime,
        proposer: ValidatorIndex, validatorsRoot: Bytes32, nextValidatorsRoot: Bytes32,
        prioritiesRoot: Bytes32, beaconProof: SSZByteVector<80>, beaconValue: Bytes32,
        payload: ContentReference, body: BlockBody
    ) {
        precondition((1...ConsensusBounds.heightMax).contains(height), "height \(height)")
        precondition(round <= ConsensusBounds.roundMax, "round \(round)")
        precondition(time.milliseconds >= 0, "a block before 1970")
        self.network = network
        self.height = height
        self.round = round
        self.parentID = parentID
        self.time = time
        self.proposer = proposer
        self.validatorsRoot = validatorsRoot
        self.nextValidatorsRoot = nextValidatorsRoot
        self.prioritiesRoot = prioritiesRoot
        self.beaconProof = beaconProof
        self.beaconValue = beaconValue
        self.payload = payload
        lastCommitRoot = body.lastCommitRoot
        evidenceRoot = body.evidenceRoot
        referencesRoot = body.referencesRoot
        itemsRoot = body.itemsRoot
    }

    /// The block's name: the hash tree root of its header.
    public var id: Bytes32 { hashTreeRoot }
}

extension BlockHeader: SSZContainer {
    public static let sszLayout = SSZLayout(
        NetworkDigest.self, UInt64.self, UInt32.self, Bytes32.self, UInt64.self,
        ValidatorIndex.self, Bytes32.self, Bytes32.self, Bytes32.self, SSZByteVector<80>.self,
        Bytes32.self, ContentReference.self, Bytes32.self, Bytes32.self, Bytes32.self,
        Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(network)
        fields.visit(height)
        fields.visit(round)
        fields.visit(parentID)
        fields.visit(UInt64(time.milliseconds))
        fields.visit(proposer)
        fields.visit(validatorsRoot)
        fields.visit(nextValidatorsRoot)
        fields.visit(prioritiesRoot)
        fields.visit(beaconProof)
        fields.visit(beaconValue)
        fields.visit(payload)
        fields.visit(lastCommitRoot)
        fields.visit(evidenceRoot)
        fields.visit(referencesRoot)
        fields.visit(itemsRoot)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        network = try fields.next(in: input)
        height = try fields.next(in: input)
        round = try fields.next(in: input)
        parentID = try fields.next(in: input)
        let milliseconds = try fields.next(UInt64.self, in: input)
        proposer = try fields.next(in: input)
        validatorsRoot = try fields.next(in: input)
        nextValidatorsRoot = try fields.next(in: input)
        prioritiesRoot = try fields.next(in: input)
        beaconProof = try fields.next(in: input)
        beaconValue = try fields.next(in: input)
        payload = try fields.next(in: input)
        lastCommitRoot = try fields.next(in: input)
        evidenceRoot = try fields.next(in: input)
        referencesRoot = try fields.next(in: input)
        itemsRoot = try fields.next(in: input)
        try ConsensusBounds.check(height: height)
        try ConsensusBounds.check(round: round)
        guard let time = Int64(exactly: milliseconds) else {
            throw .invalidValue("a block \(milliseconds) ms after 1970")
        }
        self.time = WallTime(milliseconds: time)
    }
}

/// What a block brings besides its header.
public struct BlockBody: Hashable, Sendable {
    /// Most pieces of evidence. One for each third of a set of 48 in one block; more wait for the next.
    public static let evidenceMax = 16
    /// Most references: the witness, and parts of it, proofs and certificates.
    public static let referencesMax = 64
    /// Most items, and bytes of their contents together.
    public static let itemsMax = 1024
    public static let itemsSizeMax = 120 << 10

    /// Why the parent is final. Nil in the first block only.
    public let lastCommit: Commit?
    public let evidence: [Evidence]
    /// Witness and other bodies, besides the payload, that the block is about.
    public let references: [ContentReference]
    /// What it says of operations.
    public let items: [BlockItem]

    /// Nil when a list is too long.
    public init?(
        lastCommit: Commit?, evidence: [Evidence], references: [ContentReference],
        items: [BlockItem] = []
    ) {
        guard evidence.count <= Self.evidenceMax, references.count <= Self.referencesMax,
            items.count <= Self.itemsMax,
            items.reduce(0, { $0 + $1.content.count }) <= Self.itemsSizeMax
        else { return nil }
        self.lastCommit = lastCommit
        self.evidence = evidence
        self.references = references
        self.items = items
    }

    public var lastCommitRoot: Bytes32 { commitList.hashTreeRoot }
    public var evidenceRoot: Bytes32 { evidenceList.hashTreeRoot }
    public var referencesRoot: Bytes32 { referenceList.hashTreeRoot }
    public var itemsRoot: Bytes32 { itemList.hashTreeRoot }

    private var commitList: SSZList<Commit, 1> {
        SSZList(lastCommit.map { [$0] } ?? [])!
    }
    private var evidenceList: SSZList<Evidence, 16> { SSZList(evidence)! }
    private var referenceList: SSZList<ContentReference, 64> { SSZList(references)! }
    private var itemList: SSZList<BlockItem, 1024> { SSZList(items)! }
}

extension BlockBody: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZList<Commit, 1>.self, SSZList<Evidence, 16>.self, SSZList<ContentReference, 64>.self,
        SSZList<BlockItem, 1024>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(commitList)
        fields.visit(evidenceList)
        fields.visit(referenceList)
        fields.visit(itemList)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let value = Self(
            lastCommit: try fields.next(SSZList<Commit, 1>.self, in: input).elements.first,
            evidence: try fields.next(SSZList<Evidence, 16>.self, in: input).elements,
            references: try fields.next(SSZList<ContentReference, 64>.self, in: input).elements,
            items: try fields.next(SSZList<BlockItem, 1024>.self, in: input).elements)
        guard let value else {
            throw .invalidValue("items of more than \(Self.itemsSizeMax) bytes")
        }
        self = value
    }
}

/// A block of the chain.
///
/// A value's header always has the roots of its body.
public struct ConsensusBlock: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax =
        8 + 544 + 16 + (4 + Commit.encodedSizeMax)
        + BlockBody.evidenceMax * (4 + Evidence.encodedSizeMax) + BlockBody.referencesMax * 43
        + BlockBody.itemsMax * 9 + BlockBody.itemsSizeMax

    public let header: BlockHeader
    public let body: BlockBody

    /// Nil when the body is another block's.
    public init?(header: BlockHeader, body: BlockBody) {
        guard header.lastCommitRoot == body.lastCommitRoot,
            header.evidenceRoot == body.evidenceRoot,
            header.referencesRoot == body.referencesRoot, header.itemsRoot == body.itemsRoot
        else { return nil }
        self.header = header
        self.body = body
    }

    public var id: Bytes32 { header.id }
}

extension ConsensusBlock: SSZContainer {
    public static let sszLayout = SSZLayout(BlockHeader.self, BlockBody.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(header)
        fields.visit(body)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let header = try fields.next(BlockHeader.self, in: input)
        let body = try fields.next(BlockBody.self, in: input)
        guard let value = Self(header: header, body: body) else {
            throw .invalidValue("the body of another block")
        }
        self = value
    }
}
