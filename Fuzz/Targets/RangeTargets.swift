import Chain
import ChoraleBase
import Codec
import Crypto
import Execution

/// What peers send of a checkpoint and its state.
extension FuzzTarget {
    static let rangeTargets: [FuzzTarget] = [
        FuzzTarget(
            "ssz-checkpoint", "requests and answers of checkpoints and their states; canonical SSZ",
            seeds: {
                let id = CheckpointID(height: 16, root: .zero)
                let range = StateRange(
                    entries: [.init(key: .zero, value: [1])], last: StateRange.highest,
                    proof: [[0xC0]])
                let request = StateRangeRequest(
                    height: 16, stateRoot: .zero, kind: .storages, keys: [.zero])
                let answer = StateRangeAnswer(ranges: [range], codes: [[0x60]])
                return [
                    [0] + CheckpointRequest(id).sszEncoded(),
                    [2] + (request?.sszEncoded() ?? []), [3] + (answer?.sszEncoded() ?? []),
                ]
            }, run: sszCheckpoint),
        FuzzTarget(
            "state-range",
            "ranges of a trie are read and proven; what is changed is refused, or changes nothing",
            sizeMax: 600,
            seeds: {
                [
                    Array(0...255), [3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
                    [UInt8](repeating: 0x21, count: 200),
                    (0..<250).map { UInt8(truncatingIfNeeded: $0 &* 57) },
                ]
            }, run: stateRange),
        FuzzTarget(
            "range-soup", "proofs of strange nodes are answered or refused",
            sizeMax: 1200,
            seeds: {
                [
                    [9, 1, 1, 2, 3, 0, 1, 2, 2, 9, 1, 7, 0, 2, 3, 4, 5, 6], Array(0...120),
                    (0..<250).map { UInt8(truncatingIfNeeded: $0 &* 91) },
                ]
            }, run: rangeSoup),
        FuzzTarget(
            "trie-view", "a trie node of any bytes is taken apart or refused", sizeMax: 1200,
            seeds: {
                [
                    [0xC0], [0xC2, 0x20, 0x01], [0xC3, 0x82, 0x00, 0x11],
                    [0xD1] + [UInt8](repeating: 0x80, count: 17),
                    [0xD3, 0xC2, 0x31, 0x05] + [UInt8](repeating: 0x80, count: 16),
                ]
            }, run: trieView),
    ]

    private static func sszCheckpoint(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        switch (input.first ?? 0) % 4 {
        case 0: canonical(CheckpointRequest.self, bytes, &findings, "checkpoint")
        case 1: canonical(CheckpointAnswer.self, bytes, &findings, "checkpoint-answer")
        case 2: canonical(StateRangeRequest.self, bytes, &findings, "state-request")
        default: canonical(StateRangeAnswer.self, bytes, &findings, "state-answer")
        }
    }

    // MARK: Ranges

    /// Keys that share much, so that there are deep branches, extensions, and nodes inside of nodes.
    private static func key(_ program: inout Program) -> Bytes32 {
        var bytes = [UInt8](repeating: 0, count: 32)
        for place in [0, 1, 15, 31] where program.chance(1, in: 2) {
            bytes[place] = program.byte() & 0x33
        }
        if program.chance(1, in: 16) { bytes = [UInt8](repeating: 0xFF, count: 32) }
        return Bytes32(bytes) ?? .zero
    }

    private static func stateRange(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var model: [Bytes32: [UInt8]] = [:]
        for _ in 0..<program.below(40) {
            let key = key(&program)
            model[key] = [UInt8](repeating: program.byte(), count: 1 + program.below(40))
        }
        let entries = model.sorted { $0.key < $1.key }
        var store = MemoryStore()
        var builder = TrieBuilder()
        for (key, value) in entries { builder.add(key, value) { store.nodes[$0] = $1 } }
        let root = builder.finish { store.nodes[$0] = $1 }

        let ends = [key(&program), key(&program)].sorted()
        let sizeMax = program.below(64) * 32
        let range: StateRange
        do throws(StateRange.Failure) {
            range = try StateRange(
                of: root, from: ends[0], through: ends[1], sizeMax: sizeMax, in: store)
        } catch {
            fatalError("property broken: a whole trie is read: \(error.detail)")
        }
        func truth(_ last: Bytes32) -> [StateRange.Entry] {
            entries.filter { ends[0] <= $0.key && $0.key <= last }
                .map { StateRange.Entry(key: $0.key, value: $0.value) }
        }
        func verify(_ range: StateRange) throws(RangeProofError) {
            try RangeProof.verify(
                root, from: ends[0], through: range.last,
                range.entries.map { ($0.key, $0.value) }, proof: range.proof)
        }
        require(range.entries == truth(range.last), "a range has what the trie has")
        require(range.last == ends[1] || range.entries.last?.key == range.last, "an end")
        do throws(RangeProofError) {
            try verify(range)
        } catch {
            fatalError("property broken: what was read is refused: \(error)")
        }
        findings.note("range", size: range.entries.count)
        findings.note("proof", size: range.proof.count)

        var changed = range
        for _ in 0..<1 + program.below(3) { change(&changed, &program) }
        do throws(RangeProofError) {
            try verify(changed)
            require(changed.entries == truth(changed.last), "a lie is believed")
            findings.note("changed", "accepted")
        } catch {
            findings.note("changed", error)
        }
    }

    private static func change(_ range: inout StateRange, _ program: inout Program) {
        let place = program.below(range.entries.count)
        switch program.below(9) {
        case 0 where !range.entries.isEmpty: range.entries.remove(at: place)
        case 1 where !range.entries.isEmpty:
            range.entries[place].value[0] ^= program.byte()
        case 2 where !range.entries.isEmpty: range.entries[place].key = key(&program)
        case 3 where !range.entries.isEmpty: range.entries[place].value = program.chunk()
        case 4:
            range.entries.insert(.init(key: key(&program), value: [program.byte()]), at: place)
        case 5: range.last = key(&program)
        case 6 where !range.proof.isEmpty:
            range.proof.remove(at: program.below(range.proof.count))
        case 7 where !range.proof.isEmpty:
            let node = program.below(range.proof.count)
            range.proof[node][program.below(range.proof[node].count)] ^= program.byte()
        case 8: range.proof.append(program.chunk())
        default: range.entries.sort { $0.key < $1.key }
        }
    }

    private static func rangeSoup(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var soup = NodeSoup()
        for _ in 0..<1 + program.below(24) { soup.add(&program) }
        let root = Keccak256.hash(soup.last)
        func key() -> Bytes32 {
            let bytes = soup.key(&program).prefix(32)
            return Bytes32(bytes + [UInt8](repeating: 0, count: 32 - bytes.count)) ?? .zero
        }
        let ends = [key(), key()].sorted()
        var model: [Bytes32: [UInt8]] = [:]
        for _ in 0..<program.below(8) { model[key()] = program.take(1 + program.below(40)) }
        let entries = model.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
        var proof = soup.store.nodes.sorted { $0.key < $1.key }.map(\.value)
        if program.chance(1, in: 2) { proof.removeAll { _ in program.chance(1, in: 3) } }
        do throws(RangeProofError) {
            try RangeProof.verify(root, from: ends[0], through: ends[1], entries, proof: proof)
            findings.note("soup", "accepted")
        } catch {
            findings.note("soup", error)
        }
    }

    // MARK: Nodes

    private static func trieView(_ input: [UInt8], _ findings: inout Findings) {
        do throws(RLPError) {
            let view = try TrieNodeView(input)
            var budget = 2000
            walk(view, depth: 0, &budget, &findings)
            // Only branches have something to compare.
            let isBranch = view.leafPath == nil && view.onlyNibble == nil
            require(view.isEqual(to: view, at: 3) == isBranch, "a node is itself")
        } catch {
            findings.note("view", error)
        }
    }

    private static func walk(
        _ view: TrieNodeView, depth: Int, _ budget: inout Int, _ findings: inout Findings
    ) {
        budget -= 1
        guard budget > 0, depth < 80 else { return }
        if let path = view.leafPath {
            require(!view.value.isEmpty, "a leaf has a value")
            findings.note("leaf", size: path.count)
        }
        var count = 0
        do throws(RLPError) {
            try view.forEachReference { _ in
                count += 1
            } value: { _ in
                count += 1
            }
            findings.note("references", size: count)
        } catch {
            findings.note("references", error)
        }
        guard view.leafPath == nil else { return }
        for nibble in 0..<16 {
            do throws(RLPError) {
                switch try view.child(nibble) {
                case .nothing: break
                case .hash: findings.note("child", "hash")
                case .node(let child): walk(child, depth: depth + 1, &budget, &findings)
                }
            } catch {
                findings.note("child", error)
            }
        }
    }
}
