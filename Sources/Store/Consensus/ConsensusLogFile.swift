public import Consensus
import Glibc

/// A validator's log on disk: what it must remember over a crash.
///
/// Groups are appended and synced before anything that rests on them is signed or sent. A torn tail is
/// cut off at the next opening; damage in the middle is refused. When the disk fails to sync, the file is
/// of no more use: what the kernel has dropped it does not say twice.
///
/// For one thread at a time; calls block for as long as the disk takes.
///
/// Specification: mechanisms rows 37 and 38.
public final class ConsensusLogFile {
    /// Bytes of a log that are read; it is rewritten each height and far smaller.
    public static let sizeMax = 256 << 20

    public let path: String
    /// What the file held when it was opened.
    public let contents: ConsensusLog.Contents
    private var descriptor: Int32
    private var writer: ConsensusLog.Writer
    /// Bytes in the file.
    public private(set) var size: Int
    private var failure: ConsensusFileError?

    /// Opens the log, or makes it.
    public static func open(path: String) throws(ConsensusFileError) -> ConsensusLogFile {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0o600)
        guard descriptor >= 0 else {
            throw ConsensusFileError(FileSystem.Failure(path: path, code: errno))
        }
        do throws(ConsensusFileError) {
            return try ConsensusLogFile(path, descriptor)
        } catch {
            _ = Glibc.close(descriptor)
            throw error
        }
    }

    private init(_ path: String, _ descriptor: Int32) throws(ConsensusFileError) {
        try Self.lock(path, descriptor)
        // Another process may have begun the log anew between our opening and our lock: then what we hold
        // is the old file, which has no name any more.
        guard FileSystem.isFile(descriptor, at: path) else { throw .inUse(path: path) }
        let bytes: [UInt8]
        do throws(FileSystem.Failure) {
            bytes = try FileSystem.contents(path, sizeMax: Self.sizeMax) ?? []
        } catch {
            throw ConsensusFileError(error)
        }
        do throws(ConsensusLog.ReadError) {
            contents = try ConsensusLog.read(bytes.span)
        } catch {
            throw .log(error, path: path)
        }
        self.path = path
        self.descriptor = descriptor
        writer = ConsensusLog.Writer(nextGroup: contents.nextGroup)
        size = max(contents.size, ConsensusLog.magic.count)
        do throws(FileSystem.Failure) {
            try Self.repair(path, descriptor, contents)
        } catch {
            // Closed by whoever opened it.
            self.descriptor = -1
            throw ConsensusFileError(error)
        }
    }

    /// A process that was killed lets go of its lock at once, but for children that it had begun to start:
    /// these have its files open until they run their program.
    private static func lock(_ path: String, _ descriptor: Int32) throws(ConsensusFileError) {
        for _ in 0..<20 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
            guard errno == EWOULDBLOCK else {
                throw ConsensusFileError(FileSystem.Failure(path: path, code: errno))
            }
            usleep(10_000)
        }
        throw .inUse(path: path)
    }

    /// Cuts off what a crash has left, begins what is empty, and makes both last.
    private static func repair(
        _ path: String, _ descriptor: Int32, _ contents: ConsensusLog.Contents
    ) throws(FileSystem.Failure) {
        if contents.tornSize > 0, ftruncate(descriptor, off_t(contents.size)) != 0 {
            throw FileSystem.Failure(path: path, code: errno)
        }
        if contents.size == 0 {
            try FileSystem.writeAll(ConsensusLog.magic, to: descriptor, of: path)
        }
        guard fsync(descriptor) == 0 else { throw FileSystem.Failure(path: path, code: errno) }
        try FileSystem.syncDirectory(of: path)
    }

    deinit { if descriptor >= 0 { _ = Glibc.close(descriptor) } }

    /// Takes a record, which ``commit()`` writes.
    public func append(_ record: ConsensusRecord) { writer.append(record) }

    /// Writes and syncs what was appended, as one group: all of it or nothing is found later.
    public func commit() throws(ConsensusFileError) {
        if let failure { throw failure }
        guard !writer.isEmpty else { return }
        let bytes = writer.seal()
        do throws(FileSystem.Failure) {
            try FileSystem.writeAll(bytes, to: descriptor, of: path)
            guard fdatasync(descriptor) == 0 else {
                throw FileSystem.Failure(path: path, code: errno)
            }
        } catch {
            throw poison(error)
        }
        size += bytes.count
    }

    /// Begins the log anew with these records, as one group: those of heights that are over are not needed
    /// any more.
    public func restart(with records: [ConsensusRecord]) throws(ConsensusFileError) {
        if let failure { throw failure }
        precondition(writer.isEmpty, "records wait to be committed")
        var fresh = ConsensusLog.Writer()
        for record in records { fresh.append(record) }
        let bytes = ConsensusLog.magic + fresh.seal()
        do throws(FileSystem.Failure) {
            try FileSystem.replaceDurably(path, with: bytes)
        } catch {
            throw poison(error)
        }
        // The name is another file's now.
        let next = Glibc.open(path, O_RDWR | O_CLOEXEC | O_APPEND)
        guard next >= 0, flock(next, LOCK_EX | LOCK_NB) == 0 else {
            throw poison(FileSystem.Failure(path: path, code: errno))
        }
        _ = Glibc.close(descriptor)
        descriptor = next
        writer = fresh
        size = bytes.count
    }

    private func poison(_ error: FileSystem.Failure) -> ConsensusFileError {
        let failure = ConsensusFileError.poisoned(error.message)
        self.failure = failure
        return error.isFullDisk ? .fullDisk(error.message) : failure
    }
}
