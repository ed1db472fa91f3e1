import ChoraleBase
import Codec

/// Nodes from bytes. Whoever made the bytes chose them, so every shape that a trie cannot have is
/// refused: a lookup walks, and a change rebuilds, on the invariants of ``Trie``.
extension Trie {
    mutating func read(
        _ encoding: Span<UInt8>, hash: Bytes32, _ place: StubPlace
    ) throws(TrieError) -> TrieNode {
        do throws(ReadingFailure) {
            guard encoding.count <= limits.nodeSizeMax else {
                throw .fault(.tooLarge(encoding.count))
            }
            guard place == .root || encoding.count >= 32 else {
                throw .fault(.notEmbedded(encoding.count))
            }
            let item: RLPItem
            do throws(RLPError) {
                item = try RLPReader.item(encoding)
            } catch {
                throw .fault(.rlp(error))
            }
            let node = try node(item, in: encoding)
            if place == .extension {
                guard case .branch = node else { throw .fault(.extensionWithoutBranch) }
            }
            return node
        } catch {
            switch error {
            case .fault(let fault): throw .malformed(hash, fault)
            case .trie(let error): throw error
            }
        }
    }

    /// What can go wrong inside a node, before it is known which node it was.
    private enum ReadingFailure: Error {
        case fault(TrieNodeFault)
        case trie(TrieError)
    }

    private mutating func node(
        _ item: RLPItem, in encoding: Span<UInt8>
    ) throws(ReadingFailure) -> TrieNode {
        var items: [17 of RLPItem] = .init(repeating: item)
        var count = 0
        do throws(RLPError) {
            var reader = try item.list(itemCountMax: 17)
            while let next = try reader.next(in: encoding) {
                items[count] = next
                count += 1
            }
        } catch {
            throw .fault(.rlp(error))
        }
        switch count {
        case 2: return try pathNode(items[0], items[1], in: encoding)
        case 17: return try branch(items, in: encoding)
        default: throw .fault(.itemCount(count))
        }
    }

    private mutating func pathNode(
        _ first: RLPItem, _ second: RLPItem, in encoding: Span<UInt8>
    ) throws(ReadingFailure) -> TrieNode {
        guard first.kind == .bytes, first.payload.count > 0 else { throw .fault(.path) }
        let compact = encoding.extracting(first.payload)
        let flag = compact[0] >> 4
        guard flag <= 3, flag & 1 == 1 || compact[0] & 15 == 0 else { throw .fault(.path) }
        let path = try nibbles(compact, isOdd: flag & 1 == 1)
        if flag >= 2 {
            guard second.kind == .bytes else { throw .fault(.rlp(.unexpectedKind(.list))) }
            guard second.payload.count > 0 else { throw .fault(.emptyValue) }
            return .leaf(path: path, value: try kept(encoding.extracting(second.payload)))
        }
        guard path.count > 0 else { throw .fault(.emptyExtension) }
        let child = try child(second, in: encoding, .extension)
        switch nodes[child.index] {
        case .branch, .stub: return .extension(path: path, child: child)
        case .nothing, .leaf, .extension: throw .fault(.extensionWithoutBranch)
        }
    }

    private mutating func branch(
        _ items: [17 of RLPItem], in encoding: Span<UInt8>
    ) throws(ReadingFailure) -> TrieNode {
        guard items[16].kind == .bytes else { throw .fault(.rlp(.unexpectedKind(.list))) }
        let value =
            items[16].payload.isEmpty ? .none : try kept(encoding.extracting(items[16].payload))
        var children: [16 of TrieNodeID] = .init(repeating: .nothing)
        var taken = value.count > 0 ? 1 : 0
        for index in 0..<16 {
            children[index] = try child(items[index], in: encoding, .branch)
            if children[index] != .nothing { taken += 1 }
        }
        guard taken >= 2 else { throw .fault(.sparseBranch) }
        return .branch(children: children, value: value)
    }

    private mutating func child(
        _ item: RLPItem, in encoding: Span<UInt8>, _ place: StubPlace
    ) throws(ReadingFailure) -> TrieNodeID {
        switch item.kind {
        case .bytes:
            if item.payload.isEmpty { return .nothing }
            guard let hash = Bytes32(encoding.extracting(item.payload)) else {
                throw .fault(.reference(size: item.payload.count))
            }
            return try added(.stub(hash, place), .hash(hash))
        case .list:
            // Depth is bounded by the size: every level takes two bytes at least.
            guard item.encoding.count < 32 else {
                throw .fault(.embeddedTooLarge(item.encoding.count))
            }
            let embedded = try node(item, in: encoding)
            let bytes = try kept(encoding.extracting(item.encoding))
            return try added(embedded, .embedded(bytes))
        }
    }

    private mutating func nibbles(
        _ compact: Span<UInt8>, isOdd: Bool
    ) throws(ReadingFailure) -> TrieBytes {
        let count = 2 * (compact.count - 1) + (isOdd ? 1 : 0)
        do throws(TrieError) { try reserve(count) } catch { throw .trie(error) }
        let start = bytes.count
        if isOdd { bytes.append(compact[0] & 15) }
        for index in 1..<compact.count {
            bytes.append(compact[index] >> 4)
            bytes.append(compact[index] & 15)
        }
        return TrieBytes(start: start, count: count)
    }

    private mutating func kept(_ span: Span<UInt8>) throws(ReadingFailure) -> TrieBytes {
        do throws(TrieError) { return try keep(span) } catch { throw .trie(error) }
    }

    private mutating func added(
        _ node: TrieNode, _ reference: TrieReference
    ) throws(ReadingFailure) -> TrieNodeID {
        do throws(TrieError) { return try add(node, reference) } catch { throw .trie(error) }
    }
}
