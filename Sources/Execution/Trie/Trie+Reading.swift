import ChoraleBase
import Codec

/// Nodes from bytes. Whoever made the bytes chose them, so every shape that a trie cannot have is
/// refused: a lookup walks, and a change rebuilds, on the invariants of ``Trie``.
extension Trie {
    /// Reads a node whose encoding lies among the trie's bytes.
    ///
    /// - Parameter start: where its hash lies.
    mutating func read(
        _ encoding: TrieBytes, _ start: Int, _ hash: Bytes32, _ place: TrieNodePlace
    ) throws(TrieError) -> TrieNodeID {
        do throws(ReadingFailure) {
            guard encoding.count <= limits.nodeSizeMax else {
                throw .fault(.tooLarge(encoding.count))
            }
            guard place == .root || encoding.count >= 32 else {
                throw .fault(.notEmbedded(encoding.count))
            }
            let node: TrieNode
            if let branch = fullBranch(encoding) {
                node = branch
            } else {
                let item = try item(in: encoding)
                node = try self.node(item)
                if place == .extension {
                    guard case .branch = node else { throw .fault(.extensionWithoutBranch) }
                }
            }
            return try added(node, .hash(UInt32(start)))
        } catch {
            switch error {
            case .fault(let fault): throw .malformed(hash, fault)
            case .trie(let error): throw error
            }
        }
    }

    /// A branch as most are: no value, and every child a hash or nothing; nil for anything else.
    ///
    /// Its header has three bytes if there are eight children or more, two otherwise; then every item is
    /// 0x80, or 0xA0 and 32 bytes, so that the size says how many children there are.
    private mutating func fullBranch(_ encoding: TrieBytes) -> TrieNode? {
        let size = encoding.count
        guard size >= 83, size <= 532 else { return nil }
        let first: Int
        let taken: Int
        switch bytes[encoding.start] {
        case 0xF8: (first, taken) = (2, (size - 2 - 17) / 32)
        case 0xF9: (first, taken) = (3, (size - 3 - 17) / 32)
        default: return nil
        }
        let payload = size - first
        // The header's length is the payload's, and minimal.
        guard payload == 17 + 32 * taken, taken >= 2,
            first == 2
                ? payload < 256 && bytes[encoding.start + 1] == UInt8(payload)
                : payload >= 256 && bytes[encoding.start + 1] == UInt8(payload >> 8)
                    && bytes[encoding.start + 2] == UInt8(payload & 255)
        else { return nil }
        var position = encoding.start + first
        let end = encoding.range.upperBound
        let places = children.count
        for _ in 0..<16 {
            guard position < end else { break }
            switch bytes[position] {
            case 0x80:
                children.append(.nothing)
                position += 1
            case 0xA0:
                children.append(.unseen(hashAt: position + 1))
                position += 33
            default:
                position = end
            }
        }
        guard position == end - 1, bytes[position] == 0x80 else {
            children.removeLast(children.count - places)
            return nil
        }
        return .branch(children: TrieChildren(start: places), value: .none)
    }

    /// What can go wrong inside a node, before it is known which node it was.
    private enum ReadingFailure: Error {
        case fault(TrieNodeFault)
        case trie(TrieError)
    }

    private func item(in encoding: TrieBytes) throws(ReadingFailure) -> RLPItem {
        do throws(RLPError) {
            var reader = RLPReader(encoding.range, itemCountMax: 1)
            guard let item = try reader.next(in: bytes.span) else { throw .truncated }
            guard reader.position == encoding.range.upperBound else {
                throw .trailingBytes(encoding.range.upperBound - reader.position)
            }
            return item
        } catch {
            throw .fault(.rlp(error))
        }
    }

    private mutating func node(_ item: RLPItem) throws(ReadingFailure) -> TrieNode {
        var items: [17 of RLPItem] = .init(repeating: item)
        var count = 0
        do throws(RLPError) {
            var reader = try item.list(itemCountMax: 17)
            while let next = try reader.next(in: bytes.span) {
                items[count] = next
                count += 1
            }
        } catch {
            throw .fault(.rlp(error))
        }
        switch count {
        case 2: return try pathNode(items[0], items[1])
        case 17: return try branch(items)
        default: throw .fault(.itemCount(count))
        }
    }

    private mutating func pathNode(
        _ first: RLPItem, _ second: RLPItem
    ) throws(ReadingFailure) -> TrieNode {
        guard first.kind == .bytes, first.payload.count > 0 else { throw .fault(.path) }
        let lead = bytes[first.payload.lowerBound]
        let flag = lead >> 4
        guard flag <= 3, flag & 1 == 1 || lead & 15 == 0 else { throw .fault(.path) }
        let path = try nibbles(first.payload, isOdd: flag & 1 == 1)
        if flag >= 2 {
            guard second.kind == .bytes else { throw .fault(.rlp(.unexpectedKind(.list))) }
            guard second.payload.count > 0 else { throw .fault(.emptyValue) }
            return .leaf(path: path, value: TrieBytes(second.payload))
        }
        guard path.count > 0 else { throw .fault(.emptyExtension) }
        let child = try child(second)
        guard child.hashStart == nil else { return .extension(path: path, child: child) }
        guard case .branch = nodes[child.index] else { throw .fault(.extensionWithoutBranch) }
        return .extension(path: path, child: child)
    }

    private mutating func branch(_ items: [17 of RLPItem]) throws(ReadingFailure) -> TrieNode {
        guard items[16].kind == .bytes else { throw .fault(.rlp(.unexpectedKind(.list))) }
        let value = items[16].payload.isEmpty ? .none : TrieBytes(items[16].payload)
        var places: [16 of TrieNodeID] = .init(repeating: .nothing)
        var taken = value.count > 0 ? 1 : 0
        for index in 0..<16 {
            places[index] = try child(items[index])
            if places[index] != .nothing { taken += 1 }
        }
        guard taken >= 2 else { throw .fault(.sparseBranch) }
        // Embedded children may have brought their own.
        let start = children.count
        for index in 0..<16 { children.append(places[index]) }
        return .branch(children: TrieChildren(start: start), value: value)
    }

    private mutating func child(_ item: RLPItem) throws(ReadingFailure) -> TrieNodeID {
        switch item.kind {
        case .bytes:
            if item.payload.isEmpty { return .nothing }
            guard item.payload.count == Bytes32.size else {
                throw .fault(.reference(size: item.payload.count))
            }
            return .unseen(hashAt: item.payload.lowerBound)
        case .list:
            // Depth is bounded by the size: every level takes two bytes at least.
            guard item.encoding.count < 32 else {
                throw .fault(.embeddedTooLarge(item.encoding.count))
            }
            return try added(try node(item), .embedded(TrieBytes(item.encoding)))
        }
    }

    private mutating func nibbles(
        _ compact: Range<Int>, isOdd: Bool
    ) throws(ReadingFailure) -> TrieBytes {
        let count = 2 * (compact.count - 1) + (isOdd ? 1 : 0)
        do throws(TrieError) { try reserve(count) } catch { throw .trie(error) }
        let start = bytes.count
        if isOdd { bytes.append(bytes[compact.lowerBound] & 15) }
        for index in compact.lowerBound + 1..<compact.upperBound {
            let pair = bytes[index]
            bytes.append(pair >> 4)
            bytes.append(pair & 15)
        }
        return TrieBytes(start: start, count: count)
    }

    private mutating func added(
        _ node: TrieNode, _ reference: TrieReference
    ) throws(ReadingFailure) -> TrieNodeID {
        do throws(TrieError) { return try add(node, reference) } catch { throw .trie(error) }
    }
}

extension TrieBytes {
    fileprivate init(_ range: Range<Int>) { self.init(start: range.lowerBound, count: range.count) }
}
