public import ChoraleBase
public import ChoraleTypes
public import Codec

/// Whether a block may be voted for, as far as consensus can tell: everything but its execution.
///
/// A pure function, for a worker: it checks signatures.
public struct BlockCheck: Sendable {
    /// Farthest that a block's time may be ahead of ours: clocks that are 2 s off either way, and one more.
    public static let clockSkewMax: Duration = .seconds(5)

    /// Why a block is invalid. Every case is its proposer's fault.
    public enum Fault: Error, Equatable, Sendable {
        case otherNetwork(NetworkDigest)
        case wrongHeight(UInt64, expected: UInt64)
        case otherParent(Bytes32, expected: Bytes32)
        /// Not later than its parent.
        case timeNotAfterParent(WallTime, parent: WallTime)
        case otherValidators(Bytes32, expected: Bytes32)
        case otherNextValidators(Bytes32, expected: Bytes32)
        case otherPriorities(Bytes32, expected: Bytes32)
        /// The block says a later round than it is proposed in.
        case roundAhead(UInt32, proposedIn: UInt32)
        /// A block proposed afresh is of the round that it is proposed in.
        case roundPast(UInt32, proposedIn: UInt32)
        /// Made by somebody whose turn it was not.
        case notProposer(ValidatorIndex, expected: ValidatorIndex)
        case beacon(BeaconProof.VerifyError)
        case missingLastCommit
        case unexpectedLastCommit
        case lastCommitOfOtherBlock(Bytes32, height: UInt64)
        case lastCommit(Commit.VerifyError)
        /// Of the present height or later, or too old.
        case evidenceOutOfRange(height: UInt64)
        case duplicateEvidence(index: Int)
        case evidence(index: Int, ConsensusSignatureError)
    }

    /// What is true before the block.
    public let network: NetworkDigest
    public let context: HeightContext
    public let parentID: Bytes32
    public let parentTime: WallTime
    public let previousBeacon: Bytes32
    public let nextValidatorsRoot: Bytes32
    /// Heights for which evidence is still taken, counted back from the block's.
    public let evidenceAgeMax: UInt64
    /// The set of a past height, nil when it is not known any more.
    public let pastValidators: @Sendable (UInt64) -> ValidatorSet?

    public init(
        network: NetworkDigest, context: HeightContext, parentID: Bytes32, parentTime: WallTime,
        previousBeacon: Bytes32, nextValidatorsRoot: Bytes32, evidenceAgeMax: UInt64,
        pastValidators: @escaping @Sendable (UInt64) -> ValidatorSet?
    ) {
        self.network = network
        self.context = context
        self.parentID = parentID
        self.parentTime = parentTime
        self.previousBeacon = previousBeacon
        self.nextValidatorsRoot = nextValidatorsRoot
        self.evidenceAgeMax = evidenceAgeMax
        self.pastValidators = pastValidators
    }

    /// Whether the block's time lies too far ahead of ours. Not a fault: it passes, and a clock may be ours
    /// that is wrong. Such a block is not voted for yet.
    public func isEarly(_ header: BlockHeader, now: WallTime) -> Bool {
        header.time > now.advanced(by: Self.clockSkewMax)
    }

    /// Checks everything.
    ///
    /// - Parameters:
    ///   - round: in which the block is proposed.
    ///   - isFresh: whether the proposal has no valid round.
    public func check(
        _ block: ConsensusBlock, proposedIn round: UInt32, isFresh: Bool
    ) throws(Fault) {
        let header = block.header
        guard header.network == network else { throw .otherNetwork(header.network) }
        guard header.height == context.height else {
            throw .wrongHeight(header.height, expected: context.height)
        }
        guard header.parentID == parentID else {
            throw .otherParent(header.parentID, expected: parentID)
        }
        guard header.time > parentTime else {
            throw .timeNotAfterParent(header.time, parent: parentTime)
        }
        let rotation = context.rotation
        guard header.validatorsRoot == rotation.validators.root else {
            throw .otherValidators(header.validatorsRoot, expected: rotation.validators.root)
        }
        guard header.nextValidatorsRoot == nextValidatorsRoot else {
            throw .otherNextValidators(
                header.nextValidatorsRoot, expected: nextValidatorsRoot)
        }
        let priorities = rotation.prioritiesRoot
        guard header.prioritiesRoot == priorities else {
            throw .otherPriorities(header.prioritiesRoot, expected: priorities)
        }
        // Before any proposer is computed: the block's round is a stranger's number, ours is not.
        guard header.round <= round else {
            throw .roundAhead(header.round, proposedIn: round)
        }
        guard !isFresh || header.round == round else {
            throw .roundPast(header.round, proposedIn: round)
        }
        var schedule = ProposerSchedule(rotation)
        let proposer = schedule.proposer(of: header.round)
        guard header.proposer == proposer else {
            throw .notProposer(header.proposer, expected: proposer)
        }
        do throws(BeaconProof.VerifyError) {
            try BeaconProof(claimedBy: header).verify(
                previous: previousBeacon, height: header.height, network: network,
                key: rotation.validators.validators[proposer.position].key)
        } catch {
            throw .beacon(error)
        }
        try check(block.body.lastCommit)
        try check(block.body.evidence)
    }

    private func check(_ lastCommit: Commit?) throws(Fault) {
        guard let parent = context.parent else {
            guard lastCommit == nil else { throw .unexpectedLastCommit }
            return
        }
        guard let lastCommit else { throw .missingLastCommit }
        guard lastCommit.height + 1 == context.height, lastCommit.blockID == parentID else {
            throw .lastCommitOfOtherBlock(lastCommit.blockID, height: lastCommit.height)
        }
        do throws(Commit.VerifyError) {
            try lastCommit.verify(validators: parent.validators, network: network)
        } catch {
            throw .lastCommit(error)
        }
    }

    private func check(_ evidence: [Evidence]) throws(Fault) {
        var culprits: Set<Culprit> = []
        for (index, piece) in evidence.enumerated() {
            guard piece.height < context.height,
                context.height - piece.height <= evidenceAgeMax,
                let validators = pastValidators(piece.height)
            else { throw .evidenceOutOfRange(height: piece.height) }
            let culprit = Culprit(height: piece.height, validator: piece.validator)
            guard culprits.insert(culprit).inserted else { throw .duplicateEvidence(index: index) }
            do throws(ConsensusSignatureError) {
                try piece.verify(validators: validators, network: network)
            } catch {
                throw .evidence(index: index, error)
            }
        }
    }

    private struct Culprit: Hashable {
        let height: UInt64
        let validator: ValidatorIndex
    }
}
