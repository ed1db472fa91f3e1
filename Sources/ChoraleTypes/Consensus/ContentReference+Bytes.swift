import ChoraleBase
import Crypto

extension ContentReference {
    /// The reference to a body with these bytes, cut into chunks of the largest size.
    ///
    /// Nil for no bytes, and for more than a body may have.
    ///
    /// - Complexity: one SHA-256 of the bytes.
    public init?(kind: BodyKind, index: UInt16 = 0, bytes: [UInt8]) {
        guard
            let shape = BodyShape(
                size: UInt64(bytes.count), chunkSize: UInt32(BodyShape.chunkSizeMax))
        else { return nil }
        let span = bytes.span
        let roots = (0..<shape.chunkCount).map {
            SHA256.hash(span.extracting(shape.range(of: $0)))
        }
        self.init(
            kind: kind, index: index, size: UInt64(bytes.count),
            root: BodyTree.root(chunkRoots: roots, shape: shape))
    }
}
