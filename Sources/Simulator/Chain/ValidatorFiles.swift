import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import DequeModule

/// A validator's log and signing state on a disk that forgets.
///
/// An order is in the operating system's cache at once, and on the disk, with its signatures, when it is done.
/// Between the two a power cut may find anything: part of the records, all of them, even the signing state
/// written and the signature never sent.
final class ValidatorFiles {
    let key: Ed25519.PrivateKey
    let network: NetworkDigest
    private let book: SignatureBook
    private var records: [ConsensusRecord] = []
    private var syncedCount = 0
    private var guardian = SigningGuard(freshFrom: 0)
    private var orders: Deque<JournalOrder> = []
    /// For a test that the checks can fail: a power cut takes what was synced too.
    var losesSynced = false

    init(key: Ed25519.PrivateKey, network: NetworkDigest, book: SignatureBook) {
        self.key = key
        self.network = network
        self.book = book
    }

    /// What a node that starts finds.
    var recovery: ConsensusRecovery {
        ConsensusRecovery(
            records: records,
            lastSigned: guardian.signature.bytes.isEmpty ? nil : guardian.last)
    }

    /// Begins an order.
    func begin(_ order: JournalOrder) {
        records += order.records
        orders.append(order)
    }

    /// Ends the oldest order that was begun.
    func finish() -> JournalAnswer {
        let order = orders.removeFirst()
        if order.needsSync || !order.requests.isEmpty {
            // Those of later orders come behind, and their turn with them.
            let later = orders.reduce(0) { $0 + $1.records.count }
            syncedCount = max(syncedCount, records.count - later)
        }
        let signed = order.requests.map {
            JournalAnswer.Signed(request: $0, signature: sign($0))
        }
        return JournalAnswer(id: order.id, signed: signed, failure: nil)
    }

    private func sign(_ request: SignRequest) -> SignatureBytes? {
        let message = request.message(network: network)
        let hash = SHA256.hash(message)
        switch guardian.decide(request.position, messageHash: hash) {
        case .sign:
            guard let signature = SignatureBytes(key.sign(message)) else {
                preconditionFailure("a signature has 64 bytes")
            }
            guardian.signed(request.position, messageHash: hash, signature: signature)
            book.note(key.publicKey, request.position, message)
            return signature
        case .reuse(let signature): return signature
        case .refuse: return nil
        }
    }

    /// The process is gone; what it wrote is not.
    func kill() { orders = [] }

    /// The power is gone, at any place of what was being done.
    func crash(random: inout DeterministicRandom) {
        while !orders.isEmpty, random.chance(1, in: 3) { _ = finish() }
        orders = []
        let unsynced = records.count - syncedCount
        let kept = unsynced == 0 ? 0 : random.below(unsynced + 1)
        records.removeSubrange((syncedCount + kept)...)
        syncedCount = records.count
        if losesSynced {
            records = []
            syncedCount = 0
            guardian = SigningGuard(freshFrom: 0)
        }
    }
}

/// Everything that honest validators ever signed, over all their lives.
final class SignatureBook {
    private struct Place: Hashable {
        let key: Bytes32
        let position: SigningPosition
    }

    private var messages: [Place: [UInt8]] = [:]
    private(set) var faults: [String] = []
    var count: Int { messages.count }

    func note(_ key: Bytes32, _ position: SigningPosition, _ message: [UInt8]) {
        let place = Place(key: key, position: position)
        guard let known = messages[place] else {
            messages[place] = message
            return
        }
        guard known != message else { return }
        let step = position.step.map { "\($0)" } ?? "nothing"
        faults.append(
            "\(Hex.encode(key.bytes.prefix(4))) at height \(position.height), round "
                + "\(position.round), \(step)")
    }
}
