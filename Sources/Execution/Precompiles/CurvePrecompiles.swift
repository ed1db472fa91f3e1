import ChoraleBase

import Curves

/// Precompiles on pairing-friendly curves: `Curves` does the work, from bytes to bytes.
enum CurvePrecompiles {
    /// The output, or nil when the input is refused.
    static func run(_ precompile: Precompile, _ input: Span<UInt8>) -> [UInt8]? {
        do throws(CurveError) {
            switch precompile {
            case .bn254Add: return try BN254.add(input)
            case .bn254Multiply: return try BN254.multiply(input)
            case .bn254Pairing: return flag(try BN254.pairingCheck(input))
            case .blsG1Add: return try BLS12381.g1Add(input)
            case .blsG1MultiScalar: return try BLS12381.g1MultiScalar(input)
            case .blsG2Add: return try BLS12381.g2Add(input)
            case .blsG2MultiScalar: return try BLS12381.g2MultiScalar(input)
            case .blsPairing: return flag(try BLS12381.pairingCheck(input))
            case .blsMapFpToG1: return try BLS12381.mapFpToG1(input)
            case .blsMapFp2ToG2: return try BLS12381.mapFp2ToG2(input)
            case .pointEvaluation: return try? KZG.verifyPointEvaluation(input)
            default: return nil
            }
        } catch {
            return nil
        }
    }

    private static func flag(_ isTrue: Bool) -> [UInt8] { UInt256(isTrue ? 1 : 0).bytes32.bytes }
}

/// What sums of scalar multiples cost (EIP-2537).
enum BLSGas {
    enum Group { case g1, g2 }

    /// The whole sum is cheaper than its parts: the rate falls with their number.
    static func multiScalar(_ inputSize: Int, _ group: Group) -> UInt64 {
        let count = inputSize / (group == .g1 ? 160 : 288)
        guard count > 0 else { return 0 }
        let rates = group == .g1 ? ratesG1 : ratesG2
        let rate = rates[min(count, rates.count) - 1]
        let single: UInt64 = group == .g1 ? 12_000 : 22_500
        return UInt64(count) * single * UInt64(rate) / 1000
    }

    // In thousandths, for one part, two, and so on; the last for all above.

    private static let ratesG1: [UInt16] = [
        1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673,
        669, 665, 661, 658, 654, 651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621,
        619, 617, 615, 613, 611, 609, 608, 606, 604, 603, 601, 599, 598, 596, 595, 593, 592, 591,
        589, 588, 586, 585, 584, 582, 581, 580, 579, 577, 576, 575, 574, 573, 572, 570, 569, 568,
        567, 566, 565, 564, 563, 562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 551, 550,
        549, 548, 547, 547, 546, 545, 544, 543, 542, 541, 540, 540, 539, 538, 537, 536, 536, 535,
        534, 533, 532, 532, 531, 530, 529, 528, 528, 527, 526, 525, 525, 524, 523, 522, 522, 521,
        520, 520, 519,
    ]

    private static let ratesG2: [UInt16] = [
        1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711,
        704, 699, 693, 688, 683, 679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637,
        634, 632, 629, 627, 624, 622, 620, 618, 615, 613, 611, 609, 607, 606, 604, 602, 600, 598,
        597, 595, 593, 592, 590, 589, 587, 586, 584, 583, 582, 580, 579, 578, 576, 575, 574, 573,
        571, 570, 569, 568, 567, 566, 565, 563, 562, 561, 560, 559, 558, 557, 556, 555, 554, 553,
        552, 552, 551, 550, 549, 548, 547, 546, 545, 545, 544, 543, 542, 541, 541, 540, 539, 538,
        537, 537, 536, 535, 535, 534, 533, 532, 532, 531, 530, 530, 529, 528, 528, 527, 526, 526,
        525, 524, 524,
    ]
}
