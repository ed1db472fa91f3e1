public import ChoraleBase
public import ChoraleTypes
import OrderedCollections
public import PeerIdentity

/// Which bodies are taken in.
extension Bodies {
    /// Why the body would not be taken in, or nil when it would be: what decides, besides
    /// ``AnnouncementCheck``, whether gossip spreads the announcement.
    ///
    /// ``Refusal/known`` is no reason against spreading: another copy says the same.
    /// - Parameter source: who tells us of it; nil when nobody does.
    public func admission(
        of announcement: BodyAnnouncement, from source: PeerID? = nil, now: Now
    ) -> Refusal? {
        switch judge(announcement, from: source, now: now) {
        case .success: nil
        case .failure(let refusal): refusal
        }
    }

    /// Sizes of bodies that an announcement competes with, in bytes, its own included.
    private struct Tally {
        let source: PeerID?
        let producer: SigningKeyBytes
        /// All of its producer.
        var share: Int
        /// What no eviction can free.
        var fixed: Int
        /// Of those that are not whole.
        var incomplete: Int
        var ofSource: Int
        var ofProducer: Int
        var count = 1
        var countOfSource = 1
        var countOfProducer = 1

        init(_ announcement: BodyAnnouncement, from source: PeerID?) {
            self.source = source
            producer = announcement.description.producer
            let size = announcement.shape.size
            (share, fixed, incomplete, ofSource, ofProducer) = (size, size, size, size, size)
        }

        func isOfSource(_ body: Body) -> Bool { source != nil && body.source == source }
        func isOfProducer(_ body: Body) -> Bool {
            body.announcement.description.producer == producer
        }

        /// - Parameter sign: 1, or -1 for one that leaves.
        mutating func add(_ body: Body, _ sign: Int = 1) {
            let size = sign * body.shape.size
            if isOfProducer(body) { share += size }
            if body.isOwn || body.phase != .complete { fixed += size }
            guard body.phase != .complete else { return }
            incomplete += size
            count += sign
            if isOfProducer(body) {
                ofProducer += size
                countOfProducer += sign
            }
            if isOfSource(body) {
                ofSource += size
                countOfSource += sign
            }
        }
    }

    /// - Returns: the bodies that have to go for it, of which nobody has shown anything: the oldest
    ///   announcements of whoever exceeds its share, else of all.
    func judge(
        _ announcement: BodyAnnouncement, from source: PeerID?, now: Now
    ) -> Result<[Body], Refusal> {
        if let refusal = admissionByItself(of: announcement) { return .failure(refusal) }
        var tally = Tally(announcement, from: source)
        tally.fixed += publishingSize
        for body in bodies.values { tally.add(body) }
        var displaced: [Body] = []
        var unseen: [Body]?
        while let (refusal, isOfShare) = excess(tally) {
            // An announcement is free, so it keeps no room from another; a body that somebody has does.
            var candidates = unseen ?? bodies.values.filter(\.isUnseen)
            guard let index = candidates.firstIndex(where: isOfShare) else {
                return .failure(refusal)
            }
            let body = candidates.remove(at: index)
            unseen = candidates
            tally.add(body, -1)
            displaced.append(body)
        }
        if var bucket = producers[announcement.description.producer],
            !bucket.take(now: now.instant)
        {
            return .failure(.producerRate)
        }
        return .success(displaced)
    }

    /// What exceeds its limit, and which bodies would have to go.
    private func excess(_ tally: Tally) -> (Refusal, (Body) -> Bool)? {
        if tally.share > limits.producerSizeMax {
            return (
                .producerBudget(size: tally.share, limit: limits.producerSizeMax),
                tally.isOfProducer
            )
        }
        if tally.ofProducer > limits.incompleteShareMax
            || tally.countOfProducer > limits.incompleteCountShareMax
        {
            return (
                .producerBudget(size: tally.ofProducer, limit: limits.incompleteShareMax),
                tally.isOfProducer
            )
        }
        if tally.source != nil,
            tally.ofSource > limits.incompleteShareMax
                || tally.countOfSource > limits.incompleteCountShareMax
        {
            return (
                .sourceBudget(size: tally.ofSource, limit: limits.incompleteShareMax),
                tally.isOfSource
            )
        }
        if tally.incomplete > limits.incompleteSizeMax || tally.count > limits.incompleteMax {
            return (
                .noRoom(size: tally.incomplete, limit: limits.incompleteSizeMax), { _ in true }
            )
        }
        if tally.fixed > limits.totalSizeMax {
            return (.noRoom(size: tally.fixed, limit: limits.totalSizeMax), { _ in true })
        }
        return nil
    }

    func admissionByItself(of announcement: BodyAnnouncement) -> Refusal? {
        guard bodies[announcement.root] == nil, publications[announcement.root] == nil else {
            return .known
        }
        guard !forgotten.contains(announcement.root) else { return .forgotten }
        let size = announcement.shape.size
        guard size <= limits.bodySizeMax else {
            return .tooLarge(size: size, limit: limits.bodySizeMax)
        }
        guard !isIntakeStopped else { return .storeFull }
        return nil
    }
}
