import ChoraleBase
import Codec
import Crypto

// What can be said of a witness's lists without the block.
extension WitnessLint {
    /// Most bytes of a contract's code (EIP-170).
    static let codeSizeMax = 24_576

    static func entries(_ witness: Witness, _ hashes: WitnessHashes) -> [WitnessDeviation] {
        var deviations = common(.nodes, witness.nodes, hashes.nodes, witness.bytes)
        deviations += nodes(witness, hashes.nodes)
        deviations += common(.codes, witness.codes, hashes.codes, witness.bytes)
        var large = WitnessEntryTally(.codes)
        for (index, part) in witness.codes.enumerated() where part.count > codeSizeMax {
            large.add(index, part, hashes.codes[index])
        }
        if let entries = large.entries {
            deviations.append(.oversizeCode(entries, limit: codeSizeMax))
        }
        return deviations
    }

    /// Order, repetition, emptiness.
    private static func common(
        _ part: WitnessPart, _ parts: [Range<Int>], _ hashes: [Bytes32], _ bytes: [UInt8]
    ) -> [WitnessDeviation] {
        var unsorted = WitnessEntryTally(part)
        var repeated = WitnessEntryTally(part)
        var empty = WitnessEntryTally(part)
        var seen: Set<Bytes32> = []
        for (index, range) in parts.enumerated() {
            if !seen.insert(hashes[index]).inserted { repeated.add(index, range, hashes[index]) }
            if range.isEmpty { empty.add(index, range, hashes[index]) }
            if index > 0,
                bytes[range].lexicographicallyPrecedes(bytes[parts[index - 1]])
            {
                unsorted.add(index, range, hashes[index])
            }
        }
        return [
            unsorted.entries.map { .unsorted($0) }, repeated.entries.map { .repeated($0) },
            empty.entries.map { .empty($0) },
        ].compactMap(\.self)
    }

    /// Nodes that are none.
    private static func nodes(
        _ witness: Witness, _ hashes: [Bytes32]
    ) -> [WitnessDeviation] {
        var emptyTrie = WitnessEntryTally(.nodes)
        var strange = WitnessEntryTally(.nodes)
        var nonCanonical = WitnessEntryTally(.nodes)
        var strangeError: RLPError?
        var nonCanonicalError: RLPError?
        let bytes = witness.bytes.span
        for (index, range) in witness.nodes.enumerated() where !range.isEmpty {
            let encoding = bytes.extracting(range)
            if encoding.count == 1, encoding[0] == 0x80 {
                emptyTrie.add(index, range, hashes[index])
                continue
            }
            do throws(RLPError) {
                let count = try itemCount(encoding)
                guard count != 2, count != 17 else { continue }
                strange.add(index, range, hashes[index])
            } catch {
                switch error {
                case .lengthNotMinimal, .byteNotMinimal, .integerNotMinimal, .trailingBytes:
                    if nonCanonical.entries == nil { nonCanonicalError = error }
                    nonCanonical.add(index, range, hashes[index])
                default:
                    if strange.entries == nil { strangeError = error }
                    strange.add(index, range, hashes[index])
                }
            }
        }
        var deviations: [WitnessDeviation] = []
        if let entries = emptyTrie.entries { deviations.append(.emptyNode(entries)) }
        if let entries = strange.entries { deviations.append(.notNode(entries, strangeError)) }
        if let entries = nonCanonical.entries, let error = nonCanonicalError {
            deviations.append(.nonCanonicalNode(entries, error))
        }
        return deviations
    }

    private static func itemCount(_ encoding: Span<UInt8>) throws(RLPError) -> Int {
        var items = try RLPReader.item(encoding).list(itemCountMax: 17)
        var count = 0
        while try items.next(in: encoding) != nil { count += 1 }
        return count
    }

    // MARK: Headers

    /// - Parameter block: the header that the newest shall be the parent of.
    static func headers(
        _ witness: Witness, _ hashes: [Bytes32], _ block: Header?
    ) -> [WitnessDeviation] {
        guard !witness.headers.isEmpty else { return [.noHeaders] }
        var deviations: [WitnessDeviation] = []
        let countMax = AncestorHeaders.countMax
        if witness.headers.count > countMax {
            deviations.append(.tooManyHeaders(witness.headers.count, limit: countMax))
        }
        let bytes = witness.bytes.span
        var headers: [(position: Int, header: Header)] = []
        for (index, range) in witness.headers.enumerated() {
            do throws(RLPError) {
                headers.append((index, try Header(bytes.extracting(range))))
            } catch {
                deviations.append(.malformedHeader(at: index, error))
            }
        }
        switch witness.headerOrder {
        case .newestFirst:
            deviations.append(.headersNewestFirst(count: witness.headers.count))
        case .unordered: deviations.append(.headersUnordered)
        case .none, .oldestFirst: break
        }
        headers.sort { ($0.header.number, $0.position) < ($1.header.number, $1.position) }
        for (older, newer) in zip(headers, headers.dropFirst()) {
            let (next, overflow) = older.header.number.addingReportingOverflow(1)
            if overflow || newer.header.number > next {
                deviations.append(
                    .headerGap(
                        at: newer.position, number: newer.header.number,
                        after: older.header.number))
            } else if newer.header.parentHash != hashes[older.position] {
                deviations.append(
                    .headerNotLinked(
                        at: newer.position, parentHash: newer.header.parentHash,
                        expected: hashes[older.position]))
            }
        }
        if let block, let newest = headers.last, hashes[newest.position] != block.parentHash {
            deviations.append(
                .wrongParent(
                    found: hashes[newest.position], number: newest.header.number,
                    expected: block.parentHash))
        }
        return deviations
    }
}
