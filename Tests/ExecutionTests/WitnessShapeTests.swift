import ChoraleBase
import Conformance
import Crypto
import TestSupport
import Testing

@testable import Execution

@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct WitnessShapeTests {
    @Test(arguments: Fixtures.files(in: "real")) func realWitnesses(_ path: String) throws {
        let sample = try StatelessCase(path: path)
        let block = try Block(sample.block.span)
        let subject = WitnessLint.Subject(
            block, size: sample.block.count, StatelessExecution(rules: sample.rules))
        let witness = sample.witness
        let shape = WitnessShape(witness, subject)
        // Everything is somewhere, once.
        #expect(shape.total.size == witness.size)
        #expect(
            shape.total.count
                == witness.nodes.count + witness.codes.count + witness.headers.count)
        #expect(shape.storageNodes.size == shape.accounts.reduce(0) { $0 + $1.storage.size })
        #expect(
            shape.accounts
                == shape.accounts.sorted {
                    $0.size > $1.size || ($0.size == $1.size && $0.key < $1.key)
                })
        // What was used is what the verdict counts.
        let usage = try StatelessExecution(rules: sample.rules).verdict(
            sample.block.span, witness
        ).usage
        #expect(shape.accountNodes.usedCount + shape.storageNodes.usedCount == usage.nodes)
        #expect(shape.codes.usedCount == usage.codes)
        #expect(shape.strayNodes.usedCount == 0)
        // Every transaction's sender and recipient has its name.
        let named = Set(shape.accounts.compactMap(\.address))
        for transaction in block.transactions {
            #expect(try named.contains(transaction.sender()))
        }
        for account in shape.accounts {
            if let address = account.address {
                #expect(Keccak256.hash(address.storage.span) == account.key)
            }
            #expect(account.depth > 0 && account.depth <= shape.accountDepth)
            #expect((account.storageDepth > 0) == (account.storage.count > 0))
        }
        #expect(shape.total.usedSize * 100 > shape.total.size * 99)
    }

    /// Without a block there are no names, and nothing is used.
    @Test func withoutABlock() throws {
        let witness = try WitnessLintVectors.sample().witness
        let shape = WitnessShape(witness)
        #expect(shape.total.size == witness.size && shape.total.usedSize == 0)
        #expect(shape.accounts.allSatisfy { $0.address == nil })
        #expect(shape.accountNodes.count > 100 && shape.accounts.count > 10)
        #expect(WitnessShape(Witness()).total.size == 0)
    }

    @Test func repeatedAndStrayEntries() throws {
        let witness = try WitnessLintVectors.sample().witness
        let before = WitnessShape(witness)
        var more = Witness(
            headers: witness.headers.map { witness[$0] },
            codes: witness.codes.map { witness[$0] },
            nodes: [[0xC0]] + witness.nodes.map { witness[$0] })
        more.nodes.append(more.nodes[5])
        more.codes.append(more.codes[0])
        let after = WitnessShape(more)
        #expect(after.strayNodes.count == before.strayNodes.count + 1)
        #expect(after.repeated.count == before.repeated.count + 2)
        #expect(after.accounts == before.accounts)
    }

    /// A node that two accounts share is counted once, and a hostile witness whose nodes all lead to each
    /// other's children is walked once.
    @Test func sharedNodesAreWalkedOnce() throws {
        // Each level: a branch with the level below in all its places.
        var nodes: [[UInt8]] = []
        var child = [UInt8](repeating: 7, count: 32)
        for _ in 0..<60 {
            var payload: [UInt8] = []
            for _ in 0..<16 { payload += [0xA0] + child }
            payload.append(0x80)
            let node = [0xF9, UInt8(payload.count >> 8), UInt8(payload.count & 255)] + payload
            nodes.append(node)
            child = Keccak256.hash(node).bytes
        }
        let root = try #require(Bytes32(child))
        let header = MadeChain.header(number: 1, stateRoot: root)
        let shape = WitnessShape(
            Witness(headers: [header.encoded], codes: [], nodes: nodes))
        #expect(shape.accountNodes.count == 60 && shape.accountDepth == 60)
    }
}
