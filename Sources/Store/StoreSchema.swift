import ChoraleTypes

/// The layout of the data in the database, as far as a release must know it to read it.
///
/// The version is in the database, written in the same batch as what it describes. A release opens
/// its own version and older ones, which it upgrades step by step; a newer one it refuses, because
/// it could only misread it.
struct StoreSchema: Sendable {
    /// What one release changed.
    struct Upgrade: Sendable {
        /// Brings version `from` to `from + 1`.
        let from: UInt32
        /// The changes, as one atomic batch: an upgrade that is interrupted has not begun.
        let writes: @Sendable (RocksDatabase) throws(RocksError) -> [StoreWrite]
    }

    let version: UInt32
    /// In ascending order, without gaps up to `version`.
    let upgrades: [Upgrade]

    /// The schema of this release.
    ///
    /// Version 1: `docs/architecture.md`, "Storage". To change the layout, raise the version and
    /// append the upgrade from the one before.
    static let current = StoreSchema(version: 1, upgrades: [])

    /// Its value is the version as four bytes, big-endian.
    static let key = Array("schema".utf8)

    /// Checks the version of an opened database and brings an older one up to date.
    func apply(to database: RocksDatabase, in directory: String) throws(StoreOpenError) {
        switch try found(in: database, directory: directory) {
        case nil:
            try stamp(database, in: directory)
        case let found? where found > version:
            throw .newerSchema(directory: directory, found: found, supported: version)
        case let found?:
            for upgrade in upgrades where upgrade.from >= found {
                try run(upgrade, on: database, in: directory)
            }
        }
    }

    /// The version in the database; nil in a new one.
    private func found(
        in database: RocksDatabase,
        directory: String
    ) throws(StoreOpenError) -> UInt32? {
        let value: [UInt8]?
        do throws(RocksError) {
            value = try database.get(.meta, Self.key)
        } catch {
            throw StoreOpenError(error, directory: directory)
        }
        guard let value else { return nil }
        guard value.count == 4 else {
            let detail = "the schema version has \(value.count) bytes instead of 4"
            throw .corrupt(directory: directory, detail: detail)
        }
        return value.reduce(0) { $0 << 8 | UInt32($1) }
    }

    private func run(
        _ upgrade: Upgrade,
        on database: RocksDatabase,
        in directory: String
    ) throws(StoreOpenError) {
        do throws(RocksError) {
            let writes = try upgrade.writes(database)
            try database.write(writes + [Self.record(upgrade.from + 1)], sync: true)
        } catch {
            let failure = error.failure(in: directory)
            throw .upgradeFailed(directory: directory, from: upgrade.from, failure)
        }
    }

    /// Marks a new database as written by this release.
    private func stamp(
        _ database: RocksDatabase,
        in directory: String
    ) throws(StoreOpenError) {
        do throws(RocksError) {
            try database.write([Self.record(version)], sync: true)
        } catch {
            throw StoreOpenError(error, directory: directory)
        }
    }

    static func record(_ version: UInt32) -> StoreWrite {
        let bytes = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: version >> $0) }
        return .put(.meta, key: key, value: bytes)
    }
}

extension StoreOpenError {
    init(_ error: RocksError, directory: String) {
        self =
            switch error.kind {
            case .diskFull: .diskFull(directory: directory)
            case .corrupt: .corrupt(directory: directory, detail: error.message)
            case .locked:
                .locked(directory: directory, holder: StoreHolder.read(directory: directory))
            case .other: .inputOutput(directory: directory, detail: error.message)
            }
    }
}
