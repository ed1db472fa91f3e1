import ChoraleBase
import Conformance
import TestSupport
import Testing

@testable import Execution

@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct BlockAccessListTests {
    /// On real blocks: the last change of everything is the block's net change, everything that changed
    /// is listed, in order and once, and no slot is both read and changed.
    @Test(arguments: Fixtures.files(in: "real")) func agreesWithTheNetChanges(_ path: String) throws
    {
        let sample = try StatelessCase(path: path)
        let block = try Block(sample.block.span)
        let ancestors = try AncestorHeaders(sample.witness, parentHash: block.header.parentHash)
        let store = WitnessStore(sample.witness, CodeCache())
        func outcome(_ recordsAccess: Bool) throws -> (BlockOutcome, TrieState<WitnessStore>) {
            let state = TrieState(
                root: ancestors.parent.stateRoot, source: store, blockHashes: ancestors.hashes)
            return (
                try BlockExecution.run(
                    block, size: sample.block.count, after: ancestors.parent, sample.rules,
                    reader: state, recordsAccess: recordsAccess), state
            )
        }
        let (plain, _) = try outcome(false)
        #expect(plain.accessList == nil)
        let (recorded, before) = try outcome(true)
        #expect(recorded.changes == plain.changes)
        let list = try #require(recorded.accessList)
        let last = UInt32(block.transactions.count + 1)

        #expect(
            zip(list.accounts, list.accounts.dropFirst()).allSatisfy { $0.address < $1.address })
        var byAddress: [Address: BlockAccessList.AccountAccess] = [:]
        for account in list.accounts {
            byAddress[account.address] = account
            let indices =
                account.balanceChanges.map(\.index) + account.nonceChanges.map(\.index)
                + account.codeChanges.map(\.index)
                + account.storageChanges.flatMap { $0.changes.map(\.index) }
            #expect(indices.allSatisfy { $0 <= last })
            for slot in account.storageChanges {
                let order = slot.changes.map(\.index)
                #expect(order == Array(Set(order)).sorted())
            }
            let changed = Set(account.storageChanges.map(\.slot))
            #expect(changed.isDisjoint(with: account.storageReads))
        }
        for change in recorded.changes {
            let access = try #require(byAddress[change.address])
            if let balance = access.balanceChanges.last?.value {
                #expect(balance == change.account?.balance ?? .zero)
            }
            if let nonce = access.nonceChanges.last?.value {
                #expect(nonce == change.account?.nonce ?? 0)
            }
            let final = Dictionary(
                uniqueKeysWithValues: access.storageChanges.map {
                    ($0.slot, $0.changes.last?.value)
                })
            for slot in change.slots { #expect(final[slot.key] == slot.value) }
        }
        // What changed and is not a net change was put back.
        let net = Set(recorded.changes.map(\.address))
        for account in list.accounts where !net.contains(account.address) {
            guard let balance = account.balanceChanges.last?.value else { continue }
            #expect(try before.account(at: account.address)?.balance ?? .zero == balance)
        }
    }
}
