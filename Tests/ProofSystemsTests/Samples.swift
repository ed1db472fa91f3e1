import ChoraleBase
import Codec
import Crypto
import ProofSystems

func digest(_ text: String) -> Bytes32 { SHA256.hash([UInt8](text.utf8)) }

/// A system whose proof is the statement's binding signed by nobody: real enough to see what the
/// registry does, and to verify nothing but the binding.
struct EchoVerifier: ProofVerifier {
    let type: ProofType
    var proofSizeMax: Int { 64 }

    func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) -> [UInt8] {
        guard artefact.count != 3 else { throw .refused("three bytes") }
        return artefact.copied()
    }

    func verify(
        _ proof: Span<UInt8>, of statement: ProofStatement, key: [UInt8]
    ) -> ProofVerdict {
        proof.copied() == statement.binding.bytes + key.prefix(4)
            ? .valid : .invalid(ProofFault(.notBound, "another statement"))
    }
}

func samplePlan(operation: String = "operation", parts: Int = 4) -> SplitPlan {
    let key = VerifierKey(type: .spartan, program: digest("program"))
    return try! SplitPlan(
        operation: digest(operation),
        parts: (0..<parts).map {
            .init(key: key, input: digest("state \($0)"), output: digest("state \($0 + 1)"))
        })
}

func sampleSubProofs(_ plan: SplitPlan) -> [SubProof] {
    plan.parts.indices.map {
        SubProof(plan: plan, part: $0, prover: digest("prover"), proof: [UInt8($0)])!
    }
}
