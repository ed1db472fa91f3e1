public import ChoraleBase
public import Codec
import Execution

/// `/chorale/req/state_range/1/ssz_snappy`: a part of the state after a height.
public struct StateRangeRequest: Hashable, Sendable {
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// Accounts from one key through another.
        case accounts = 0
        /// Storages of accounts, one after another, the first from a key on.
        case storages = 1
        /// Codes by their hashes.
        case codes = 2
    }

    /// Most storages or codes of one request.
    public static let keysMax = 128
    /// Bytes of keys, values and codes of one answer; the last code may go beyond. Half a megabyte is read and
    /// proven in about 20 ms, and travels in one chunk.
    public static let answerSizeMax = 512 << 10
    /// An answer that ends before all that was asked for has so many bytes, or whoever sends it wastes the
    /// time of others.
    public static let answerSizeMin = 64 << 10

    public let height: UInt64
    /// Of the state. Nobody who has another at that height can answer.
    public let stateRoot: Bytes32
    public let kind: Kind
    /// Hashes of the accounts' addresses, or of the codes; none for accounts.
    public let keys: [Bytes32]
    /// Of accounts, or of the slots of the first storage.
    public let first: Bytes32
    /// Of accounts.
    public let last: Bytes32

    /// Nil when the parts do not fit together.
    public init?(
        height: UInt64, stateRoot: Bytes32, kind: Kind, keys: [Bytes32] = [],
        first: Bytes32 = .zero, last: Bytes32 = StateRange.highest
    ) {
        guard first <= last, (kind == .accounts) == keys.isEmpty, keys.count <= Self.keysMax,
            kind == .accounts || last == StateRange.highest, kind != .codes || first == .zero
        else { return nil }
        self.height = height
        self.stateRoot = stateRoot
        self.kind = kind
        self.keys = keys
        self.first = first
        self.last = last
    }
}

extension StateRangeRequest: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt64.self, Bytes32.self, UInt8.self, SSZList<Bytes32, 128>.self, Bytes32.self,
        Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let keys = SSZList<Bytes32, 128>(keys) else {
            preconditionFailure("a request keeps to its limits")
        }
        fields.visit(height)
        fields.visit(stateRoot)
        fields.visit(kind.rawValue)
        fields.visit(keys)
        fields.visit(first)
        fields.visit(last)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let height = try fields.next(UInt64.self, in: input)
        let root = try fields.next(Bytes32.self, in: input)
        let selector = try fields.next(UInt8.self, in: input)
        let keys = try fields.next(SSZList<Bytes32, 128>.self, in: input).elements
        let first = try fields.next(Bytes32.self, in: input)
        let last = try fields.next(Bytes32.self, in: input)
        guard let kind = Kind(rawValue: selector) else {
            throw .invalidValue("a part of the state of kind \(selector)")
        }
        guard
            let value = Self(
                height: height, stateRoot: root, kind: kind, keys: keys, first: first, last: last)
        else { throw .invalidValue("a range that is none") }
        self = value
    }
}

/// What a peer says is in a part of the state.
public struct StateRangeAnswer: Hashable, Sendable {
    /// One range of accounts; or storages in the order in which they were asked for, all but the last of them
    /// whole.
    public let ranges: [StateRange]
    /// In the order in which they were asked for.
    public let codes: [[UInt8]]

    /// Nil when a part is larger than it may be.
    public init?(ranges: [StateRange], codes: [[UInt8]]) {
        let lists = ranges.compactMap(RangeContent.init)
        guard lists.count == ranges.count, ranges.count <= StateRangeRequest.keysMax,
            codes.count <= StateRangeRequest.keysMax,
            codes.allSatisfy({ $0.count <= Self.codeSizeMax })
        else { return nil }
        self.ranges = ranges
        self.codes = codes
    }

    /// Largest code, in bytes: twice what a contract may have today (EIP-170).
    static let codeSizeMax = 49_152

    /// Bytes of keys, values and codes.
    var size: Int {
        ranges.reduce(0) { sum, range in
            range.entries.reduce(sum) { $0 + Bytes32.size + $1.value.count }
        } + codes.reduce(0) { $0 + $1.count }
    }
}

extension StateRangeAnswer: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZList<RangeContent, 128>.self, SSZList<SSZByteList<49_152>, 128>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let ranges = SSZList<RangeContent, 128>(ranges.compactMap(RangeContent.init)),
            let codes = SSZList<SSZByteList<49_152>, 128>(
                codes.compactMap { SSZByteList<49_152>($0) })
        else { preconditionFailure("an answer keeps to its limits") }
        fields.visit(ranges)
        fields.visit(codes)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        ranges = try fields.next(SSZList<RangeContent, 128>.self, in: input).elements
            .map(\.range)
        codes = try fields.next(SSZList<SSZByteList<49_152>, 128>.self, in: input).elements
            .map(\.bytes)
    }
}

/// A range as it travels.
struct RangeContent: SSZContainer {
    /// An entry as it travels: an account has 110 bytes at most, a word 33.
    struct Entry: SSZContainer {
        let entry: StateRange.Entry
        static let sszLayout = SSZLayout(Bytes32.self, SSZByteList<128>.self)

        init?(_ entry: StateRange.Entry) {
            guard entry.value.count <= 128 else { return nil }
            self.entry = entry
        }

        func sszFields(_ fields: inout some SSZFieldVisitor) {
            guard let value = SSZByteList<128>(entry.value) else {
                preconditionFailure("an entry keeps to its limit")
            }
            fields.visit(entry.key)
            fields.visit(value)
        }

        init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
            let key = try fields.next(Bytes32.self, in: input)
            let value = try fields.next(SSZByteList<128>.self, in: input).bytes
            entry = StateRange.Entry(key: key, value: value)
        }
    }

    let range: StateRange
    /// 16,384 entries of at least 33 bytes are more than an answer may have; two ways down a trie have 128 nodes.
    static let sszLayout = SSZLayout(
        SSZList<Entry, 16_384>.self, Bytes32.self, SSZList<SSZByteList<1024>, 128>.self)

    init?(_ range: StateRange) {
        guard range.entries.count <= 16_384, range.entries.allSatisfy({ $0.value.count <= 128 }),
            range.proof.count <= 128, range.proof.allSatisfy({ $0.count <= 1024 })
        else { return nil }
        self.range = range
    }

    func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let entries = SSZList<Entry, 16_384>(range.entries.compactMap(Entry.init)),
            let proof = SSZList<SSZByteList<1024>, 128>(
                range.proof.compactMap { SSZByteList<1024>($0) })
        else { preconditionFailure("a range keeps to its limits") }
        fields.visit(entries)
        fields.visit(range.last)
        fields.visit(proof)
    }

    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let entries = try fields.next(SSZList<Entry, 16_384>.self, in: input).elements
        let last = try fields.next(Bytes32.self, in: input)
        let proof = try fields.next(SSZList<SSZByteList<1024>, 128>.self, in: input).elements
        range = StateRange(
            entries: entries.map(\.entry), last: last, proof: proof.map(\.bytes))
    }
}
