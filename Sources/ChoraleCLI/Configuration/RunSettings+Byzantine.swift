import ExecutorAgent
import PartVerification

extension RunSettings {
    /// Values of `byzantine`: what is done wrong on purpose, to see what others make of it.
    enum Byzantine: String, CaseIterable {
        case off
        /// Contradicts each vote.
        case equivocate
        /// Says nothing of parts that it is asked about.
        case silentParts = "silent-parts"
        /// Says that every proof of a part is bad.
        case rejectParts = "reject-parts"
        /// An executor whose proofs are random bytes.
        case garbageProofs = "garbage-proofs"
        /// An executor whose outputs are wrong, in valid form.
        case wrongOutput = "wrong-output"
    }

    var partFault: PartConfiguration.Fault? {
        switch byzantine {
        case .silentParts: .silent
        case .rejectParts: .rejecting
        case .off, .equivocate, .garbageProofs, .wrongOutput: nil
        }
    }

    var executorFault: ExecutorConfiguration.Fault? {
        switch byzantine {
        case .garbageProofs: .garbageProofs
        case .wrongOutput: .wrongOutput
        case .off, .equivocate, .silentParts, .rejectParts: nil
        }
    }
}
