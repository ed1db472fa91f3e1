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
    }

    var partFault: PartConfiguration.Fault? {
        switch byzantine {
        case .silentParts: .silent
        case .rejectParts: .rejecting
        case .off, .equivocate, .garbageProofs: nil
        }
    }

    var executorFault: ExecutorConfiguration.Fault? {
        byzantine == .garbageProofs ? .garbageProofs : nil
    }
}
