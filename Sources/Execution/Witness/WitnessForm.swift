import ChoraleBase
import Codec

/// How a witness was written, as far as its bytes tell: which program it may come from, and what a
/// reader with narrower habits would stumble over.
public struct WitnessForm: Hashable, Sendable {
    public enum Container: String, Hashable, Sendable, CaseIterable {
        /// As engines exchange it: a list of three or four lists.
        case rlp
        /// `ExecutionWitness` of EIP-8025.
        case ssz
        /// The whole input of a stateless execution (EIP-8025), whose second field is the witness.
        case statelessInput
        /// The answer of `debug_executionWitness`.
        case json
    }

    /// What stands around a witness in JSON.
    public enum Envelope: String, Hashable, Sendable {
        case none
        /// A JSON-RPC answer whose result is the witness.
        case answer
        /// An object, or an answer, with a member `witness`: payload statuses and test cases have one.
        case witnessMember
    }

    /// How a list of byte strings was written.
    public enum ListForm: String, Hashable, Sendable {
        case list
        /// JSON null in its place.
        case null
        /// The member, or the list, is not there.
        case absent
        /// A JSON object from hashes to bytes.
        case byHash
        /// A JSON object whose members' names are the bytes.
        case byBytes
    }

    public enum HeaderEncoding: String, Hashable, Sendable {
        /// There are no headers.
        case none
        /// RLP: in RLP the lists that headers are, elsewhere byte strings.
        case rlp
        /// Byte strings where in RLP the lists themselves would do.
        case wrapped
        /// JSON objects with the names of `eth_getBlockByNumber`.
        case objects
        /// More than one of these.
        case mixed
    }

    public enum HeaderOrder: String, Hashable, Sendable {
        /// Fewer than two headers, or some that are no headers: there is no order to speak of.
        case none
        case oldestFirst
        case newestFirst
        case unordered
    }

    public enum Keys: Hashable, Sendable {
        case absent
        case null
        /// Addresses and slots, this many.
        case list(count: Int)
    }

    public enum HexCase: String, Hashable, Sendable {
        /// No hexadecimal, or no letters in it.
        case none
        case lower
        case upper
        case mixed
    }

    public var container: Container
    /// Whether the container's bytes were given as hexadecimal digits.
    public var isHexText = false
    public var envelope = Envelope.none
    /// Bytes as they were given, digits and white space included.
    public var size: Int
    /// Lists of the witness: three, or four with `keys`. In JSON the members that are there.
    public var listCount = 3
    public var nodes = ListForm.list
    public var codes = ListForm.list
    public var headers = ListForm.list
    public var headerEncoding = HeaderEncoding.none
    public var headerOrder = HeaderOrder.none
    public var keys = Keys.absent
    public var hexCase = HexCase.none
    /// Byte strings in JSON, or a text as a whole, without `0x` before their digits.
    public var unprefixedCount = 0
    /// Before a stateless input, from May 2026 on: which encoding it has.
    public var schemaID: UInt16?

    public init(container: Container, size: Int) {
        self.container = container
        self.size = size
    }

    /// Whether the bytes are what ``Witness/rlp(hasKeys:)``, ``Witness/ssz`` or ``Witness/json`` would
    /// write of the same lists.
    ///
    /// Says nothing of the order of nodes and codes.
    public var isCanonical: Bool {
        var same = WitnessForm(container: container, size: size)
        same.headerEncoding = headerEncoding == .none ? .none : .rlp
        same.headerOrder = headerOrder == .none ? .none : .oldestFirst
        if container == .rlp {
            same.listCount = 4
            same.keys = .list(count: 0)
        }
        if container == .json, hexCase != .none { same.hexCase = .lower }
        same.schemaID = schemaID
        return self == same
    }
}

/// A witness with the form that it had.
public struct WitnessDocument: Sendable {
    public var witness: Witness
    public var form: WitnessForm

    /// Decodes a witness in whatever form it comes: RLP, SSZ, either of them as hexadecimal text, or
    /// JSON; see ``WitnessForm/detect(_:)``.
    ///
    /// - Parameter limits: the bytes of hexadecimal text may be twice those of a witness.
    public init(
        _ bytes: consuming [UInt8], limits: Witness.Limits = Witness.Limits()
    ) throws(WitnessError) {
        guard let detected = WitnessForm.detect(bytes.span) else {
            throw .unknownForm(first: Array(bytes.prefix(8)))
        }
        let size = bytes.count
        var run: Hex.Run?
        var isPrefixed = true
        if detected.isHexText {
            guard size <= 2 * limits.sizeMax + (1 << 10) else {
                throw .tooLarge(size, limit: 2 * limits.sizeMax)
            }
            var decoded: [UInt8] = []
            decoded.reserveCapacity(size / 2)
            (run, isPrefixed) = try HexText.decode(bytes.span, into: &decoded)
            bytes = decoded
        }
        switch detected.container {
        case .rlp: self = try Witness.read(rlp: bytes, limits)
        case .ssz: self = try Witness.read(ssz: bytes, limits)
        case .statelessInput: self = try Witness.read(statelessInput: bytes, limits)
        case .json: self = try Witness.read(json: bytes, limits)
        }
        form.size = size
        if let run {
            form.isHexText = true
            form.hexCase = WitnessForm.HexCase(run)
            form.unprefixedCount = isPrefixed ? 0 : 1
        }
    }

    init(witness: Witness, form: WitnessForm) {
        self.witness = witness
        self.form = form
        self.form.headerOrder = witness.headerOrder
    }
}

extension WitnessForm.HeaderEncoding {
    mutating func note(_ next: Self) {
        self = self == .none || self == next ? next : .mixed
    }
}

extension WitnessForm.HexCase {
    init(_ run: Hex.Run) {
        switch (run.hasLowerCase, run.hasUpperCase) {
        case (false, false): self = .none
        case (true, false): self = .lower
        case (false, true): self = .upper
        case (true, true): self = .mixed
        }
    }
}

extension Witness {
    /// Block numbers of the headers, in the witness's order; nil for what is no header.
    public var headerNumbers: [UInt64?] {
        let bytes = bytes.span
        return headers.map { part in
            do throws(RLPError) { return try Header(bytes.extracting(part)).number } catch {
                return nil
            }
        }
    }

    var headerOrder: WitnessForm.HeaderOrder {
        let numbers = headerNumbers.compactMap(\.self)
        guard numbers.count == headers.count, numbers.count > 1 else { return .none }
        let pairs = zip(numbers, numbers.dropFirst())
        if pairs.allSatisfy({ $0 < $1 }) { return .oldestFirst }
        return pairs.allSatisfy { $0 > $1 } ? .newestFirst : .unordered
    }
}
