public import ChoraleBase
public import ChoraleTypes
import Codec
import Crypto
public import PeerIdentity

/// Cuts, hashes and signs a body of our own, away from the loop.
///
/// Costs one SHA-256 of the body, 3 ms a MiB at worst, and two copies.
public struct BodyBuilder: Sendable {
    /// What no body can be.
    public enum BuildError: Error, Hashable, Sendable {
        case empty
        case tooLarge(size: Int, limit: Int)
    }

    /// A body ready to be held and announced.
    public struct Built: Equatable, Sendable {
        public let announcement: BodyAnnouncement
        /// In order, each with its proof.
        public let chunks: [StoredChunk]
        /// The chunks as the store keeps them. Made here too, because on the loop the copies of a large
        /// body would take longer than the loop may lag.
        public let rows: [[UInt8]]
    }

    private let bytes: [UInt8]
    private let kind: BodyKind
    private let shape: BodyShape
    private let height: UInt64
    private let issued: WallTime
    private let identity: IdentityKey
    private let networkDigest: [UInt8]

    /// - Parameters:
    ///   - height: of the block that the body belongs to, 0 for none.
    ///   - issued: now.
    ///   - chunkSize: 1 KiB to 256 KiB.
    ///   - sizeMax: largest body allowed, in bytes.
    /// - Throws: ``BuildError`` when there are no bytes, more than `sizeMax`, or more than 1,024
    ///   chunks of them.
    public init(
        _ bytes: [UInt8], kind: BodyKind, height: UInt64 = 0, issued: WallTime,
        identity: IdentityKey, networkDigest: [UInt8],
        chunkSize: Int = BodyShape.chunkSizeMax, sizeMax: Int = 16 << 20
    ) throws(BuildError) {
        precondition(
            (BodyShape.chunkSizeMin...BodyShape.chunkSizeMax).contains(chunkSize),
            "chunks of \(chunkSize) bytes")
        guard !bytes.isEmpty else { throw .empty }
        let limit = min(sizeMax, chunkSize * BodyShape.chunkCountMax)
        guard bytes.count <= limit,
            let shape = BodyShape(size: UInt64(bytes.count), chunkSize: UInt32(chunkSize))
        else { throw .tooLarge(size: bytes.count, limit: limit) }
        self.bytes = bytes
        self.kind = kind
        self.shape = shape
        self.height = height
        self.issued = issued
        self.identity = identity
        self.networkDigest = networkDigest
    }

    /// Does the work.
    public func run() -> Built {
        let roots = (0..<shape.chunkCount).map { index in
            SHA256.hash(bytes.span.extracting(shape.range(of: index)))
        }
        let proofs = BodyTree.proofs(chunkRoots: roots, shape: shape)
        let chunks = proofs.enumerated().map { index, proof in
            guard let data = SSZByteList<262_144>(Array(bytes[shape.range(of: index)])),
                let proof = SSZList<Bytes32, 16>(proof)
            else { preconditionFailure("a shape keeps chunks within their limit") }
            return StoredChunk(data: data, proof: proof)
        }
        guard
            let description = BodyDescription(
                kind: kind, shape: shape, root: BodyTree.root(chunkRoots: roots, shape: shape),
                chunkRoots: roots.count <= BodyDescription.chunkRootsMax ? roots : [],
                height: height, issued: WallTime(milliseconds: max(0, issued.milliseconds)),
                producer: BodyDescription.producer(of: identity))
        else { preconditionFailure("a built body describes itself") }
        return Built(
            announcement: BodyAnnouncement(
                signing: description, with: identity, network: networkDigest),
            chunks: chunks, rows: chunks.map { $0.row() })
    }
}
