import ChoraleBase
import Codec
import Crypto
import Execution

/// What peers send of a state: compared with what is asked for and with the root, and only then rows.
extension DownloadPart {
    /// The request for it.
    func request(height: UInt64, stateRoot: Bytes32) -> StateRangeRequest {
        let request =
            switch self {
            case .accounts(let segment, let from):
                StateRangeRequest(
                    height: height, stateRoot: stateRoot, kind: .accounts, first: from,
                    last: StateSegment.last(segment))
            case .storages(let units):
                StateRangeRequest(
                    height: height, stateRoot: stateRoot, kind: .storages,
                    keys: units.map(\.account), first: units.first?.next ?? .zero)
            case .codes(let hashes):
                StateRangeRequest(
                    height: height, stateRoot: stateRoot, kind: .codes, keys: hashes)
            }
        guard let request else { preconditionFailure("parts are made for requests") }
        return request
    }

    /// Sees that an answer is what was asked for, all of it or as much as fits. Returns its rows, without marks
    /// for what they lead to, and what is left.
    func check(
        _ answer: StateRangeAnswer, stateRoot: Bytes32
    ) throws(StateRangeFault) -> (StatePart, DownloadStep) {
        let size = answer.size
        guard size <= StateRangeRequest.answerSizeMax + StateRangeAnswer.codeSizeMax else {
            throw .tooMuch(size)
        }
        var part = StatePart()
        var step = DownloadStep()
        step.size = size
        switch self {
        case .accounts(let segment, let from):
            guard answer.ranges.count == 1, answer.codes.isEmpty else {
                throw .count(answer.ranges.count + answer.codes.count, asked: 1)
            }
            let range = answer.ranges[0]
            let end = StateSegment.last(segment)
            let isWhole = try Self.prove(range, stateRoot, from: from, through: end)
            step.segment = segment
            if !isWhole { step.next = StateSegment.successor(range.last) }
            for entry in range.entries {
                guard let account = Account(rlp: entry.value.span) else {
                    throw .malformed(entry.key)
                }
                part.accounts.append((entry.key, account))
            }
            step.accountCount = range.entries.count
            if let next = step.next { step.rest = .accounts(segment: segment, from: next) }
        case .storages(let units):
            try take(answer, units, &part, &step)
        case .codes(let hashes):
            guard answer.ranges.isEmpty, (1...hashes.count).contains(answer.codes.count) else {
                throw .count(answer.ranges.count + answer.codes.count, asked: hashes.count)
            }
            for (hash, code) in zip(hashes, answer.codes) {
                guard Keccak256.hash(code) == hash else { throw .code(hash) }
            }
            part.codes = answer.codes
            let left = hashes[answer.codes.count...]
            if !left.isEmpty { step.rest = .codes(Array(left)) }
        }
        // Who is nearly at the end of what was asked for may stop there too; nobody else.
        guard step.rest == nil || size >= StateRangeRequest.answerSizeMin else {
            throw .tooLittle(size)
        }
        return (part, step)
    }

    private func take(
        _ answer: StateRangeAnswer, _ units: [StorageUnit], _ part: inout StatePart,
        _ step: inout DownloadStep
    ) throws(StateRangeFault) {
        guard answer.codes.isEmpty, (1...units.count).contains(answer.ranges.count) else {
            throw .count(answer.ranges.count + answer.codes.count, asked: units.count)
        }
        var left = Array(units[answer.ranges.count...])
        for (index, range) in answer.ranges.enumerated() {
            var unit = units[index]
            let isWhole = try Self.prove(
                range, unit.root, from: unit.next, through: StateRange.highest)
            var slots = StatePart.Slots(account: unit.account, words: [])
            for entry in range.entries {
                guard let word = UInt256(rlp: entry.value.span), !word.isZero else {
                    throw .malformed(entry.key)
                }
                slots.words.append((entry.key, word))
            }
            step.slotCount += slots.words.count
            part.slots.append(slots)
            if !isWhole {
                guard index == answer.ranges.count - 1,
                    let next = StateSegment.successor(range.last)
                else { throw .end(range.last) }
                unit.next = next
                left.insert(unit, at: 0)
            }
        }
        if !left.isEmpty { step.rest = .storages(left) }
    }

    /// Returns whether the range goes to its end.
    private static func prove(
        _ range: StateRange, _ root: Bytes32, from first: Bytes32, through end: Bytes32
    ) throws(StateRangeFault) -> Bool {
        let isWhole = range.last == end
        // An answer that stops does so behind an entry, so that each brings one.
        guard isWhole || (range.last < end && range.entries.last?.key == range.last) else {
            throw .end(range.last)
        }
        do throws(RangeProofError) {
            try RangeProof.verify(
                root, from: first, through: range.last,
                range.entries.map { ($0.key, $0.value) }, proof: range.proof)
        } catch {
            throw .proof(error)
        }
        return isWhole
    }
}
