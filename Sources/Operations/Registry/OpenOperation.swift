public import ChoraleBase
public import Codec
import Crypto

/// How far an operation has come.
///
///     requested ─▶ committed ───────────────▶ certified ─▶ settled
///         ▲            │  ▲ └─▶ justified ─▶───┘   │
///         └─ rejected ─┤  └─ upheld ┤              │
///            or lapsed └─▶ frozen ◀─┴──────────────┘      all but settled ─▶ expired
public enum OperationStatus: UInt8, Hashable, Sendable, CaseIterable {
    /// Waits for an executor.
    case requested = 1
    /// An executor has said what came out. Its parts are being verified.
    case committed = 2
    /// Every part is certified: anybody may settle.
    case certified = 3
    /// Two kinds of proof contradict each other: nothing is settled until everybody has judged.
    case frozen = 4
    case settled = 5
    case expired = 6
    /// A committee has found the executor's output: certified when its challenge window ends without a dispute.
    case justified = 7
}

/// What the chain keeps of an executor's commitment. The whole of it is in the block of ``height``.
public struct CommittedExecution: Hashable, Sendable {
    /// Most of those who verified that are paid.
    public static let committersMax = 32

    /// Root of the commitment's content.
    public let root: Bytes32
    /// Of the block that has it.
    public let height: UInt64
    /// Beacon value of that block.
    public let seed: Bytes32
    public let executor: Bytes32
    /// Who is paid for it.
    public let recipient: ExecutionAddress
    public let outputHash: Bytes32
    public let outputSize: UInt64
    /// In wei.
    public let price: UInt128
    /// How many parts there are, `1...64`.
    public let partCount: UInt8
    /// Bit i: part i is certified.
    public internal(set) var certifiedParts: UInt64
    /// Who is paid for verifying: of all, those with the lowest tickets, in their order.
    public internal(set) var committers: [ExecutionAddress]
    /// Of the block in which a committee said that the output is right; nil where none did.
    public internal(set) var justifiedAt: UInt64?

    public var isCertified: Bool { certifiedParts.nonzeroBitCount == Int(partCount) }
    /// Certified by a committee's word, or everyone's, on the whole: for good.
    var isFinal: Bool { isCertified && justifiedAt != nil }

    /// Whether the challenge window has ended at a height.
    func isUnchallenged(at height: UInt64) -> Bool {
        guard let justifiedAt, !isCertified else { return false }
        return height - min(height, justifiedAt) >= OperationRegistry.challengeWindow
    }

    /// Certifies every part.
    mutating func certifyAll() { certifiedParts = UInt64.max >> (64 - UInt64(partCount)) }

    /// Takes those who verified a part into the draw for being paid.
    ///
    /// A contract cannot pay a thousand addresses. So ``committersMax`` of them are drawn, each with the same
    /// chance however many parts it verified: a ticket is `SHA-256("chorale/committer/1" ‖ seed ‖ root ‖ address)`, and the lowest win. Nobody knew the seed when the addresses were registered or the commitment signed.
    mutating func add(_ addresses: [ExecutionAddress]) {
        var tickets = committers.map { (ticket: ticket(of: $0), address: $0) }
        for address in addresses where !tickets.contains(where: { $0.address == address }) {
            tickets.append((ticket(of: address), address))
        }
        tickets.sort { $0.ticket < $1.ticket }
        committers = tickets.prefix(Self.committersMax).map(\.address)
    }

    private func ticket(of address: ExecutionAddress) -> Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update(Array("chorale/committer/1".utf8))
        hasher.update(seed)
        hasher.update(root)
        hasher.update(address.bytes)
        return hasher.finish()
    }
}

/// An operation that is neither settled nor expired.
public struct OpenOperation: Hashable, Sendable {
    public let request: OperationRequest
    /// Of the block that has the request.
    public let height: UInt64
    /// nil until it is drawn: at the next height, or when there is somebody to draw.
    public internal(set) var election: ExecutorElection?
    /// nil while nobody has committed.
    public internal(set) var commitment: CommittedExecution?
    /// A dispute is open.
    public internal(set) var isFrozen: Bool
    /// What an enclave says of a part, when that is why.
    public internal(set) var dispute: EnclaveDispute?

    init(_ request: OperationRequest, height: UInt64) {
        self.request = request
        self.height = height
        election = nil
        commitment = nil
        isFrozen = false
        dispute = nil
    }

    public var status: OperationStatus {
        guard let commitment else { return .requested }
        if isFrozen { return .frozen }
        if commitment.isCertified { return .certified }
        return commitment.justifiedAt == nil ? .committed : .justified
    }

    /// What to tell the contract. nil unless it is certified.
    public var settlement: Settlement? {
        guard let commitment, status == .certified else { return nil }
        return Settlement(
            operation: request.operation, outputHash: commitment.outputHash,
            outputSize: commitment.outputSize, price: commitment.price,
            executor: commitment.recipient, committers: commitment.committers)
    }
}
