import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
public import Execution

/// Answers for whoever begins at a checkpoint, from what a store has. Bounded by
/// ``StateRangeRequest/answerSizeMax``, and by ``StateRangeRequest/keysMax`` ways down a trie.
extension StateRangeAnswer {
    /// Reads what a request asks for.
    ///
    /// - Parameter source: has all nodes and codes of the state with the request's root.
    /// - Throws: when it does not.
    public init(
        _ request: StateRangeRequest, from source: some TrieNodeSource & CodeSource
    ) throws(StateRange.Failure) {
        var ranges: [StateRange] = []
        var codes: [[UInt8]] = []
        switch request.kind {
        case .accounts:
            ranges = [
                try StateRange(
                    of: request.stateRoot, from: request.first, through: request.last,
                    sizeMax: StateRangeRequest.answerSizeMax, in: source)
            ]
        case .storages:
            ranges = try Self.storages(request, source)
        case .codes:
            var size = 0
            for hash in request.keys {
                guard size < StateRangeRequest.answerSizeMax else { break }
                do throws(SourceFailure) {
                    guard let code = try source.code(hash) else {
                        throw SourceFailure.unavailable("code 0x\(hash) is not here")
                    }
                    codes.append(code.bytes)
                    size += code.size
                } catch {
                    throw StateRange.Failure("\(error)")
                }
            }
        }
        guard let answer = Self(ranges: ranges, codes: codes) else {
            throw StateRange.Failure("a part of the state is larger than it may be")
        }
        self = answer
    }

    private static func storages(
        _ request: StateRangeRequest, _ source: some TrieNodeSource
    ) throws(StateRange.Failure) -> [StateRange] {
        var ranges: [StateRange] = []
        var room = StateRangeRequest.answerSizeMax
        for (index, key) in request.keys.enumerated() {
            guard room > 0 else { break }
            let found = try StateRange(
                of: request.stateRoot, from: key, through: key, sizeMax: 1, in: source)
            guard let entry = found.entries.first, let account = Account(rlp: entry.value.span)
            else { throw StateRange.Failure("there is no account 0x\(key)") }
            let range = try StateRange(
                of: account.storageRoot, from: index == 0 ? request.first : .zero,
                sizeMax: room, in: source)
            ranges.append(range)
            guard range.last == StateRange.highest else { break }
            room -= range.entries.reduce(0) { $0 + Bytes32.size + $1.value.count }
        }
        return ranges
    }
}

/// What a store must say of its past to answer `checkpoint`.
public struct CheckpointParts {
    /// ``ChainStore/checkpoint(at:)``.
    public var record: [UInt8]
    public var block: StoredBlock
    /// Encodings, the parent's first.
    public var ancestors: [[UInt8]]

    public init(record: [UInt8], block: StoredBlock, ancestors: [[UInt8]]) {
        self.record = record
        self.block = block
        self.ancestors = ancestors
    }

    /// Heights of the headers that an answer has, the parent's first.
    public static func ancestorHeights(of height: UInt64) -> [UInt64] {
        (1...UInt64(CheckpointAnswer.ancestorsMax)).prefix { $0 <= height }.map { height - $0 }
    }
}

extension CheckpointAnswer {
    /// Puts an answer together; nil when the height's head is not the one that is asked for.
    public init?(_ request: CheckpointRequest, _ parts: CheckpointParts) {
        guard let head = try? ChainHead(ssz: parts.record.span), head.height == request.height,
            head.checkpointRoot == request.root,
            let sealed = try? SealedBlock(ssz: parts.block.block.span),
            let commit = try? Commit(ssz: parts.block.commit.span),
            let block = CommittedBlock(
                block: sealed.block, commit: commit, payload: parts.block.payload,
                requests: sealed.requests)
        else { return nil }
        self.init(head: head, block: block, ancestors: parts.ancestors)
    }
}

extension ChainStore {
    /// The answer to a request, or nil when that state is not here, or not any more.
    ///
    /// States of other heights than those of checkpoints nobody needs.
    func answer(_ request: StateRangeRequest) -> StateRangeAnswer? {
        guard (try? checkpoint(at: request.height)) != nil,
            let encoding = try? header(at: request.height),
            (try? Header(encoding.span))?.stateRoot == request.stateRoot
        else { return nil }
        return try? StateRangeAnswer(request, from: self)
    }

    /// The answer to a request, or nil when it is not here.
    func answer(_ request: CheckpointRequest) -> CheckpointAnswer? {
        guard let record = try? checkpoint(at: request.height),
            let block = try? block(at: request.height)
        else { return nil }
        var ancestors: [[UInt8]] = []
        for height in CheckpointParts.ancestorHeights(of: request.height) {
            guard let header = try? header(at: height) else { return nil }
            ancestors.append(header)
        }
        return CheckpointAnswer(
            request, CheckpointParts(record: record, block: block, ancestors: ancestors))
    }
}
