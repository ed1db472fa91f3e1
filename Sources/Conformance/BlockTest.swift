import ChoraleBase
import Crypto
package import Execution

/// A test of a chain of blocks, good and bad, from a first state.
///
/// Specification: ethereum/execution-spec-tests, "Blockchain Tests"; the older collection's have the
/// same form.
package struct BlockTest {
    package let name: String
    private let fixture: FixtureValue

    package init(name: String, _ fixture: FixtureValue) {
        self.name = name
        // Places are named from the test on.
        self.fixture = FixtureValue(fixture.json)
    }

    package func run(_ options: TestOptions = TestOptions()) -> TestResult {
        run(options) { $0 }
    }

    /// - Parameter place: puts the first state where the states of the chain shall be.
    package func run<Store: BlockTestStore>(
        _ options: TestOptions, on place: (StateStore) throws -> Store
    ) -> TestResult {
        var result = TestResult(name: name, fork: "")
        do throws(FixtureError) {
            result.fork = try fixture["network"].string
            result.fault = try fault(options, place, &result)
        } catch {
            result.fault = "\(error)"
        }
        return result
    }

    private func fault<Store: BlockTestStore>(
        _ options: TestOptions, _ place: (StateStore) throws -> Store, _ result: inout TestResult
    ) throws(FixtureError) -> String? {
        let chainID = try fixture.optional("config")?["chainid"].uint64 ?? 1
        guard let rules = Networks.rules(result.fork, chainID: chainID) else {
            return "unknown network `\(result.fork)`"
        }
        let state = try MemoryState(fixture["pre"])
        let chain: TestChain<Store>
        do {
            chain = try TestChain(
                state, genesis: try fixture["genesisRLP"].bytes, rules, options, place)
        } catch let error as FixtureError {
            throw error
        } catch {
            return "genesis: \(error)"
        }
        for (index, block) in try fixture["blocks"].array.enumerated() {
            if let fault = try fault(block, chain, options, &result) {
                return "block \(index + 1): \(fault)"
            }
        }
        result.stateRoot = chain.head.stateRoot
        guard try chain.head.hash == fixture["lastblockhash"].digest else {
            return "last block 0x\(chain.head.hash), expected "
                + (try fixture["lastblockhash"].string)
        }
        return nil
    }

    private func fault(
        _ block: FixtureValue, _ chain: TestChain<some BlockTestStore>, _ options: TestOptions,
        _ result: inout TestResult
    ) throws(FixtureError) -> String? {
        let exception = try block.optional("expectException")?.string
        let bytes = try block["rlp"].bytes
        do {
            let outcome = try chain.append(bytes)
            result.gasUsed = (result.gasUsed ?? 0) &+ outcome.gasUsed
            return exception.map { "taken, although it must be refused: \($0)" }
        } catch BlockFailure.state(let error) {
            // The whole state is here: not to find something is never the block's fault.
            return "the state did not answer: \(error)"
        } catch let error as StateError {
            return "the state did not answer: \(error)"
        } catch ChainFault.replay(let text), ChainFault.store(let text) {
            return text
        } catch {
            result.refusal = "\(error)"
            guard let exception else { return "refused: \(error)" }
            if options.checksReasons, !ExpectedException.matches(exception, error) {
                return "refused for another reason than \(exception): \(error)"
            }
            return nil
        }
    }
}

/// Where the states of a chain are: all that are not pruned.
package protocol BlockTestStore: TrieNodeSource, CodeSource {
    /// Puts the state after a block in.
    ///
    /// - Parameters:
    ///   - state: after the block's changes were applied, which gave the header's root.
    ///   - header: the block's.
    mutating func insert(
        _ state: TrieState<Self>, _ changes: [AccountChange], header: Header
    ) throws
}

extension StateStore: BlockTestStore {
    package mutating func insert(
        _ state: TrieState<StateStore>, _ changes: [AccountChange], header: Header
    ) {
        insert(state, changes, root: header.stateRoot)
    }
}

enum ChainFault: Error, CustomStringConvertible {
    case unknownParent(Bytes32)
    case genesisRoot(found: Bytes32, expected: Bytes32)
    /// The block was executed rightly, and from its recorded witness otherwise.
    case replay(String)
    /// The state after it could not be kept.
    case store(String)

    var description: String {
        switch self {
        case .unknownParent(let hash): "its parent 0x\(hash) is unknown"
        case .genesisRoot(let found, let expected):
            "state root 0x\(found), and 0x\(expected) for the accounts of `pre`"
        case .replay(let text), .store(let text): text
        }
    }
}

/// A chain of executed blocks whose states are kept as trie nodes.
final class TestChain<Store: BlockTestStore> {
    private let rules: ChainRules
    private let options: TestOptions
    private var store: Store
    private var headers: [Bytes32: Header] = [:]
    private(set) var head: Header

    init(
        _ state: MemoryState, genesis: [UInt8], _ rules: ChainRules, _ options: TestOptions,
        _ place: (StateStore) throws -> Store
    ) throws {
        self.rules = rules
        self.options = options
        let first = try StateStore(state.entries)
        head = try Block(genesis.span).header
        headers[head.hash] = head
        guard first.root == head.stateRoot else {
            throw ChainFault.genesisRoot(found: head.stateRoot, expected: first.root)
        }
        store = try place(first)
    }

    func append(_ bytes: [UInt8]) throws -> BlockOutcome {
        let block = try Block(bytes.span)
        guard let parent = headers[block.header.parentHash] else {
            throw ChainFault.unknownParent(block.header.parentHash)
        }
        var ancestors: [UInt64: Header] = [:]
        var ancestor: Header? = parent
        while let header = ancestor, ancestors.count < 256 {
            ancestors[header.number] = header
            ancestor = headers[header.parentHash]
        }
        let state = TrieState(
            root: parent.stateRoot, source: store, blockHashes: ancestors.mapValues(\.hash))
        let outcome = try BlockExecution.run(
            block, size: bytes.count, after: parent, rules, reader: state, trace: options.trace)
        let root = try state.apply(outcome.changes)
        guard root == block.header.stateRoot else {
            throw BlockRejection.stateRoot(found: block.header.stateRoot, expected: root)
        }
        guard outcome.receiptsRoot == block.header.receiptsRoot else {
            throw BlockRejection.receiptsRoot(
                found: block.header.receiptsRoot, expected: outcome.receiptsRoot)
        }
        if options.replaysWitnesses {
            do {
                let witness = try state.witness(
                    parent: parent.number, ancestors: ancestors.mapValues(\.encoded))
                options.witnesses?(witness)
                try replay(block, size: bytes.count, witness, outcome)
            } catch let fault as ChainFault {
                throw fault
            } catch {
                throw ChainFault.replay("its recorded witness does not do: \(error)")
            }
        }
        do {
            try store.insert(state, outcome.changes, header: block.header)
        } catch {
            throw ChainFault.store("the state after it was not kept: \(error)")
        }
        headers[block.header.hash] = block.header
        if block.header.number > head.number { head = block.header }
        return outcome
    }

    /// Executes the block again from nothing but its recorded witness, strictly: the witness is
    /// complete, and nothing in it is without use.
    private func replay(
        _ block: Block, size: Int, _ witness: Witness, _ outcome: BlockOutcome
    ) throws {
        var withheld = block
        withheld.header.stateRoot = .zero
        withheld.header.receiptsRoot = .zero
        let execution = StatelessExecution(rules: rules, mode: .strict, gasMax: .max)
        let roots = try execution.verdict(withheld, size: size, witness).roots
        guard roots.stateRoot == block.header.stateRoot,
            roots.receiptsRoot == outcome.receiptsRoot, roots.gasUsed == outcome.gasUsed
        else {
            throw ChainFault.replay(
                "other roots from its recorded witness: 0x\(roots.stateRoot) and "
                    + "0x\(roots.receiptsRoot)")
        }
    }
}
