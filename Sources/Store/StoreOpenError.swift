public import ChoraleBase
public import ChoraleTypes

/// Why a database could not be opened.
public enum StoreOpenError: Error, Hashable, Sendable {
    /// The directory cannot be created or entered.
    case inaccessible(directory: String, detail: String)
    /// Another process has it open; nil if it could not be found out which.
    case locked(directory: String, holder: StoreHolder?)
    /// A later release wrote it.
    case newerSchema(directory: String, found: UInt32, supported: UInt32)
    /// It belongs to another network. Both are named by the digests of their genesis.
    case otherNetwork(directory: String, found: Bytes32, expected: Bytes32)
    /// A step that brings the data to this release's layout failed. It changed nothing.
    case upgradeFailed(directory: String, from: UInt32, StoreFailure)
    /// A file is damaged or missing.
    case corrupt(directory: String, detail: String)
    case diskFull(directory: String)
    case inputOutput(directory: String, detail: String)
}

extension StoreOpenError: CustomStringConvertible {
    /// One sentence for the operator: what is wrong, where, and what can be done.
    public var description: String {
        switch self {
        case .inaccessible(let directory, let detail):
            "the database directory \(directory) cannot be used (\(detail)): "
                + "check its path, owner and permissions"
        case .locked(let directory, let holder?):
            "the database \(directory) is in use by process \(holder.processID) "
                + "(\(holder.command)): stop it or use another data directory"
        case .locked(let directory, nil):
            "the database \(directory) is in use by another process: "
                + "stop it (`fuser \(directory)/LOCK` shows which) or use another data directory"
        case .newerSchema(let directory, let found, let supported):
            "the database \(directory) has schema version \(found) and this release knows versions "
                + "up to \(supported): run the release that wrote it, or restore a backup"
        case .otherNetwork(let directory, let found, let expected):
            "the database \(directory) belongs to the network 0x\(found) and this node is of the "
                + "network 0x\(expected): use another data directory, or the genesis it was made with"
        case .upgradeFailed(let directory, let from, let failure):
            "the database \(directory) could not be upgraded from schema version \(from) and was "
                + "left as it was: \(failure)"
        case .corrupt(let directory, let detail):
            "the database \(directory) is damaged (\(detail)): restore a backup into it, or move "
                + "it away to start with an empty one, which is filled from peers again"
        case .diskFull(let directory):
            "no room left on the disk of \(directory): free some space and start again"
        case .inputOutput(let directory, let detail):
            "the database \(directory) could not be opened: \(detail)"
        }
    }
}
