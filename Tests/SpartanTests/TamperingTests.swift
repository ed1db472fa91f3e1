import ChoraleBase
import Testing

@testable import Spartan

/// Proofs that were changed on the way, and bytes that never were one.
@Suite struct TamperingTests {
    let shape: R1CS
    let input: VectorCommitment
    let output: VectorCommitment
    let proof: [UInt8]

    init() throws {
        let assignment: Assignment
        (shape, assignment) = Circuits.random(5, 3, 20, 20, seed: 4)
        input = VectorCommitment(to: assignment.inputs)
        output = VectorCommitment(to: assignment.outputs)
        proof = try Spartan.prove(
            shape: shape, assignment: assignment, binding: ProofTests.binding
        ).bytes
    }

    func fault(_ bytes: [UInt8]) -> SpartanFault? {
        do throws(SpartanFault) {
            try Spartan.verify(
                bytes.span, shape: shape, input: input, output: output,
                binding: ProofTests.binding)
            return nil
        } catch { return error }
    }

    @Test func refusesEveryChange() {
        #expect(fault(proof) == nil)
        var random = DeterministicRandom(seed: 1)
        for offset in proof.indices {
            var changed = proof
            changed[offset] ^= 1 << UInt8(random.below(8))
            #expect(fault(changed) != nil, "offset \(offset)")
        }
    }

    @Test func refusesEveryOtherSize() {
        for count in 0..<proof.count {
            #expect(
                fault(Array(proof[..<count])) == .size(count: count, expected: proof.count))
        }
        #expect(fault(proof + [0]) == .size(count: proof.count + 1, expected: proof.count))
    }

    /// Places of an encoding: the version, rows, then scalars.
    @Test func namesWhatIsNotAnEncoding() {
        var changed = proof
        changed[0] = 2
        #expect(fault(changed) == .unsupportedVersion(2))
        let layout = Layout(shape)
        let rowCounts = layout.sections.map(\.rowCount)
        let scalars = 1 + 32 * rowCounts.reduce(0, +)
        for offset in stride(from: scalars, to: proof.count, by: 32) {
            // The same scalar, but not the same bytes: the group's order more.
            changed = proof
            let more = (BigInteger(Array(proof[offset..<offset + 32])) + ScalarTests.order).bytes
            changed.replaceSubrange(offset..<offset + 32, with: more)
            #expect(fault(changed) == .invalidScalar(offset: offset))
        }
        // Rows of the statement's vectors are compared by digest before they are decoded.
        let internals = 1 + 32 * (rowCounts[0] + rowCounts[1])
        changed = proof
        changed[internals] ^= 1
        changed[internals + 31] |= 0x80
        #expect(fault(changed) != nil)
    }

    /// Elements of the transcript's order that are exchanged with each other.
    @Test func refusesExchangedElements() {
        for offset in stride(from: 1, to: proof.count - 32, by: 32) {
            var changed = proof
            for index in 0..<32 { changed.swapAt(offset + index, offset + 32 + index) }
            #expect(changed == proof || fault(changed) != nil, "offset \(offset)")
        }
    }

    @Test(arguments: UInt64(0)..<50) func refusesNoise(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var bytes = random.bytes(count: proof.count)
        bytes[0] = SpartanProof.version
        #expect(fault(bytes) != nil)
        // Scalars below the order, so that it is not the encoding that is refused.
        for offset in stride(from: 32, to: bytes.count, by: 32) { bytes[offset] &= 0x0f }
        #expect(fault(bytes) != nil)
    }

    /// Internal rows that encode nothing, in a proof that is right in everything else, need a prover that
    /// heard the challenges for those bytes: the rows are looked at even then.
    @Test func decodesEveryRow() throws {
        var prover = DishonestProver(ForgeryTests.truth, without: .internalsInTranscript)
        let evaluations = prover.honestOuter()
        prover.honestInner(prover.transcript.weights(evaluations))
        var rows = prover.matrices.map(\.rows)
        rows[2][0].storage[31] |= 0x80
        let bytes = prover.finish(evaluations, rows: rows).bytes
        let offset = 1 + 32 * (rows[0].count + rows[1].count)
        #expect(throws: SpartanFault.invalidPoint(offset: offset)) {
            try Verifier(
                shape: prover.shape, checks: Check.all.subtracting([.internalsInTranscript])
            ).verify(
                bytes.span, input: prover.input, output: prover.output,
                binding: ProofTests.binding)
        }
    }
}
