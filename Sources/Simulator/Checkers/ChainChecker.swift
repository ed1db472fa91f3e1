import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Execution
import Node

/// What must hold of a chain whatever happens (mechanisms §6, invariants a to d and f), from what hosts have on
/// their disks. Signatures, stakes and states are computed here again.
final class ChainChecker {
    private struct Committed {
        let blockID: Bytes32
        let header: BlockHeader
        let stateRoot: Bytes32
    }

    private let run: ScenarioRun
    private let network: ChainNetwork
    let referee: Referee
    private var committed: [UInt64: Committed] = [:]
    private(set) var height: UInt64 = 0
    /// Validator sets by their root: that of the genesis, and those that a committed block names.
    private var sets: [Bytes32: ValidatorSet] = [:]
    /// Signatures of a height that were found good.
    private var goodSignatures: [UInt64: Set<[UInt8]>] = [:]
    private var tags: [HostIndex: (latest: UInt64, safe: UInt64, finalized: UInt64)] = [:]
    private var reported: [HostIndex: UInt64] = [:]
    private(set) var evidenceCount = 0
    private(set) var slashed: Set<SigningKeyBytes> = []
    private(set) var latestRound: UInt32 = 0
    private(set) var roundsBeyondFirst = 0

    private var forks: [String] = []
    private var badCommits: [String] = []
    private var badStates: [String] = []
    private var badTags: [String] = []
    private var badEvidence: [String] = []
    private var stops: [String] = []

    /// When the first proposal of a height was signed, and when hosts committed it.
    private(set) var proposedAt: [UInt64: MonotonicInstant] = [:]
    private(set) var latencies = Times()

    init(_ run: ScenarioRun, _ network: ChainNetwork) {
        self.run = run
        self.network = network
        referee = Referee(network.genesis)
        let registered = network.genesis.parameters.validators
        if let set = try? ValidatorSet(registered.map { Validator(key: $0.key, stake: $0.stake) }) {
            sets[set.root] = set
            expectedRoot = set.root
        }
    }

    /// Of the set that the next height must name.
    private var expectedRoot: Bytes32?

    func set(root: Bytes32) -> ValidatorSet? { sets[root] }

    /// Who votes on the next height.
    var currentSet: ValidatorSet? { expectedRoot.flatMap { sets[$0] } }
    /// Whose blocks were committed.
    private(set) var proposers: Set<SigningKeyBytes> = []

    /// A host whose first commit comes after a height: it begins there.
    func expect(_ host: HostIndex, from height: UInt64) { reported[host] = height }

    // MARK: Events

    /// Must see every order to a validator's files.
    func observe(_ order: JournalOrder) {
        for case .proposal(let content) in order.requests where proposedAt[content.height] == nil {
            proposedAt[content.height] = run.simulation.now
        }
    }

    /// Must see every event of the simulation.
    func observe(_ host: HostIndex, _ event: NodeEvent) {
        guard case .chain(let event) = event, !network.isLiar(host),
            let chain = run.simulation.chain(of: host)
        else { return }
        switch event {
        case .committed(let report):
            latestRound = max(latestRound, report.round)
            let last = reported[host] ?? 0
            if report.height != last + 1 {
                badTags.append("\(name(host)) committed \(report.height) after \(last)")
            }
            reported[host] = max(last, report.height)
            collectSets(chain)
            note(report, host, chain)
            if report.latency != nil, let proposed = proposedAt[report.height] {
                latencies.add(proposed.duration(to: run.simulation.now))
            }
            look(at: host)
        case .stopped(let text), .signingStopped(let text):
            stops.append("\(name(host)): \(text)")
        case .consensus(.committedBlockIsInvalid(let height, _)):
            stops.append("\(name(host)): an invalid block was committed at \(height)")
        default: break
        }
    }

    private func name(_ host: HostIndex) -> String { "n\(host.rawValue)" }

    private func collectSets(_ chain: HostChain) {
        guard let head = chain.processor?.head else { return }
        for set in [head.validators, head.rotation.validators] + head.history.map(\.validators) {
            sets[set.root] = set
        }
    }

    private func note(_ report: CommitReport, _ host: HostIndex, _ chain: HostChain) {
        let place = "\(name(host)) at \(report.height)"
        guard let stored = try? chain.store.block(at: report.height),
            let sealed = try? SealedBlock(ssz: stored.block.span),
            let commit = try? Commit(ssz: stored.commit.span),
            let payload = try? Block(stored.payload.span)
        else {
            badCommits.append("\(place): no block where it committed one")
            return
        }
        let block = sealed.block
        guard block.id == report.blockID, stored.blockID == report.blockID,
            commit.blockID == block.id, commit.height == report.height,
            block.header.height == report.height,
            ContentReference(kind: .block, bytes: stored.payload) == block.header.payload
        else {
            badCommits.append("\(place): block, commit and payload are of different blocks")
            return
        }
        if let known = committed[report.height] {
            if known.blockID != block.id {
                forks.append("\(place): \(block.id) beside \(known.blockID)")
            }
            if known.stateRoot != payload.header.stateRoot {
                badStates.append("\(place): \(payload.header.stateRoot), not \(known.stateRoot)")
            }
        } else if report.height == height + 1 {
            first(block, payload, stored, place)
        } else {
            badTags.append("\(place): nobody committed \(height + 1)")
        }
        check(commit, block.header, place)
        if chain.keepsState, chain.processor?.head.height == report.height {
            var root: [UInt8] = []
            let isThere =
                (try? chain.store.appendNode(payload.header.stateRoot, to: &root)) ?? false
            if !isThere || Keccak256.hash(root) != payload.header.stateRoot {
                badStates.append("\(place): its disk has not the state of its head")
            }
        }
    }

    /// The first commit of a height that anybody sees.
    private func first(
        _ block: ConsensusBlock, _ payload: Block, _ stored: StoredBlock, _ place: String
    ) {
        height += 1
        let header = block.header
        if header.validatorsRoot != expectedRoot {
            badCommits.append("\(place): a set that the block before did not name")
        }
        expectedRoot = header.nextValidatorsRoot
        if let proposer = sets[header.validatorsRoot]?[header.proposer] {
            proposers.insert(proposer.key)
        }
        if header.round > 0 { roundsBeyondFirst += 1 }
        committed[height] = Committed(
            blockID: block.id, header: header, stateRoot: payload.header.stateRoot)
        if let fault = referee.execute(stored.payload) { badStates.append("\(place): \(fault)") }
        for piece in block.body.evidence { check(piece, place) }
        goodSignatures[height &- 64] = nil
    }

    /// A commit is > 2/3 of the stake, each signature made by whoever it says.
    private func check(_ commit: Commit, _ header: BlockHeader, _ place: String) {
        guard let set = sets[header.validatorsRoot], commit.signers.count == set.count else {
            badCommits.append("\(place): a commit of an unknown set")
            return
        }
        let message = commit.content.signedMessage(network: network.genesis.parameters.network)
        var stake: UInt64 = 0
        var signatures = commit.signatures[...]
        for (position, validator) in set.validators.enumerated() where commit.signers[position] {
            guard let signature = signatures.popFirst(), let key = Bytes32(validator.key.bytes)
            else {
                badCommits.append("\(place): a bit without a signature")
                return
            }
            let entry = signature.bytes + key.bytes + message
            if goodSignatures[commit.height]?.contains(entry) != true {
                guard Ed25519.verify(signature: signature.bytes, message: message, publicKey: key)
                else {
                    badCommits.append("\(place): validator \(position) did not sign")
                    return
                }
                goodSignatures[commit.height, default: []].insert(entry)
            }
            stake += validator.stake
        }
        let total = set.validators.reduce(0) { $0 + $1.stake }
        if 3 * stake <= 2 * total {
            badCommits.append("\(place): \(stake) of \(total) signed")
        }
    }

    /// Nobody is slashed without two signed messages that contradict each other.
    private func check(_ piece: Evidence, _ place: String) {
        evidenceCount += 1
        guard let header = committed[piece.height]?.header, let set = sets[header.validatorsRoot],
            let culprit = set[piece.validator],
            (try? piece.verify(
                validators: set, network: network.genesis.parameters.network)) != nil
        else {
            badEvidence.append("\(place): evidence that proves nothing")
            return
        }
        slashed.insert(culprit.key)
        if !network.isLiar(culprit.key) {
            badEvidence.append("\(place): evidence against an honest validator")
        }
    }

    /// What comes from here on is measured alone.
    func forgetLatencies() { latencies = Times() }

    // MARK: Tags

    /// Reads the tags of a running node.
    func look(at host: HostIndex) {
        guard
            let info = run.simulation.withNode(
                host, { $0.chainInfo(now: run.simulation.clock) }) ?? nil
        else { return }
        let latest = info.head.height
        if info.finalized > info.safe || info.safe > latest {
            badTags.append(
                "\(name(host)): finalized \(info.finalized), safe \(info.safe), latest \(latest)")
        }
        if let known = tags[host],
            latest < known.latest || info.safe < known.safe || info.finalized < known.finalized
        {
            badTags.append("\(name(host)): back from \(known.latest) to \(latest)")
        }
        tags[host] = (latest, info.safe, info.finalized)
        if latest > height {
            badTags.append("\(name(host)): at \(latest), and nobody has committed that")
        } else if let root = committed[latest]?.stateRoot, root != info.stateRoot {
            badStates.append("\(name(host)) at \(latest): \(info.stateRoot), not \(root)")
        }
    }

    // MARK: Verdict

    func report() {
        func check(_ name: String, _ faults: [String], _ detail: String) {
            run.check(
                name, faults.isEmpty,
                faults.isEmpty
                    ? detail : "\(faults.count): " + faults.prefix(5).joined(separator: "; "))
        }
        check("no two commits at a height", forks, "\(height) heights")
        check("tags only move forward, finalized after safe after latest", badTags, "\(height)")
        check(
            "every commit has > 2/3 of the stake behind it", badCommits, "\(height) heights")
        check(
            "every state is what execution gives, and balances conserve", badStates,
            "\(referee.transactionCount) transactions, state \(referee.stateRoot)")
        check(
            "no honest validator signed two messages for one place", network.book.faults,
            "\(network.book.count) places")
        check(
            "only who contradicts itself is slashed", badEvidence, "\(evidenceCount) pieces")
        check("nobody had to stop", stops, "all run")
    }
}
