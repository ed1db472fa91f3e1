import ChoraleBase
public import Curves
public import ProofSystems

/// Proofs of circuits that have a Groth16 key of their own.
///
/// Artefact: the key as snarkjs writes it, on BN254 or BLS12-381. Program: the artefact's hash, because the
/// key is the program. Proof: A, B and C uncompressed, then the public inputs, 32 bytes each.
///
/// The first six public inputs are the halves, 128 bits each and the high one first, of the statement's
/// binding, of the input and of the output commitment. The circuit has to compute the one commitment from
/// the other; the binding it only has to take.
public struct CircuitVerifier: ProofVerifier {
    /// How many public inputs the statement takes.
    public static let boundInputCount = 6

    public enum Key: Sendable {
        case bn254(Groth16Key<BN254>)
        case bls12381(Groth16Key<BLS12381>)
    }

    public init() {}

    public var type: ProofType { .groth16 }

    public var proofSizeMax: Int {
        Groth16Proof<BLS12381>.size + 32 * Groth16KeyPoints<BLS12381>.inputCountMax
    }

    public func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) -> Key {
        guard artefact.count <= SnarkJSON.sizeMax else {
            throw .size(found: artefact.count, limit: SnarkJSON.sizeMax)
        }
        do {
            let bytes = artefact.copied()
            switch try SnarkJSON.curve(ofKey: bytes) {
            case .bn254: return .bn254(try SnarkJSON.key(bytes, on: BN254.self))
            case .bls12381: return .bls12381(try SnarkJSON.key(bytes, on: BLS12381.self))
            }
        } catch {
            throw .refused("\(error)")
        }
    }

    public func verify(
        _ proof: Span<UInt8>, of statement: ProofStatement, key: Key
    ) -> ProofVerdict {
        guard statement.key.program == statement.key.artefact else {
            return .invalid(ProofFault(.program, "a program that is not the key's hash"))
        }
        return switch key {
        case .bn254(let key): verify(proof, of: statement, under: key)
        case .bls12381(let key): verify(proof, of: statement, under: key)
        }
    }

    private func verify<Curve: ProofCurve>(
        _ proof: Span<UInt8>, of statement: ProofStatement, under key: Groth16Key<Curve>
    ) -> ProofVerdict {
        let size = Groth16Proof<Curve>.size
        let expected = size + 32 * key.inputCount
        guard proof.count == expected else {
            let fault = Groth16Fault.size(found: proof.count, expected: expected)
            return .invalid(ProofFault(.size, fault))
        }
        let bound = Self.boundInputs(of: statement)
        guard key.inputCount >= Self.boundInputCount,
            proof.extracting(size..<size + bound.count).isEqual(to: bound.span)
        else { return .invalid(ProofFault(.notBound, "other first inputs than the statement's")) }
        do {
            try key.verify(
                try Groth16Proof(uncompressed: proof, at: 0),
                inputs: try Groth16Key<Curve>.inputs(proof, at: size, count: key.inputCount))
            return .valid
        } catch {
            return .invalid(ProofFault(error.reason, error))
        }
    }

    /// The first public inputs of every proof of a statement, for provers too.
    public static func boundInputs(of statement: ProofStatement) -> [UInt8] {
        let zeros = [UInt8](repeating: 0, count: 16)
        var bytes: [UInt8] = []
        for digest in [statement.binding, statement.input, statement.output] {
            bytes += zeros + digest.bytes.prefix(16) + zeros + digest.bytes.suffix(16)
        }
        return bytes
    }
}
