import ChoraleBase
import Crypto
import Curves

extension FuzzTarget {
    static let curveTargets: [FuzzTarget] = [
        FuzzTarget(
            "curve-input",
            "the input of a precompile on BN254 or BLS12-381; sizes, and operands in any order",
            sizeMax: 1600, seeds: { CurveOperation.allCases.map { [$0.rawValue] + $0.seed } },
            run: curveInput),
        FuzzTarget(
            "curve-sums",
            "points and scalars; sums of many are those of one after the other, pairings bilinear",
            sizeMax: 700,
            seeds: { [[0, 3], Array(1...200), [UInt8](repeating: 0xFF, count: 600)] },
            run: curveSums),
    ]

    private static func curveInput(_ input: [UInt8], _ findings: inout Findings) {
        let all = CurveOperation.allCases
        let operation = all[Int(input.first ?? 0) % all.count]
        let operand = Array(input.dropFirst())
        do {
            let answer = try operation.run(operand)
            require(answer.count == operation.answerSize, "\(operation): \(answer.count) bytes")
            findings.note("operation", operation)
            findings.note("answer", size: answer.firstIndex { $0 != 0 } ?? -1)
            if let itemSize = operation.itemSize {
                // A short operand of the older precompiles is one with zeros behind it.
                var whole = operand
                if operation == .bn254Add {
                    whole = Array((whole + [UInt8](repeating: 0, count: 128)).prefix(128))
                }
                let items = stride(from: 0, to: whole.count, by: itemSize).map {
                    whole[$0..<$0 + itemSize]
                }
                let reversed = Array(items.reversed().joined())
                require((try? operation.run(reversed)) == answer, "\(operation): order matters")
            }
            if let pointSize = operation.pointSize {
                // What comes out is a point that goes in.
                let addition = operation.addition
                let again = try? addition.run(answer + [UInt8](repeating: 0, count: pointSize))
                require(again == answer, "\(operation): not a point of the curve")
            }
        } catch let error as CurveError {
            findings.note("curve error", operation)
            findings.note("curve error", error)
        } catch {
            findings.note("opening", error as? KZG.OpeningError)
        }
    }

    private static func curveSums(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let isFirst = program.chance(1, in: 2)
        let (sum, addition): (CurveOperation, CurveOperation) =
            isFirst ? (.g1Sum, .g1Add) : (.g2Sum, .g2Add)
        let map: CurveOperation = isFirst ? .mapToG1 : .mapToG2
        var terms: [UInt8] = []
        var expected = [UInt8](repeating: 0, count: addition.answerSize)
        var points: [[UInt8]] = []
        for _ in 0..<1 + program.below(64) {
            let known = program.below(4)
            // Equal and opposite points, and infinity, are where formulas have exceptions.
            var point: [UInt8]
            if known == 0, let last = points.last {
                point = last
            } else if known == 1, let last = points.last {
                point = proper(sum, last + orderLessOne)
            } else if known == 2, program.chance(1, in: 4) {
                point = [UInt8](repeating: 0, count: addition.answerSize)
            } else {
                let element =
                    isFirst
                    ? fieldElement(&program) : fieldElement(&program) + fieldElement(&program)
                point = proper(map, element)
            }
            if points.count < 3 { points.append(point) }
            let term = point + scalar(&program)
            terms += term
            expected = proper(addition, expected + proper(sum, term))
        }
        require(proper(sum, terms) == expected, "\(sum): differs from one by one")
        findings.note("terms", size: terms.count)
        findings.note("sum", size: expected.firstIndex { $0 != 0 } ?? -1)

        // e(a·P, Q) · e(−P, a·Q) = 1.
        let a = scalar(&program)
        let p = proper(.mapToG1, fieldElement(&program))
        let q = proper(.mapToG2, fieldElement(&program) + fieldElement(&program))
        let pairs =
            proper(.g1Sum, p + a) + q + proper(.g1Sum, p + orderLessOne) + proper(.g2Sum, q + a)
        require(proper(.bls12381Pairing, pairs).last == 1, "the pairing is not bilinear")
        let whole = p + q
        require(proper(.bls12381Pairing, whole).last == 0, "the pairing is degenerate")
    }

    /// What a valid operand must give.
    private static func proper(_ operation: CurveOperation, _ operand: [UInt8]) -> [UInt8] {
        guard let answer = try? operation.run(operand) else {
            fatalError("property broken: \(operation) refuses a valid operand")
        }
        return answer
    }

    /// An element of BLS12-381's base field: 64 bytes, of which the number has 48 below the prime.
    private static func fieldElement(_ program: inout Program) -> [UInt8] {
        let bytes = program.take(24)
        return [UInt8](repeating: 0, count: 64 - bytes.count) + bytes
    }

    private static func scalar(_ program: inout Program) -> [UInt8] {
        let bytes = program.take(program.below(33))
        return [UInt8](repeating: 0, count: 32 - bytes.count) + bytes
    }

    /// r − 1 for BLS12-381.
    private static let orderLessOne: [UInt8] =
        (try? Hex.decode("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000")) ?? []
}

/// The precompiled contracts' operations on these curves.
private enum CurveOperation: UInt8, CaseIterable {
    case bn254Add, bn254Multiply, bn254Pairing, opening
    case g1Add, g1Sum, g2Add, g2Sum, bls12381Pairing, mapToG1, mapToG2

    func run(_ operand: [UInt8]) throws -> [UInt8] {
        let bytes = operand.span
        switch self {
        case .bn254Add: return try BN254.add(bytes)
        case .bn254Multiply: return try BN254.multiply(bytes)
        case .bn254Pairing: return [try BN254.pairingCheck(bytes) ? 1 : 0]
        case .opening: return try KZG.verifyPointEvaluation(bytes)
        case .g1Add: return try BLS12381.g1Add(bytes)
        case .g1Sum: return try BLS12381.g1MultiScalar(bytes)
        case .g2Add: return try BLS12381.g2Add(bytes)
        case .g2Sum: return try BLS12381.g2MultiScalar(bytes)
        case .bls12381Pairing: return [try BLS12381.pairingCheck(bytes) ? 1 : 0]
        case .mapToG1: return try BLS12381.mapFpToG1(bytes)
        case .mapToG2: return try BLS12381.mapFp2ToG2(bytes)
        }
    }

    var answerSize: Int {
        switch self {
        case .bn254Pairing, .bls12381Pairing: 1
        case .opening: 64
        default: pointSize ?? 0
        }
    }

    /// Size of the point that the operation gives.
    var pointSize: Int? {
        switch self {
        case .bn254Add, .bn254Multiply: BN254.g1Size
        case .g1Add, .g1Sum, .mapToG1: BLS12381.g1Size
        case .g2Add, .g2Sum, .mapToG2: BLS12381.g2Size
        case .bn254Pairing, .bls12381Pairing, .opening: nil
        }
    }

    /// The addition in the same group.
    var addition: Self {
        switch self {
        case .bn254Add, .bn254Multiply, .bn254Pairing: .bn254Add
        case .g2Add, .g2Sum, .mapToG2: .g2Add
        default: .g1Add
        }
    }

    /// Size of one of the operands whose order does not matter.
    var itemSize: Int? {
        switch self {
        case .bn254Add: BN254.g1Size
        case .bn254Pairing: BN254.pairSize
        case .g1Add: BLS12381.g1Size
        case .g2Add: BLS12381.g2Size
        case .g1Sum: BLS12381.g1Size + BLS12381.scalarSize
        case .g2Sum: BLS12381.g2Size + BLS12381.scalarSize
        case .bls12381Pairing: BLS12381.pairSize
        case .bn254Multiply, .opening, .mapToG1, .mapToG2: nil
        }
    }

    /// A valid operand.
    var seed: [UInt8] {
        let bn254 = [UInt8](repeating: 0, count: 31) + [1] + [UInt8](repeating: 0, count: 31) + [2]
        let scalar = [UInt8](1...32)
        let element = [UInt8](repeating: 0, count: 63) + [3]
        let g1 = (try? BLS12381.mapFpToG1(element.span)) ?? []
        let pair = element + element
        let g2 = (try? BLS12381.mapFp2ToG2(pair.span)) ?? []
        switch self {
        case .bn254Add: return bn254 + bn254
        case .bn254Multiply: return bn254 + scalar
        case .bn254Pairing: return bn254 + Self.generatorOfG2
        case .opening:
            // The polynomial that is zero everywhere, whose commitment and proof are infinity.
            let infinity = [0xC0] + [UInt8](repeating: 0, count: 47)
            var hash = SHA256.hash(infinity).bytes
            hash[0] = 1
            return hash + [UInt8](repeating: 0, count: 64) + infinity + infinity
        case .g1Add: return g1 + g1
        case .g1Sum: return g1 + scalar + g1 + scalar
        case .g2Add: return g2 + g2
        case .g2Sum: return g2 + scalar + g2 + scalar
        case .bls12381Pairing: return g1 + g2 + g1 + g2
        case .mapToG1: return element
        case .mapToG2: return pair
        }
    }

    /// BN254's, of EIP-197.
    private static let generatorOfG2: [UInt8] =
        (try? Hex.decode(
            "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
                + "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
                + "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
                + "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa")) ?? []
}
