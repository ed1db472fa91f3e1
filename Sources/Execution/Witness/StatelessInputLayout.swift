import ChoraleBase

/// Where the parts of a stateless input lie (EIP-8025): request, witness, chain configuration, public
/// keys.
///
/// The encoding has changed while it was a draft, and each is told by its first offset:
///
/// - until April 2026: the chain configuration is a chain id, in the fixed part, which has 20 bytes;
/// - then: the configuration names its fork too and has an offset, so the fixed part has 16;
/// - from May 2026 on: two bytes before everything, most significant first, say which encoding it is.
struct StatelessInputLayout {
    struct Fields {
        var request: Range<Int>
        var witness: Range<Int>
        /// Begins with the chain id, 8 bytes little-endian.
        var chainConfiguration: Range<Int>
        var publicKeys: Range<Int>
    }

    let schemaID: UInt16?
    private let start: Int
    private let size: Int
    private let fieldSizes: [Int]

    /// nil when the bytes do not begin like any of them.
    ///
    /// - Parameter size: of the whole, of which `bytes` may be the beginning.
    init?(_ bytes: Span<UInt8>, size: Int) {
        self.size = size
        for start in [0, 2] {
            guard bytes.count >= start + 16 else { return nil }
            let fixedSize = Int(bytes.loadLittleEndian(UInt32.self, at: start))
            guard fixedSize == 16 || fixedSize == 20 else { continue }
            self.start = start
            fieldSizes = fixedSize == 16 ? [4, 4, 4, 4] : [4, 4, 8, 4]
            schemaID = start == 0 ? nil : bytes.loadBigEndian(UInt16.self, at: 0)
            return
        }
        return nil
    }

    func fields(_ bytes: Span<UInt8>) throws(WitnessError) -> Fields {
        let fields = try SSZReader.fields(bytes, start..<size, sizes: fieldSizes)
        guard fields[2].count >= 8 else { throw .ssz(offset: fields[2].lowerBound) }
        return Fields(
            request: fields[0], witness: fields[1], chainConfiguration: fields[2],
            publicKeys: fields[3])
    }
}
