import ChoraleBase
import Curves
import Groth16

/// A key whose set-up we did ourselves, and so know what nobody may: with it any statement is proven. It
/// makes proofs of statements that no program here could.
struct Trapdoor<Curve: ProofCurve> {
    typealias Value = Scalar<Curve.Order>

    let alpha: Value
    let beta: Value
    let gamma: Value
    let delta: Value
    let inputs: [Value]
    let points: Groth16KeyPoints<Curve>

    init(seed: UInt64, inputCount: Int) {
        var random = DeterministicRandom(seed: seed)
        func draw() -> Value { Value(random.next()) }
        alpha = draw()
        beta = draw()
        gamma = draw()
        delta = draw()
        var inputs: [Value] = []
        for _ in 0...inputCount { inputs.append(draw()) }
        self.inputs = inputs
        points = Groth16KeyPoints(
            alpha: Self.first(alpha), beta: Self.second(beta), gamma: Self.second(gamma),
            delta: Self.second(delta), inputs: inputs.map(Self.first))
    }

    /// A proof of any statement: c = (a·b − α·β − γ·(k₀ + Σ xᵢ·kᵢ)) / δ.
    func proof(of statement: [Value], seed: UInt64 = 7) -> Groth16Proof<Curve> {
        var random = DeterministicRandom(seed: seed)
        let (a, b) = (Value(random.next()), Value(random.next()))
        var sum = inputs[0]
        for (index, value) in statement.enumerated() { sum += value * inputs[index + 1] }
        let c = (a * b - alpha * beta - gamma * sum) * delta.inverse()
        return Groth16Proof(a: Self.first(a), b: Self.second(b), c: Self.first(c))
    }

    static func first(_ scalar: Value) -> Curve.Point1 {
        Curve.sum([(Curve.Point1.generator, scalar)])
    }

    static func second(_ scalar: Value) -> Curve.Point2 {
        var result = Curve.Point2.infinity
        for byte in scalar.bytes {
            for bit in stride(from: 7, through: 0, by: -1) {
                result = result + result
                if byte >> UInt8(bit) & 1 == 1 { result = result + .generator }
            }
        }
        return result
    }
}

extension Trapdoor where Curve == BN254 {
    /// gnark's key file, as SP1 has it.
    var gnarkFile: [UInt8] {
        var bytes = Self.compressed(points.alpha) + Self.compressed(Self.first(beta))
        bytes += Self.compressed(points.beta) + Self.compressed(points.gamma)
        bytes += Self.compressed(Self.first(delta)) + Self.compressed(points.delta)
        bytes += [0, 0, 0, UInt8(points.inputs.count)]
        for point in points.inputs { bytes += Self.compressed(point) }
        return bytes + [UInt8](repeating: 0, count: 8)
    }

    private static func compressed(_ point: some CurvePoint) -> [UInt8] {
        let (own, negated) = (point.uncompressed, (-point).uncompressed)
        var bytes = Array(own.prefix(own.count / 2))
        let isLarger = negated.lexicographicallyPrecedes(own)
        bytes[0] |= isLarger ? 0xC0 : 0x80
        return bytes
    }
}

extension Trapdoor {
    /// The key as snarkjs writes it.
    func snarkKey(curve: String) -> [UInt8] {
        func number(_ bytes: ArraySlice<UInt8>) -> String {
            // Decimal digits by repeated division.
            var rest = Array(bytes)
            var digits = ""
            repeat {
                var remainder = 0
                for index in rest.indices {
                    let value = remainder << 8 | Int(rest[index])
                    rest[index] = UInt8(value / 10)
                    remainder = value % 10
                }
                digits = "\(remainder)" + digits
            } while rest.contains { $0 != 0 }
            return "\"\(digits)\""
        }
        func text(_ point: Curve.Point1) -> String {
            let bytes = point.uncompressed
            let half = bytes.count / 2
            return "[\(number(bytes[..<half])),\(number(bytes[half...])),\"1\"]"
        }
        func text(_ point: Curve.Point2) -> String {
            let bytes = point.uncompressed
            let size = bytes.count / 4
            let parts = (0..<4).map { number(bytes[$0 * size..<($0 + 1) * size]) }
            return "[[\(parts[1]),\(parts[0])],[\(parts[3]),\(parts[2])],[\"1\",\"0\"]]"
        }
        let inputs = points.inputs.map(text).joined(separator: ",")
        let document = """
            {"protocol":"groth16","curve":"\(curve)","nPublic":\(points.inputs.count - 1),\
            "vk_alpha_1":\(text(points.alpha)),"vk_beta_2":\(text(points.beta)),\
            "vk_gamma_2":\(text(points.gamma)),"vk_delta_2":\(text(points.delta)),"IC":[\(inputs)]}
            """
        return [UInt8](document.utf8)
    }
}
