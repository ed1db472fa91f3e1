/// The part of a model that one proof is about: some neighbouring outputs of one layer.
///
/// A layer that is a part of its own takes the layer's input vector and gives its output vector. Of a
/// layer in several parts, each but the last gives its whole input and the layer's outputs so far, so
/// that the next can go on; what comes in is carried, unchanged.
///
///     first    x               → x ‖ y₀ … yᵢ₋₁
///     middle   x ‖ y₀ … yᵢ₋₁   → x ‖ y₀ … yⱼ₋₁
///     last     x ‖ y₀ … yⱼ₋₁   → y₀ … yₙ₋₁
public struct PartRange: Hashable, Sendable {
    /// Which layer, from 0.
    public let layer: Int
    /// Which of its outputs are computed. Not empty.
    public let outputs: Range<Int>

    func isLast(of layer: Layer) -> Bool { outputs.upperBound == layer.outputCount }

    func inputCount(_ layer: Layer) -> Int { layer.inputCount + outputs.lowerBound }

    func outputCount(_ layer: Layer) -> Int {
        outputs.upperBound + (isLast(of: layer) ? 0 : layer.inputCount)
    }

    /// Which values of the input vector are the first of the output vector.
    func carried(_ layer: Layer) -> Range<Int> {
        (isLast(of: layer) ? layer.inputCount : 0)..<inputCount(layer)
    }
}
