import ChoraleBase
import Conformance
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

/// Whoever says what a block gives: the executor, or something else in its place.
typealias Verifier = (Block, Witness) throws -> StatelessVerdict.Roots

/// Finds out whether somebody executes blocks or only says so.
enum VerifierCheck {
    /// What is wrong with a verifier; nil if it cannot be told from one that executes.
    ///
    /// The roots must be those of the execution whatever the block says of them, and there must be none
    /// when the block cannot be executed.
    static func fault(_ recorded: RecordedBlock, _ verifier: Verifier) -> String? {
        let expected = StatelessVerdict.Roots(
            stateRoot: recorded.stateRoot, receiptsRoot: recorded.outcome.receiptsRoot,
            gasUsed: recorded.outcome.gasUsed)
        let claims: [(String, Bytes32, Bytes32)] = [
            ("withheld roots", .zero, .zero),
            ("its own roots", expected.stateRoot, expected.receiptsRoot),
            ("other roots", Keccak256.hash([1]), Keccak256.hash([2])),
            ("the parent's root", recorded.parent.stateRoot, Trie.emptyRoot),
            ("the two roots exchanged", expected.receiptsRoot, expected.stateRoot),
        ]
        for (name, stateRoot, receiptsRoot) in claims {
            var block = recorded.block
            block.header.stateRoot = stateRoot
            block.header.receiptsRoot = receiptsRoot
            guard let found = try? verifier(block, recorded.witness) else {
                return "a proper block with \(name) is refused"
            }
            guard found == expected else { return "\(found) for a block with \(name)" }
            var without = recorded.witness
            for index in without.nodes.indices {
                without.nodes.remove(at: index)
                if (try? verifier(block, without)) != nil { return "roots without node \(index)" }
                without = recorded.witness
            }
            block.header.gasUsed += 1
            if (try? verifier(block, recorded.witness)) != nil { return "a wrong header is taken" }
        }
        return nil
    }
}

/// Everything in a witness counts: change anything, and the verdict changes.
@Suite struct MutationTests {
    // MARK: Who does not execute

    @Test func theExecutorExecutes() throws {
        let block = try HostileWitnessTests.sample()
        let fault = VerifierCheck.fault(block) {
            try block.verdict($1, block: $0).roots
        }
        #expect(fault == nil)
    }

    /// Verifiers that save themselves the work, each a little smarter than the one before.
    @Test func pretendersAreCaught() throws {
        let block = try HostileWitnessTests.sample()
        func execute(_ block: RecordedBlock, _ other: Block, _ witness: Witness) throws
            -> StatelessVerdict.Roots
        { try block.verdict(witness, .compatible, block: other).roots }
        let echo: Verifier = { claimed, _ in
            .init(
                stateRoot: claimed.header.stateRoot, receiptsRoot: claimed.header.receiptsRoot,
                gasUsed: claimed.header.gasUsed)
        }
        let echoesWhatIsThere: Verifier = { claimed, witness in
            claimed.header.stateRoot == .zero
                ? try execute(block, claimed, witness) : try echo(claimed, witness)
        }
        let echoesReceipts: Verifier = { claimed, witness in
            var roots = try execute(block, claimed, witness)
            roots.receiptsRoot = claimed.header.receiptsRoot
            return roots
        }
        let remembers: Verifier = { _, _ in
            try execute(block, block.block, block.witness)
        }
        let keepsTheParent: Verifier = { claimed, witness in
            var roots = try execute(block, claimed, witness)
            roots.stateRoot = block.parent.stateRoot
            return roots
        }
        let refuses: Verifier = { _, _ in throw StatelessFailure.witness(.noHeaders) }
        for (name, verifier) in [
            ("echo", echo), ("echo of what is there", echoesWhatIsThere),
            ("echo of receipts", echoesReceipts), ("memory", remembers),
            ("the parent's root", keepsTheParent), ("refusal", refuses),
        ] {
            #expect(VerifierCheck.fault(block, verifier) != nil, "\(name)")
        }
    }

    // MARK: One byte

    /// Every byte of every part of a small witness, one bit at a time.
    @Test func everyByteCounts() throws {
        let block = try HostileWitnessTests.sample()
        let witness = block.witness
        func failure(_ part: Range<Int>, _ offset: Int) -> StatelessFailure? {
            var changed = witness
            changed.bytes[part.lowerBound + offset] ^= 1 << UInt8(offset & 7)
            return block.failure(changed, .compatible)
        }
        for part in witness.nodes {
            let missing = StateError.trie(.missing(Keccak256.hash(witness[part])))
            for offset in 0..<part.count {
                #expect(failure(part, offset) == .incomplete(missing))
            }
        }
        for part in witness.codes {
            let missing = StateError.codeMissing(Keccak256.hash(witness[part]))
            for offset in 0..<part.count {
                #expect(failure(part, offset) == .incomplete(missing))
            }
        }
        for part in witness.headers {
            for offset in 0..<part.count {
                guard case .witness = failure(part, offset) else {
                    Issue.record("byte \(offset) of a header")
                    continue
                }
            }
        }
    }
}

@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct RealMutationTests {
    /// Entries of the real blocks' own witnesses that nothing needs.
    ///
    /// They were gathered by other programs. Their nodes: roots of storage of which no slot was asked
    /// for, with what lies below, and the empty trie. Their codes: no code, those of contracts that
    /// withdrawals pay, or that the block itself creates.
    static let extras: [String: (nodes: Int, codes: Int)] = [
        "mainnet-18884864": (0, 1), "mainnet-19426587": (4, 1), "mainnet-20852412": (0, 2),
        "hoodi-1265656": (5, 0), "mainnet-23879620": (0, 2), "mainnet-24628607": (14, 1),
        "mainnet-25134887": (3, 0),
    ]

    /// A real block, executed once, with all that can be said of its witness.
    private struct Real {
        let sample: StatelessCase
        let block: Block
        let senders: [Address]
        let verdict: StatelessVerdict
        let recorded: Witness

        init(_ path: String) throws {
            let sample = try StatelessCase(path: path)
            let block = try Block(sample.block.span)
            self.sample = sample
            self.block = block
            senders = try block.transactions.map { try $0.sender() }
            let ancestors = try AncestorHeaders(sample.witness, parentHash: block.header.parentHash)
            let state = TrieState(
                root: ancestors.parent.stateRoot,
                source: WitnessStore(sample.witness, CodeCache()), blockHashes: ancestors.hashes)
            let outcome = try BlockExecution.run(
                block, size: sample.block.count, after: ancestors.parent, sample.rules,
                reader: state, senders: senders)
            _ = try state.apply(outcome.changes)
            var encodings: [UInt64: [UInt8]] = [:]
            for part in sample.witness.headers {
                let encoding = sample.witness[part]
                encodings[try Header(encoding.span).number] = encoding
            }
            recorded = try state.witness(parent: ancestors.parent.number, ancestors: encodings)
            verdict = try sample.verdict()
        }

        func failure(
            _ witness: Witness, _ mode: StatelessExecution.Mode = .strict
        ) -> StatelessFailure? {
            do throws(StatelessFailure) {
                let execution = StatelessExecution(rules: sample.rules, mode: mode)
                _ = try execution.verdict(
                    block, size: sample.block.count, witness, senders: senders)
                return nil
            } catch {
                return error
            }
        }
    }

    /// Strict mode takes what was recorded, and names how much another program's witness has to spare.
    @Test(arguments: Fixtures.files(in: "real")) func extrasAreCounted(_ path: String) throws {
        let real = try Real(path)
        // Counted by hand for these; of others only what is recorded is known.
        let extras = Self.extras[real.sample.name]
        let witness = real.sample.witness
        if let extras {
            #expect(witness.nodes.count - real.verdict.usage.nodes == extras.nodes)
            #expect(witness.codes.count - real.verdict.usage.codes == extras.codes)
            guard case .witness(.unused(let part, let count, _)) = real.failure(witness) else {
                Issue.record("strict mode took what is not needed")
                return
            }
            #expect(part == (extras.nodes > 0 ? .nodes : .codes))
            #expect(count == (extras.nodes > 0 ? extras.nodes : extras.codes))
        }
        #expect(real.failure(real.recorded) == nil)
        #expect(real.recorded.nodes.count == real.verdict.usage.nodes)
        #expect(real.recorded.codes.count == real.verdict.usage.codes)
        #expect(real.recorded.headers.count == witness.headers.count)
    }

    /// One bit in every node and code of the smallest, and in a sample of the larger ones'.
    @Test(arguments: Fixtures.files(in: "real")) func everyPartCounts(_ path: String) throws {
        let real = try Real(path)
        var random = DeterministicRandom(seed: 8025)
        let isSmall = real.recorded.nodes.count < 600
        let parts = real.recorded.nodes.map { ($0, false) } + real.recorded.codes.map { ($0, true) }
        for (part, isCode) in parts where isSmall || random.chance(1, in: 40) {
            var changed = real.recorded
            let offset = part.lowerBound + random.below(part.count)
            changed.bytes[offset] ^= 1 << UInt8(random.below(8))
            let hash = Keccak256.hash(real.recorded[part])
            #expect(
                real.failure(changed, .compatible)
                    == .incomplete(isCode ? .codeMissing(hash) : .trie(.missing(hash))))
        }
        for part in real.recorded.headers {
            var changed = real.recorded
            changed.bytes[part.lowerBound + random.below(part.count)] ^= 0x10
            guard case .witness = real.failure(changed, .compatible) else {
                Issue.record("another header is taken")
                continue
            }
        }
    }

    /// The nodes that are not needed may be anything.
    @Test(arguments: Fixtures.files(in: "real")) func extrasMayBeAnything(_ path: String) throws {
        let real = try Real(path)
        let needed = Set(real.recorded.nodes.map { real.recorded[$0] })
        var changed = real.sample.witness
        for part in changed.nodes where !needed.contains(changed[part]) {
            changed.bytes[part.lowerBound] ^= 0xFF
        }
        #expect(real.failure(changed, .compatible) == nil)
    }
}
