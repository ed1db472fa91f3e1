/// What a verifier looks at, one by one.
///
/// Every verification makes all of them. The tests take away each in turn and show a false statement
/// that passes without it.
enum Check: CaseIterable, Sendable {
    // What challenges depend on.
    case shapeInTranscript
    case bindingInTranscript
    case inputInTranscript
    case outputInTranscript
    case internalsInTranscript
    case outerRoundsInTranscript
    case evaluationsInTranscript
    case innerRoundsInTranscript

    // The statement's commitments.
    case inputCommitment
    case outputCommitment

    // Equations.
    case outerSumCheck
    case innerSumCheck
    case padding
    case inputOpening
    case outputOpening
    case internalOpening

    static let all = Set(allCases)
}
