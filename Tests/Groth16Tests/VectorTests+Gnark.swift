import ChoraleBase
import Curves
import Groth16
import TestSupport
import Testing

/// gnark's proofs on BLS12-381: Groth16 with a commitment, and PLONK.
extension ProofVectors {
    private func gnarkKey(_ file: String) throws -> Groth16Key<BLS12381> {
        let document = try Vectors.json("\(Self.folder)/bls12381/\(file)")
        func first(_ value: JSON) throws -> BLS12381.Point1 {
            let bytes = try value.hex
            return try BLS12381.Point1(compressed: bytes.span, at: 0)
        }
        func second(_ value: JSON) throws -> BLS12381.Point2 {
            let bytes = try value.hex
            return try BLS12381.Point2(compressed: bytes.span, at: 0)
        }
        let commitments = try document["commitment_keys"].array
        let committed = try document["public_and_commitment_committed"].array
        #expect(commitments.count == 1 && committed.count == 1)
        return try Groth16Key(
            Groth16KeyPoints(
                alpha: try first(document["alpha_g1"]), beta: try second(document["beta_g2"]),
                gamma: try second(document["gamma_g2"]), delta: try second(document["delta_g2"]),
                inputs: try document["ic"].array.map(first)),
            commitment: .init(
                g: try second(commitments[0]["g"]),
                gSigmaNegated: try second(commitments[0]["g_sigma_neg"]),
                committedInputs: try committed[0].array.map { try $0.int }))
    }

    private func verify(gnark entry: JSON) throws {
        let key = try gnarkKey(try entry["vk"].string)
        let proof = try entry["proof"]
        var bytes: [UInt8] = []
        for name in ["ar", "bs", "krs"] { bytes += try proof[name].hex }
        let commitments = try proof["commitments"].array
        for commitment in commitments { bytes += try commitment.hex }
        if !commitments.isEmpty { bytes += try proof["commitment_pok"].hex }
        let decoded = try GnarkEncoding.proof(
            bytes.span, hasCommitment: !commitments.isEmpty, on: BLS12381.self)
        let inputs = try proof["public"].array
        let words = try inputs.flatMap { try $0.hex }
        try key.verify(
            decoded,
            inputs: try Groth16Key<BLS12381>.inputs(words.span, at: 0, count: inputs.count))
    }

    @Test func gnark() throws {
        let file = try Vectors.json("\(Self.folder)/bls12381/groth16-gnark.json")
        let vectors = try file["vectors"].array
        #expect(vectors.count == 2)
        for entry in vectors {
            let result = outcome { try verify(gnark: entry) }
            let name = try entry["name"].string
            #expect(result.accepted, "\(name): \(result.fault)")
        }
        let invalid = try file["invalid"].array
        #expect(invalid.count == 10)
        for entry in invalid {
            let result = outcome { try verify(gnark: entry) }
            let name = try entry["name"].string
            #expect(!result.accepted, "\(name)")
            for (word, reason) in Self.gnarkReasons where name.hasSuffix(word) {
                #expect(result.fault.contains(reason), "\(name): \(result.fault)")
            }
        }
    }

    private static let gnarkReasons = [
        ("bad-public", "equation"), ("bad-public-plus-r", "inputNotBelowOrder"),
        ("bad-pok-other", "commitmentNotKnown"), ("bad-commitment-other", "commitmentNotKnown"),
        ("bad-no-commitment", "commitmentCount"), ("bad-a-sign", "equation"),
        ("bad-a-infinity", "infinity"), ("bad-a-flags", "compressedFlags"),
        ("bad-c-sign", "equation"), ("bad-a-outside-subgroup", "notInSubgroup"),
    ]

    private func verify(plonk entry: JSON) throws {
        typealias Value = Scalar<BLS12381.Order>
        let document = try Vectors.json("\(Self.folder)/bls12381/\(try entry["vk"].string)")
        func first(_ value: JSON) throws -> BLS12381.Point1 {
            let bytes = try value.hex
            return bytes.count == 48
                ? try BLS12381.Point1(compressed: bytes.span, at: 0)
                : try BLS12381.Point1(uncompressed: bytes.span, at: 0)
        }
        func second(_ value: JSON) throws -> BLS12381.Point2 {
            let bytes = try value.hex
            return try BLS12381.Point2(compressed: bytes.span, at: 0)
        }
        func scalar(_ value: JSON) throws -> Value {
            let bytes = try value.hex
            guard let scalar = Value(bytes.span) else {
                throw PlonkFault.valueNotBelowOrder(index: 0)
            }
            return scalar
        }
        let setup = try document["kzg"]
        let key = try PlonkKey<BLS12381>(
            size: try document["size"].uint64, root: try scalar(document["generator"]),
            inputCount: try document["nb_public_variables"].int,
            cosetShift: try scalar(document["coset_shift"]),
            permutation: try document["s"].array.map(first),
            selectors: try ["ql", "qr", "qm", "qo", "qk"].map { try first(document[$0]) },
            commitmentSelectors: try document["qcp"].array.map(first),
            commitmentIndices: try document["commitment_constraint_indexes"].array.map {
                try $0.uint64
            }, generator1: try first(setup["g1"]), generator2: try second(setup["g2_0"]),
            tau: try second(setup["g2_1"]))
        let proof = try entry["proof"]
        let values = try proof["claimed_values"].array.map(scalar)
        let decoded = PlonkProof<BLS12381>(
            wires: try proof["lro"].array.map(first), quotient: try proof["h"].array.map(first),
            z: try first(proof["z"]), values: Array(values[1..<6]),
            shiftedValue: try scalar(proof["z_shifted_value"]),
            opening: try first(proof["batched_h"]),
            shiftedOpening: try first(proof["z_shifted_h"]), selectorValues: Array(values[6...]),
            commitments: try proof["bsb22_commitments"].array.map(first), linearised: values[0])
        try key.verify(decoded, inputs: try proof["public"].array.map(scalar))
    }

    @Test func plonk() throws {
        let file = try Vectors.json("\(Self.folder)/bls12381/plonk-gnark.json")
        let vectors = try file["vectors"].array
        #expect(vectors.count == 1)
        for entry in vectors {
            let result = outcome { try verify(plonk: entry) }
            let name = try entry["name"].string
            #expect(result.accepted, "\(name): \(result.fault)")
        }
        let invalid = try file["invalid"].array
        #expect(invalid.count == 5)
        for entry in invalid {
            let result = outcome { try verify(plonk: entry) }
            let name = try entry["name"].string
            #expect(!result.accepted, "\(name)")
            #expect(
                result.fault.contains("linearisation") || result.fault.contains("equation"),
                "\(result.fault)")
        }
    }
}
