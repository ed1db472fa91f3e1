import ChoraleBase
import Codec

// `debug_executionWitness`, as reth, Nethermind, Erigon and Nimbus answer it:
//
//     {"state": ["0x…"], "codes": ["0x…"], "keys": ["0x…"], "headers": ["0x…"]}
//
// geth writes its headers as objects and `keys` as null. Until 2025 reth wrote `state` and `codes` as objects
// from hashes to bytes. All are read; the answer around it, `{"result": …}`, is allowed, and an object around
// it with a member `witness`, which may also be the digits of RLP, as in the answers of engines.

/// Reads a witness from JSON.
///
/// Memory: what the digits stand for, which is half the text, and a range for every entry.
struct WitnessJSONReader {
    private var witness = Witness(bytes: [])
    private var form: WitnessForm
    private let limits: Witness.Limits
    private var members: Set<String> = []
    /// RLP that was found in place of the lists.
    private var blob: WitnessDocument?
    private var hexCase = Hex.Run()
    private var unprefixedCount = 0

    static func read(
        _ text: [UInt8], _ limits: Witness.Limits
    ) throws(WitnessError) -> WitnessDocument {
        guard text.count <= 2 * limits.sizeMax + (1 << 20) else {
            throw .tooLarge(text.count, limit: 2 * limits.sizeMax)
        }
        var reader = Self(limits: limits, size: text.count)
        reader.witness.bytes.reserveCapacity(text.count / 2)
        var scanner = JSONScanner()
        try reader.object(&scanner, text.span, depth: 0)
        try scanner.finish(text.span)
        return try reader.finished()
    }

    private init(limits: Witness.Limits, size: Int) {
        self.limits = limits
        form = WitnessForm(container: .json, size: size)
        (form.nodes, form.codes, form.headers) = (.absent, .absent, .absent)
        form.listCount = 0
    }

    private func finished() throws(WitnessError) -> WitnessDocument {
        var form = form
        var witness = witness
        if let blob {
            guard form.listCount == 0 else { throw .json(member: "witness") }
            witness = blob.witness
            let (envelope, size) = (form.envelope, form.size)
            form = blob.form
            (form.envelope, form.size, form.isHexText) = (envelope, size, true)
        } else {
            guard form.nodes != .absent else { throw .json(member: "state") }
            guard form.headers != .absent else { throw .json(member: "headers") }
            guard witness.bytes.count <= limits.sizeMax else {
                throw .tooLarge(witness.bytes.count, limit: limits.sizeMax)
            }
        }
        form.hexCase = WitnessForm.HexCase(hexCase)
        form.unprefixedCount = unprefixedCount
        return WitnessDocument(witness: witness, form: form)
    }

    // MARK: Members

    private mutating func object(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, depth: Int
    ) throws(WitnessError) {
        try scanner.object(text) { (scanner, text, range) throws(WitnessError) in
            // No name that is looked for is longer.
            guard range.count <= 16 else { return try scanner.skip(text) }
            let name = String(decoding: text.extracting(range).copied(), as: UTF8.self)
            switch name {
            case "state":
                try takeOnce(name)
                (witness.nodes, form.nodes) = try list(
                    &scanner, text, .nodes, limits.nodeCountMax)
            case "codes":
                try takeOnce(name)
                (witness.codes, form.codes) = try list(
                    &scanner, text, .codes, limits.codeCountMax)
            case "headers":
                try takeOnce(name)
                (witness.headers, form.headers) = try list(
                    &scanner, text, .headers, limits.headerCountMax)
            case "keys":
                try takeOnce(name)
                try keys(&scanner, text)
            case "result" where depth == 0 && scanner.next(text) == UInt8(ascii: "{"):
                if form.envelope == .none { form.envelope = .answer }
                try object(&scanner, text, depth: depth + 1)
            case "witness" where depth < 2:
                try inner(&scanner, text, depth: depth + 1)
            case "error" where depth == 0 && scanner.next(text) == UInt8(ascii: "{"):
                try refusal(&scanner, text)
            default:
                try scanner.skip(text)
            }
        }
    }

    private mutating func takeOnce(_ name: String) throws(WitnessError) {
        guard members.insert(name).inserted else { throw .json(member: name) }
        form.listCount += 1
    }

    /// What a member `witness` holds: the lists, or digits of RLP.
    private mutating func inner(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, depth: Int
    ) throws(WitnessError) {
        switch scanner.next(text) {
        case UInt8(ascii: "{"):
            form.envelope = .witnessMember
            try object(&scanner, text, depth: depth)
        case UInt8(ascii: "\""):
            guard members.insert("witness").inserted else { throw .json(member: "witness") }
            form.envelope = .witnessMember
            var bytes: [UInt8] = []
            let (run, isPrefixed) = try scanner.hexString(text, into: &bytes)
            note(run, isPrefixed)
            blob = try Witness.read(rlp: bytes, limits)
        default:
            try scanner.skip(text)
        }
    }

    private func refusal(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(WitnessError) {
        var message = ""
        try scanner.object(text) { (scanner, text, name) throws(WitnessError) in
            guard text.extracting(name).isEqual(to: Array("message".utf8).span),
                scanner.next(text) == UInt8(ascii: "\"")
            else { return try scanner.skip(text) }
            let range = try scanner.string(text)
            let part = range.lowerBound..<min(range.upperBound, range.lowerBound + 200)
            message = String(decoding: text.extracting(part).copied(), as: UTF8.self)
        }
        throw .answer(message)
    }

    // MARK: Lists

    /// A list of byte strings, or null for none, or an object that has them as names or values.
    private mutating func list(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, _ part: WitnessPart, _ countMax: Int
    ) throws(WitnessError) -> ([Range<Int>], WitnessForm.ListForm) {
        var parts: [Range<Int>] = []
        if scanner.takeNull(text) { return (parts, .null) }
        if scanner.next(text) == UInt8(ascii: "{") {
            var form = WitnessForm.ListForm.byHash
            try scanner.object(text) { (scanner, text, name) throws(WitnessError) in
                guard parts.count < countMax else { throw .tooMany(part, limit: countMax) }
                if scanner.next(text) == UInt8(ascii: "\"") {
                    parts.append(try hexString(&scanner, text))
                } else {
                    form = .byBytes
                    parts.append(try self.name(text, name))
                    try scanner.skip(text)
                }
            }
            return (parts, form)
        }
        try scanner.array(text) { (scanner, text) throws(WitnessError) in
            guard parts.count < countMax else { throw .tooMany(part, limit: countMax) }
            if part == .headers, scanner.next(text) == UInt8(ascii: "{") {
                form.headerEncoding.note(.objects)
                let header = try Header(&scanner, text)
                parts.append(witness.append(header.encoded))
            } else {
                if part == .headers { form.headerEncoding.note(.rlp) }
                parts.append(try hexString(&scanner, text))
            }
        }
        return (parts, .list)
    }

    private mutating func hexString(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(WitnessError) -> Range<Int> {
        let start = witness.bytes.count
        let (run, isPrefixed) = try scanner.hexString(text, into: &witness.bytes)
        note(run, isPrefixed)
        return start..<witness.bytes.count
    }

    /// The bytes that a member's name has the digits of.
    private mutating func name(
        _ text: Span<UInt8>, _ name: Range<Int>
    ) throws(WitnessError) -> Range<Int> {
        let start = witness.bytes.count
        let isPrefixed = HexText.isPrefixed(text, name.lowerBound, name.upperBound)
        let first = name.lowerBound + (isPrefixed ? 2 : 0)
        let run = Hex.decodeRun(
            text.extracting(0..<name.upperBound), from: first, into: &witness.bytes)
        guard first + run.digitCount == name.upperBound else {
            throw .hex(position: first + run.digitCount)
        }
        note(run, isPrefixed)
        return start..<witness.bytes.count
    }

    private mutating func note(_ run: Hex.Run, _ isPrefixed: Bool) {
        hexCase.hasLowerCase = hexCase.hasLowerCase || run.hasLowerCase
        hexCase.hasUpperCase = hexCase.hasUpperCase || run.hasUpperCase
        if !isPrefixed { unprefixedCount += 1 }
    }

    /// Counted and passed over: keys help those who keep the state by its unhashed keys.
    private mutating func keys(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(WitnessError) {
        if scanner.takeNull(text) {
            form.keys = .null
            return
        }
        var count = 0
        if scanner.next(text) == UInt8(ascii: "{") {
            try scanner.object(text) { (scanner, text, _) throws(WitnessError) in
                count += 1
                try scanner.skip(text)
            }
        } else {
            try scanner.array(text) { (scanner, text) throws(WitnessError) in
                count += 1
                try scanner.skip(text)
            }
        }
        form.keys = .list(count: count)
    }
}
