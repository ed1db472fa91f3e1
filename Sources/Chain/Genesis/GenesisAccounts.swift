public import ChoraleBase
import Codec
import Crypto
public import Execution

/// An account that a chain starts with.
public struct GenesisAccount: Hashable, Sendable {
    public var address: Address
    public var entry: StateStore.Entry

    public init(address: Address, _ entry: StateStore.Entry) {
        self.address = address
        self.entry = entry
    }

    /// What the account is against an empty state, its storage root included.
    public var change: AccountChange {
        let slots = entry.storage.filter { !$0.value.isZero }.sorted { $0.key < $1.key }
        return AccountChange(
            address: address, account: entry.account(), isChanged: true, isStorageCleared: true,
            slots: slots.map { .init(key: $0.key, value: $0.value) },
            code: entry.code.isEmpty ? nil : Code(entry.code))
    }
}

/// The accounts of a genesis file, read from its bytes again each time: a million of them take no
/// memory besides the file's.
///
/// A value has been read once from end to end: every account in it is well formed, and none is there
/// twice.
public struct GenesisAccounts: Sequence, Sendable {
    /// Most accounts. Each takes 40 bytes while the root is computed.
    static let countMax = 1 << 22

    /// Values of one account: its storage is at most that many words.
    private static let limits: JSONValue.Limits = {
        var limits = JSONValue.Limits()
        limits.valueCountMax = 1 << 20
        return limits
    }()

    public let count: Int
    /// Root of the state that has these accounts.
    public let stateRoot: Bytes32
    private let bytes: [UInt8]
    private let range: Range<Int>

    /// - Parameters:
    ///   - bytes: of the file.
    ///   - range: where the object of accounts by their addresses is.
    /// - Complexity: O(n log n) hashes and comparisons.
    public init(_ bytes: [UInt8], in range: Range<Int>) throws(GenesisError) {
        self.bytes = bytes
        self.range = range
        let places = try Self.places(bytes, range)
        count = places.count
        stateRoot = try Self.build(bytes, range, places) { _, _ in }
    }

    /// Calls `body` with every node of the state's tries that has a hash, children before parents.
    ///
    /// Storage tries that are alike give the same nodes again. Codes are those of the accounts.
    public func forEachNode(_ body: (Bytes32, [UInt8]) -> Void) {
        do throws(GenesisError) {
            _ = try Self.build(bytes, range, try Self.places(bytes, range), body)
        } catch {
            preconditionFailure("read before: \(error)")
        }
    }

    // MARK: Reading

    /// Where an account is, by the key that it has in the state.
    private struct Place {
        var key: Bytes32
        var start: UInt32
        var end: UInt32
    }

    /// In order of keys.
    private static func places(
        _ bytes: [UInt8], _ range: Range<Int>
    ) throws(GenesisError) -> [Place] {
        var places: [Place] = []
        let place = GenesisError.Place.member("alloc")
        var members = try GenesisError.reading(place) { () throws(JSONError) in
            try JSONMembers(bytes.span, in: range)
        }
        while let member = try GenesisError.reading(
            place, { () throws(JSONError) in try members.next(bytes.span) })
        {
            guard let address = Address(genesisText: member.name) else {
                throw GenesisError(
                    .genesis, place,
                    .value(member.name, expected: "an address of 20 bytes in hexadecimal"))
            }
            guard places.count < countMax else {
                throw GenesisError(
                    .genesis, place, .tooLarge(size: countMax + 1, limit: countMax))
            }
            places.append(
                Place(
                    key: Keccak256.hash(address.storage.span),
                    start: UInt32(member.value.lowerBound),
                    end: UInt32(member.value.upperBound)))
        }
        places.sort { $0.key < $1.key }
        for (one, next) in zip(places, places.dropFirst()) where one.key == next.key {
            throw GenesisError(.genesis, place, .accountTwice(address(next, bytes, range)))
        }
        return places
    }

    private static func build(
        _ bytes: [UInt8], _ range: Range<Int>, _ places: [Place],
        _ node: (Bytes32, [UInt8]) -> Void
    ) throws(GenesisError) -> Bytes32 {
        try TrieBuilder.build(
            count: places.count, key: { places[$0].key },
            value: { (index) throws(GenesisError) in
                let place = places[index]
                do throws(GenesisError) {
                    return try entry(bytes, Int(place.start)..<Int(place.end))
                        .account(node: node).encoded
                } catch {
                    // The address is in front of the account, and not looked for before it is needed.
                    var error = error
                    if case .member(let path) = error.place {
                        let address = address(place, bytes, range)
                        error.place = .member("alloc.\(address)\(path)")
                    }
                    throw error
                }
            }, node: node)
    }

    /// Whose account is at a place.
    private static func address(
        _ place: Place, _ bytes: [UInt8], _ range: Range<Int>
    ) -> Address {
        guard var members = try? JSONMembers(bytes.span, in: range) else { return .zero }
        while let member = try? members.next(bytes.span) {
            if member.value.lowerBound == Int(place.start) {
                return Address(genesisText: member.name) ?? .zero
            }
        }
        return .zero
    }

    private static let memberNames = ["balance", "nonce", "code", "storage"]

    /// The account in `bytes`. Errors name members behind a dot.
    private static func entry(
        _ bytes: [UInt8], _ range: Range<Int>
    ) throws(GenesisError) -> StateStore.Entry {
        let json = try GenesisError.reading(.member("")) { () throws(JSONError) in
            try JSONValue(parsing: Array(bytes[range]), limits: limits)
        }
        guard case .object(let members) = json else {
            throw GenesisError(
                .genesis, .member(""), .value(json.shortText, expected: "an object"))
        }
        var entry = StateStore.Entry()
        func refuse(_ name: String, _ value: JSONValue, _ expected: String) -> GenesisError {
            GenesisError(
                .genesis, .member(".\(name)"), .value(value.shortText, expected: expected))
        }
        guard members["balance"] != nil else {
            throw GenesisError(.genesis, .member(""), .nameMissing("balance"))
        }
        for member in members.members {
            let value = member.value
            switch member.name {
            case "balance":
                guard let balance = value.genesisWord else {
                    throw refuse(member.name, value, "a number of wei below 2^256")
                }
                entry.balance = balance
            case "nonce":
                guard let nonce = value.genesisUInt64 else {
                    throw refuse(member.name, value, "a number below 2^64")
                }
                entry.nonce = nonce
            case "code":
                guard let code = value.genesisBytes else {
                    throw refuse(member.name, value, "bytes in hexadecimal behind 0x")
                }
                entry.code = code
            case "storage":
                guard case .object(let slots) = value else {
                    throw refuse(member.name, value, "an object of words by slots")
                }
                for slot in slots.members {
                    guard let key = JSONValue.string(slot.name).genesisWord,
                        let word = slot.value.genesisWord
                    else { throw refuse("storage.\(slot.name)", slot.value, "a word in a slot") }
                    guard entry.storage.updateValue(word, forKey: key) == nil else {
                        throw refuse(
                            "storage.\(slot.name)", slot.value, "the only word of its slot")
                    }
                }
            case let name:
                throw GenesisError(
                    .genesis, .member(""), .unknownName(name, known: memberNames))
            }
        }
        return entry
    }

    // MARK: Sequence

    /// In the order of the file.
    public struct Iterator: IteratorProtocol {
        private let bytes: [UInt8]
        private var members: JSONMembers?

        fileprivate init(_ bytes: [UInt8], _ range: Range<Int>) {
            self.bytes = bytes
            members = try? JSONMembers(bytes.span, in: range)
        }

        public mutating func next() -> GenesisAccount? {
            guard var walk = members, let member = try? walk.next(bytes.span) else { return nil }
            members = walk
            guard let address = Address(genesisText: member.name),
                let entry = try? GenesisAccounts.entry(bytes, member.value)
            else { return nil }
            return GenesisAccount(address: address, entry)
        }
    }

    public func makeIterator() -> Iterator { Iterator(bytes, range) }

    public var underestimatedCount: Int { count }
}
