import ChoraleTypes

extension Bodies.Limits {
    /// What takes memory, and how much of it at most.
    public struct MemoryBound: Hashable, Sendable {
        public let name: String
        /// In bytes.
        public let size: Int
    }

    /// Most memory in bytes that the machine, its jobs, its store requests and the streams of its answers
    /// take together.
    public var worstCaseMemory: Int { memoryBounds.reduce(0) { $0 + $1.size } }

    /// The parts of ``worstCaseMemory``. A test compares the sizes of entries with those of their types.
    public var memoryBounds: [MemoryBound] {
        let chunkCount = min(
            BodyShape.chunkCountMax, bodySizeMax / BodyShape.chunkSizeMin + 1)
        let bitmapSize = (chunkCount + 7) / 8
        // With one that publishing adds before another is evicted.
        let count = bodiesMax + publicationsMax
        return [
            .init(name: "bodies", size: count * Entry.body),
            // Of the chunks that are not here, which a whole body has no table of.
            .init(
                name: "chunk tables",
                size: incompleteMax * (Entry.table + chunkCount * Entry.chunk)),
            .init(
                name: "links",
                size: count * passiveLinksMax * (Entry.link + 3 * (Entry.array + bitmapSize))),
            .init(name: "sources", size: count * passiveLinksMax * Entry.source),
            // Own bodies, of which there are as many as incomplete ones.
            .init(
                name: "seeding",
                size: incompleteMax * (Entry.table + chunkCount * Entry.seededChunk)),
            .init(
                name: "announcements",
                size: (waitingMax + 2 * offersMax) * Entry.announcement),
            .init(
                name: "requests",
                size: (requestCountMax + servesMax + readsMax) * Entry.request),
            // Each on its way in the stream's reader, packed and not.
            .init(name: "chunks requested", size: requestsMax * 2 * Entry.packedChunk),
            // Each as it came, and as it is written.
            .init(name: "chunks not stored", size: 2 * unstoredSizeMax),
            // Each as it was read, as it is sent, and packed in the stream's queue.
            .init(name: "chunks served", size: servesMax * 3 * Entry.packedChunk),
            .init(name: "chunks read", size: readsMax * Entry.packedChunk),
            .init(name: "cache", size: cacheSizeMax + cacheCountMax * Entry.cached),
            // Each as it was built, and as it is written.
            .init(name: "publications", size: publicationsMax * 2 * (bodySizeMax + count)),
            .init(
                name: "memories",
                size: (forgottenMax + undeletedMax + producersMax
                    + 2 * Bodies.distrustedMax)
                    * Entry.memory),
        ]
    }

    /// Sizes of what tables hold, in bytes, with what their tables add: a hash table has up to twice
    /// the room it uses.
    enum Entry {
        static let array = 32
        static let announcement = 8 * 1024 + 512
        /// A body and its announcement, without its tables.
        static let body = announcement + 1024
        static let table = 64
        /// Its entry, the list of its requests and its rank.
        static let chunk = 128
        static let seededChunk = 24
        static let link = 448
        static let source = 192
        static let request = 512
        /// 256 KiB, the proof and the bitmap; Snappy adds a sixth at worst.
        static let packedChunk = (256 + 4) * 1024 * 7 / 6
        static let cached = 1024
        static let memory = 256
    }
}
