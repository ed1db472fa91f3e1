import ChoraleBase
import Execution
import Testing

@testable import TransactionPool

/// Each rule of taking a transaction in.
@Suite struct PoolRuleTests {
    let a = PoolScene.sender(1)
    let b = PoolScene.sender(2)

    @Test func pendingIsWhatFollowsTheAccount() {
        let scene = PoolScene()
        #expect(scene.add(a, 0) == nil)
        #expect(scene.add(a, 2) == nil)
        #expect(scene.pool.pendingCount == 1)
        #expect(scene.pool.queuedCount == 1)
        #expect(scene.pool.pendingNonce(of: a) == 1)
        #expect(scene.pool.pendingNonce(of: b) == nil)
        // The gap closes.
        #expect(scene.add(a, 1) == nil)
        #expect(scene.pool.pendingCount == 3)
        #expect(scene.pool.pendingNonce(of: a) == 3)
        #expect(scene.selected() == ["1/0", "1/1", "1/2"])
        let hash = PoolScene.transaction(nonce: 2, from: a).hash
        let isPending = scene.pool.isPending(hash)
        #expect(isPending)
        #expect(scene.pool.transaction(hash)?.nonce == 2)
    }

    @Test func acceptanceSaysWhetherItCouldRun() {
        let scene = PoolScene()
        scene.add(a, 1)
        scene.add(a, 0)
        let hashes = [1, 0].map { PoolScene.transaction(nonce: $0, from: a).hash }
        #expect(
            scene.outputs == [
                .accepted(hashes[0], isPending: false, replaced: nil),
                .accepted(hashes[1], isPending: true, replaced: nil),
            ])
    }

    @Test func nonces() {
        let scene = PoolScene()
        scene.accounts[a] = SenderAccount(nonce: 5, balance: UInt256(0, 0, 1, 0))
        #expect(scene.add(a, 4) == .nonceTooLow(4, account: 5))
        #expect(scene.add(a, 69) == nil)
        #expect(scene.add(a, 70) == .nonceTooFar(70, account: 5, distanceMax: 64))
        #expect(scene.add(a, 5) == nil)
        #expect(scene.add(a, 5) == .known)
    }

    @Test func fundsOfOneAndOfAll() {
        let scene = PoolScene()
        let cost: UInt64 = 21_000 * 1000 + 7
        scene.accounts[a] = SenderAccount(nonce: 0, balance: UInt256(2 * cost))
        #expect(scene.add(a, 0, value: 7) == nil)
        // What is behind a gap counts as well.
        #expect(scene.add(a, 2, value: 7) == nil)
        #expect(
            scene.add(a, 1, value: 7)
                == .fundsTogether(
                    needed: UInt256(3 * cost), balance: UInt256(2 * cost), count: 2))
        scene.accounts[b] = SenderAccount(nonce: 0, balance: UInt256(cost - 1))
        #expect(
            scene.add(b, 0, value: 7)
                == .funds(needed: UInt256(cost), balance: UInt256(cost - 1)))
    }

    /// A replacement that would cost so much that what follows is not covered is no replacement: it would
    /// be a way to empty the pool.
    @Test func replacementsCannotOverdraw() {
        let scene = PoolScene()
        let cost: UInt64 = 21_000 * 1000
        scene.accounts[a] = SenderAccount(nonce: 0, balance: UInt256(4 * cost))
        #expect(scene.add(a, 0) == nil)
        #expect(scene.add(a, 1) == nil)
        let found = scene.add(a, 0, maxFee: 1100, tip: 11, value: 2 * cost)
        guard case .fundsTogether(_, let balance, 1) = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(balance == UInt256(4 * cost))
        #expect(scene.names == ["1/0", "1/1"])
    }

    struct Bump: CustomTestStringConvertible, Sendable {
        var maxFee: UInt64
        var tip: UInt64
        var isTaken: Bool
        var testDescription: String { "\(maxFee) and \(tip)" }
    }

    @Test(arguments: [
        Bump(maxFee: 1100, tip: 110, isTaken: true), Bump(maxFee: 1099, tip: 110, isTaken: false),
        Bump(maxFee: 1100, tip: 109, isTaken: false), Bump(maxFee: 5000, tip: 100, isTaken: false),
        Bump(maxFee: 1000, tip: 1000, isTaken: false), Bump(maxFee: 2000, tip: 200, isTaken: true),
    ]) func replacementsRaiseBothFees(_ bump: Bump) {
        let scene = PoolScene()
        scene.add(a, 0, maxFee: 1000, tip: 100)
        let old = PoolScene.transaction(nonce: 0, maxFee: 1000, tip: 100, from: a).hash
        let found = scene.add(a, 0, maxFee: bump.maxFee, tip: bump.tip)
        if bump.isTaken {
            #expect(found == nil)
            #expect(scene.pool.transaction(old) == nil)
            #expect(scene.drops == [.replaced])
        } else {
            #expect(
                found
                    == .replacement(
                        .init(
                            maxFee: UInt256(bump.maxFee), maxFeeNeeded: UInt256(1100),
                            tip: UInt256(bump.tip), tipNeeded: UInt256(110))))
            #expect(scene.pool.transaction(old) != nil)
        }
        #expect(scene.pool.count == 1)
    }

    /// Ten percent of little is nothing; something is still asked for.
    @Test func replacementsOfSmallFees() {
        let scene = PoolScene()
        scene.add(a, 0, maxFee: 5, tip: 5)
        #expect(scene.add(a, 0, maxFee: 5, tip: 5, value: 1)?.reason == .replacement)
        #expect(scene.add(a, 0, maxFee: 6, tip: 6) == nil)
    }

    @Test func countsAndBytesOfOneSender() {
        var limits = PoolLimits()
        limits.senderCountMax = 3
        limits.senderBytesMax = 10_000
        let scene = PoolScene(limits: limits)
        for nonce in 0..<3 { #expect(scene.add(a, UInt64(nonce)) == nil) }
        #expect(scene.add(a, 3) == .senderFull(count: 3, limit: 3))
        // Replacing is not one more.
        #expect(scene.add(a, 2, maxFee: 2000, tip: 20) == nil)
        #expect(scene.add(b, 0, gas: 500_000, data: [UInt8](repeating: 1, count: 6000)) == nil)
        let found = scene.add(b, 1, gas: 500_000, data: [UInt8](repeating: 1, count: 6000))
        #expect(found?.reason == .senderBytes)
    }

    @Test func gasAboveTheBlock() {
        let scene = PoolScene(gasLimit: 100_000)
        #expect(scene.add(a, 0, gas: 100_000) == nil)
        #expect(scene.add(a, 1, gas: 100_001) == .gasAboveBlock(limit: 100_001, block: 100_000))
    }

    @Test func sendersWithCode() {
        let scene = PoolScene()
        scene.accounts[a] = SenderAccount(
            nonce: 0, balance: UInt256(0, 0, 1, 0), code: .contract)
        #expect(scene.add(a, 0) == .senderHasCode(a))
    }

    // MARK: Delegations

    @Test func delegatedAccountsHaveOneInFlight() {
        let scene = PoolScene()
        scene.accounts[a] = SenderAccount(
            nonce: 3, balance: UInt256(0, 0, 1, 0), code: .delegation)
        #expect(scene.add(a, 4) == .delegatedGap(4, account: 3))
        #expect(scene.add(a, 3) == nil)
        #expect(scene.add(a, 4) == .delegated(a))
        // It can still be replaced.
        #expect(scene.add(a, 3, maxFee: 2000, tip: 20) == nil)
        #expect(scene.pool.count == 1)
    }

    @Test func authoritiesAreReserved() {
        let scene = PoolScene()
        #expect(scene.add(b, 0, gas: 100_000, authorities: [a]) == nil)
        // As if it were delegated already.
        #expect(scene.add(a, 1) == .delegatedGap(1, account: 0))
        #expect(scene.add(a, 0) == nil)
        #expect(scene.add(a, 1) == .delegated(a))
        // When that transaction is gone, so is the reservation.
        scene.advance(
            [b: SenderAccount(nonce: 1, balance: UInt256(0, 0, 1, 0))])
        #expect(scene.add(a, 1) == nil)
    }

    @Test func authoritiesWithSeveralWaiting() {
        let scene = PoolScene()
        scene.add(a, 0)
        scene.add(a, 1)
        #expect(
            scene.add(b, 0, gas: 100_000, authorities: [a]) == .authorityReserved(a, count: 2))
        // Whoever authorises itself has its own transaction waiting.
        #expect(scene.add(b, 0, gas: 100_000, authorities: [b]) == nil)
    }

    // MARK: How old the account is

    @Test func accountsAreBroughtUpToDate() {
        let scene = PoolScene()
        let before = scene.account(a)
        scene.advance([a: SenderAccount(nonce: 2, balance: UInt256(0, 0, 1, 0))])
        // Read before the block, and the nonce was used in it.
        #expect(scene.add(a, 0, readAt: 10, account: before) == .nonceTooLow(0, account: 2))
        #expect(scene.add(a, 2, readAt: 10, account: before) == nil)
        #expect(scene.pool.pendingCount == 1)
    }

    @Test func olderAccountsAreStale() {
        var limits = PoolLimits()
        limits.headLagMax = 3
        let scene = PoolScene(limits: limits)
        for _ in 0..<3 { scene.advance() }
        #expect(scene.add(a, 0, readAt: 10) == nil)
        scene.advance()
        #expect(scene.add(b, 0, readAt: 10) == .stale(readAt: 10, head: 14))
        // A worker that is ahead of the pool.
        #expect(scene.add(b, 0, readAt: 15) == nil)
    }
}
