import ChoraleBase
import Execution
import Testing

@testable import TransactionPool

/// The pool against the same rules in their plainest form, over random inputs.
@Suite struct PoolModelTests {
    @Test(arguments: UInt64(0)..<60) func sameAsTheModel(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var limits = PoolLimits()
        limits.bytesMax = random.integer(in: 20_000...60_000)
        limits.localBytesMax = limits.bytesMax / 4
        limits.senderBytesMax = limits.bytesMax / 2
        limits.senderCountMax = 6
        limits.nonceDistanceMax = 8
        limits.lifetime = .seconds(100)
        let scene = PoolScene(limits: limits, baseFee: 50)
        var model = NaivePool(limits: limits, head: scene.pool.head)
        let senders = (0..<12).map(PoolScene.sender)
        for sender in senders {
            scene.accounts[sender] = SenderAccount(
                nonce: UInt64(random.below(3)),
                balance: UInt256(UInt64(random.integer(in: 5...200)) * 2_100_000))
        }
        var taken = 0
        for step in 0..<400 {
            switch random.below(20) {
            case 0: advance(scene, &model, senders, &random)
            case 1:
                scene.now = scene.now.advanced(by: .seconds(random.below(60)))
                model.expire(scene.now)
                scene.handle(.timeout)
            default:
                let candidate = candidate(scene, senders, &random)
                let isLocal = random.chance(1, in: 10)
                let isTaken = model.add(candidate, isLocal: isLocal, now: scene.now)
                let rejection = scene.add(candidate, isLocal: isLocal)
                #expect(
                    (rejection == nil) == isTaken, "step \(step): \(String(describing: rejection))")
                taken += isTaken ? 1 : 0
            }
            let hashes = Set(scene.pool.transactions.keys)
            let expected = Set(model.entries.map(\.hash))
            if hashes != expected {
                Issue.record(
                    "step \(step): \(scene.names), not \(expected.count): \(scene.outputs.suffix(3))"
                )
                return
            }
            let pending = Set(hashes.filter { scene.pool.isPending($0) })
            #expect(pending == model.pending, "step \(step)")
            #expect(scene.pool.bytes == model.bytes)
            if step % 10 == 0 {
                var selection = scene.pool.selection()
                var selected: [Bytes32] = []
                while let entry = selection.next() { selected.append(entry.hash) }
                #expect(selected == model.selected, "step \(step)")
            }
        }
        #expect(taken > 60)
        #expect(scene.drops.contains(.evicted) || limits.bytesMax > 30_000)
    }

    private func candidate(
        _ scene: PoolScene, _ senders: [Address], _ random: inout DeterministicRandom
    ) -> PoolCandidate {
        let sender = senders[random.below(senders.count)]
        let nonce = scene.account(sender).nonce + UInt64(max(0, random.below(9) - 3))
        let authorities = random.chance(1, in: 12) ? [senders[random.below(senders.count)]] : []
        let size = random.chance(1, in: 6) ? random.below(6000) : 0
        let maxFee = UInt64(random.integer(in: 20...400))
        return scene.candidate(
            PoolScene.transaction(
                nonce: nonce, maxFee: maxFee, tip: UInt64(1 + random.below(Int(maxFee))),
                gas: UInt64(random.integer(in: 21...60)) * 1000,
                value: UInt64(random.below(100_000)), data: [UInt8](repeating: 0, count: size),
                from: sender, authorities: authorities.count),
            from: sender, authorities: authorities)
    }

    private func advance(
        _ scene: PoolScene, _ model: inout NaivePool, _ senders: [Address],
        _ random: inout DeterministicRandom
    ) {
        var changes: [Address: SenderAccount] = [:]
        for sender in random.sample(senders, count: 5) {
            var account = scene.account(sender)
            account.nonce += UInt64(random.below(3))
            account.balance = UInt256(UInt64(random.integer(in: 0...200)) * 2_100_000)
            if random.chance(1, in: 10) { account.code = .delegation }
            if random.chance(1, in: 30) { account.code = .contract }
            changes[sender] = account
        }
        let baseFee = random.chance(1, in: 2) ? UInt64(random.integer(in: 10...150)) : nil
        let gasLimit = UInt64(random.integer(in: 55_000...70_000))
        scene.advance(changes, baseFee: baseFee, gasLimit: gasLimit)
        model.advance(changes, head: scene.pool.head)
    }
}
