import ChoraleBase
import Codec
import Crypto
import Execution

extension FuzzTarget {
    static let trieTargets: [FuzzTarget] = [
        FuzzTarget(
            "trie-nodes",
            "tries of strange nodes: lookups and changes answer, refuse, or miss; orders agree",
            sizeMax: 1200,
            seeds: {
                [
                    [0, 1, 1, 2, 3, 0, 1, 2, 2, 9, 1, 7, 0, 2, 3, 4, 5, 6],
                    [2, 1, 0, 3, 1, 4, 1, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7],
                    Array(0...120),
                ]
            }, run: trieNodes),
        FuzzTarget(
            "trie-sequence",
            "changes of a trie against a dictionary; batches in any order, nodes that are missing",
            sizeMax: 600,
            seeds: {
                [
                    Array(0...255), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
                    [UInt8](repeating: 0x11, count: 90),
                    (0..<200).map { UInt8(truncatingIfNeeded: $0 &* 37) },
                ]
            }, run: trieSequence),
        FuzzTarget(
            "state-entries", "what a state's tries hold: accounts and words, canonical or refused",
            sizeMax: 200,
            seeds: {
                let account = ModelState()
                account.add(Address(.one), .init(nonce: 5, balance: UInt256(1 << 40)))
                let body = Array((account.build().store.nodes.first?.value ?? []).suffix(78))
                return [[0] + body, [1, 0x81, 0x80], [1, 5], [1, 0x82, 1, 0]]
            }, run: stateEntries),
    ]

    // MARK: Nodes

    private static func trieNodes(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var soup = NodeSoup()
        let count = 1 + program.below(24)
        for _ in 0..<count { soup.add(&program) }
        let root = Keccak256.hash(soup.last)
        var changes: [[UInt8]: [UInt8]] = [:]
        var keys: [[UInt8]] = []
        for _ in 0..<1 + program.below(12) {
            let key = soup.key(&program)
            keys.append(key)
            changes[key] = program.chance(1, in: 2) ? [] : program.take(1 + program.below(40))
        }
        let limits = Trie.Limits(byteCountMax: 1 << 14, nodeCountMax: 1 << 11)
        for key in keys {
            var trie = Trie(root: root, limits: limits)
            do throws(TrieError) {
                let value = try trie.value(at: key.span, from: soup.store)
                findings.note("value", size: value?.count ?? -1)
                require(value?.isEmpty != true, "an entry without a value")
                require(try trie.value(at: key.span, from: soup.store) == value, "two values")
                require(trie.root() == root, "looking changes the root")
            } catch {
                findings.note("lookup", error)
            }
        }
        let list = changes.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map { Trie.Change(key: $0.key, value: $0.value) }
        var roots: [Bytes32] = []
        for (order, changes) in [
            (Trie.ChangeOrder.updatesFirst, list), (.updatesFirst, list.reversed()),
            (.deletionsFirst, list),
        ] {
            var trie = Trie(root: root, limits: limits)
            do throws(TrieError) {
                try trie.apply(changes, order: order, from: soup.store)
                roots.append(trie.root())
                findings.note("changed", size: trie.resolved.count)
                for change in changes {
                    let value = try trie.value(at: change.key.span, from: soup.store)
                    require((value ?? []) == change.value, "a change that did not last")
                }
                reread(&trie, soup.store, changes)
            } catch {
                findings.note("change", error)
            }
        }
        require(Set(roots).count <= 1, "the order of changes decides the root")
    }

    /// The trie as it was written has what was put into it.
    private static func reread(
        _ trie: inout Trie, _ store: MemoryStore, _ changes: [Trie.Change]
    ) {
        var store = store
        trie.forEachNewNode {
            require(Keccak256.hash($1) == $0, "a node under another hash")
            store.nodes[$0] = $1
        }
        var again = Trie(root: trie.root())
        for change in changes {
            do throws(TrieError) {
                let value = try again.value(at: change.key.span, from: store)
                require((value ?? []) == change.value, "another trie from its own nodes")
            } catch {
                require(false, "its own nodes are refused: \(error)")
            }
        }
    }

    // MARK: Sequences

    private static func trieSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        // Long keys as the state has them, or short ones that are prefixes of each other.
        let isSecure = program.chance(2, in: 3)
        var model: [[UInt8]: [UInt8]] = [:]
        var store = MemoryStore()
        var root = Trie.emptyRoot
        for _ in 0..<1 + program.below(6) {
            let batch = changes(&program, isSecure)
            let missing = program.chance(1, in: 3) ? program.byte() : nil
            for (key, value) in batch { model[key] = value.isEmpty ? nil : value }
            let list = batch.sorted { $0.key.lexicographicallyPrecedes($1.key) }
                .map { Trie.Change(key: $0.key, value: $0.value) }
            let expected = fresh(model)
            if let missing { damaged(list, store, root, expected, missing, &findings) }
            root = applied(list, store, root, expected) { store.nodes[$0] = $1 }
            findings.note("entries", size: model.count)
        }
        for key in [[UInt8]](model.keys) + changes(&program, isSecure).keys {
            var trie = Trie(root: root)
            let value = try? trie.value(at: key.span, from: store)
            require(value == model[key], "another value than in the dictionary")
        }
    }

    private static func changes(
        _ program: inout Program, _ isSecure: Bool
    ) -> [[UInt8]: [UInt8]] {
        var batch: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<program.below(20) {
            let number = program.byte()
            // Few different first nibbles, so that paths are shared and branches collapse.
            let key: [UInt8]
            if isSecure {
                let depth = Int(number >> 5) * 4
                key =
                    [UInt8](repeating: 0x11, count: depth)
                    + Keccak256.hash([number & 31]).bytes.prefix(32 - depth)
            } else {
                key = [UInt8](repeating: 0x11, count: Int(number >> 6)) + [number & 3]
            }
            let size = program.below(4)
            let value =
                size == 0 ? [] : [UInt8](repeating: number | 1, count: size == 3 ? 40 : size)
            batch[key] = value
        }
        return batch
    }

    private static func fresh(_ model: [[UInt8]: [UInt8]]) -> Bytes32 {
        var trie = Trie()
        for (key, value) in model {
            do throws(TrieError) {
                try trie.set(key.span, to: value, from: NoTrieNodes())
            } catch {
                require(false, "a trie from nothing misses \(error)")
            }
        }
        return trie.root()
    }

    /// Applies a batch in every way there is.
    private static func applied(
        _ list: [Trie.Change], _ store: MemoryStore, _ root: Bytes32, _ expected: Bytes32,
        _ keep: (Bytes32, [UInt8]) -> Void
    ) -> Bytes32 {
        var first = Trie(root: root)
        do throws(TrieError) {
            try first.apply(list, from: store)
            require(first.root() == expected, "a batch gives another root")
            // Of what a batch needs nothing else is needed again: a witness re-executes.
            var witness = MemoryStore()
            for hash in first.resolved { witness.nodes[hash] = store.nodes[hash] }
            var again = Trie(root: root)
            try again.apply(list.reversed(), from: witness)
            require(again.root() == expected, "the witness of a batch gives another root")
            require(Set(again.resolved) == Set(first.resolved), "another order needs other nodes")

            var other = Trie(root: root)
            try other.apply(list, order: .deletionsFirst, from: store)
            require(other.root() == expected, "deletions first give another root")
            require(
                Set(first.resolved).isSubset(of: other.resolved), "updates first need more nodes")

            var single = Trie(root: root)
            for change in list {
                try single.set(change.key.span, to: change.value ?? [], from: store)
                _ = single.root()
            }
            require(single.root() == expected, "single changes give another root")
        } catch {
            require(false, "a whole trie misses \(error)")
        }
        first.forEachNewNode(keep)
        return expected
    }

    /// Without one node: the right root, or the name of what is missing.
    private static func damaged(
        _ list: [Trie.Change], _ store: MemoryStore, _ root: Bytes32, _ expected: Bytes32,
        _ number: UInt8, _ findings: inout Findings
    ) {
        let hashes = store.nodes.keys.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        guard !hashes.isEmpty else { return }
        let gone = hashes[Int(number) % hashes.count]
        var store = store
        store.nodes[gone] = nil
        var trie = Trie(root: root)
        do throws(TrieError) {
            try trie.apply(list, from: store)
            require(trie.root() == expected, "a missing node is taken for none")
            findings.note("damaged", "not needed")
        } catch {
            require(error == .missing(gone), "another node is missing")
            findings.note("damaged", error)
        }
    }

    // MARK: Entries

    /// The input behind its first byte is the entry of an account, or of a slot.
    private static func stateEntries(_ input: [UInt8], _ findings: inout Findings) {
        let entry = Array(input.dropFirst())
        let address = Address(.one)
        let isAccount = (input.first ?? 0) & 1 == 0
        let key = isAccount ? address.storage.span.copied() : UInt256.one.bytes32.bytes
        guard !entry.isEmpty else { return }
        var trie = Trie()
        do throws(TrieError) {
            try trie.set(Keccak256.hash(key).storage.span, to: entry, from: NoTrieNodes())
        } catch {
            require(false, "a trie from nothing misses \(error)")
        }
        var store = MemoryStore()
        trie.forEachNewNode { store.nodes[$0] = $1 }
        do throws(StateError) {
            guard isAccount else {
                let state = TrieState(root: Trie.emptyRoot, source: store, blockHashes: [:])
                let account = Account(storageRoot: trie.root())
                let value = try state.storage(at: .one, of: address, account)
                require(!value.isZero, "an entry that says zero")
                var writer = RLPWriter()
                writer.bytes(value.minimalBytes)
                require(writer.bytes == entry, "a word with two encodings")
                return findings.note("word", size: value.bitWidth)
            }
            let state = TrieState(root: trie.root(), source: store, blockHashes: [:])
            guard let account = try state.account(at: address) else {
                return require(false, "an account that is there is not found")
            }
            var writer = RLPWriter()
            let list = writer.beginList()
            writer.integer(account.nonce)
            writer.bytes(account.balance.minimalBytes)
            writer.bytes(account.storageRoot.storage.span)
            writer.bytes(account.codeHash.storage.span)
            writer.endList(list)
            require(writer.bytes == entry, "an account with two encodings")
            findings.note("account", size: account.balance.bitWidth)
        } catch {
            findings.note("entry", error)
        }
    }
}

/// Nodes that refer to nodes made before them, and now and then to nothing, or to themselves as far as
/// a hash allows: proper ones, and ones that no trie has.
struct NodeSoup {
    private(set) var store = MemoryStore()
    private var encodings: [[UInt8]] = []
    /// Nibbles of keys that lead to leaves through the latest node of each kind.
    private var paths: [[UInt8]] = []

    var last: [UInt8] { encodings.last ?? [] }

    mutating func add(_ program: inout Program) {
        var writer = RLPWriter()
        let list = writer.beginList()
        var path: [UInt8] = []
        switch program.below(8) {
        case 0, 1, 2:
            path = (0..<program.below(12)).map { _ in program.byte() & 3 }
            writer.bytes(compact(path, isLeaf: true, &program))
            let size = program.below(40)
            writer.bytes([UInt8](repeating: program.byte(), count: size))
        case 3:
            path = (0..<program.below(5)).map { _ in program.byte() & 3 }
            writer.bytes(compact(path, isLeaf: false, &program))
            path += reference(&writer, &program)
        case 4, 5, 6:
            for index in 0..<16 {
                if index < 4 || program.chance(1, in: 32), program.chance(3, in: 4) {
                    let rest = reference(&writer, &program)
                    if index < 4 { path = [UInt8(index)] + rest }
                } else {
                    writer.bytes([])
                }
            }
            writer.bytes(program.chance(1, in: 8) ? program.take(3) : [])
        default:
            for _ in 0..<program.below(20) { writer.bytes(program.take(program.below(34))) }
        }
        writer.endList(list)
        var encoding = writer.bytes
        if program.chance(1, in: 16), !encoding.isEmpty {
            encoding[program.below(encoding.count)] = program.byte()
        }
        encodings.append(encoding)
        paths.append(path)
        store.nodes[Keccak256.hash(encoding)] = encoding
    }

    /// A node as its parent holds it: by hash or, when it is small, itself; sometimes the other way
    /// round. Returns the nibbles that lead on from there.
    private func reference(_ writer: inout RLPWriter, _ program: inout Program) -> [UInt8] {
        guard !encodings.isEmpty, program.chance(15, in: 16) else {
            writer.bytes([UInt8](repeating: 3, count: program.chance(1, in: 2) ? 32 : 5))
            return []
        }
        let index = encodings.count - 1 - program.below(min(encodings.count, 6))
        let encoding = encodings[index]
        let isEmbedded =
            (encoding.count < 32) != program.chance(1, in: 16) && encoding.count < 1000
        if isEmbedded {
            writer.encoded(encoding.span)
        } else {
            writer.bytes(Keccak256.hash(encoding).storage.span)
        }
        return paths[index]
    }

    private func compact(
        _ path: [UInt8], isLeaf: Bool, _ program: inout Program
    ) -> [UInt8] {
        let isOdd = path.count & 1 == 1
        var flag: UInt8 = (isLeaf ? 0x20 : 0) | (isOdd ? 0x10 | path[0] : 0)
        if program.chance(1, in: 24) { flag = program.byte() }
        let rest = path.dropFirst(isOdd ? 1 : 0)
        return [flag]
            + stride(from: rest.startIndex, to: rest.endIndex, by: 2).map {
                rest[$0] << 4 | rest[$0 + 1]
            }
    }

    /// A key that leads somewhere, or a little beside it.
    func key(_ program: inout Program) -> [UInt8] {
        var nibbles = paths.last ?? []
        if program.chance(1, in: 2) { nibbles = (0..<12).map { _ in program.byte() & 3 } }
        for _ in 0..<program.below(3) where !nibbles.isEmpty {
            nibbles[program.below(nibbles.count)] = program.byte() & 3
        }
        if nibbles.count & 1 == 1 { nibbles.append(program.byte() & 3) }
        return stride(from: 0, to: nibbles.count, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
    }
}
