import ChoraleBase
import Conformance
import Crypto
import Testing

@testable import Execution

/// What execution leaves in a witness, rule by rule, and that the witness needs all of it.
@Suite struct RecorderTests {
    typealias Call = RecordedBlock.Call

    static let contract = Address(UInt256(0xC0DE))
    static let target = Address(UInt256(0x7A46E7))
    static let absent = Address(UInt256(0xAB5E17))
    static let targetCode: [UInt8] = [0x60, 0x2A, 0x50]

    /// One transaction to a contract with this code, beside an account with code of its own.
    static func run(
        _ code: [UInt8], _ fork: Fork = .osaka, storage: [UInt256: UInt256] = [:],
        others: [Address: MemoryState.Entry] = [:], call: Call = Call()
    ) throws -> RecordedBlock {
        var entries: [Address: MemoryState.Entry] = [
            contract: .init(nonce: 1, code: code, storage: storage),
            target: .init(nonce: 1, code: targetCode),
        ]
        // Neighbours, so that the account trie has branches.
        for number in 0..<40 {
            entries[Address(UInt256(0xF00D00 + UInt64(number)))] = .init(nonce: 1)
        }
        entries.merge(others) { $1 }
        var call = call
        call.to = contract
        let block = try RecordedBlock(fork, entries, [call])
        try expectWhole(block)
        return block
    }

    /// The witness gives the roots, strictly, and without any one of its nodes and codes it does not.
    static func expectWhole(_ block: RecordedBlock) throws {
        let roots = try block.verdict().roots
        #expect(roots.stateRoot == block.stateRoot)
        #expect(roots.receiptsRoot == block.outcome.receiptsRoot)
        for index in block.witness.nodes.indices {
            var without = block.witness
            let hash = Keccak256.hash(without[without.nodes.remove(at: index)])
            #expect(block.failure(without) == .incomplete(.trie(.missing(hash))))
        }
        for index in block.witness.codes.indices {
            var without = block.witness
            let hash = Keccak256.hash(without[without.codes.remove(at: index)])
            #expect(block.failure(without) == .incomplete(.codeMissing(hash)))
        }
    }

    // MARK: Codes

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: [UInt8]
        let needsCode: Bool

        init(_ name: String, _ code: [UInt8], needsCode: Bool) {
            testDescription = name
            self.code = code
            self.needsCode = needsCode
        }
    }

    static let queries = [
        Row("CALL", Assembly.call(0xF1, target), needsCode: true),
        Row("CALLCODE", Assembly.call(0xF2, target), needsCode: true),
        Row("DELEGATECALL", Assembly.call(0xF4, target), needsCode: true),
        Row("STATICCALL", Assembly.call(0xFA, target), needsCode: true),
        Row("EXTCODESIZE", Assembly.push(target) + [0x3B, 0x50], needsCode: true),
        Row(
            "EXTCODECOPY", [0x60, 1, 0x5F, 0x5F] + Assembly.push(target) + [0x3C],
            needsCode: true),
        Row("EXTCODEHASH", Assembly.push(target) + [0x3F, 0x50], needsCode: false),
        Row("BALANCE", Assembly.push(target) + [0x31, 0x50], needsCode: false),
        Row("SELFDESTRUCT in favour of it", Assembly.push(target) + [0xFF], needsCode: false),
    ]

    @Test(arguments: queries) func codesOfOthers(_ row: Row) throws {
        for fork in [Fork.shanghai, .cancun, .prague, .osaka] {
            let block = try Self.run(row.code, fork)
            #expect(block.hasCode(row.code), "what runs is there")
            #expect(block.hasCode(Self.targetCode) == row.needsCode, "\(fork)")
            #expect(try block.path(to: Self.target).allSatisfy(block.hasNode), "\(fork)")
        }
    }

    /// CODESIZE and CODECOPY ask for what runs already; in initcode that is no code of the state.
    @Test func ownCodeIsNotAskedFor() throws {
        let initcode: [UInt8] = [0x38, 0x50, 0x60, 4, 0x5F, 0x5F, 0x39, 0x00]
        let block = try RecordedBlock(.cancun, [:], [Call(to: nil, data: initcode)])
        #expect(block.outcome.receipts[0].succeeded)
        #expect(block.witness.codes.isEmpty)
        try Self.expectWhole(block)
    }

    @Test func transfersNeedNoCode() throws {
        let block = try RecordedBlock(.cancun, [:], [Call(to: Self.absent, value: .one)])
        #expect(block.witness.codes.isEmpty)
        #expect(block.change(Self.absent)?.account?.balance == .one)
        try Self.expectWhole(block)
    }

    /// A code that the block itself made is made again.
    @Test func codeOfThisBlockIsNotRecorded() throws {
        let runtime: [UInt8] = [0x60, 9, 0x60, 3, 0x55]
        let code =
            Assembly.create2(Assembly.deploying(runtime))
            + [0x5F, 0x5F, 0x5F, 0x5F, 0x5F, 0x85, 0x5A, 0xF1, 0x50, 0x80, 0x3B, 0x50]
        let block = try Self.run(code)
        let created = try #require(block.outcome.changes.first { $0.code?.bytes == runtime })
        #expect(created.slots.map(\.value) == [UInt256(9)], "it ran")
        #expect(!block.hasCode(runtime))
        #expect(block.hasCode(code))
    }

    /// The address is looked at, its code is not.
    @Test func createAtATakenAddress() throws {
        let initcode = Assembly.deploying([0x00])
        let code = Assembly.create2(initcode)
        let taken = Address(
            Machine.address(creator: Self.contract.word, salt: .zero, Code(initcode)))
        let block = try Self.run(
            code, others: [taken: .init(nonce: 1, code: Self.targetCode)])
        #expect(block.change(taken) == nil)
        #expect(!block.hasCode(Self.targetCode))
        #expect(try block.path(to: taken).allSatisfy(block.hasNode))
    }

    /// An account that only has storage is taken too (EIP-7610): nodes of the account alone say so.
    @Test func createWhereOnlyStorageIs() throws {
        let initcode = Assembly.deploying([0x00])
        let taken = Address(
            Machine.address(creator: Self.contract.word, salt: .zero, Code(initcode)))
        let storage = Dictionary(uniqueKeysWithValues: (0..<9).map { (UInt256($0), UInt256.one) })
        let block = try Self.run(
            Assembly.create2(initcode), others: [taken: .init(nonce: 0, storage: storage)])
        #expect(block.change(taken) == nil)
        let root = try #require(
            try TrieState(
                root: block.parent.stateRoot, source: ChainStore(block.state), blockHashes: [:]
            ).account(at: taken)
        ).storageRoot
        #expect(!block.hasNode(root))
    }

    @Test func failedCreationLeavesThePathOnly() throws {
        // REVERT in the initcode, and initcode that runs out of gas.
        for initcode in [[0x5F, 0x5F, 0xFD], [0x5B, 0x5F, 0x56]] as [[UInt8]] {
            let code = Assembly.create2(initcode)
            let block = try Self.run(code)
            let address = Address(
                Machine.address(creator: Self.contract.word, salt: .zero, Code(initcode)))
            #expect(block.change(address) == nil)
            #expect(block.witness.codes.count == 2, "the contract's, and the system's")
            #expect(try block.path(to: address).allSatisfy(block.hasNode))
        }
    }

    // MARK: Delegations

    @Test func aDelegationNeedsBothCodes() throws {
        let holder = Address(UInt256(0xDE1E))
        let designator = Code.delegating(to: Self.target).bytes
        let entries = [holder: MemoryState.Entry(nonce: 1, code: designator)]
        let called = try Self.run(Assembly.call(0xF1, holder), .prague, others: entries)
        #expect(called.hasCode(designator) && called.hasCode(Self.targetCode))
        // Its size is that of the designator: nobody is followed.
        let sized = try Self.run(
            Assembly.push(holder) + [0x3B, 0x50], .prague, others: entries)
        #expect(sized.hasCode(designator) && !sized.hasCode(Self.targetCode))
        let hashed = try Self.run(
            Assembly.push(holder) + [0x3F, 0x50], .prague, others: entries)
        #expect(!hashed.hasCode(designator) && !hashed.hasCode(Self.targetCode))
    }

    /// The delegate is looked at even when the call then fails for want of balance.
    @Test func aDelegationIsFollowedBeforeTheBalance() throws {
        let holder = Address(UInt256(0xDE1E))
        let code: [UInt8] =
            [0x5F, 0x5F, 0x5F, 0x5F, 0x60, 1] + Assembly.push(holder) + [0x5A, 0xF1]
        let block = try Self.run(
            code, .prague,
            others: [holder: .init(nonce: 1, code: Code.delegating(to: Self.target).bytes)])
        #expect(block.outcome.receipts[0].succeeded)
        #expect(block.hasCode(Self.targetCode))
    }

    /// A delegation is followed once: what it leads to is run as it is.
    @Test func delegationsAreFollowedOnce() throws {
        let (first, second) = (Address(UInt256(0xDE1E)), Address(UInt256(0xDE1F)))
        let block = try Self.run(
            Assembly.call(0xF1, first), .prague,
            others: [
                first: .init(nonce: 1, code: Code.delegating(to: second).bytes),
                second: .init(nonce: 1, code: Code.delegating(to: Self.target).bytes),
            ])
        #expect(block.hasCode(Code.delegating(to: second).bytes))
        #expect(block.hasCode(Code.delegating(to: Self.target).bytes))
        #expect(!block.hasCode(Self.targetCode))
    }

    /// An authorization looks at the account of whoever signed it, and at its code.
    @Test func authoritiesAreLookedAt() throws {
        let authorization = Transaction.Authorization(
            chainID: .zero, address: Self.target, nonce: 0, yParity: 0, r: UInt256(2),
            s: UInt256(3))
        let authority = try authorization.authority()
        let block = try Self.run([0x00], call: Call(authorizations: [authorization]))
        #expect(block.change(authority)?.code?.delegate == Self.target.word)
        #expect(!block.hasCode(Self.targetCode), "nobody called it")
        let old = Code.delegating(to: Self.absent).bytes
        let again = try Self.run(
            [0x00], others: [authority: .init(nonce: 0, code: old)],
            call: Call(authorizations: [authorization]))
        #expect(again.hasCode(old), "a designator may be replaced, other code may not")
        let taken = try Self.run(
            [0x00], others: [authority: .init(nonce: 0, code: [0x5F])],
            call: Call(authorizations: [authorization]))
        #expect(taken.hasCode([0x5F]))
        #expect(taken.change(authority) == nil)
    }

    // MARK: Headers

    struct Distance: Sendable {
        let below: UInt64
        let headers: Int
    }

    @Test(arguments: [
        Distance(below: 0, headers: 1), Distance(below: 1, headers: 1),
        Distance(below: 2, headers: 2), Distance(below: 256, headers: 256),
        Distance(below: 257, headers: 1),
    ])
    func blockHashesNeedTheirHeaders(_ distance: Distance) throws {
        let code = Assembly.push(300 - distance.below) + [0x40, 0x5F, 0x55]
        let block = try Self.run(code)
        #expect(block.witness.headers.count == distance.headers)
        let isInRange = distance.below > 0 && distance.below <= 256
        #expect((block.change(Self.contract) != nil) == isInRange)
        guard distance.headers > 1 else { return }
        var without = block.witness
        without.headers.removeFirst()
        #expect(
            block.failure(without) == .incomplete(.blockHashMissing(300 - distance.below)))
    }

    // MARK: Nodes

    /// That something is not there has to be proved as well.
    @Test func absentAccountsAreProved() throws {
        for query: UInt8 in [0x31, 0x3B, 0x3F] {
            let block = try Self.run(Assembly.push(Self.absent) + [query, 0x50])
            #expect(try block.path(to: Self.absent).allSatisfy(block.hasNode))
        }
    }

    @Test func absentSlotsAreProved() throws {
        let storage = Dictionary(
            uniqueKeysWithValues: (0..<20).map { (UInt256($0), UInt256.one) })
        let block = try Self.run(Assembly.load(777), storage: storage)
        let path = try block.path(to: Self.contract, slot: UInt256(777))
        #expect(path.allSatisfy(block.hasNode))
        #expect(try path.count > block.path(to: Self.contract).count)
        #expect(block.change(Self.contract) == nil)
    }

    /// An access list warms and does not read.
    @Test func namingIsNotReading() throws {
        let storage = Dictionary(
            uniqueKeysWithValues: (0..<20).map { (UInt256($0), UInt256.one) })
        let plain = try Self.run([0x00], storage: storage)
        let named = try Self.run(
            [0x00], storage: storage,
            call: Call(accessList: [
                .init(address: Self.absent, slots: []),
                .init(address: Self.contract, slots: [UInt256(7).bytes32]),
            ]))
        #expect(named.witness.nodes.count == plain.witness.nodes.count)
        #expect(named.outcome.gasUsed > plain.outcome.gasUsed)
    }

    /// The system's contracts run in a block without transactions too.
    @Test func systemContractsAreRecorded() throws {
        let keeps: [UInt8] = [0x5F, 0x35, 0x43, 0x55]
        var entries: [Address: MemoryState.Entry] = [
            .beaconRoots: .init(nonce: 1, code: keeps),
            .blockHashHistory: .init(nonce: 1, code: [0x00] + keeps),
        ]
        for number in 0..<9 {
            entries[Address(UInt256(0xF00D00 + UInt64(number)))] = .init(nonce: 1)
        }
        let block = try RecordedBlock(.prague, entries, [])
        try Self.expectWhole(block)
        for address in [
            Address.beaconRoots, .blockHashHistory, .withdrawalRequests, .consolidationRequests,
        ] {
            #expect(try block.path(to: address).allSatisfy(block.hasNode), "\(address)")
        }
        #expect(block.hasCode(keeps) && block.hasCode([0x00] + keeps) && block.hasCode([0x00]))
        // Before Cancun there are none.
        let shanghai = try RecordedBlock(.shanghai, entries, [])
        #expect(shanghai.witness.nodes.isEmpty && shanghai.witness.codes.isEmpty)
        #expect(try shanghai.verdict().roots.stateRoot == shanghai.parent.stateRoot)
    }

    @Test func withdrawalsReadTheirAccounts() throws {
        let withdrawal = Withdrawal(
            index: 0, validatorIndex: 0, address: Self.absent, amount: 1)
        let block = try RecordedBlock(
            .cancun, [Self.target: .init(nonce: 1)], [], withdrawals: [withdrawal])
        #expect(try block.path(to: Self.absent).allSatisfy(block.hasNode))
        #expect(block.change(Self.absent)?.account?.balance == UInt256(1_000_000_000))
        try Self.expectWhole(block)
    }

    /// Of two entries in a branch one goes; the other, which nobody touched, moves up and is needed.
    @Test func siblingsThatMoveUpAreRecorded() throws {
        // Two slots whose keys differ in the first nibble: the storage is one branch of two leaves.
        func nibble(_ slot: UInt64) -> UInt8 { Keccak256.hash(UInt256(slot).bytes32.bytes)[0] >> 4 }
        let numbers: ClosedRange<UInt64> = 1...99
        let second = try #require(numbers.first { nibble($0) != nibble(0) })
        let storage = [UInt256.zero: UInt256.max, UInt256(second): UInt256.max]
        let deleted = try Self.run(Assembly.store(0, at: 0), storage: storage)
        let sibling = try deleted.path(to: Self.contract, slot: UInt256(second))
        #expect(sibling.allSatisfy(deleted.hasNode))
        // Changed instead, its sibling stays where it is.
        let changed = try Self.run(Assembly.store(5, at: 0), storage: storage)
        #expect(
            try !changed.path(to: Self.contract, slot: UInt256(second)).allSatisfy(changed.hasNode))
    }

    /// The same in the account trie, by SELFDESTRUCT as it was before Cancun.
    @Test func siblingsOfAccountsAreRecorded() throws {
        func nibble(_ address: Address, _ index: Int) -> UInt8 {
            let byte = Keccak256.hash(address.storage.span)[index / 2]
            return index.isMultiple(of: 2) ? byte >> 4 : byte & 15
        }
        // An account whose key has the contract's first two nibbles, and nobody else's has.
        let sibling = try #require(
            (1...UInt64(100_000)).lazy.map { Address(UInt256($0)) }.first {
                nibble($0, 0) == nibble(Self.contract, 0)
                    && nibble($0, 1) == nibble(Self.contract, 1)
            })
        let entries: [Address: MemoryState.Entry] = [
            Self.contract: .init(nonce: 1, code: [0x33, 0xFF]), sibling: .init(nonce: 7),
        ]
        let block = try RecordedBlock(.shanghai, entries, [Call(to: Self.contract)])
        #expect(block.change(Self.contract)?.account == nil)
        #expect(try block.path(to: sibling).allSatisfy(block.hasNode))
        try Self.expectWhole(block)
    }
}
