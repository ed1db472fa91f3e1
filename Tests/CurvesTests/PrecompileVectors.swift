import ChoraleBase
import TestSupport
import Testing

@testable import Curves

/// What a precompiled contract of this module does with its input.
typealias Operation = @Sendable (_ input: [UInt8]) throws -> [UInt8]

enum Operations {
    private static func word(_ truth: Bool) -> [UInt8] {
        [UInt8](repeating: 0, count: 31) + [truth ? 1 : 0]
    }

    static let bn254Add: Operation = { try BN254.add($0.span) }
    static let bn254Multiply: Operation = { try BN254.multiply($0.span) }
    static let bn254Pairing: Operation = { word(try BN254.pairingCheck($0.span)) }
    static let g1Add: Operation = { try BLS12381.g1Add($0.span) }
    static let g1MultiScalar: Operation = { try BLS12381.g1MultiScalar($0.span) }
    static let g2Add: Operation = { try BLS12381.g2Add($0.span) }
    static let g2MultiScalar: Operation = { try BLS12381.g2MultiScalar($0.span) }
    static let bls12381Pairing: Operation = { word(try BLS12381.pairingCheck($0.span)) }
    static let mapFpToG1: Operation = { try BLS12381.mapFpToG1($0.span) }
    static let mapFp2ToG2: Operation = { try BLS12381.mapFp2ToG2($0.span) }
    static let pointEvaluation: Operation = { try KZG.verifyPointEvaluation($0.span) }
}

/// go-ethereum's precompile vectors and some made beside them, where the vectors are at hand.
@Suite(.enabled(if: Vectors.root != nil, Comment(rawValue: Vectors.absence)))
struct PrecompileVectors {
    private static let folder = "zk/evm-precompiles"

    /// Every file of the folder that this module answers, and how many vectors it holds.
    private static let files: [(name: String, operation: Operation, count: Int)] = [
        ("bn256Add", Operations.bn254Add, 11),
        ("bn256ScalarMul", Operations.bn254Multiply, 13),
        ("bn256Pairing", Operations.bn254Pairing, 10),
        ("fail-bn256Add", Operations.bn254Add, 4),
        ("fail-bn256ScalarMul", Operations.bn254Multiply, 3),
        ("fail-bn256Pairing", Operations.bn254Pairing, 6),
        ("blsG1Add", Operations.g1Add, 19),
        ("blsG1Mul", Operations.g1MultiScalar, 8),
        ("blsG1MultiExp", Operations.g1MultiScalar, 20),
        ("blsG2Add", Operations.g2Add, 19),
        ("blsG2Mul", Operations.g2MultiScalar, 8),
        ("blsG2MultiExp", Operations.g2MultiScalar, 23),
        ("blsPairing", Operations.bls12381Pairing, 24),
        ("blsMapG1", Operations.mapFpToG1, 24),
        ("blsMapG2", Operations.mapFp2ToG2, 24),
        ("fail-blsG1Add", Operations.g1Add, 4),
        ("fail-blsG1Mul", Operations.g1MultiScalar, 5),
        ("fail-blsG1MultiExp", Operations.g1MultiScalar, 5),
        ("fail-blsG2Add", Operations.g2Add, 4),
        ("fail-blsG2Mul", Operations.g2MultiScalar, 5),
        ("fail-blsG2MultiExp", Operations.g2MultiScalar, 5),
        ("fail-blsPairing", Operations.bls12381Pairing, 6),
        ("fail-blsMapG1", Operations.mapFpToG1, 4),
        ("fail-blsMapG2", Operations.mapFp2ToG2, 4),
        ("pointEvaluation", Operations.pointEvaluation, 5),
        ("fail-pointEvaluation", Operations.pointEvaluation, 6),
    ]

    /// Precompiles that are not on these curves: other modules' tests read them.
    private static let elsewhere: Set = [
        "blake2F", "fail-blake2f", "ecRecover", "modexp", "modexp_eip2565", "p256Verify",
    ]

    @Test func everyFileIsRead() {
        let found = Set(Vectors.files(in: Self.folder))
        let known = Set(
            (Self.files.map(\.name) + Self.elsewhere).map { "\(Self.folder)/\($0).json" })
        #expect(found == known)
    }

    @Test(arguments: files.indices)
    func answers(_ index: Int) throws {
        let file = Self.files[index]
        let vectors = try Vectors.json("\(Self.folder)/\(file.name).json")["vectors"].array
        #expect(vectors.count == file.count)
        for vector in vectors {
            let input = try vector["Input"].hex
            let name = "\(file.name): \(try vector["Name"].string)"
            if let expected = try vector.optional("Expected")?.hex {
                #expect(try file.operation(input) == expected, "\(name)")
            } else {
                #expect(try vector["ExpectedError"].string.isEmpty == false)
                #expect(throws: (any Error).self, "\(name)") { try file.operation(input) }
            }
        }
    }
}

/// The precompile vectors of the execution fixtures, where they are at hand.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct PrecompileFixtures {
    private static let operations: [Int: Operation] = [
        6: Operations.bn254Add,
        7: Operations.bn254Multiply,
        8: Operations.bn254Pairing,
        10: Operations.pointEvaluation,
        11: Operations.g1Add,
        12: Operations.g1MultiScalar,
        13: Operations.g2Add,
        14: Operations.g2MultiScalar,
        15: Operations.bls12381Pairing,
        16: Operations.mapFpToG1,
        17: Operations.mapFp2ToG2,
    ]

    /// Hashes, signatures, modular powers: other modules' tests read them.
    private static let elsewhere: Set = [1, 2, 3, 4, 5, 9, 256]

    @Test func answers() throws {
        let vectors = try Fixtures.json("precompiles/vectors.json").array
        #expect(!vectors.isEmpty)
        var answered = 0
        for (index, vector) in vectors.enumerated() {
            let address = try vector["address"].int
            guard let operation = Self.operations[address] else {
                #expect(Self.elsewhere.contains(address), "address \(address) is not read")
                continue
            }
            answered += 1
            let input = try vector["input"].hex
            let answer = try #require(vector.optional("all") ?? vector.optional("osaka"))
            if let output = try answer.optional("output")?.hex {
                #expect(try operation(input) == output, "vector \(index), address \(address)")
            } else {
                #expect(try answer["error"].string.isEmpty == false)
                #expect(throws: (any Error).self, "vector \(index), address \(address)") {
                    try operation(input)
                }
            }
        }
        #expect(answered > 0)
    }
}
