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
    ]

    /// Precompiles that are not on these curves: other modules' tests read them.
    private static let elsewhere: Set = [
        "blake2F", "fail-blake2f", "ecRecover", "modexp", "modexp_eip2565", "p256Verify",
    ]

    @Test func everyFileIsRead() {
        // BLS12-381 is not implemented.
        let found = Set(
            Vectors.files(in: Self.folder).filter {
                !$0.contains("/bls") && !$0.contains("-bls")
                    && !$0.lowercased().contains("pointevaluation")
            })
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
    ]

    /// Hashes, signatures, modular powers: other modules' tests read them. BLS12-381 (10 to 17) is
    /// not implemented.
    private static let elsewhere: Set = [
        1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 256,
    ]

    @Test func answers() throws {
        let vectors = try Fixtures.json("precompiles/vectors.json").array
        #expect(vectors.count == 136)
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
        #expect(answered == 24)
    }
}
