import ChoraleBase

/// Writes model files field by field, sound or not. Independent of the module's encoder.
struct ModelWriter {
    var magic = Array("CHQM".utf8)
    var version: UInt16 = 1
    var layerCount: UInt16?
    var inputCount: UInt32
    var partConstraints: UInt32 = 65_536
    var layers: [Layer]
    var trailing: [UInt8] = []

    struct Layer {
        var kind: UInt8 = 1
        /// 0: accumulators; 1: signed; 2: rectified.
        var output: UInt8 = 0
        var shift: UInt8 = 0
        var reserved: UInt8 = 0
        var multiplier: UInt32 = 0
        /// What stands between these fields and the weights.
        var shape: [UInt8] = []
        var weights: [Int8]
        var bias: [Int32]

        static func dense(
            _ weights: [[Int8]], bias: [Int32], output: UInt8 = 0, multiplier: UInt32 = 0,
            shift: UInt8 = 0
        ) -> Layer {
            var shape: [UInt8] = []
            shape.appendLittleEndian(UInt32(weights.count))
            return Layer(
                output: output, shift: shift, multiplier: multiplier, shape: shape,
                weights: Array(weights.joined()), bias: bias)
        }

        static func convolution(
            height: UInt16, width: UInt16, channels: UInt16, filters: UInt16,
            kernel: (UInt8, UInt8), stride: UInt8, reserved: UInt8 = 0, output: UInt8 = 0,
            multiplier: UInt32 = 0, shift: UInt8 = 0, weights: [Int8], bias: [Int32]
        ) -> Layer {
            var shape: [UInt8] = []
            for size in [height, width, channels, filters] { shape.appendLittleEndian(size) }
            shape += [kernel.0, kernel.1, stride, reserved]
            return Layer(
                kind: 2, output: output, shift: shift, multiplier: multiplier, shape: shape,
                weights: weights, bias: bias)
        }
    }

    init(inputCount: UInt32, layers: [Layer]) {
        self.inputCount = inputCount
        self.layers = layers
    }

    var bytes: [UInt8] {
        var bytes = magic
        bytes.appendLittleEndian(version)
        bytes.appendLittleEndian(layerCount ?? UInt16(layers.count))
        bytes.appendLittleEndian(inputCount)
        bytes.appendLittleEndian(partConstraints)
        for layer in layers {
            bytes += [layer.kind, layer.output, layer.shift, layer.reserved]
            bytes.appendLittleEndian(layer.multiplier)
            bytes += layer.shape
            for weight in layer.weights { bytes.append(UInt8(bitPattern: weight)) }
            for value in layer.bias { bytes.appendLittleEndian(UInt32(bitPattern: value)) }
        }
        return bytes + trailing
    }
}
