import ChoraleBase
import DequeModule

/// Identifiers of large payloads received lately, by a keyed hash of their bytes as they came.
///
/// A payload is named by what it unpacks to, and every copy has to be named before it can be told that
/// it is one. Unpacking costs up to a hundred times what the hash does, which whoever sends copies of
/// one well-packed payload would have us pay each time.
///
/// Memory: at most ``countMax`` entries of about 100 bytes.
struct RecentIDs {
    /// Payloads below this are unpacked as quickly as they are looked up, in bytes.
    static let sizeMin = 4096
    /// More than are under way at once on all topics of a busy network.
    static let countMax = 1024

    struct Content: Hashable {
        let topic: Int
        let hash: MessageKey
    }

    private var idByContent: [Content: [UInt8]] = [:]
    private var order = Deque<Content>()

    subscript(_ content: Content) -> [UInt8]? { idByContent[content] }

    /// - Precondition: the content is not known.
    mutating func insert(_ content: Content, _ id: [UInt8]) {
        idByContent[content] = id
        order.append(content)
        if order.count > Self.countMax, let oldest = order.popFirst() {
            idByContent[oldest] = nil
        }
    }
}
