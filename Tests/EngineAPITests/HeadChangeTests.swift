import ChoraleBase
import Codec
import Crypto
import Testing

@testable import EngineAPI
@testable import Execution

/// What an engine says of a new head, and what it reads of its branch.
@Suite struct HeadChangeTests {
    private final class Listener: EngineObserver {
        var inserted: [Bytes32] = []
        var removed: [Bytes32] = []
        var changes: [(dropped: [Bytes32], added: [Bytes32])] = []
        var finalized = Bytes32.zero

        func inserted(_ block: Block, _ hash: Bytes32) {
            #expect(block.header.hash == hash)
            inserted.append(hash)
        }

        func removed(_ number: UInt64, _ hash: Bytes32) { removed.append(hash) }

        func chose(
            head: Bytes32, safe: Bytes32, finalized: Bytes32, _ change: EngineHeadChange
        ) {
            self.finalized = finalized
            changes.append((change.dropped.map(\.hash), change.added.map(\.hash)))
        }
    }

    private let engine: TestEngine
    private let listener = Listener()

    init() throws {
        engine = try TestEngine()
        engine.service.observer = listener
    }

    /// Adds a chain of blocks to a parent, none of which is chosen: heads move only while they are built.
    private func chain(
        on parent: Bytes32, _ count: Int, randao: UInt64, transactions: [Transaction] = []
    ) throws -> [Bytes32] {
        var (parent, hashes) = (parent, [Bytes32]())
        for index in 0..<count {
            let made = try engine.make(
                on: parent, index == 0 ? transactions : [], randao: randao)
            #expect(try engine.take(made) == "VALID")
            hashes.append(made.hash)
            parent = made.hash
        }
        return hashes
    }

    @Test func aReorgNamesWhatGoesAndWhatComes() throws {
        let genesis = engine.genesis.hash
        let trunk = try chain(on: genesis, 2, randao: 1)
        let left = try chain(on: trunk[1], 3, randao: 2)
        let right = try chain(on: trunk[1], 1, randao: 3)
        #expect(try engine.choose(left[2]) == "VALID")
        listener.changes = []
        // To a shorter branch, back, to an ancestor, and to the same head again.
        for head in [right[0], left[2], trunk[0], trunk[0], right[0]] {
            #expect(try engine.choose(head) == "VALID")
        }
        let expected: [([Bytes32], [Bytes32])] = [
            ([left[2], left[1], left[0]], [right[0]]), ([right[0]], left),
            ([left[2], left[1], left[0], trunk[1]], []), ([], []), ([], [trunk[1], right[0]]),
        ]
        for (change, wanted) in zip(listener.changes, expected) {
            #expect(change.dropped == wanted.0)
            #expect(change.added == wanted.1)
        }
        #expect(listener.changes.count == expected.count)
    }

    @Test func finalityRemovesAndTheBranchIsReadAcrossIt() throws {
        let transaction = TestEngine.sender.transaction(0)
        let trunk = try chain(
            on: engine.genesis.hash, 2, randao: 1, transactions: [transaction])
        let left = try chain(on: trunk[0], 2, randao: 2)
        #expect(try engine.choose(trunk[1]) == "VALID")
        let hash = Keccak256.hash(transaction.encoded)
        for final in [Bytes32.zero, trunk[0], trunk[1]] {
            #expect(try engine.choose(trunk[1], finalized: final) == "VALID")
            let service = engine.service
            #expect(try service.canonicalLocation(of: hash)?.number == 1)
            #expect(try service.canonicalReceipts(at: 1)?.count == 1)
            #expect(try service.canonicalNumber(of: trunk[0]) == 1)
            // Of a branch that is not canonical.
            #expect(try service.canonicalNumber(of: left[0]) == nil)
            let state = try #require(try service.canonicalState(after: 1))
            #expect(try state.account(at: TestEngine.receiver)?.balance == UInt256(1))
            let before = try #require(try service.canonicalState(after: 0))
            #expect(try before.account(at: TestEngine.receiver) == nil)
            #expect(try service.canonicalState(after: 9) == nil)
        }
        #expect(Set(listener.removed) == Set(trunk + left))
        #expect(listener.finalized == trunk[1])
    }

    /// Another run that is given the same blocks has the same head, whatever their order among branches.
    @Test func blocksAndForkchoiceComeBack() throws {
        let trunk = try chain(on: engine.genesis.hash, 3, randao: 1)
        let left = try chain(on: trunk[0], 2, randao: 2)
        #expect(try engine.choose(left[1], safe: trunk[0]) == "VALID")
        let blocks = (trunk + left).compactMap { engine.service.state.tree[$0]?.block }
            .sorted { $0.header.number < $1.header.number }
        let again = try TestEngine()
        for block in blocks { #expect(again.service.restore(block)) }
        #expect(again.service.restore(head: left[1], safe: trunk[0], finalized: .zero))
        #expect(again.service.head == left[1])
        #expect(try again.service.safeNumber() == 1)
        // What is not there is not chosen.
        #expect(!again.service.restore(head: .zero, safe: .zero, finalized: .zero))
        #expect(again.service.head == left[1])
    }

    @Test func aBlockThatIsInvalidDoesNotComeBack() throws {
        let made = try chain(on: engine.genesis.hash, 1, randao: 1)
        var block = try #require(engine.service.state.tree[made[0]]?.block)
        block.header.stateRoot = .zero
        let again = try TestEngine()
        #expect(!again.service.restore(block))
    }
}
