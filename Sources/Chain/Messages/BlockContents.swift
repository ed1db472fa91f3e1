import ChoraleBase
public import ChoraleTypes
public import Codec

/// A block with the two bodies that validators need to judge it.
public struct BlockContents: Hashable, Sendable {
    /// Largest payload or witness, in bytes.
    public static let partSizeMax = 16 << 20

    public let block: ConsensusBlock
    /// An execution block in RLP: what `header.payload` refers to. Empty when it travels by itself.
    public let payload: [UInt8]
    /// See ``WitnessBody``: what the block's first reference refers to. Empty when it travels by itself.
    public let witness: [UInt8]

    /// Nil when a part is too large.
    public init?(block: ConsensusBlock, payload: [UInt8], witness: [UInt8]) {
        guard payload.count <= Self.partSizeMax, witness.count <= Self.partSizeMax else {
            return nil
        }
        self.block = block
        self.payload = payload
        self.witness = witness
    }

    /// In bytes.
    public var size: Int { payload.count + witness.count }

    /// Whether both parts are here.
    public var isComplete: Bool { !payload.isEmpty && !witness.isEmpty }

    /// The block without its bodies, for whoever gets them by their roots.
    public var bare: BlockContents { BlockContents(block: block, payload: [], witness: [])! }
}

extension BlockContents: SSZContainer {
    public static let sszLayout = SSZLayout(
        ConsensusBlock.self, SSZByteList<16_777_216>.self, SSZByteList<16_777_216>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let payload = SSZByteList<16_777_216>(payload),
            let witness = SSZByteList<16_777_216>(witness)
        else { preconditionFailure("contents keep to their limits") }
        fields.visit(block)
        fields.visit(payload)
        fields.visit(witness)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        block = try fields.next(in: input)
        payload = try fields.next(SSZByteList<16_777_216>.self, in: input).bytes
        witness = try fields.next(SSZByteList<16_777_216>.self, in: input).bytes
    }
}

/// A proposal with its block: what a proposer gossips on `block`.
///
/// The proposer's signature is what lets a block travel: of a round there is one, or evidence.
public struct ProposedBlock: Hashable, Sendable {
    public let proposal: Proposal
    public let contents: BlockContents

    /// Nil when the proposal is of another block.
    public init?(proposal: Proposal, contents: BlockContents) {
        guard proposal.blockID == contents.block.id,
            proposal.height == contents.block.header.height
        else { return nil }
        self.proposal = proposal
        self.contents = contents
    }
}

extension ProposedBlock: SSZContainer {
    public static let sszLayout = SSZLayout(Proposal.self, BlockContents.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(proposal)
        fields.visit(contents)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let proposal = try fields.next(Proposal.self, in: input)
        let contents = try fields.next(BlockContents.self, in: input)
        guard let value = Self(proposal: proposal, contents: contents) else {
            throw .invalidValue("the proposal of another block")
        }
        self = value
    }
}

/// A committed block as it travels to whoever is behind.
public struct CommittedBlock: Hashable, Sendable {
    /// Most kinds of requests of an execution block (EIP-7685 has 256; three are in use).
    public static let requestsMax = 16

    public let block: ConsensusBlock
    public let commit: Commit
    public let payload: [UInt8]
    /// What the payload's execution asked of consensus (EIP-7685), which its header has the hash of: so
    /// that whoever does not execute knows of it.
    public let requests: [[UInt8]]

    /// Nil when the commit is of another block, or a part is too large.
    public init?(block: ConsensusBlock, commit: Commit, payload: [UInt8], requests: [[UInt8]]) {
        guard commit.height == block.header.height, commit.blockID == block.id,
            payload.count <= BlockContents.partSizeMax, requests.count <= Self.requestsMax,
            requests.allSatisfy({ $0.count <= Self.requestSizeMax })
        else { return nil }
        self.block = block
        self.commit = commit
        self.payload = payload
        self.requests = requests
    }

    /// Bytes of one kind of request: 8,192 deposits of 192 bytes, as in EIP-7685's consensus types.
    static let requestSizeMax = 1 << 21

    /// The block with its requests, as it is stored beside payload and commit.
    public var sealed: SealedBlock { SealedBlock(block: block, requests: requests) }
}

extension CommittedBlock: SSZContainer {
    public static let sszLayout = SSZLayout(
        SealedBlock.self, Commit.self, SSZByteList<16_777_216>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let payload = SSZByteList<16_777_216>(payload) else {
            preconditionFailure("a block keeps to its limits")
        }
        fields.visit(sealed)
        fields.visit(commit)
        fields.visit(payload)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let sealed = try fields.next(SealedBlock.self, in: input)
        let commit = try fields.next(Commit.self, in: input)
        let payload = try fields.next(SSZByteList<16_777_216>.self, in: input).bytes
        guard
            let value = Self(
                block: sealed.block, commit: commit, payload: payload, requests: sealed.requests)
        else { throw .invalidValue("the commit of another block") }
        self = value
    }
}

/// A consensus block with the requests of its payload.
public struct SealedBlock: Hashable, Sendable {
    public let block: ConsensusBlock
    public let requests: [[UInt8]]

    init(block: ConsensusBlock, requests: [[UInt8]]) {
        self.block = block
        self.requests = requests
    }
}

extension SealedBlock: SSZContainer {
    public static let sszLayout = SSZLayout(
        ConsensusBlock.self, SSZList<SSZByteList<2_097_152>, 16>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        let lists = requests.compactMap { SSZByteList<2_097_152>($0) }
        guard let requests = SSZList<SSZByteList<2_097_152>, 16>(lists) else {
            preconditionFailure("a block keeps to its limits")
        }
        fields.visit(block)
        fields.visit(requests)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        block = try fields.next(in: input)
        requests = try fields.next(SSZList<SSZByteList<2_097_152>, 16>.self, in: input).elements
            .map(\.bytes)
    }
}
