public import ChoraleTypes
import ChoraleBase
import Codec
import Crypto
import Execution

/// Checks what peers send of a checkpoint and of its state, and writes it: the half of a download that takes
/// time, and waits for a disk.
///
/// What is left is on the disk with every part (``DownloadMark``): after a crash at any moment the download goes on
/// from there.
///
/// | mark | value |
/// | --- | --- |
/// | 0, segment | the lowest account that is missing; nothing at the end |
/// | 1, account | root of its storage, and the lowest slot that is missing |
/// | 2, code's hash | nothing |
/// | 3 | height and root that are trusted, and the answer that was found to be theirs |
final class StateDownloader<Store: DownloadStore> {
    private let id: CheckpointID
    private let parameters: ChainParameters
    private let keepsState: Bool
    private let store: Store
    private var checkpoint: CheckpointAnswer?
    /// Codes that were asked for and are not here yet: many accounts may have the same.
    private var awaited: Set<Bytes32> = []

    init(_ id: CheckpointID, _ parameters: ChainParameters, _ store: Store, keepsState: Bool) {
        self.id = id
        self.parameters = parameters
        self.store = store
        self.keepsState = keepsState
    }

    func perform(_ task: DownloadTask) -> DownloadAnswer {
        do throws(StoreFailure) {
            switch task {
            case .open: return .opened(try open())
            case .begin(let request, let answer): return .began(request, try begin(answer))
            case .take(let request, let part, let answer):
                return .taken(request, try take(part, answer))
            case .finish: return try finish()
            }
        } catch {
            return .unavailable(task, "\(error)")
        }
    }

    // MARK: Marks

    private static func key(_ kind: UInt8, _ rest: [UInt8] = []) -> [UInt8] { [kind] + rest }

    private static func mark(_ segment: UInt8, _ next: Bytes32?) -> DownloadMark {
        DownloadMark(key: key(0, [segment]), value: next?.bytes ?? [])
    }

    private static func mark(_ unit: StorageUnit) -> DownloadMark {
        DownloadMark(
            key: key(1, unit.account.bytes), value: unit.root.bytes + unit.next.bytes)
    }

    private func open() throws(StoreFailure) -> DownloadState? {
        checkpoint = nil
        awaited = []
        guard let marks = try store.downloadMarks() else { return nil }
        var cursors: [Bytes32?] = []
        var storages: [StorageUnit] = []
        var codes: [Bytes32] = []
        for mark in marks {
            switch mark.key.first {
            case 0: cursors.append(Bytes32(mark.value))
            case 1:
                guard let account = Bytes32(mark.key[1...]), mark.value.count == 64,
                    let root = Bytes32(mark.value[..<32]), let next = Bytes32(mark.value[32...])
                else { return nil }
                storages.append(StorageUnit(account: account, root: root, next: next))
            case 2:
                guard let hash = Bytes32(mark.key[1...]) else { return nil }
                codes.append(hash)
            case 3:
                // Of another checkpoint, it is begun anew.
                guard Self.id(mark.value) == id,
                    let answer = try? CheckpointAnswer(ssz: mark.value.span.extracting(40...))
                else { return nil }
                checkpoint = answer
            default: return nil
            }
        }
        guard let checkpoint, cursors.count == (keepsState ? Int(StateSegment.count) : 0) else {
            return nil
        }
        awaited = Set(codes)
        return DownloadState(
            stateRoot: checkpoint.head.header.stateRoot, cursors: cursors, storages: storages,
            codes: codes)
    }

    /// The checkpoint of a mark of kind 3.
    fileprivate static func id(_ value: [UInt8]) -> CheckpointID? {
        guard value.count > 40, let root = Bytes32(value[8..<40]) else { return nil }
        return CheckpointID(height: value.span.loadBigEndian(UInt64.self, at: 0), root: root)
    }

    // MARK: Answers

    private func begin(
        _ answer: CheckpointAnswer
    ) throws(StoreFailure) -> Result<DownloadState, CheckpointFault> {
        do throws(CheckpointFault) {
            try answer.check(id, parameters)
        } catch {
            return .failure(error)
        }
        var value: [UInt8] = []
        value.appendBigEndian(id.height)
        value += id.root.bytes + answer.sszEncoded()
        var marks = [DownloadMark(key: Self.key(3), value: value)]
        var cursors: [Bytes32?] = []
        if keepsState {
            for segment in 0..<StateSegment.count {
                cursors.append(StateSegment.first(segment))
                marks.append(Self.mark(segment, StateSegment.first(segment)))
            }
        }
        try store.beginDownload(marks)
        checkpoint = answer
        awaited = []
        return .success(
            DownloadState(
                stateRoot: answer.head.header.stateRoot, cursors: cursors, storages: [], codes: []))
    }

    private func take(
        _ asked: DownloadPart, _ answer: StateRangeAnswer
    ) throws(StoreFailure) -> Result<DownloadStep, StateRangeFault> {
        guard let root = checkpoint?.head.header.stateRoot else {
            throw .corrupt("a part of a state that nobody has begun with")
        }
        var part: StatePart
        var step: DownloadStep
        do throws(StateRangeFault) {
            (part, step) = try asked.check(answer, stateRoot: root)
        } catch {
            return .failure(error)
        }
        if let (segment, next) = step.cursor {
            part.marks.append(Self.mark(segment, next))
            try findWork(in: part, &step)
        }
        for unit in step.storages { part.marks.append(Self.mark(unit)) }
        for hash in step.codes { part.marks.append(.init(key: Self.key(2, hash.bytes), value: [])) }
        var unfinished: Set<Bytes32> = []
        if case .storages(let units)? = step.rest {
            unfinished = Set(units.map(\.account))
            if let unit = units.first { part.marks.append(Self.mark(unit)) }
        }
        for slots in part.slots where !unfinished.contains(slots.account) {
            part.gone.append(Self.key(1, slots.account.bytes))
        }
        let arrived = part.codes.map { Keccak256.hash($0) }
        for hash in arrived { part.gone.append(Self.key(2, hash.bytes)) }
        try store.add(part)
        awaited.formUnion(step.codes)
        awaited.subtract(arrived)
        return .success(step)
    }

    /// Storages and codes of accounts that came.
    private func findWork(
        in part: StatePart, _ step: inout DownloadStep
    ) throws(StoreFailure) {
        var found: Set<Bytes32> = []
        for (key, account) in part.accounts {
            if account.storageRoot != Trie.emptyRoot {
                step.storages.append(
                    StorageUnit(account: key, root: account.storageRoot, next: .zero))
            }
            let hash = account.codeHash
            guard hash != Account.emptyCodeHashBytes, !awaited.contains(hash),
                found.insert(hash).inserted
            else { continue }
            if try !store.hasCode(hash) { step.codes.append(hash) }
        }
    }

    // MARK: The end

    private func finish() throws(StoreFailure) -> DownloadAnswer {
        guard let checkpoint else { throw .corrupt("the end of a download that was not begun") }
        let head = checkpoint.head
        var execution: ExecutionWrite?
        if keepsState {
            let root: Bytes32
            do throws(StoreFailure) {
                root = try store.finishDownload()
            } catch {
                guard case .corrupt(let detail) = error else { throw error }
                return try discard(detail)
            }
            guard root == head.header.stateRoot else {
                return try discard("root 0x\(root), not 0x\(head.header.stateRoot)")
            }
            execution = ExecutionWrite(
                header: head.header, stateRoot: root, transactionHashes: [], receipts: nil,
                changes: [], newNodes: [])
        }
        var write = BlockWrite(
            block: StoredBlock(
                height: head.height, blockID: head.blockID, blockHash: head.header.hash,
                block: checkpoint.block.sealed.sszEncoded(), payload: checkpoint.block.payload,
                commit: checkpoint.block.commit.sszEncoded()),
            execution: execution, head: head.sszEncoded())
        write.ancestors = checkpoint.ancestors
        try store.write(write, sync: true)
        return .finished(head)
    }

    /// Each part was proven, so that this disk is to blame.
    private func discard(_ detail: String) throws(StoreFailure) -> DownloadAnswer {
        try store.beginDownload([])
        checkpoint = nil
        return .damaged("the state that was downloaded is damaged: \(detail)")
    }
}

extension DownloadStore {
    /// The checkpoint that an empty store has begun with and does not have yet.
    public func unfinishedCheckpoint() throws(StoreFailure) -> CheckpointID? {
        guard let mark = try downloadMarks()?.first(where: { $0.key == [3] }) else { return nil }
        return StateDownloader<Self>.id(mark.value)
    }
}
