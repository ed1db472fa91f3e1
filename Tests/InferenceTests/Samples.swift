import ChoraleBase
import Foundation
import Inference
import TestSupport

/// Files of `models/`, made by its scripts.
enum Samples {
    static func file(_ path: String) throws -> [UInt8] {
        [UInt8](
            try Data(
                contentsOf: Vectors.checkout.appendingPathComponent("models")
                    .appendingPathComponent(path)))
    }

    static func model(_ name: String) throws -> QuantisedModel {
        try QuantisedModel(decoding: try file("\(name)/\(name).model"))
    }

    /// What the reference implementation in NumPy gives.
    struct Vector: Decodable {
        let input: [Int8]
        let output: [Int32]
    }

    static func vectors(_ name: String) throws -> [Vector] {
        try JSONDecoder().decode([Vector].self, from: Data(try file("\(name)/vectors.json")))
    }
}
