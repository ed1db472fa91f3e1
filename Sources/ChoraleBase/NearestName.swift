/// Finds what somebody who mistyped a name probably meant.
public enum NearestName {
    /// Longest prefix that is compared, in bytes: bounds the work for hostile words.
    public static let comparedSizeMax = 64

    /// The candidate with the smallest edit distance to `word`, or nil when none is close.
    ///
    /// Close means at most a third of the word's letters, and at least two, differ; or that one is
    /// the beginning of the other. Case, `-` and `_` are not told apart. The first of equals wins.
    public static func of(_ word: String, among candidates: [String]) -> String? {
        let wanted = folded(word)
        guard !wanted.isEmpty else { return nil }
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let folded = folded(candidate)
            let isPrefix =
                wanted.count >= 2 && (folded.starts(with: wanted) || wanted.starts(with: folded))
            let distance = isPrefix && !folded.isEmpty ? 1 : distance(wanted, folded)
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= max(2, wanted.count / 3),
            best.distance < max(wanted.count, 2)
        else { return nil }
        return best.name
    }

    private static func folded(_ name: String) -> [UInt8] {
        name.utf8.prefix(comparedSizeMax).map { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte + 32
            case UInt8(ascii: "_"): UInt8(ascii: "-")
            default: byte
            }
        }
    }

    /// Insertions, deletions, replacements, and swaps of neighbours.
    private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var beforeLast = [Int](repeating: 0, count: second.count + 1)
        var last = Array(0...second.count)
        for row in first.indices {
            var current = [row + 1]
            for column in second.indices {
                let replace = last[column] + (first[row] == second[column] ? 0 : 1)
                var cost = min(replace, last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, first[row] == second[column - 1],
                    first[row - 1] == second[column]
                {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            beforeLast = last
            last = current
        }
        return last[second.count]
    }
}
