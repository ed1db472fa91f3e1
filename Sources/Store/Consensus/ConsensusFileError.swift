public import Consensus

/// Why a validator's files cannot be used. Each says what to do.
public enum ConsensusFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Another process has the file.
    case inUse(path: String)
    /// The system's words.
    case inputOutput(String)
    case fullDisk(String)
    case log(ConsensusLog.ReadError, path: String)
    case signingState(SigningGuard.OpenError, path: String)
    /// What was written may not be on disk, and asking again would say that it is: nothing may be signed
    /// until the process has started anew and read what is there.
    case poisoned(String)

    public var description: String {
        switch self {
        case .inUse(let path):
            "\(path) is in use by another process: a validator runs once; stop the other"
        case .inputOutput(let words):
            "\(words): nothing was signed; see to the disk and start again"
        case .fullDisk(let words): "\(words): nothing was signed; free some space"
        case .log(let error, let path): Self.words(error, path)
        case .signingState(let error, let path): Self.words(error, path)
        case .poisoned(let words):
            "\(words): it is unknown whether the last records are on disk; see to the disk and start again"
        }
    }

    init(_ failure: FileSystem.Failure) {
        self = failure.isFullDisk ? .fullDisk(failure.message) : .inputOutput(failure.message)
    }

    private static func words(_ error: ConsensusLog.ReadError, _ path: String) -> String {
        let rest = "restore it from a backup, or move it away to start from the signing state alone"
        switch error {
        case .notALog: return "\(path) is no consensus log: \(rest)"
        case .damaged(let position, let next):
            return "\(path) is damaged at byte \(position), and good again at \(next), "
                + "so no crash did it: \(rest)"
        case .invalidRecord(let position, let detail):
            return "\(path) has an impossible record at byte \(position) (\(detail)): \(rest)"
        case .groupsOutOfOrder(let position, let found, let expected):
            return
                "\(path) has group \(found) at byte \(position) where \(expected) belongs: \(rest)"
        }
    }

    private static func words(_ error: SigningGuard.OpenError, _ path: String) -> String {
        switch error {
        case .missing:
            "there is a validator's key and no signing state \(path), so what the key has signed is "
                + "unknown: give --reset-signing-state-at HEIGHT, a height at which nothing can have "
                + "been signed"
        case .wrongSize(let size, let expected):
            "\(path) has \(size) bytes, not \(expected): restore it from a backup, never an older one"
        case .unknownFormat:
            "\(path) is no signing state of this version: was it written by a newer one?"
        case .damaged(let stored, let computed):
            "\(path) is damaged (checksum \(stored), computed \(computed)): restore it, or give "
                + "--reset-signing-state-at HEIGHT"
        case .invalid:
            "\(path) has impossible values: restore it, or give --reset-signing-state-at HEIGHT"
        }
    }
}
