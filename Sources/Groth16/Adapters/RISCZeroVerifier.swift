import ChoraleBase
public import ProofSystems

/// Receipts of RISC Zero programs, as Groth16.
///
/// Artefact: ``RISCZeroKey/artefactSize`` bytes of parameters. Program: the image ID. Proof: the seal, then
/// the journal.
public struct RISCZeroVerifier: ProofVerifier {
    public init() {}

    public var type: ProofType { .groth16RISCZero }

    public var proofSizeMax: Int { RISCZeroKey.sealSize + BoundOutput.outputSizeMax }

    public func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) -> RISCZeroKey {
        do {
            return try RISCZeroKey(artefact: artefact)
        } catch {
            throw .refused("\(error)")
        }
    }

    public func verify(
        _ proof: Span<UInt8>, of statement: ProofStatement, key: RISCZeroKey
    ) -> ProofVerdict {
        guard proof.count >= RISCZeroKey.sealSize, proof.count <= proofSizeMax else {
            return .invalid(ProofFault(.size, "\(proof.count) bytes"))
        }
        let journal = proof.extracting(RISCZeroKey.sealSize..<proof.count)
        if let fault = BoundOutput.fault(journal, statement) { return .invalid(fault) }
        do {
            try key.verify(
                proof.extracting(0..<RISCZeroKey.sealSize),
                claim: RISCZeroClaim(imageID: statement.key.program, journal: journal))
            return .valid
        } catch {
            return .invalid(ProofFault(error.reason, error))
        }
    }
}

extension RISCZeroFault {
    var reason: ProofFault.Reason {
        switch self {
        case .size: .size
        case .selector: .key
        case .encoding, .pathLength: .malformed
        case .groth16(let fault): fault.reason
        }
    }
}
