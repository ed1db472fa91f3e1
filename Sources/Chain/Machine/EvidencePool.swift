import ChoraleTypes
import OrderedCollections

/// Evidence that waits for a block: one piece for each validator and height.
struct EvidencePool {
    private struct Culprit: Hashable {
        let height: UInt64
        let validator: ValidatorIndex
    }

    private var pieces: OrderedDictionary<Culprit, Evidence> = [:]

    var count: Int { pieces.count }

    func knows(_ piece: Evidence) -> Bool {
        pieces[Culprit(height: piece.height, validator: piece.validator)] != nil
    }

    /// Returns whether it is new.
    mutating func add(_ piece: Evidence, limit: Int) -> Bool {
        let culprit = Culprit(height: piece.height, validator: piece.validator)
        guard pieces[culprit] == nil, pieces.count < limit else { return false }
        pieces[culprit] = piece
        return true
    }

    /// What a block after `head` may contain, the oldest first: of each validator one piece.
    func chosen(after head: ChainHead, ageMax: UInt64) -> [Evidence] {
        var chosen: [Evidence] = []
        var culprits: Set<SigningKeyBytes> = []
        for piece in pieces.values {
            guard chosen.count < BlockBody.evidenceMax else { break }
            guard piece.height <= head.height, head.height + 1 - piece.height <= ageMax,
                let culprit = head.validators(at: piece.height)?[piece.validator],
                !head.registry.slashed.contains(culprit.key),
                culprits.insert(culprit.key).inserted
            else { continue }
            chosen.append(piece)
        }
        return chosen
    }

    /// Forgets what cannot or need not be in a block any more.
    mutating func advance(to head: ChainHead, ageMax: UInt64) {
        pieces.removeAll { entry in
            let piece = entry.value
            guard piece.height <= head.height else { return false }
            guard head.height + 1 - piece.height <= ageMax,
                let culprit = head.validators(at: piece.height)?[piece.validator]
            else { return true }
            return head.registry.slashed.contains(culprit.key)
        }
    }
}
