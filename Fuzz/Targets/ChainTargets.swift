import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Execution
import Operations

extension FuzzTarget {
    static let chainTargets: [FuzzTarget] = [
        FuzzTarget(
            "ssz-chain",
            "what chains send and keep: messages, blocks with bodies and items, heads, ranges; canonical SSZ",
            seeds: {
                let status = ChainStatus(height: 9, blockID: .zero, earliest: 1)
                let renewal = ExecutorStatement.renewal(
                    LeaseRenewal(
                        content: must(
                            LeaseRenewalContent(operation: .zero, executor: .zero, progress: 7)),
                        signature: ExecutorSignature(
                            scheme: .ed25519,
                            bytes: must(SignatureBytes([UInt8](repeating: 1, count: 64))))))
                let vote = CommitteeVote(
                    content: CommitteeVoteContent(
                        operation: .zero, commitment: .zero, validatorsRoot: .zero,
                        outputHash: .zero),
                    validator: ValidatorIndex(0), scheme: .ed25519,
                    signature: must(SignatureBytes([UInt8](repeating: 1, count: 64))))
                var signers = must(ValidatorBits(count: 4))
                signers[0] = true
                let claim = must(
                    VoteOnProof(
                        vote: SubProofVote(
                            content: SubProofVoteContent(
                                id: must(SubProofID(operation: .zero, part: 0, proof: .zero)),
                                validatorsRoot: .zero, verdict: .valid),
                            validator: ValidatorIndex(0), scheme: .ed25519,
                            signature: must(SignatureBytes([UInt8](repeating: 1, count: 64)))),
                        proofType: 64, proofSize: 1))
                let evidence = SubProofEvidence.falseVerdict(FalseVerdictEvidence(claim))
                let fastPath = must(
                    FastPathCertificate(
                        content: vote.content, tranche: .first, scheme: .ed25519,
                        signers: signers, signatures: [vote.signature]))
                return [
                    [0] + ChainMessage.status(status).sszEncoded(),
                    [5] + BlockRangeRequest(first: 3, count: 32).sszEncoded(),
                    [6, 0, 1], [6, 0, 2],
                    [8] + (BuiltPayload(payload: [0xC0], witness: [0, 1])?.sszEncoded() ?? []),
                    [9] + renewal.sszEncoded(),
                    [10, 1] + renewal.sszEncoded().dropFirst(), [10, 255],
                    [10, 4] + evidence.sszEncoded(), [10, 5] + fastPath.sszEncoded(),
                    [10, 6] + vote.sszEncoded(),
                ]
            }, run: sszChain),
        FuzzTarget(
            "chain-sequence",
            "a chain, what others say, send and ask, and answers in any order: each question is answered "
                + "once, nothing leaves unsigned, heights ascend, all that is held is bounded",
            sizeMax: 2048, seeds: { ChainSequence.seeds },
            run: { input, findings in
                var sequence = ChainSequence(input)
                sequence.run(&findings)
            }),
    ]

    private static func sszChain(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        switch (input.first ?? 0) % 11 {
        case 0: canonical(ChainMessage.self, bytes, &findings, "message")
        case 1: canonical(BlockContents.self, bytes, &findings, "contents")
        case 2: canonical(ProposedBlock.self, bytes, &findings, "proposed")
        case 3: canonical(CommittedBlock.self, bytes, &findings, "committed")
        case 4: canonical(ChainHead.self, bytes, &findings, "head")
        case 5: canonical(BlockRangeRequest.self, bytes, &findings, "range")
        case 6: witnessBody(bytes, &findings)
        case 7: canonical(PayloadOrder.self, bytes, &findings, "order")
        case 8: canonical(BuiltPayload.self, bytes, &findings, "payload")
        case 9: canonical(ExecutorStatement.self, bytes, &findings, "statement")
        default: item(bytes, &findings)
        }
    }

    /// What a block says of operations: an item that is read is written as it was.
    private static func item(_ bytes: [UInt8], _ findings: inout Findings) {
        guard let kind = bytes.first,
            let item = BlockItem(kind: kind, content: Array(bytes.dropFirst()))
        else { return }
        do throws(ItemFault) {
            let read = try ChainItem(item)
            require(read.blockItem == item, "two encodings of one item")
            findings.note("item", "kind \(kind)")
        } catch {
            findings.note("item", "refused")
        }
    }

    /// A witness that is read is written as something that reads the same.
    private static func witnessBody(_ bytes: [UInt8], _ findings: inout Findings) {
        do throws(WitnessBody.DecodingError) {
            let witness = try WitnessBody.decode(bytes, sizeMax: 1 << 20)
            let encoded = WitnessBody.encode(witness)
            let again = try WitnessBody.decode(encoded, sizeMax: 2 << 20)
            require(WitnessBody.encode(again) == encoded, "two encodings of one witness")
            findings.note("witness", "valid")
        } catch {
            findings.note("witness", "refused")
        }
    }
}
