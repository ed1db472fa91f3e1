import ChoraleBase

extension Witness {
    /// From SSZ: `ExecutionWitness` of EIP-8025, three lists of byte lists: state, codes, headers.
    ///
    /// - Parameter range: where it lies in `bytes`; nil for all of them.
    public init(
        ssz bytes: [UInt8], in range: Range<Int>? = nil, limits: Limits = Limits()
    ) throws(WitnessError) {
        self = try Self.read(ssz: bytes, in: range, limits).witness
    }

    static func read(
        ssz bytes: [UInt8], in range: Range<Int>? = nil, _ limits: Limits
    ) throws(WitnessError) -> WitnessDocument {
        let range = range ?? 0..<bytes.count
        guard range.count <= limits.sizeMax else {
            throw .tooLarge(range.count, limit: limits.sizeMax)
        }
        let input = bytes.span
        let lists = try SSZReader.fields(input, range, sizes: [4, 4, 4])
        let nodes = try SSZReader.byteLists(input, lists[0], limits.nodeCountMax, .nodes)
        let codes = try SSZReader.byteLists(input, lists[1], limits.codeCountMax, .codes)
        let headers = try SSZReader.byteLists(input, lists[2], limits.headerCountMax, .headers)
        var witness = Witness(bytes: bytes)
        (witness.headers, witness.codes, witness.nodes) = (headers, codes, nodes)
        var form = WitnessForm(container: .ssz, size: range.count)
        if !headers.isEmpty { form.headerEncoding = .rlp }
        return WitnessDocument(witness: witness, form: form)
    }

    /// From the whole input of a stateless execution of EIP-8025; see ``StatelessInput``.
    public init(
        statelessInput bytes: [UInt8], limits: Limits = Limits()
    ) throws(WitnessError) {
        self = try Self.read(statelessInput: bytes, limits).witness
    }

    static func read(
        statelessInput bytes: [UInt8], _ limits: Limits
    ) throws(WitnessError) -> WitnessDocument {
        guard let layout = StatelessInputLayout(bytes.span, size: bytes.count) else {
            throw .ssz(offset: 0)
        }
        let fields = try layout.fields(bytes.span)
        var document = try read(ssz: bytes, in: fields.witness, limits)
        document.form.container = .statelessInput
        document.form.size = bytes.count
        document.form.schemaID = layout.schemaID
        return document
    }

    /// `ExecutionWitness` of EIP-8025.
    public var ssz: [UInt8] {
        var output: [UInt8] = []
        var offset = 12
        for parts in [nodes, codes, headers] {
            output.appendLittleEndian(UInt32(offset))
            offset += parts.reduce(0) { $0 + 4 + $1.count }
        }
        output.reserveCapacity(offset)
        for parts in [nodes, codes, headers] {
            var offset = 4 * parts.count
            for part in parts {
                output.appendLittleEndian(UInt32(offset))
                offset += part.count
            }
            for part in parts { output.append(contentsOf: bytes.span.extracting(part)) }
        }
        return output
    }
}
