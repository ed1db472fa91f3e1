public import ChoraleBase
internal import Crypto

/// A quantised feed-forward model: layers of int8 weights, each with int32 sums.
///
/// Always sound: no input makes a sum leave int32, each layer takes what the one before it gives,
/// and everything is within ``ModelLimits``. One model has one encoding; its SHA-256 is its name.
///
/// Specification: docs/inference.md, "Model file".
public struct QuantisedModel: Hashable, Sendable {
    public let inputCount: Int
    /// How finely the model is divided: see ``InferencePlan``. 256 to 65,536.
    public let partConstraintCountMax: Int
    /// One at least.
    public let layers: [Layer]
    /// SHA-256 of the file.
    public let hash: Bytes32

    /// Decodes a whole file.
    ///
    /// - Complexity: O(size).
    public init(decoding file: Span<UInt8>) throws(ModelError) {
        guard file.count <= ModelLimits.sizeMax else {
            throw .tooLarge(size: file.count, limit: ModelLimits.sizeMax)
        }
        var decoder = ModelDecoder()
        (inputCount, partConstraintCountMax, layers) = try decoder.decode(file)
        hash = SHA256.hash(file)
    }

    public init(decoding file: [UInt8]) throws(ModelError) { try self.init(decoding: file.span) }

    /// How many values come out.
    public var outputCount: Int { layers[layers.count - 1].outputCount }

    /// Multiplications of one execution.
    public var multiplicationCount: Int {
        layers.reduce(0) { $0 + $1.outputCount * $1.map.rowSize }
    }

    /// The file: what was decoded.
    public func encoded() -> [UInt8] {
        var file = ModelHeader.encode(
            inputCount: inputCount, partConstraintCountMax: partConstraintCountMax,
            layerCount: layers.count)
        for layer in layers { layer.encode(to: &file) }
        return file
    }
}

enum ModelHeader {
    static let magic: [UInt8] = Array("CHQM".utf8)
    static let version: UInt16 = 1

    static let size = 16

    static func encode(
        inputCount: Int, partConstraintCountMax: Int, layerCount: Int
    ) -> [UInt8] {
        var file = magic
        file.appendLittleEndian(version)
        file.appendLittleEndian(UInt16(layerCount))
        file.appendLittleEndian(UInt32(inputCount))
        file.appendLittleEndian(UInt32(partConstraintCountMax))
        return file
    }
}

extension Layer {
    enum Kind {
        static let dense: UInt8 = 1
        static let convolution: UInt8 = 2
    }

    fileprivate func encode(to file: inout [UInt8]) {
        LayerEncoding.encode(map: map, output: output, to: &file)
        file.reserveCapacity(file.count + weights.count + 4 * bias.count)
        for weight in weights { file.append(UInt8(bitPattern: weight)) }
        for value in bias { file.appendLittleEndian(UInt32(bitPattern: value)) }
    }
}

enum LayerEncoding {
    /// A layer's header, to which weights and bias are appended.
    static func encode(map: LinearMap, output: Layer.Output, to file: inout [UInt8]) {
        let (kind, shape) =
            switch map {
            case .dense: (Layer.Kind.dense, nil as Convolution?)
            case .convolution(let shape): (Layer.Kind.convolution, shape)
            }
        let (code, scale): (UInt8, Requantisation?) =
            switch output {
            case .accumulators: (0, nil)
            case .signed(let scale): (1, scale)
            case .rectified(let scale): (2, scale)
            }
        file += [kind, code, scale?.shift ?? 0, 0]
        file.appendLittleEndian(scale?.multiplier ?? 0)
        guard let shape else { return file.appendLittleEndian(UInt32(map.outputCount)) }
        for size in [shape.height, shape.width, shape.channels, shape.filters] {
            file.appendLittleEndian(UInt16(size))
        }
        file += [
            UInt8(shape.kernelHeight), UInt8(shape.kernelWidth), UInt8(shape.stride), 0,
        ]
    }
}
