import ChoraleBase
package import Execution

/// A block with its witness, and what must come out of executing it from nothing else.
///
/// One JSON object: `name`, `network` or `chainId` and `fork`, `block` (RLP of the whole block),
/// `witness` with `headers`, `codes` and `state`, and `expect` with `status` and for `VALID` the roots.
package struct StatelessCase {
    package let name: String
    package let fork: String
    package let rules: ChainRules
    /// RLP of the whole block.
    package let block: [UInt8]
    package let witness: Witness
    /// nil when the block must be refused.
    package let expected: StatelessVerdict.Roots?
    /// Whether the witness does only when changes are applied updates first.
    package let updateFirstNeeded: Bool

    package init(_ fixture: FixtureValue) throws(FixtureError) {
        name = try fixture["name"].string
        let network = try fixture.optional("network")?.string
        fork = try fixture["fork"].string
        if let named = network.flatMap({ ChainRules.named($0) }) {
            rules = named
        } else {
            let chainID = try fixture["chainId"].uint64
            guard let named = Networks.rules(fork, chainID: chainID) else {
                throw try fixture["fork"].error("unknown fork `\(fork)`")
            }
            rules = named
        }
        block = try fixture["block"].bytes
        let parts = try fixture["witness"]
        func bytes(_ name: String) throws(FixtureError) -> [[UInt8]] {
            var list: [[UInt8]] = []
            for part in try parts[name].array { list.append(try part.bytes) }
            return list
        }
        witness = Witness(
            headers: try bytes("headers"), codes: try bytes("codes"), nodes: try bytes("state"))
        let expect = try fixture["expect"]
        if try expect["status"].string == "VALID" {
            expected = StatelessVerdict.Roots(
                stateRoot: try expect["stateRoot"].digest,
                receiptsRoot: try expect["receiptsRoot"].digest,
                gasUsed: try expect["gasUsed"].uint64)
        } else {
            expected = nil
        }
        updateFirstNeeded = try fixture.optional("updateFirstNeeded")?.bool ?? false
    }

    package func verdict(
        _ mode: StatelessExecution.Mode = .compatible,
        order: Trie.ChangeOrder = .updatesFirst
    ) throws(StatelessFailure) -> StatelessVerdict {
        let execution = StatelessExecution(rules: rules, mode: mode, order: order)
        return try execution.verdict(block.span, witness)
    }

    package func run() -> TestResult {
        var result = TestResult(name: name, fork: fork)
        do throws(StatelessFailure) {
            let roots = try verdict().roots
            result.stateRoot = roots.stateRoot
            result.gasUsed = roots.gasUsed
            guard let expected else {
                result.fault = "taken, although it must be refused"
                return result
            }
            if roots.stateRoot != expected.stateRoot {
                result.fault = "state root 0x\(roots.stateRoot), expected 0x\(expected.stateRoot)"
            } else if roots.receiptsRoot != expected.receiptsRoot {
                result.fault =
                    "receipts root 0x\(roots.receiptsRoot), expected 0x\(expected.receiptsRoot)"
            } else if roots.gasUsed != expected.gasUsed {
                result.fault = "gas used \(roots.gasUsed), expected \(expected.gasUsed)"
            }
        } catch {
            result.refusal = "\(error)"
            if expected != nil { result.fault = "refused: \(error)" }
        }
        return result
    }
}
