import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Testing

@testable import Consensus

/// Validators, keys and block names for tests.
enum World {
    static let network = NetworkDigest([9, 9, 9, 9])!

    static let keys: [IdentityKey] = (0..<100).map { index in
        IdentityKey(ed25519Seed: SecretBytes(copying: SHA256.hash([UInt8(index), 77])))
    }
    static let keyBytes = keys.map { BodyDescription.producer(of: $0) }
    static let peers: [PeerID] = keys.map { $0.peerID }

    static func validators(_ stakes: [UInt64]) -> ValidatorSet {
        try! ValidatorSet(
            stakes.enumerated().map { Validator(key: keyBytes[$0], stake: $1) })
    }

    static func block(_ name: String) -> Bytes32 { SHA256.hash(Array(name.utf8)) }

    static func at(_ milliseconds: Int, skew: Int = 0) -> Now {
        Now(
            instant: MonotonicInstant(nanoseconds: Int64(milliseconds) * 1_000_000),
            wall: WallTime(milliseconds: 1_700_000_000_000 + Int64(milliseconds + skew)))
    }

    /// Signed, or with 64 bytes that stand for a signature.
    static func vote(_ content: VoteContent, by validator: ValidatorIndex, key: Int, signs: Bool)
        -> Vote
    {
        if signs {
            return Vote(signing: content, as: validator, with: keys[key], network: network)
        }
        let filler = [UInt8](repeating: UInt8(key), count: 64)
        return Vote(
            content: content, validator: validator, scheme: .ed25519,
            signature: SignatureBytes(filler)!)
    }

    static func proposal(
        _ content: ProposalContent, by proposer: ValidatorIndex, key: Int, signs: Bool
    ) -> Proposal {
        if signs {
            return Proposal(signing: content, as: proposer, with: keys[key], network: network)
        }
        let filler = [UInt8](repeating: UInt8(key), count: 64)
        return Proposal(
            content: content, proposer: proposer, scheme: .ed25519,
            signature: SignatureBytes(filler)!)
    }
}

/// What is to happen, by time; ties by the order in which it was planned.
struct EventQueue<Event> {
    private var heap: [(time: Int, serial: Int, event: Event)] = []
    private var serial = 0

    mutating func add(_ event: Event, at time: Int) {
        heap.append((time, serial, event))
        serial += 1
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    var nextTime: Int? { heap.first?.time }

    mutating func removeFirst() -> Event {
        heap.swapAt(0, heap.count - 1)
        let event = heap.removeLast().event
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && isBefore(child, least) {
                least = child
            }
            guard least != parent else { return event }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        (heap[one].time, heap[one].serial) < (heap[other].time, heap[other].serial)
    }
}
