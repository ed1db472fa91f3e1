import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Testing

@testable import PartVerification
@testable import Subproof

/// The parts that have rules of their own.
@Suite struct PartsTests {
    private func root(_ number: Int) -> Bytes32 { SHA256.hash([UInt8(number)]) }

    @Test func theShelfIsBoundedAndKeepsWhatIsYoung() {
        var shelf = ProofShelf(sizeMax: 1000, countMax: 4)
        var store = MemoryStore()
        for number in [3, 1, 2, 5, 4] {
            let proof = [UInt8](repeating: UInt8(number), count: 300)
            _ = store.perform(
                .write(
                    shelf.add(proof, root: root(number), height: UInt64(number)), sync: false))
        }
        #expect(shelf.size == 900 && shelf.count == 3)
        #expect([3, 4, 5].allSatisfy { shelf.has(root($0)) })
        #expect(store.count(.proof) == 6)
        // Twice is once.
        let again = shelf.add([UInt8](repeating: 5, count: 300), root: root(5), height: 9)
        #expect(again.isEmpty)
        // By number, too.
        for number in 10..<14 {
            _ = store.perform(
                .write(shelf.add([1], root: root(number), height: 10), sync: false))
        }
        #expect(shelf.count == 4 && shelf.size == 4)
        #expect(store.count(.proof) == 8)
        // Larger than everything.
        let large = shelf.add([UInt8](repeating: 0, count: 1001), root: root(77), height: 99)
        #expect(large.isEmpty)
        // Older than all, when there is no room.
        let writes = shelf.add([1], root: root(78), height: 1)
        #expect(!shelf.has(root(78)))
        _ = store.perform(.write(writes, sync: false))
        #expect(store.count(.proof) == 8)

        // What is on disk is known again.
        var second = ProofShelf(sizeMax: 1000, countMax: 4)
        guard
            case .rows(let rows, _) = store.perform(
                .scan(
                    .proof, from: ProofShelf.indexStart, to: ProofShelf.indexEnd,
                    rowCountMax: 100, sizeMax: 1 << 20))
        else { return }
        #expect(rows.count == 4)
        for row in rows {
            let (isNew, isKnown) = (second.restore(row), second.restore(row))
            #expect(isNew && isKnown)
        }
        #expect(second.count == 4 && second.size == 4)
        for row in rows {
            for count in 0..<row.key.count {
                let cut = StoreRow(key: Array(row.key.prefix(count)), value: row.value)
                let isTaken = second.restore(cut)
                #expect(!isTaken)
            }
            let isTaken = second.restore(StoreRow(key: row.key, value: [1, 2, 3]))
            #expect(!isTaken)
        }
        _ = store.perform(.write(second.forget(root(10)), sync: false))
        let forgotten = second.forget(root(10))
        #expect(forgotten.isEmpty)
        _ = store.perform(.write(second.prune(below: 11), sync: false))
        #expect(store.count(.proof) == 0 && second.size == 0)
        #expect(ProofShelf.proof(inValue: [1, 2]) == nil)
    }

    private func intent(_ number: UInt16) -> SubProofVoteContent {
        SubProofVoteContent(
            id: SubProofID(operation: root(1), part: number, proof: root(2))!,
            validatorsRoot: root(3), verdict: .valid)
    }

    private func request(_ number: UInt16) -> PartSignRequest {
        PartSignRequest(.vote(intent(number)), as: ValidatorIndex(1))
    }

    @Test func nothingIsSignedBeforeItIsWritten() {
        let (now, later) = (
            MonotonicInstant.zero, MonotonicInstant.zero.advanced(by: .seconds(1))
        )
        var gate = SignGate(rowsMax: 3)
        gate.intend(SubproofRow(height: 1, content: .voteIntent(intent(0))))
        gate.request(request(0))
        #expect(gate.nextSigning(now) == nil)
        let first = gate.nextWrite(now)
        #expect(first?.count == 1)
        // What comes meanwhile waits for the next write.
        gate.intend(SubproofRow(height: 1, content: .voteIntent(intent(1))))
        gate.request(request(1))
        #expect(gate.nextWrite(now) == nil)
        #expect(gate.nextSigning(now) == nil)
        gate.wrote(isDone: false, retryAt: later)
        #expect(gate.nextWrite(now) == nil)
        #expect(gate.nextSigning(now) == nil)
        #expect(gate.deadline == later)
        let second = gate.nextWrite(later)
        #expect(second?.count == 2)
        gate.wrote(isDone: true, retryAt: later)
        #expect(gate.nextSigning(later) == [request(0), request(1)])
        #expect(gate.nextSigning(later) == nil)
        // The signer takes one of them.
        let vote = SubProofVote(
            content: intent(0), validator: ValidatorIndex(1), scheme: .ed25519,
            signature: SignatureBytes([1])!)
        let end = later.advanced(by: .seconds(1))
        let isAll = gate.signed([.vote(vote)], retryAt: end)
        #expect(!isAll)
        #expect(gate.nextSigning(later) == nil)
        #expect(gate.deadline == end)
        #expect(gate.nextSigning(end) == [request(1)])
        // Said again without a row: it was written before.
        gate.request(request(0))
        gate.drop(root(1))
        let isOver = gate.signed([], retryAt: end)
        #expect(isOver)
        #expect(gate.nextWrite(end) == nil)
        #expect(gate.nextSigning(end) == nil)
        #expect(gate.count == 0)
        #expect(gate.deadline == nil)
    }

    @Test func aDiskThatNeverWritesShutsTheGate() {
        var gate = SignGate(rowsMax: 3)
        for number in 0..<4 {
            gate.intend(SubproofRow(height: 1, content: .voteIntent(intent(UInt16(number)))))
            gate.request(request(UInt16(number)))
        }
        #expect(gate.isShut && gate.count == 0)
        gate.request(request(9))
        #expect(gate.nextWrite(.zero) == nil)
        #expect(gate.nextSigning(.zero) == nil)
    }
}
