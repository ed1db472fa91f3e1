public import Consensus

/// What a validator has signed last, in a file of its own.
///
/// Written before a signature leaves the process: a validator killed at any instant, and started again
/// from the same files, never signs two different messages for one place.
public struct SigningStateFile: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    /// The guard to start with.
    ///
    /// - Parameters:
    ///   - keyIsNew: whether the key was made just now, and so has signed nothing.
    ///   - resetHeight: what the operator answers for: nothing was signed at or above it.
    public func read(
        keyIsNew: Bool, resetHeight: UInt64?
    ) throws(ConsensusFileError) -> SigningGuard {
        let stored: [UInt8]?
        do throws(FileSystem.Failure) {
            stored = try FileSystem.contents(path, sizeMax: 1 << 16)
        } catch {
            throw ConsensusFileError(error)
        }
        do throws(SigningGuard.OpenError) {
            return try SigningGuard(
                stored: stored, keyIsNew: keyIsNew, resetHeight: resetHeight)
        } catch {
            throw .signingState(error, path: path)
        }
    }

    /// Stores the guard, which lasts when this returns.
    public func write(_ guardian: SigningGuard) throws(ConsensusFileError) {
        do throws(FileSystem.Failure) {
            try FileSystem.replaceDurably(path, with: guardian.record)
        } catch {
            throw ConsensusFileError(error)
        }
    }
}
