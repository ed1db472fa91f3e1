import ChoraleBase
import Codec

// `debug_executionWitness`, as reth, Nethermind, Erigon and Nimbus answer it:
//
//     {"state": ["0x…"], "codes": ["0x…"], "keys": ["0x…"], "headers": ["0x…"]}
//
// geth writes its headers as objects, `keys` as null, and in older versions `state` and `codes` as objects whose
// members' names are the bytes. All are read; the answer around it, `{"result": …}`, is allowed.

extension Witness {
    /// From the JSON of `debug_executionWitness`.
    public init(json text: [UInt8], limits: Limits = Limits()) throws(WitnessError) {
        guard text.count <= 2 * limits.sizeMax + (1 << 20) else {
            throw .tooLarge(text.count, limit: 2 * limits.sizeMax)
        }
        self.init(bytes: [])
        var scanner = JSONScanner()
        try read(&scanner, text.span, limits, depth: 0)
        try scanner.finish(text.span)
    }

    private mutating func read(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, _ limits: Limits, depth: Int
    ) throws(WitnessError) {
        try scanner.object(text) { (scanner, text, name) throws(WitnessError) in
            switch name {
            case "state":
                nodes = try parts(&scanner, text, .nodes, limits.nodeCountMax)
            case "codes":
                codes = try parts(&scanner, text, .codes, limits.codeCountMax)
            case "headers":
                headers = try parts(&scanner, text, .headers, limits.headerCountMax)
            case "result" where depth == 0:
                try read(&scanner, text, limits, depth: 1)
            default:
                try scanner.skip(text)
            }
        }
    }

    /// A list of byte strings, or null for none.
    private mutating func parts(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, _ part: WitnessPart, _ countMax: Int
    ) throws(WitnessError) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        if scanner.takeNull(text) { return parts }
        if scanner.next(text) == UInt8(ascii: "{") {
            try scanner.object(text) { (scanner, text, name) throws(WitnessError) in
                guard parts.count < countMax else { throw .tooMany(part, limit: countMax) }
                parts.append(try appendHex(Array(name.utf8).span))
                try scanner.skip(text)
            }
            return parts
        }
        try scanner.array(text) { (scanner, text) throws(WitnessError) in
            guard parts.count < countMax else { throw .tooMany(part, limit: countMax) }
            if part == .headers, scanner.next(text) == UInt8(ascii: "{") {
                let header = try Header(&scanner, text)
                parts.append(append(header.encoded))
            } else {
                parts.append(try appendHex(text.extracting(try scanner.string(text))))
            }
        }
        return parts
    }

    private mutating func appendHex(_ digits: Span<UInt8>) throws(WitnessError) -> Range<Int> {
        let start = bytes.count
        var digits = digits
        if digits.count >= 2, digits[0] == 0x30, digits[1] == 0x78 {
            digits = digits.extracting(2...)
        }
        do throws(Hex.DecodeError) {
            try Hex.decode(digits, into: &bytes)
        } catch {
            throw .json(member: "hexadecimal")
        }
        return start..<bytes.count
    }

    /// As clients agreed to write it: `state`, `codes`, `headers`, and nothing else.
    public var json: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(2 * bytes.count + 6 * (headers.count + codes.count + nodes.count))
        let members = [("state", nodes), ("codes", codes), ("headers", headers)]
        for (index, (name, parts)) in members.enumerated() {
            text.append(contentsOf: (index == 0 ? "{\"" : ",\"").utf8)
            text.append(contentsOf: "\(name)\":[".utf8)
            for (index, part) in parts.enumerated() {
                text.append(contentsOf: (index == 0 ? "\"0x" : ",\"0x").utf8)
                Hex.encode(bytes.span.extracting(part), into: &text)
                text.append(UInt8(ascii: "\""))
            }
            text.append(UInt8(ascii: "]"))
        }
        text.append(UInt8(ascii: "}"))
        return text
    }
}

extension Header {
    /// From the object that geth writes, with the names of `eth_getBlockByNumber`.
    fileprivate init(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(WitnessError) {
        var members: [String: [UInt8]] = [:]
        try scanner.object(text) { (scanner, text, name) throws(WitnessError) in
            guard scanner.next(text) == UInt8(ascii: "\"") else { return try scanner.skip(text) }
            guard members.count < 64 else { throw .json(member: name) }
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
