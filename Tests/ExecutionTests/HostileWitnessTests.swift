import ChoraleBase
import Codec
import Conformance
import Crypto
import Testing

@testable import Execution

/// Blocks and witnesses that somebody made to get another verdict, or none in any time.
@Suite struct HostileWitnessTests {
    typealias Call = RecordedBlock.Call

    static let contract = Address(UInt256(0xC0DE))

    /// A block that reads and writes storage, asks for four ancestors, and calls a precompile.
    static func sample(_ code: [UInt8] = [], gas: UInt64 = 500_000) throws -> RecordedBlock {
        let code =
            code.isEmpty
            ? Assembly.store(0, at: 3) + Assembly.store(9, at: 50) + Assembly.load(4)
                + Assembly.push(296 as UInt64) + [0x40, 0x50]
                + Assembly.call(0xFA, Address(UInt256(2))) : code
        var entries: [Address: MemoryState.Entry] = [
            contract: .init(
                nonce: 1, code: code,
                storage: Dictionary(
                    uniqueKeysWithValues: (0..<16).map { (UInt256($0), UInt256(0, 7, 7, 7)) }))
        ]
        for number in 0..<30 {
            entries[Address(UInt256(0xF00D00 + UInt64(number)))] = .init(nonce: 1)
        }
        return try RecordedBlock(.osaka, entries, [Call(to: contract, gas: gas)])
    }

    // MARK: Headers

    private static func headers(_ block: RecordedBlock) -> [[UInt8]] {
        block.witness.headers.map { block.witness[$0] }
    }

    @Test func headersInEitherOrder() throws {
        let block = try Self.sample()
        #expect(block.witness.headers.count == 4)
        let reversed = block.witness.with(headers: Self.headers(block).reversed())
        #expect(try block.verdict(reversed).roots.stateRoot == block.stateRoot)
    }

    @Test func refusesOtherHeaders() throws {
        let block = try Self.sample()
        let headers = Self.headers(block)
        func failure(_ headers: [[UInt8]]) -> StatelessFailure? {
            block.failure(block.witness.with(headers: headers), .compatible)
        }
        let parentHash = block.block.header.parentHash
        #expect(failure([]) == .witness(.noHeaders))
        #expect(failure(Array(headers.dropLast())) == .witness(.parentMissing(parentHash)))
        #expect(failure([headers[0], headers[2], headers[3]]) == .witness(.headersNotLinked(0)))
        #expect(failure([headers[3], headers[2], headers[0]]) == .witness(.headersNotLinked(1)))
        #expect(failure([headers[3], headers[3]]) == .witness(.headersNotLinked(0)))
        #expect(failure([headers[2], headers[1], headers[3]]) == .witness(.headersNotLinked(0)))
        // A gap below is no gap: what is not asked for need not be there. Asked for, it is missing.
        #expect(failure(Array(headers.dropFirst())) == .incomplete(.blockHashMissing(296)))
        // The right parent and a stranger at the other end, who has the right number.
        let (second, last) = (headers[2], headers[3])
        var stranger = try Header(second.span)
        stranger.extraData = [1]
        #expect(failure([stranger.encoded, headers[3]]) == .witness(.headersNotLinked(0)))
        // One whose hash is right and whose number is not cannot be made, except by its child.
        var child = try Header(last.span)
        child.number += 1
        var other = block.block
        other.header.parentHash = child.hash
        #expect(
            block.failure(
                block.witness.with(headers: [headers[2], child.encoded]), .compatible, block: other)
                == .witness(.headersNotLinked(0)))
    }

    @Test func refusesHeadersThatAreNone() throws {
        let block = try Self.sample()
        let headers = Self.headers(block)
        for count in 0..<headers[1].count {
            var changed = headers
            changed[1] = Array(headers[1].prefix(count))
            let failure = block.failure(block.witness.with(headers: changed), .compatible)
            guard case .witness(.header(1, _)) = failure else {
                Issue.record("cut to \(count): \(String(describing: failure))")
                continue
            }
        }
    }

    @Test func refuses257Headers() throws {
        let block = try Self.sample()
        let all = (43...299 as ClosedRange<UInt64>).compactMap { block.ancestors[$0] }
        #expect(all.count == 257)
        let error = WitnessError.tooMany(.headers, limit: 256)
        #expect(block.failure(block.witness.with(headers: all), .compatible) == .witness(error))
        let most = block.witness.with(headers: Array(all.dropFirst()))
        #expect(try block.verdict(most, .compatible).roots.stateRoot == block.stateRoot)
        let oldest = Keccak256.hash(all[1])
        #expect(
            block.failure(most) == .witness(.unused(.headers, count: 252, first: oldest)))
        let encoded = block.witness.with(headers: all)
        #expect(throws: error) { try Witness(rlp: encoded.rlp()) }
        #expect(throws: error) { try Witness(ssz: encoded.ssz) }
        #expect(throws: error) { try Witness(json: encoded.json) }
    }

    // MARK: Parts

    @Test func refusesTruncatedParts() throws {
        let block = try Self.sample()
        for (index, part) in block.witness.nodes.enumerated() {
            let node = block.witness[part]
            for count in [0, 1, node.count / 2, node.count - 1] {
                var nodes = block.witness.nodes.map { block.witness[$0] }
                nodes[index] = Array(node.prefix(count))
                #expect(
                    block.failure(block.witness.with(nodes: nodes), .compatible)
                        == .incomplete(.trie(.missing(Keccak256.hash(node)))))
            }
        }
    }

    @Test func extrasAreRefusedStrictlyAndIgnoredOtherwise() throws {
        let block = try Self.sample()
        let nodes = block.witness.nodes.map { block.witness[$0] }
        let codes = block.witness.codes.map { block.witness[$0] }
        let rubbish: [[UInt8]] = [[], [0xC0], [0xFF, 0xFF], [UInt8](repeating: 0xC1, count: 9999)]
        let offender = Keccak256.hash(rubbish[0])
        for (count, more) in (1...rubbish.count).map({ ($0, Array(rubbish.prefix($0))) }) {
            let first = block.witness.with(nodes: more + nodes)
            #expect(try block.verdict(first, .compatible).roots.stateRoot == block.stateRoot)
            #expect(
                block.failure(first) == .witness(.unused(.nodes, count: count, first: offender)))
            let second = block.witness.with(codes: codes + more)
            #expect(try block.verdict(second, .compatible).roots.stateRoot == block.stateRoot)
            #expect(
                block.failure(second) == .witness(.unused(.codes, count: count, first: offender)))
        }
        // The same twice is an extra as well.
        let twice = block.witness.with(nodes: nodes + [nodes[0]])
        let repeated = Keccak256.hash(nodes[0])
        #expect(
            block.failure(twice) == .witness(.repeated(.nodes, count: 1, first: repeated)))
        #expect(try block.verdict(twice, .compatible).roots.stateRoot == block.stateRoot)
    }

    /// Of two accounts with one storage root one is changed; the other keeps its own.
    @Test func aliasedStorage() throws {
        let storage = Dictionary(
            uniqueKeysWithValues: (0..<16).map { (UInt256($0), UInt256(0, 7, 7, 7)) })
        let (first, second) = (Address(UInt256(0xA1)), Address(UInt256(0xA2)))
        let writes = Assembly.store(0, at: 3) + Assembly.store(1, at: 4)
        // The second copies what it has in slots 3 and 4 to slot 99.
        let reads: [UInt8] = [0x60, 3, 0x54, 0x60, 4, 0x54, 0x03, 0x60, 99, 0x55]
        let block = try RecordedBlock(
            .cancun,
            [
                first: .init(nonce: 1, code: writes, storage: storage),
                second: .init(nonce: 1, code: reads, storage: storage),
            ], [Call(to: first), Call(to: second)])
        #expect(block.change(first)?.slots.count == 2)
        #expect(block.change(second) == nil, "equal words have no difference")
        #expect(try block.verdict().roots.stateRoot == block.stateRoot)
        // The root is that of a state that was changed entry by entry.
        let after = block.state
        after.apply(block.outcome.changes)
        #expect(try after.root() == block.stateRoot)
        #expect(after.entries[second]?.storage == storage)
    }

    // MARK: Absurd numbers

    @Test func refusesAbsurdGas() throws {
        let block = try Self.sample()
        func failure(_ change: (inout Block) -> Void) -> StatelessFailure? {
            var other = block.block
            change(&other)
            other.header.transactionsRoot = Trie.root(ofList: other.transactions.map(\.encoded))
            return block.failure(nil, .compatible, block: other)
        }
        let limit = StatelessExecution(rules: block.rules).gasMax
        for gas in [limit + 1, 1 << 63, .max] {
            guard
                case .rejected(.transaction(0, _)) = failure({ $0.transactions[0].gasLimit = gas })
            else {
                Issue.record("\(gas) gas in a block of 30 million is refused as such")
                continue
            }
            // Both are large: nothing is executed.
            let both = failure {
                $0.transactions[0].gasLimit = gas
                $0.header.gasLimit = gas
            }
            #expect(both == .gas(gas, limit: limit))
        }
        let twice = failure {
            $0.transactions[0].gasLimit = 1 << 63
            $0.transactions.append($0.transactions[0])
            $0.header.gasLimit = .max
        }
        #expect(twice == .gas(.max, limit: limit))
        #expect(
            failure { $0.header.gasLimit = 1 << 63 } == .rejected(.gasLimitTooHigh(1 << 63)))
        #expect(failure { $0.header.gasLimit = .max } == .rejected(.gasLimitTooHigh(.max)))
        #expect(
            failure { $0.header.gasUsed = .max }
                == .rejected(.gasUsedAboveLimit(used: .max, limit: 30_000_000)))
        #expect(
            failure { $0.header.number = .max }
                == .rejected(.number(found: .max, expected: 300)))
    }

    /// Transactions of a valid block may ask for more than the block has, all together: what counts is
    /// what can be spent.
    @Test func manyTransactionsMayAskForMuch() throws {
        let block = try RecordedBlock(
            .prague, [:],
            (0..<20).map { _ in .init(to: Address(UInt256(0xB0B)), gas: 16_000_000) })
        let asked: UInt64 = 20 * 16_000_000
        #expect(block.block.header.gasLimit == 30_000_000)
        #expect(try block.verdict(gasMax: asked - 1).roots.stateRoot == block.stateRoot)
        #expect(try block.verdict(gasMax: 30_000_000).roots.stateRoot == block.stateRoot)
        #expect(throws: StatelessFailure.gas(30_000_000, limit: 29_999_999)) {
            try block.verdict(gasMax: 29_999_999)
        }
    }

    /// Parents with any numbers, whose child says what follows from them: the rules answer.
    @Test func absurdParents() throws {
        let block = try Self.sample()
        let numbers: [UInt64] = [0, 1, 1023, 1024, 1 << 32, (1 << 63) - 1, 1 << 63, .max - 1, .max]
        for number in numbers {
            for field in 0..<6 {
                var parent = block.parent
                switch field {
                case 0: parent.gasLimit = number
                case 1: parent.gasUsed = number
                case 2: parent.excessBlobGas = number
                case 3: parent.blobGasUsed = number
                case 4: parent.timestamp = number
                default: parent.number = number
                }
                for fee in [UInt256.zero, .one, UInt256(7), .max &- .one, .max] {
                    parent.baseFeePerGas = fee
                    var other = block.block
                    other.header.parentHash = parent.hash
                    other.header.baseFeePerGas = parent.baseFeeOfNext
                    other.header.number = parent.number &+ 1
                    other.header.timestamp = parent.timestamp &+ 1
                    other.header.gasLimit = parent.gasLimit
                    other.header.excessBlobGas = parent.excessBlobGasOfNext(block.rules.epochs[0])
                    let witness = block.witness.with(headers: [parent.encoded])
                    // Some answer; what it is depends on the field.
                    _ = block.failure(witness, .compatible, block: other)
                }
            }
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: [UInt8]

        init(_ name: String, _ code: [UInt8]) {
            testDescription = name
            self.code = code
        }
    }

    private static let huge: [UInt8] = [0x5F, 0x19]
    private static func power(_ exponent: UInt8) -> [UInt8] { [0x60, 1, 0x60, exponent, 0x1B] }

    /// Every operand that is a place or a size, at every edge.
    static let absurdities: [Row] = {
        var rows: [Row] = []
        let operations: [(String, UInt8, Int)] = [
            ("MLOAD", 0x51, 1), ("MSTORE", 0x52, 2), ("MSTORE8", 0x53, 2), ("KECCAK256", 0x20, 2),
            ("CALLDATALOAD", 0x35, 1), ("CALLDATACOPY", 0x37, 3), ("CODECOPY", 0x39, 3),
            ("RETURNDATACOPY", 0x3E, 3), ("EXTCODECOPY", 0x3C, 4), ("MCOPY", 0x5E, 3),
            ("LOG0", 0xA0, 2), ("LOG4", 0xA4, 6), ("CREATE", 0xF0, 3), ("CREATE2", 0xF5, 4),
            ("CALL", 0xF1, 7), ("CALLCODE", 0xF2, 7), ("DELEGATECALL", 0xF4, 6),
            ("STATICCALL", 0xFA, 6), ("RETURN", 0xF3, 2), ("REVERT", 0xFD, 2), ("JUMP", 0x56, 1),
            ("BLOCKHASH", 0x40, 1), ("BLOBHASH", 0x49, 1), ("EXP", 0x0A, 2), ("SHL", 0x1B, 2),
            ("SIGNEXTEND", 0x0B, 2), ("BYTE", 0x1A, 2), ("SLOAD", 0x54, 1), ("TLOAD", 0x5C, 1),
        ]
        for (name, opcode, count) in operations {
            for (edge, word) in [
                ("2²⁵⁶ − 1", huge), ("2²⁵⁵", power(255)), ("2⁶⁴", power(64)),
                ("2⁶⁴ − 1", [0x67] + [UInt8](repeating: 0xFF, count: 8)), ("2⁶³", power(63)),
                ("2³²", power(32)), ("2³² − 1", [0x63] + [UInt8](repeating: 0xFF, count: 4)),
            ] {
                for place in 0...count {
                    // One of the operands is absurd, or all are.
                    let operands = (0..<count).flatMap { index in
                        place == count || index == place ? word : [0x60, 1]
                    }
                    rows.append(
                        Row("\(name) \(edge) \(place)", operands + [opcode] + [0x5B, 0x00]))
                }
            }
        }
        return rows
    }()

    /// All in one test: each is a block of its own, and there are hundreds.
    @Test func absurdOperands() throws {
        let clock = ContinuousClock()
        for row in Self.absurdities {
            let start = clock.now
            let block = try Self.sample(row.code, gas: 16_000_000)
            #expect(try block.verdict().roots.stateRoot == block.stateRoot, "\(row)")
            let time = start.duration(to: clock.now)
            // An order of magnitude: loaded machines are slow.
            #expect(time < .seconds(60), "\(row) took \(time)")
        }
    }

    /// Sizes that a precompile is told, and that only its gas bounds.
    @Test(arguments: [0, 1, 31, 64, 65, 96, 128, 192, 213, 4096])
    func absurdPrecompileInputs(_ size: UInt64) throws {
        // Ones everywhere: for MODEXP, sizes of 2²⁵⁶ − 1.
        let fill = (0..<5 as Range<UInt64>).flatMap { Self.huge + Assembly.push(32 * $0) + [0x52] }
        let calls = (1...18 as ClosedRange<UInt64>).flatMap { number in
            [0x60, 32, 0x5F] + Assembly.push(size) + [0x5F]
                + Assembly.push(number == 18 ? 0x100 : number)
                + [0x62, 0x0A, 0xAE, 0x60] + [0xFA, 0x50]
        }
        let block = try Self.sample(fill + calls, gas: 16_000_000)
        #expect(try block.verdict().roots.stateRoot == block.stateRoot)
    }

    @Test func modexpLengths() throws {
        let edges: [UInt256] = [
            .zero, .one, UInt256(1 << 32), UInt256(.max), UInt256(0, 0, 1, 0), .max,
        ]
        for fork in [Fork.cancun, .osaka] {
            for base in edges {
                for exponent in edges {
                    for modulus in edges {
                        let input =
                            base.bytes32.bytes + exponent.bytes32.bytes + modulus.bytes32.bytes
                        var output = Arena<UInt8>()
                        guard let gas = Precompile.modexp.gas(for: input.span, fork: fork),
                            gas <= 30_000_000
                        else { continue }
                        #expect(Precompile.modexp.run(input.span, into: &output))
                        #expect(output.count == (modulus.int ?? 0))
                    }
                }
            }
        }
    }
}
