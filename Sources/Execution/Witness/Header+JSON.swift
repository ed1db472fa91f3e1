import ChoraleBase

extension Header {
    /// From the object that geth writes, with the names of `eth_getBlockByNumber`.
    init(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(WitnessError) {
        var members: [String: [UInt8]] = [:]
        try scanner.object(text) { (scanner, text, range) throws(WitnessError) in
            guard scanner.next(text) == UInt8(ascii: "\""), range.count <= 32 else {
                return try scanner.skip(text)
            }
            let name = String(decoding: text.extracting(range).copied(), as: UTF8.self)
            guard members.count < 64, members[name] == nil else { throw .json(member: name) }
            members[name] = text.extracting(try scanner.string(text)).copied()
        }
        func bytes(_ name: String) throws(WitnessError) -> [UInt8]? {
            guard let digits = members[name] else { return nil }
            guard digits.starts(with: [0x30, 0x78]) else { throw .json(member: name) }
            var rest = Array(digits.dropFirst(2))
            if !rest.count.isMultiple(of: 2) { rest.insert(0x30, at: 0) }
            var result: [UInt8] = []
            do throws(Hex.DecodeError) {
                try Hex.decode(rest.span, into: &result)
            } catch {
                throw .json(member: name)
            }
            return result
        }
        func word(_ name: String) throws(WitnessError) -> UInt256? {
            guard let found = try bytes(name) else { return nil }
            guard let word = UInt256(bigEndian: found.span) else { throw .json(member: name) }
            return word
        }
        func required<Value>(_ name: String, _ value: Value?) throws(WitnessError) -> Value {
            guard let value else { throw .json(member: name) }
            return value
        }
        func number(_ name: String) throws(WitnessError) -> UInt64 {
            try required(name, try word(name)?.uint64)
        }
        func hash(_ name: String) throws(WitnessError) -> Bytes32 {
            try required(name, try word(name)).bytes32
        }
        let bloom = try required("logsBloom", try bytes("logsBloom"))
        guard bloom.count == Header.bloomSize else { throw .json(member: "logsBloom") }
        self.init(
            parentHash: try hash("parentHash"), ommersHash: try hash("sha3Uncles"),
            coinbase: Address(try required("miner", try word("miner"))),
            stateRoot: try hash("stateRoot"), transactionsRoot: try hash("transactionsRoot"),
            receiptsRoot: try hash("receiptsRoot"), bloom: bloom,
            difficulty: try required("difficulty", try word("difficulty")),
            number: try number("number"), gasLimit: try number("gasLimit"),
            gasUsed: try number("gasUsed"), timestamp: try number("timestamp"),
            extraData: try required("extraData", try bytes("extraData")),
            mixHash: try hash("mixHash"), nonce: try number("nonce"),
            baseFeePerGas: try word("baseFeePerGas"),
            withdrawalsRoot: try word("withdrawalsRoot")?.bytes32,
            blobGasUsed: try word("blobGasUsed")?.uint64,
            excessBlobGas: try word("excessBlobGas")?.uint64,
            parentBeaconRoot: try word("parentBeaconBlockRoot")?.bytes32,
            requestsHash: try word("requestsHash")?.bytes32)
    }
}
