import ChoraleBase

extension Witness {
    /// From the JSON of `debug_executionWitness`, in any of the forms that clients give it.
    public init(json text: [UInt8], limits: Limits = Limits()) throws(WitnessError) {
        self = try Self.read(json: text, limits).witness
    }

    static func read(
        json text: [UInt8], _ limits: Limits
    ) throws(WitnessError) -> WitnessDocument {
        try WitnessJSONReader.read(text, limits)
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
