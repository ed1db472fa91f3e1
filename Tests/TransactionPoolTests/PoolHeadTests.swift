import ChoraleBase
import Execution
import Testing

@testable import TransactionPool

/// What blocks and time do to the pool.
@Suite struct PoolHeadTests {
    let a = PoolScene.sender(1)
    let b = PoolScene.sender(2)
    let rich = UInt256(0, 0, 1, 0)

    @Test func whatWasIncludedGoes() {
        let scene = PoolScene()
        for nonce in 0..<4 { scene.add(a, UInt64(nonce)) }
        let first = PoolScene.transaction(nonce: 0, from: a).hash
        scene.advance([a: SenderAccount(nonce: 2, balance: rich)], included: [first])
        #expect(scene.names == ["1/2", "1/3"])
        // The other's nonce was used by a transaction from elsewhere.
        #expect(scene.drops == [.included, .nonceUsed])
        #expect(scene.pool.pendingCount == 2)
    }

    @Test func gapsClose() {
        let scene = PoolScene()
        scene.add(a, 3)
        #expect(scene.pool.pendingCount == 0)
        scene.advance([a: SenderAccount(nonce: 3, balance: rich)])
        #expect(scene.pool.pendingCount == 1)
        #expect(scene.selected() == ["1/3"])
    }

    @Test func whatCannotBePaidGoesFromTheEnd() {
        let scene = PoolScene()
        for nonce in 0..<4 { scene.add(a, UInt64(nonce)) }
        let cost: UInt64 = 21_000 * 1000
        scene.advance([a: SenderAccount(nonce: 0, balance: UInt256(2 * cost + 1))])
        #expect(scene.names == ["1/0", "1/1"])
        #expect(scene.drops == [.unfunded, .unfunded])
    }

    @Test func sendersThatBecomeContracts() {
        let scene = PoolScene()
        scene.add(a, 0)
        scene.advance([a: SenderAccount(nonce: 0, balance: rich, code: .contract)])
        #expect(scene.pool.count == 0)
        #expect(scene.drops == [.senderHasCode])
        #expect(scene.pool.bytes == 0)
    }

    @Test func rulesOfTheNextBlock() {
        let scene = PoolScene(gasLimit: 60_000_000)
        scene.add(a, 0, gas: 20_000_000)
        scene.add(a, 1, gas: 40_000_000)
        scene.advance(gasLimit: 30_000_000)
        #expect(scene.names == ["1/0"])
        // EIP-7825: at most 2²⁴ gas.
        scene.advance(fork: .osaka)
        #expect(scene.names.isEmpty)
        #expect(scene.drops == [.rules, .rules])
    }

    @Test func olderBlocksChangeNothing() {
        let scene = PoolScene()
        scene.add(a, 0)
        let head = scene.pool.head
        scene.handle(
            .advanced(
                PoolAdvance(
                    head: head, included: [],
                    accounts: [.init(address: a, nonce: 9, balance: .zero)])))
        #expect(scene.names == ["1/0"])
    }

    /// The order in which transactions are worth something is another at another base fee.
    @Test func baseFeesChangeTheOrder() {
        let scene = PoolScene(baseFee: 100)
        scene.add(a, 0, maxFee: 120, tip: 120)
        scene.add(b, 0, maxFee: 1000, tip: 15)
        #expect(scene.selected() == ["1/0", "2/0"])
        scene.advance(baseFee: 110)
        #expect(scene.selected() == ["2/0", "1/0"])
        scene.advance(baseFee: 121)
        #expect(scene.selected() == ["2/0"])
        #expect(scene.pool.ranks.lowest?.rank.tip == Tip(wei: -1))
    }

    @Test func codeOfAccountsThatDidNotChangeIt() {
        let scene = PoolScene()
        scene.accounts[a] = SenderAccount(nonce: 0, balance: rich, code: .delegation)
        scene.add(a, 0)
        var head = scene.pool.head
        head.number += 1
        scene.handle(
            .advanced(
                PoolAdvance(
                    head: head, included: [],
                    accounts: [.init(address: a, nonce: 0, balance: rich, code: nil)])))
        #expect(scene.add(a, 1) == .delegated(a))
    }

    @Test func everythingExpires() {
        let scene = PoolScene()
        scene.add(a, 0)
        scene.now = scene.now.advanced(by: .seconds(3600))
        scene.add(a, 1)
        scene.add(b, 5)
        #expect(scene.pool.nextDeadline == .zero.advanced(by: .seconds(3 * 3600)))
        scene.now = .zero.advanced(by: .seconds(3 * 3600 - 1))
        scene.handle(.timeout)
        #expect(scene.pool.count == 3)
        scene.now = .zero.advanced(by: .seconds(3 * 3600))
        scene.handle(.timeout)
        #expect(scene.names == ["1/1", "2/5"])
        // Its predecessor is gone.
        #expect(scene.pool.pendingCount == 0)
        scene.now = .zero.advanced(by: .seconds(4 * 3600))
        scene.handle(.timeout)
        #expect(scene.pool.count == 0)
        #expect(scene.pool.nextDeadline == nil)
        #expect(scene.drops == [.expired, .expired, .expired])
    }

    @Test func updatesFromExecution() throws {
        let code = Code([0xEF, 0x01, 0x00] + [UInt8](repeating: 1, count: 20))
        var account = Account(nonce: 4, balance: .one)
        account.codeHash = Account.emptyCodeHashBytes
        var change = AccountChange(
            address: a, account: account, isChanged: true, isStorageCleared: false, slots: [])
        #expect(PoolAdvance.AccountUpdate(change).code == Account.CodeKind.none)
        change.account?.codeHash = .zero
        #expect(PoolAdvance.AccountUpdate(change).code == nil)
        change.code = code
        #expect(
            PoolAdvance.AccountUpdate(change)
                == .init(address: a, nonce: 4, balance: .one, code: .delegation))
        change.account = nil
        change.code = nil
        #expect(
            PoolAdvance.AccountUpdate(change)
                == .init(address: a, nonce: 0, balance: .zero, code: Account.CodeKind.none))
    }
}

/// The order in which a proposer gets them.
@Suite struct PoolSelectionTests {
    @Test func byTipThenArrivalAndInOrderOfNonces() {
        let scene = PoolScene()
        let senders = (0..<4).map(PoolScene.sender)
        scene.add(senders[0], 0, tip: 5)
        scene.add(senders[0], 1, tip: 50)
        scene.add(senders[1], 0, tip: 10)
        scene.add(senders[2], 0, tip: 10)
        scene.add(senders[2], 1, tip: 60)
        scene.add(senders[3], 1, tip: 99)
        #expect(scene.selected() == ["1/0", "2/0", "2/1", "0/0", "0/1"])
    }

    @Test func skippingASender() {
        let scene = PoolScene()
        for nonce in 0..<3 { scene.add(PoolScene.sender(1), UInt64(nonce), tip: 20) }
        scene.add(PoolScene.sender(2), 0, tip: 10)
        var selection = scene.pool.selection()
        #expect(selection.next().map(PoolScene.name) == "1/0")
        #expect(selection.next().map(PoolScene.name) == "1/1")
        selection.skipSender()
        #expect(selection.next().map(PoolScene.name) == "2/0")
        #expect(selection.next() == nil)
        #expect(selection.next() == nil)
    }

    @Test func whatDoesNotPayTheBaseFeeStopsItsSender() {
        let scene = PoolScene()
        scene.add(PoolScene.sender(1), 0, maxFee: 99)
        scene.add(PoolScene.sender(1), 1, maxFee: 5000, tip: 100)
        scene.add(PoolScene.sender(2), 0, maxFee: 100)
        #expect(scene.selected() == ["2/0"])
        #expect(scene.selected(baseFee: 99) == ["2/0", "1/0", "1/1"])
    }

    /// A selection is of its moment.
    @Test func laterInputsDoNotTouchIt() {
        let scene = PoolScene()
        scene.add(PoolScene.sender(1), 0)
        scene.add(PoolScene.sender(1), 1)
        var selection = scene.pool.selection()
        scene.advance([
            PoolScene.sender(1): SenderAccount(nonce: 2, balance: UInt256(0, 0, 1, 0))
        ])
        #expect(scene.pool.count == 0)
        #expect(selection.next().map(PoolScene.name) == "1/0")
        #expect(selection.next().map(PoolScene.name) == "1/1")
        #expect(selection.next() == nil)
    }
}
