import ChoraleBase
public import ProofSystems

/// What a program's public values or journal must begin with, so that its proof is one of a statement:
/// ``ProofStatement/binding``, then the input and the output commitment.
///
/// The binding alone would do for programs that compute it themselves. With the commitments beside it a
/// program only has to check that it computes the one from the other: the binding it is given ties the
/// proof to operation, part and prover, and the commitments are compared here.
enum BoundOutput {
    /// In bytes.
    static let size = 96
    /// Largest public values or journal, in bytes.
    static let outputSizeMax = 64 << 10

    /// Nil when `output` is one of the statement.
    static func fault(_ output: Span<UInt8>, _ statement: ProofStatement) -> ProofFault? {
        guard output.count >= size else {
            return ProofFault(.notBound, "\(output.count) bytes of output, at least \(size)")
        }
        let parts = [
            ("binding", statement.binding), ("input", statement.input),
            ("output", statement.output),
        ]
        for (index, (name, expected)) in parts.enumerated() {
            let found = Bytes32(output.extracting(32 * index..<32 * index + 32))
            guard found == expected else {
                return ProofFault(.notBound, "another \(name)")
            }
        }
        return nil
    }
}

/// Proofs of SP1 programs, as Groth16 or as PLONK.
///
/// Artefact: the verifying key file. Program: the program's verifying key. Proof: the bytes that SP1's
/// contracts take, then the public values.
public struct SP1Verifier: ProofVerifier {
    public let type: ProofType
    private let releases: [SP1Release]

    public static let groth16 = SP1Verifier(
        type: .groth16SP1, releases: SP1Release.known.filter { $0.system == .groth16 })
    public static let plonk = SP1Verifier(
        type: .plonkSP1, releases: SP1Release.known.filter { $0.system == .plonk })

    init(type: ProofType, releases: [SP1Release]) {
        self.type = type
        self.releases = releases
    }

    public var proofSizeMax: Int { 4 + 96 + 864 + BoundOutput.outputSizeMax }

    public func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) -> SP1Key {
        do {
            return try SP1Key(file: artefact, releases: releases)
        } catch {
            throw .refused("\(error)")
        }
    }

    public func verify(
        _ proof: Span<UInt8>, of statement: ProofStatement, key: SP1Key
    ) -> ProofVerdict {
        guard proof.count >= key.proofSize,
            proof.count - key.proofSize <= BoundOutput.outputSizeMax
        else {
            return .invalid(
                ProofFault(.size, SP1Fault.size(found: proof.count, expected: key.proofSize)))
        }
        let publicValues = proof.extracting(key.proofSize..<proof.count)
        if let fault = BoundOutput.fault(publicValues, statement) { return .invalid(fault) }
        do {
            try key.verify(
                proof.extracting(0..<key.proofSize), publicValues: publicValues,
                program: statement.key.program)
            return .valid
        } catch {
            return .invalid(ProofFault(error.reason, error))
        }
    }
}

extension SP1Fault {
    var reason: ProofFault.Reason {
        switch self {
        case .size: .size
        case .selector, .recursionRoot: .key
        case .programNotBelowOrder, .exitCode: .program
        case .wordNotBelowOrder: .malformed
        case .groth16(let fault): fault.reason
        case .plonk(let fault): fault.reason
        }
    }
}

extension Groth16Fault {
    var reason: ProofFault.Reason {
        switch self {
        case .size: .size
        case .point, .infinity, .inputCount, .inputNotBelowOrder, .commitmentCount, .json:
            .malformed
        case .commitmentNotKnown, .equation: .check
        }
    }
}

extension PlonkFault {
    var reason: ProofFault.Reason {
        switch self {
        case .size: .size
        case .point, .valueNotBelowOrder, .inputCount, .inputNotBelowOrder, .commitmentCount:
            .malformed
        case .linearisation, .challenge, .equation: .check
        }
    }
}
