import ChoraleTypes

/// When a database that takes no more writes is opened again.
///
/// RocksDB refuses every write once one has failed, until it is opened anew.
struct Reopening {
    /// Not before this, unless room was made: an opening replays the log, and a disk that is broken would
    /// keep the owner doing nothing else.
    private var notBefore: ContinuousClock.Instant?

    /// Lets an opening pass, or says why there is none yet.
    ///
    /// - Parameters:
    ///   - failure: of the last write, or of the last opening.
    ///   - isShort: whether the disk has less room than there must be left.
    ///   - onlyDeletes: deletes are what makes room, so they are tried even on a full disk.
    mutating func admit(
        after failure: StoreFailure, directory: String, isShort: Bool, onlyDeletes: Bool
    ) throws(StoreFailure) {
        if case .diskFull = failure, isShort, !onlyDeletes { throw failure }
        guard FileSystem.freeSpace(at: directory) ?? .max >= StoreOptions.freeSpaceToOpen else {
            throw .diskFull(path: directory)
        }
        let hasNewRoom = if case .diskFull = failure { !isShort } else { false }
        let now = ContinuousClock.now
        if !hasNewRoom, let notBefore, now < notBefore { throw failure }
        notBefore = now.advanced(by: StoreOptions.reopenInterval)
    }
}
