public import ChoraleBase
public import Codec

/// What is stored about a body beside its chunks: a row of ``ColumnFamily/witness``, keyed by root.
///
/// Written in one batch with each chunk, so that it never claims one that is not there.
public struct BodyManifest: Hashable, Sendable {
    /// The only version there is. A row of another one is not understood.
    public static let version: UInt8 = 1

    public let announcement: BodyAnnouncement
    /// When the announcement reached us: retention counts from here.
    public let received: WallTime
    /// Which chunks are stored.
    public let held: ChunkBitmap
    /// Whether this node produced the body.
    public let isOwn: Bool

    /// - Precondition: a bit for each chunk.
    public init(
        announcement: BodyAnnouncement, received: WallTime, held: ChunkBitmap, isOwn: Bool
    ) {
        precondition(held.count == announcement.shape.chunkCount, "a bit for each chunk")
        self.announcement = announcement
        self.received = received
        self.held = held
        self.isOwn = isOwn
    }

    /// The key of a body's row.
    public static func key(root: Bytes32) -> [UInt8] { root.bytes }
}

extension BodyManifest: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt8.self, UInt64.self, Bool.self, BodyAnnouncement.self, ChunkBitmap.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(Self.version)
        fields.visit(UInt64(max(0, received.milliseconds)))
        fields.visit(isOwn)
        fields.visit(announcement)
        fields.visit(held)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let version = try fields.next(UInt8.self, in: input)
        let received = try fields.next(UInt64.self, in: input)
        isOwn = try fields.next(in: input)
        announcement = try fields.next(in: input)
        held = try fields.next(in: input)
        guard version == Self.version else { throw .invalidValue("manifest version \(version)") }
        // Refused rather than clamped: a row that reads as another one was damaged.
        guard let milliseconds = Int64(exactly: received) else {
            throw .invalidValue("received \(received) ms after 1970")
        }
        self.received = WallTime(milliseconds: milliseconds)
        guard held.count == announcement.shape.chunkCount else {
            throw .invalidValue("\(held.count) bits for \(announcement.shape.chunkCount) chunks")
        }
    }
}

/// One chunk with its proof: a row of ``ColumnFamily/chunk``.
public struct StoredChunk: Hashable, Sendable {
    public let data: SSZByteList<262_144>
    public let proof: SSZList<Bytes32, 16>

    public init(data: SSZByteList<262_144>, proof: SSZList<Bytes32, 16>) {
        self.data = data
        self.proof = proof
    }

    /// The row's value.
    public func row() -> [UInt8] {
        let layout = Self.sszLayout
        return sszEncoded(
            reserving: layout.fixedPartSize + data.bytes.count + proof.elements.count * 32)
    }

    /// The key of a chunk's row: root, then the index in four big-endian bytes.
    public static func key(root: Bytes32, index: Int) -> [UInt8] {
        var key = root.bytes
        key.appendBigEndian(UInt32(index))
        return key
    }

    /// The keys between which a body's chunks lie, the second excluded.
    public static func keys(of root: Bytes32) -> (from: [UInt8], to: [UInt8]) {
        (key(root: root, index: 0), root.bytes + [0xFF, 0xFF, 0xFF, 0xFF])
    }
}

extension StoredChunk: SSZContainer {
    public static let sszLayout = SSZLayout(SSZByteList<262_144>.self, SSZList<Bytes32, 16>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(data)
        fields.visit(proof)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        data = try fields.next(in: input)
        proof = try fields.next(in: input)
    }
}
