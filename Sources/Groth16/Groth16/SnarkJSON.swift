import ChoraleBase
import Codec
public import Curves

/// Keys, proofs and public inputs as snarkjs writes them: decimal numbers in strings, points with a third
/// coordinate, elements of Fp2 with the real part first.
///
/// Strict: numbers have one form and must be below their modulus, and a third coordinate is one, or zero
/// for infinity, which has one form. Members that snarkjs adds for others, such as `vk_alphabeta_12`,
/// are not read.
///
/// Specification: iden3/snarkjs, `groth16 export verificationkey` and `groth16 prove`.
public enum SnarkJSON {
    /// Largest document, in bytes: a key of 1,024 inputs on BLS12-381 has 300 KiB.
    public static let sizeMax = 512 << 10

    /// Which curve a key is on.
    public enum CurveName: String, Sendable {
        case bn254 = "bn128"
        case bls12381 = "bls12381"
    }

    /// The curve that a key says it is on.
    public static func curve(ofKey bytes: [UInt8]) throws(VerifyingKeyFault) -> CurveName {
        let document = try document(key: bytes)
        guard let name = document["curve"]?.string, let curve = CurveName(rawValue: name) else {
            throw .unknown("curve \(document["curve"]?.string?.prefix(32) ?? "missing")")
        }
        return curve
    }

    /// A key's points.
    ///
    /// For keys on `Curve` (``curve(ofKey:)``); coordinates of another curve are refused.
    public static func points<Curve: ProofCurve>(
        ofKey bytes: [UInt8], on _: Curve.Type
    ) throws(VerifyingKeyFault) -> Groth16KeyPoints<Curve> {
        let document = try document(key: bytes)
        guard let protocolName = document["protocol"]?.string, protocolName == "groth16" else {
            throw .unknown("a protocol other than groth16")
        }
        guard let texts = document["IC"]?.array else { throw .json("no IC") }
        guard texts.count <= Groth16KeyPoints<Curve>.inputCountMax + 1 else {
            throw .inputCount(
                found: texts.count - 1, limit: Groth16KeyPoints<Curve>.inputCountMax)
        }
        guard document["nPublic"]?.int == texts.count - 1 else {
            throw .inconsistent("nPublic is not the number of points in IC less one")
        }
        let reader = PointReader<Curve>()
        do {
            let alpha = try reader.first(document["vk_alpha_1"], "vk_alpha_1")
            let beta = try reader.second(document["vk_beta_2"], "vk_beta_2")
            let gamma = try reader.second(document["vk_gamma_2"], "vk_gamma_2")
            let delta = try reader.second(document["vk_delta_2"], "vk_delta_2")
            var points: [Curve.Point1] = []
            for text in texts { points.append(try reader.first(text, "IC")) }
            return Groth16KeyPoints(
                alpha: alpha, beta: beta, gamma: gamma, delta: delta, inputs: points)
        } catch {
            switch error {
            case .text(let text): throw .json(text)
            case .point(let error): throw .point(error)
            }
        }
    }

    /// A key. See ``points(ofKey:on:)``.
    public static func key<Curve: ProofCurve>(
        _ bytes: [UInt8], on curve: Curve.Type
    ) throws(VerifyingKeyFault) -> Groth16Key<Curve> {
        try Groth16Key(try points(ofKey: bytes, on: curve))
    }

    public static func proof<Curve: ProofCurve>(
        _ bytes: [UInt8], on _: Curve.Type
    ) throws(Groth16Fault) -> Groth16Proof<Curve> {
        let document = try document(proof: bytes)
        let reader = PointReader<Curve>()
        return Groth16Proof(
            a: try read(.a) { () throws(SnarkTextFault) in
                try reader.first(document["pi_a"], "pi_a")
            },
            b: try read(.b) { () throws(SnarkTextFault) in
                try reader.second(document["pi_b"], "pi_b")
            },
            c: try read(.c) { () throws(SnarkTextFault) in
                try reader.first(document["pi_c"], "pi_c")
            })
    }

    /// Public inputs: an array of decimal strings, each below the order.
    public static func inputs<Curve: ProofCurve>(
        _ bytes: [UInt8], on _: Curve.Type
    ) throws(Groth16Fault) -> [Scalar<Curve.Order>] {
        guard let texts = try document(proof: bytes).array else { throw .json("not an array") }
        guard texts.count <= Groth16KeyPoints<Curve>.inputCountMax else {
            throw .inputCount(found: texts.count, expected: Groth16KeyPoints<Curve>.inputCountMax)
        }
        var inputs: [Scalar<Curve.Order>] = []
        for (index, text) in texts.enumerated() {
            guard let text = text.string, Decimal.isNumber(text) else {
                throw .json("public input \(index) is no decimal string")
            }
            guard let bytes = Decimal.bigEndian(text, size: 32),
                let input = Scalar<Curve.Order>(bytes.span)
            else { throw .inputNotBelowOrder(index: index) }
            inputs.append(input)
        }
        return inputs
    }

    private static func read<Point>(
        _ name: Groth16Fault.Point, _ decode: () throws(SnarkTextFault) -> Point
    ) throws(Groth16Fault) -> Point {
        do {
            return try decode()
        } catch {
            switch error {
            case .text(let text): throw .json(text)
            case .point(let error): throw .point(name, error)
            }
        }
    }

    private static func document(key bytes: [UInt8]) throws(VerifyingKeyFault) -> JSONValue {
        guard bytes.count <= sizeMax else {
            throw .size(found: bytes.count, expected: sizeMax)
        }
        do {
            return try JSONValue(parsing: bytes)
        } catch {
            throw .json("\(error)")
        }
    }

    private static func document(proof bytes: [UInt8]) throws(Groth16Fault) -> JSONValue {
        guard bytes.count <= sizeMax else {
            throw .size(found: bytes.count, expected: sizeMax)
        }
        do {
            return try JSONValue(parsing: bytes)
        } catch {
            throw .json("\(error)")
        }
    }
}

/// Why a point's text was refused.
enum SnarkTextFault: Error {
    case text(String)
    case point(CurveError)
}

/// Reads points through their uncompressed encoding, whose decoder checks coordinates, curve and
/// subgroup.
private struct PointReader<Curve: ProofCurve> {
    var coordinateSize: Int { Curve.Point1.uncompressedSize / 2 }

    func first(_ value: JSONValue?, _ name: String) throws(SnarkTextFault) -> Curve.Point1 {
        let parts = try coordinates(value, name)
        let x = try number(parts[0], name)
        let y = try number(parts[1], name)
        let z = try number(parts[2], name)
        if isZero(z) {
            guard isZero(x), isOne(y) else { throw .text("\(name): infinity is 0, 1, 0") }
            return .infinity
        }
        guard isOne(z) else { throw .text("\(name): the third coordinate is not one") }
        let bytes = x + y
        let point: Curve.Point1
        do {
            point = try Curve.Point1(uncompressed: bytes.span, at: 0)
        } catch {
            throw .point(error)
        }
        // An encoding of infinity is no pair of coordinates.
        guard !point.isInfinity else { throw .point(.notOnCurve(offset: 0)) }
        return point
    }

    func second(_ value: JSONValue?, _ name: String) throws(SnarkTextFault) -> Curve.Point2 {
        let parts = try coordinates(value, name)
        var numbers: [[UInt8]] = []
        for part in parts {
            guard let halves = part.array, halves.count == 2 else {
                throw .text("\(name): not two numbers")
            }
            numbers.append(try number(halves[0], name))
            numbers.append(try number(halves[1], name))
        }
        if isZero(numbers[4]), isZero(numbers[5]) {
            guard isZero(numbers[0]), isZero(numbers[1]), isOne(numbers[2]), isZero(numbers[3])
            else { throw .text("\(name): infinity is 0, 1, 0") }
            return .infinity
        }
        guard isOne(numbers[4]), isZero(numbers[5]) else {
            throw .text("\(name): the third coordinate is not one")
        }
        // The text has the real part first, the encoding the imaginary part.
        let bytes = numbers[1] + numbers[0] + numbers[3] + numbers[2]
        let point: Curve.Point2
        do {
            point = try Curve.Point2(uncompressed: bytes.span, at: 0)
        } catch {
            throw .point(error)
        }
        guard !point.isInfinity else { throw .point(.notOnCurve(offset: 0)) }
        return point
    }

    private func coordinates(
        _ value: JSONValue?, _ name: String
    ) throws(SnarkTextFault) -> [JSONValue] {
        guard let parts = value?.array, parts.count == 3 else {
            throw .text("\(name): not three coordinates")
        }
        return parts
    }

    private func number(_ value: JSONValue, _ name: String) throws(SnarkTextFault) -> [UInt8] {
        guard let text = value.string, Decimal.isNumber(text) else {
            throw .text("\(name): no decimal string")
        }
        // The three highest bits of BLS12-381's coordinates are flags in the encoding that is decoded
        // next. No number below either prime has them.
        guard let bytes = Decimal.bigEndian(text, size: coordinateSize),
            coordinateSize == 32 || bytes[0] & 0xE0 == 0
        else {
            throw .point(.coordinateNotBelowPrime(offset: 0))
        }
        return bytes
    }

    private func isZero(_ number: [UInt8]) -> Bool { number.allSatisfy { $0 == 0 } }

    private func isOne(_ number: [UInt8]) -> Bool {
        number.last == 1 && isZero(Array(number.dropLast()))
    }
}

/// Decimal numbers in text.
enum Decimal {
    /// Whether a text is a number in its one form: digits, without zeros in front. At most 160 digits,
    /// more than any field's elements have.
    static func isNumber(_ text: String) -> Bool {
        let digits = text.utf8
        guard (1...160).contains(digits.count) else { return false }
        return digits.allSatisfy { (0x30...0x39).contains($0) }
            && (digits.count == 1 || digits.first != 0x30)
    }

    /// A number as a big-endian integer of `size` bytes, or nil when it does not fit.
    static func bigEndian(_ text: String, size: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: size)
        for digit in text.utf8 {
            var carry = Int(digit) - 0x30
            for index in stride(from: size - 1, through: 0, by: -1) {
                let total = 10 * Int(bytes[index]) + carry
                bytes[index] = UInt8(total & 0xFF)
                carry = total >> 8
            }
            guard carry == 0 else { return nil }
        }
        return bytes
    }
}
