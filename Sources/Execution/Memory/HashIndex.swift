/// Finds the number of an element by its key; elements and keys lie elsewhere.
///
/// Open addressing with linear probing, at most half full. An entry keeps half of the hash, so that a
/// key is compared about once a lookup.
///
/// Keys are chosen by whoever writes transactions. Hashes therefore start from a seed that each
/// process draws anew (``HashSeed``): colliding keys cannot be prepared. Nothing is ever listed in the
/// table's order, so no result depends on the seed.
struct HashIndex: ~Copyable {
    /// Upper half: upper half of the hash. Lower half: the number plus one, or zero where free.
    private var entries: Arena<UInt64>
    private var taken = 0
    private var mask: Int

    init(capacity: Int = 64) {
        var size = 16
        while size < 2 * capacity { size *= 2 }
        entries = Arena(capacity: size)
        for _ in 0..<size { entries.append(0) }
        mask = size - 1
    }

    /// The number of the element for which `matches` holds, among those with this hash.
    @inline(__always)
    func find(_ hash: UInt64, _ matches: (Int) -> Bool) -> Int? {
        var position = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = entries[position]
            if entry == 0 { return nil }
            if (entry ^ hash) >> 32 == 0 {
                let number = Int(entry & 0xFFFF_FFFF) - 1
                if matches(number) { return number }
            }
            position = (position + 1) & mask
        }
    }

    /// Adds an element that is not there.
    ///
    /// - Parameter hashOf: the hash of an element, for when the table grows.
    mutating func insert(_ hash: UInt64, _ number: Int, hashOf: (Int) -> UInt64) {
        precondition(number >= 0 && number < Int(UInt32.max), "more elements than numbers")
        if 2 * (taken + 1) > entries.count { grow(hashOf) }
        place(hash, number)
        taken += 1
    }

    mutating func removeAll() {
        guard taken > 0 else { return }
        // What one transaction made large must not be cleared again after each that follows.
        guard entries.count <= 1024 else {
            self = HashIndex()
            return
        }
        for position in 0..<entries.count { entries[position] = 0 }
        taken = 0
    }

    private mutating func place(_ hash: UInt64, _ number: Int) {
        var position = Int(truncatingIfNeeded: hash) & mask
        while entries[position] != 0 { position = (position + 1) & mask }
        entries[position] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(number + 1)
    }

    private mutating func grow(_ hashOf: (Int) -> UInt64) {
        let old = entries.count
        var larger = HashIndex(capacity: old)
        for position in 0..<old where entries[position] != 0 {
            let number = Int(entries[position] & 0xFFFF_FFFF) - 1
            larger.place(hashOf(number), number)
        }
        larger.taken = taken
        self = larger
    }
}

/// Hashes words for ``HashIndex``.
enum HashSeed {
    private static let seeds: (UInt64, UInt64, UInt64, UInt64) = (
        draw(1), draw(2), draw(3), draw(4)
    )

    /// The standard library's hasher is seeded by the process; these are its hashes of constants.
    private static func draw(_ number: Int) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(number)
        return UInt64(bitPattern: Int64(hasher.finalize())) | 1
    }

    @inline(__always)
    static func hash(_ word: UInt256, _ salt: UInt64 = 0) -> UInt64 {
        let (a, b, c, d) = seeds
        let first = fold(word.l0 ^ a, word.l1 ^ b)
        let second = fold(word.l2 ^ c ^ salt, word.l3 ^ d)
        return fold(first ^ a, second ^ c)
    }

    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
