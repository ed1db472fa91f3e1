import ChoraleBase
import Codec

extension Witness {
    /// From the RLP that engines exchange: `[headers, codes, state]`, or with `keys`, which are
    /// passed over, as a fourth.
    ///
    /// Nothing is copied: the parts are ranges of `bytes`.
    public init(rlp bytes: [UInt8], limits: Limits = Limits()) throws(WitnessError) {
        self = try Self.read(rlp: bytes, limits).witness
    }

    static func read(
        rlp bytes: [UInt8], _ limits: Limits
    ) throws(WitnessError) -> WitnessDocument {
        guard bytes.count <= limits.sizeMax else {
            throw .tooLarge(bytes.count, limit: limits.sizeMax)
        }
        var form = WitnessForm(container: .rlp, size: bytes.count)
        var headers: [Range<Int>] = []
        var codes: [Range<Int>] = []
        var nodes: [Range<Int>] = []
        var part = WitnessPart.headers
        do throws(RLPError) {
            let input = bytes.span
            var lists = try RLPReader.item(input).list(itemCountMax: 4)
            headers = try Self.headers(&lists, input, limits.headerCountMax, &form.headerEncoding)
            part = .codes
            codes = try Self.parts(&lists, input, limits.codeCountMax)
            part = .nodes
            nodes = try Self.parts(&lists, input, limits.nodeCountMax)
            part = .keys
            if lists.position < lists.end {
                form.listCount = 4
                form.keys = .list(
                    count: try Self.parts(&lists, input, limits.nodeCountMax).count)
            }
            try lists.finish()
        } catch .tooManyItems(let limit) {
            throw .tooMany(part, limit: limit)
        } catch {
            throw .rlp(error)
        }
        var witness = Witness(bytes: bytes)
        (witness.headers, witness.codes, witness.nodes) = (headers, codes, nodes)
        return WitnessDocument(witness: witness, form: form)
    }

    /// Headers stand there as the lists they are, or, as some write them, as bytes.
    private static func headers(
        _ lists: inout RLPReader, _ input: Span<UInt8>, _ countMax: Int,
        _ encoding: inout WitnessForm.HeaderEncoding
    ) throws(RLPError) -> [Range<Int>] {
        var items = try lists.required(in: input).list(itemCountMax: countMax)
        var parts: [Range<Int>] = []
        while let item = try items.next(in: input) {
            encoding.note(item.kind == .list ? .rlp : .wrapped)
            parts.append(item.kind == .list ? item.encoding : item.payload)
        }
        return parts
    }

    private static func parts(
        _ lists: inout RLPReader, _ input: Span<UInt8>, _ countMax: Int
    ) throws(RLPError) -> [Range<Int>] {
        var items = try lists.required(in: input).list(itemCountMax: countMax)
        var parts: [Range<Int>] = []
        while let item = try items.next(in: input) { parts.append(try item.bytes()) }
        return parts
    }

    /// As engines exchange it.
    ///
    /// - Parameter hasKeys: whether there is a fourth list, empty, as clients have it today; without,
    ///   the form of the first draft.
    public func rlp(hasKeys: Bool = true) -> [UInt8] {
        let headerSize = headers.reduce(0) { $0 + $1.count }
        let codeSize = Self.itemsSize(codes, bytes.span)
        let nodeSize = Self.itemsSize(nodes, bytes.span)
        var total = hasKeys ? 1 : 0
        for size in [headerSize, codeSize, nodeSize] { total += RLPWriter.headerSize(size) + size }

        var output: [UInt8] = []
        output.reserveCapacity(total + 9)
        RLPWriter.appendHeader(.list, size: total, to: &output)
        RLPWriter.appendHeader(.list, size: headerSize, to: &output)
        for part in headers { output.append(contentsOf: bytes.span.extracting(part)) }
        for (parts, size) in [(codes, codeSize), (nodes, nodeSize)] {
            RLPWriter.appendHeader(.list, size: size, to: &output)
            for part in parts { RLPWriter.append(bytes.span.extracting(part), to: &output) }
        }
        if hasKeys { RLPWriter.appendHeader(.list, size: 0, to: &output) }
        return output
    }

    private static func itemsSize(_ parts: [Range<Int>], _ bytes: Span<UInt8>) -> Int {
        var size = 0
        for part in parts {
            let isOwn = part.count == 1 && bytes[part.lowerBound] < 0x80
            size += isOwn ? 1 : RLPWriter.headerSize(part.count) + part.count
        }
        return size
    }
}
