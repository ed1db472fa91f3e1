import ChoraleBase
import Codec
import Crypto
import Execution
import Testing

@testable import Chain

/// What is asked of a peer, what it may answer, and what is made of anything else.
@Suite struct StateRangeTests {
    /// A state of which accounts, a storage and codes fill several answers.
    static let state: StateStore = {
        var alloc: [Address: StateStore.Entry] = [:]
        for number in 0..<8000 {
            var entry = StateStore.Entry(nonce: 1, balance: UInt256(UInt64(number)))
            let slots = number == 0 ? 30_000 : number < 200 ? 3 : 0
            for slot in 0..<slots {
                entry.storage[UInt256(UInt64(slot))] = UInt256(UInt64(number + slot + 1))
            }
            if number < 60 {
                entry.code = Array(repeating: 0x5B, count: 20_000) + [UInt8(number)]
            }
            alloc[Address(UInt256(UInt64(number + 1)))] = entry
        }
        do {
            return try StateStore(alloc)
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    static var root: Bytes32 { state.root }

    private static func answer(_ part: DownloadPart) throws -> StateRangeAnswer {
        let request = part.request(height: 16, stateRoot: root)
        let copy = try StateRangeRequest(ssz: request.sszEncoded().span)
        #expect(copy == request)
        let answer = try StateRangeAnswer(request, from: state)
        let bytes = answer.sszEncoded()
        // What `RequestProtocol.stateRange` lets through.
        #expect(bytes.count <= 1 << 20)
        #expect(try StateRangeAnswer(ssz: bytes.span) == answer)
        return answer
    }

    /// Goes through the whole state as a download does.
    private static func parts() throws -> [(DownloadPart, StateRangeAnswer)] {
        var todo = (0..<StateSegment.count).map {
            DownloadPart.accounts(segment: $0, from: StateSegment.first($0))
        }
        var storages: [StorageUnit] = []
        var codes: Set<Bytes32> = []
        var found: [(DownloadPart, StateRangeAnswer)] = []
        while let part = todo.popLast() {
            let answer = try answer(part)
            let (rows, step) = try part.check(answer, stateRoot: root)
            found.append((part, answer))
            for (key, account) in rows.accounts {
                if account.storageRoot != Trie.emptyRoot {
                    storages.append(
                        StorageUnit(account: key, root: account.storageRoot, next: .zero))
                }
                if account.codeHash != Account.emptyCodeHashBytes {
                    codes.insert(account.codeHash)
                }
            }
            if let rest = step.rest { todo.append(rest) }
            guard todo.isEmpty else { continue }
            if !storages.isEmpty {
                todo.append(.storages(Array(storages.prefix(StateRangeRequest.keysMax))))
                storages.removeFirst(min(storages.count, StateRangeRequest.keysMax))
            } else if !codes.isEmpty {
                todo.append(.codes(codes.sorted()))
                codes = []
            }
        }
        return found
    }

    @Test func aStateTravelsWhole() throws {
        var accounts = 0
        var slots = 0
        var codes = 0
        var largest = 0
        for (part, answer) in try Self.parts() {
            let (rows, step) = try part.check(answer, stateRoot: Self.root)
            accounts += rows.accounts.count
            slots += rows.slots.reduce(0) { $0 + $1.words.count }
            codes += rows.codes.count
            largest = max(largest, step.size)
            if step.rest != nil { #expect(step.size >= StateRangeRequest.answerSizeMin) }
        }
        #expect((accounts, slots, codes) == (8000, 30_000 + 199 * 3, 60))
        #expect(largest > 500_000)
    }

    /// Whatever a peer changes is noticed, and the reason says what it was.
    @Test(arguments: UInt64(0)..<30) func nothingElseIsBelieved(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        let all = try Self.parts()
        let (part, answer) = all[random.below(all.count)]
        func refuses(
            _ what: String, _ ranges: [StateRange], _ codes: [[UInt8]]
        ) {
            guard ranges != answer.ranges || codes != answer.codes,
                let changed = StateRangeAnswer(ranges: ranges, codes: codes)
            else { return }
            #expect(throws: StateRangeFault.self, "\(what) of \(part)") {
                try part.check(changed, stateRoot: Self.root)
            }
        }
        refuses("nothing", [], [])
        refuses("a code more", answer.ranges, answer.codes + [[1]])
        let empty = StateRange(entries: [], last: StateRange.highest, proof: [])
        refuses("a range more", answer.ranges + [empty], answer.codes)
        for index in answer.ranges.indices {
            var ranges = answer.ranges
            func change(_ what: String, _ change: (inout StateRange) -> Void) {
                ranges = answer.ranges
                change(&ranges[index])
                refuses(what, ranges, answer.codes)
            }
            let count = ranges[index].entries.count
            guard count > 0 else { continue }
            let place = random.below(count)
            change("an entry left out") { $0.entries.remove(at: place) }
            change("an entry twice") { $0.entries.insert($0.entries[place], at: place) }
            change("an entry that is none") { $0.entries[place].value = [] }
            change("a byte") { $0.entries[place].value[0] ^= 1 }
            change("a key") { $0.entries[place].key = Keccak256.hash([UInt8(place & 255)]) }
            change("all entries") { $0.entries = [] }
            change("an end before the last entry") {
                $0.last = $0.entries[place].key
                if place == count - 1 { $0.last = .zero }
            }
            change("an end after what was asked for") { $0.last = StateRange.highest }
            change("a node of no use") { $0.proof.append([0xC0]) }
            change("one entry at a time") {
                $0.entries = [$0.entries[0]]
                $0.last = $0.entries[0].key
            }
            if !ranges[index].proof.isEmpty {
                change("no proof") { $0.proof = [] }
            }
        }
        for index in answer.codes.indices {
            var codes = answer.codes
            codes[index][0] ^= 1
            refuses("a code", answer.ranges, codes)
        }
        // Of storages and codes the hash is asked for.
        guard case .accounts = part else { return }
        #expect(throws: StateRangeFault.self) {
            try part.check(answer, stateRoot: SHA256.hash([1]))
        }
    }

    /// A whole answer with next to nothing more to come is no answer.
    @Test func whoGivesALittleIsRefused() throws {
        let part = DownloadPart.accounts(segment: 3, from: StateSegment.first(3))
        let range = try StateRange(
            of: Self.root, from: StateSegment.first(3), through: StateSegment.last(3),
            sizeMax: 2000, in: Self.state)
        let answer = try #require(StateRangeAnswer(ranges: [range], codes: []))
        #expect(throws: StateRangeFault.tooLittle(answer.size)) {
            try part.check(answer, stateRoot: Self.root)
        }
        let code = try #require(
            try Self.parts().lazy.compactMap { part, answer in
                if case .codes(let hashes) = part { (hashes, answer.codes) } else { nil }
            }.first)
        let few = try #require(StateRangeAnswer(ranges: [], codes: Array(code.1.prefix(1))))
        #expect(throws: StateRangeFault.tooLittle(few.size)) {
            try DownloadPart.codes(code.0).check(few, stateRoot: Self.root)
        }
    }

    @Test func requestsThatMeanNothing() throws {
        let (low, high) = (SHA256.hash([1]), SHA256.hash([2]))
        let (first, last) = low < high ? (high, low) : (low, high)
        let keys = Array(repeating: first, count: 129)
        for request in [
            StateRangeRequest(
                height: 16, stateRoot: .zero, kind: .accounts, first: first, last: last),
            StateRangeRequest(height: 16, stateRoot: .zero, kind: .accounts, keys: [first]),
            StateRangeRequest(height: 16, stateRoot: .zero, kind: .storages),
            StateRangeRequest(height: 16, stateRoot: .zero, kind: .codes),
            StateRangeRequest(height: 16, stateRoot: .zero, kind: .codes, keys: keys),
            StateRangeRequest(
                height: 16, stateRoot: .zero, kind: .codes, keys: [first], first: first),
            StateRangeRequest(
                height: 16, stateRoot: .zero, kind: .storages, keys: [first], last: last),
        ] {
            #expect(request == nil)
        }
        var bytes = DownloadPart.codes([first]).request(height: 16, stateRoot: .zero).sszEncoded()
        bytes[40] = 3
        #expect(throws: SSZError.self) { try StateRangeRequest(ssz: bytes.span) }
        bytes[40] = 0
        #expect(throws: SSZError.self) { try StateRangeRequest(ssz: bytes.span) }
        bytes[40] = 2
        for count in bytes.indices {
            #expect(throws: SSZError.self, "\(count)") {
                try StateRangeRequest(ssz: Array(bytes[..<count]).span)
            }
        }
    }

    @Test func segmentsAreTheKeySpace() {
        var next: Bytes32? = .zero
        for segment in 0..<StateSegment.count {
            #expect(StateSegment.first(segment) == next)
            next = StateSegment.successor(StateSegment.last(segment))
        }
        #expect(next == nil)
    }
}
