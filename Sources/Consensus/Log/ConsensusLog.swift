import ChoraleBase
import Codec

/// The bytes of a validator's log: what is appended, and what a file's bytes mean.
///
/// A file is a magic of 8 bytes, then frames: size of type and payload (4), CRC-32C of all that
/// follows (4), number of the group (4), type (1, the highest bit set in a group's last frame),
/// payload; numbers little-endian. A group is what is synced together: it counts whole or not at all, and
/// a frame of a later group proves that everything before its group was on disk once.
///
/// Specification: mechanisms rows 37 and 38.
public enum ConsensusLog {
    public static let magic = Array("chorwal1".utf8)
    static let frameHeaderSize = 13
    static let frameSizeMax = frameHeaderSize + ConsensusRecord.payloadSizeMax
    private static let groupEnd: UInt8 = 0x80

    /// What a log's bytes held.
    public struct Contents: Hashable, Sendable {
        public let records: [ConsensusRecord]
        /// Bytes that are good. The file is to be cut here before anything is appended.
        public let size: Int
        /// Bytes behind them: what was being written when the process died.
        public let tornSize: Int
        /// The number of the group to be written next.
        public let nextGroup: UInt32
    }

    /// Why a log is refused. None of it can come from a process that died; something else wrote to
    /// the file, or the disk lost what it had confirmed.
    public enum ReadError: Error, Hashable, Sendable {
        case notALog
        /// A frame is damaged at `position`, and what follows it was written after it was synced.
        case damaged(position: Int, nextGood: Int)
        /// A frame is whole and its contents are not.
        case invalidRecord(position: Int, String)
        case groupsOutOfOrder(position: Int, UInt32, expected: UInt32)
    }

    private struct Frame {
        let range: Range<Int>
        let group: UInt32
        let type: UInt8
        let endsGroup: Bool
    }

    /// Reads a whole file.
    ///
    /// - Complexity: O(n); behind damage each place is tried for a frame.
    public static func read(_ bytes: Span<UInt8>) throws(ReadError) -> Contents {
        guard bytes.count >= magic.count else {
            // Died while the file was made, or a stranger's file.
            guard bytes.isEqual(to: magic.span.extracting(0..<bytes.count)) else {
                throw .notALog
            }
            return Contents(records: [], size: 0, tornSize: bytes.count, nextGroup: 1)
        }
        guard bytes.extracting(0..<magic.count).isEqual(to: magic.span) else { throw .notALog }
        var records: [ConsensusRecord] = []
        var position = magic.count
        var group: UInt32 = 1
        // Behind the last whole group.
        var (recordCount, size) = (0, position)
        while position < bytes.count, let frame = frame(at: position, in: bytes) {
            guard frame.group == group else {
                throw .groupsOutOfOrder(position: position, frame.group, expected: group)
            }
            do throws(SSZError) {
                records.append(
                    try ConsensusRecord(
                        type: frame.type,
                        payload: bytes.extracting(
                            position + frameHeaderSize..<frame.range.upperBound)))
            } catch {
                throw .invalidRecord(position: position, "\(error)")
            }
            position = frame.range.upperBound
            if frame.endsGroup {
                group &+= 1
                (recordCount, size) = (records.count, position)
            }
        }
        // Good frames behind a bad one: those of its own group were never confirmed either; one of a
        // later group says that the bad one was.
        var next = position + 1
        while next < bytes.count {
            if let frame = frame(at: next, in: bytes) {
                guard frame.group == group else {
                    throw .damaged(position: position, nextGood: next)
                }
                next = frame.range.upperBound
            } else {
                next += 1
            }
        }
        return Contents(
            records: Array(records.prefix(recordCount)), size: size,
            tornSize: bytes.count - size, nextGroup: group)
    }

    private static func frame(at position: Int, in bytes: Span<UInt8>) -> Frame? {
        guard bytes.count - position >= frameHeaderSize else { return nil }
        let size = Int(bytes.loadLittleEndian(UInt32.self, at: position))
        guard (1...ConsensusRecord.payloadSizeMax + 1).contains(size) else { return nil }
        let end = position + frameHeaderSize - 1 + size
        guard end <= bytes.count else { return nil }
        let stored = bytes.loadLittleEndian(UInt32.self, at: position + 4)
        guard CRC32C.checksum(bytes.extracting(position + 8..<end)) == stored else { return nil }
        let type = bytes[position + 12]
        return Frame(
            range: position..<end, group: bytes.loadLittleEndian(UInt32.self, at: position + 8),
            type: type & ~groupEnd, endsGroup: type & groupEnd != 0)
    }

    /// Collects the records of a turn.
    public struct Writer: Sendable {
        private var group: UInt32
        private var pending: [ConsensusRecord] = []

        /// - Parameter nextGroup: of ``Contents``, or 1 for a new file.
        public init(nextGroup: UInt32 = 1) { group = nextGroup }

        public var isEmpty: Bool { pending.isEmpty }

        public mutating func append(_ record: ConsensusRecord) { pending.append(record) }

        /// The bytes of what was collected: append and sync them before anything is signed or sent.
        public mutating func seal() -> [UInt8] {
            var bytes: [UInt8] = []
            for (index, record) in pending.enumerated() {
                let payload = record.payload
                precondition(payload.count <= ConsensusRecord.payloadSizeMax, "a record too large")
                var body: [UInt8] = []
                body.appendLittleEndian(group)
                body.append(record.type | (index == pending.count - 1 ? groupEnd : 0))
                body += payload
                bytes.appendLittleEndian(UInt32(payload.count + 1))
                bytes.appendLittleEndian(CRC32C.checksum(body.span))
                bytes += body
            }
            if !pending.isEmpty { group &+= 1 }
            pending.removeAll(keepingCapacity: true)
            return bytes
        }
    }
}
