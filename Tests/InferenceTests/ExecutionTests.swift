import ChoraleBase
import Crypto
import Foundation
import Inference
import Testing

@Suite struct ExecutionTests {
    @Test(arguments: ["digits", "synthetic"])
    func outputsEqualTheReferenceBitForBit(name: String) throws {
        let model = try Samples.model(name)
        let vectors = try Samples.vectors(name)
        #expect(vectors.count >= 20)
        for vector in vectors {
            let output = try model.execute(.int8(vector.input)).output
            #expect(output.values == vector.output.map(Int.init))
        }
    }

    @Test func theFilesAreThoseThatTheirReadmeNames() throws {
        let text = try #require(String(bytes: try Samples.file("README.md"), encoding: .utf8))
        for name in ["digits", "synthetic"] {
            let hash = SHA256.hash(try Samples.file("\(name)/\(name).model"))
            #expect(try Samples.model(name).hash == hash)
            #expect(text.contains("\(hash)"), "\(name) is \(hash)")
        }
    }

    @Test(arguments: 0..<10) func theInputsInTheRepositoryAreReadRightly(digit: Int) throws {
        let input = try QuantisedVector(decoding: try Samples.file("digits/inputs/\(digit).input"))
        let output = try Samples.model("digits").execute(input).output
        #expect(output.indexOfMaximum == digit)
    }

    struct Large: Decodable {
        let widths: [Int]
        let seed: UInt64
        let hash: String
        let outputs: [String: [Int]]
    }

    /// Half a million weights, made here and by the reference implementation from the same seed.
    @Test func aLargerModelIsTheReferencesBitForBit() throws {
        let large = try JSONDecoder().decode(
            Large.self, from: Data(try Samples.file("synthetic/large.json")))
        let model = try QuantisedModel.synthetic(widths: large.widths, seed: large.seed)
        #expect("\(model.hash)" == large.hash)
        #expect(large.outputs.count == 8)
        for (seed, output) in large.outputs {
            let input = model.syntheticInput(seed: try #require(UInt64(seed)))
            #expect(try model.execute(input).output.values == output)
        }
    }

    @Test func anInputOfAnotherShapeIsRefused() throws {
        let model = try Samples.model("digits")
        #expect(throws: InputError.count(63, expected: 64)) {
            try model.execute(.int8([Int8](repeating: 0, count: 63)))
        }
        #expect(throws: InputError.notInt8) {
            try model.execute(.int32([Int32](repeating: 0, count: 64)))
        }
    }
}
