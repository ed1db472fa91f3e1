import Chain
public import ChoraleBase
import ChoraleTypes

/// What other implementations said of one block, in the words of whoever asked them.
public struct ValidationReport: Hashable, Sendable {
    public var height: UInt64
    /// The execution block's hash.
    public var block: Bytes32
    /// JSON, opaque here.
    public var text: [UInt8]

    public init(height: UInt64, block: Bytes32, text: [UInt8]) {
        self.height = height
        self.block = block
        self.text = text
    }

    /// Bytes of a report's text: some thirty verifiers of which each has a kilobyte of reasons.
    public static let textSizeMax = 64 << 10
    /// Heights below the last one reported whose reports are kept: some hours of blocks.
    static let heightCountMax: UInt64 = 4096
    /// Reports that are written of one height. Each is of another round, whose proposer is another; whoever
    /// proposes rubbish for hours fills no disk.
    static let perHeightMax = 16
    /// Heights below the last one whose reports are shown when none is named.
    static let shownHeightsMax: UInt64 = 16
    /// Bytes of reports in one answer; the admin socket sends them as one line.
    static let answerSizeMax = 1 << 20

    fileprivate static func key(_ height: UInt64) -> [UInt8] {
        var key: [UInt8] = []
        key.appendBigEndian(height)
        return key
    }

    fileprivate init?(_ row: StoreRow) {
        guard row.key.count == 8 + Bytes32.size, let block = Bytes32(row.key[8...]) else {
            return nil
        }
        self.init(
            height: row.key.span.loadBigEndian(UInt64.self, at: 0), block: block, text: row.value)
    }
}

/// What a node remembers of the reports that it has written. Forgotten when it ends: the first one after that
/// prunes again.
struct ValidationRows {
    fileprivate var height: UInt64 = 0
    fileprivate var countAtHeight = 0
    fileprivate var prunedBelow: UInt64 = 0
    /// A range is deleted once for so many heights.
    fileprivate static let pruneInterval: UInt64 = 64
}

/// Reports of cross-validation, kept for the last heights.
extension Node {
    mutating func keep(_ report: ValidationReport, into outputs: inout [NodeOutput]) {
        if report.height != validations.height { validations.countAtHeight = 0 }
        validations.height = report.height
        guard validations.countAtHeight < ValidationReport.perHeightMax,
            report.text.count <= ValidationReport.textSizeMax
        else { return }
        validations.countAtHeight += 1
        var writes: [StoreWrite] = [
            .put(
                .validation, key: ValidationReport.key(report.height) + report.block.bytes,
                value: report.text)
        ]
        let kept = ValidationReport.heightCountMax
        let oldest = report.height > kept ? report.height - kept : 0
        if oldest >= validations.prunedBelow + ValidationRows.pruneInterval {
            validations.prunedBelow = oldest
            writes.append(
                .deleteRange(
                    .validation, from: ValidationReport.key(0), to: ValidationReport.key(oldest)))
        }
        store(.write(writes, sync: false), for: .validation, into: &outputs)
    }

    /// - Parameter height: nil for the last ones.
    mutating func readValidations(
        _ height: UInt64?, _ id: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let chain = chainInfo(now: now) else {
            finish(id, .failed(Self.noChain), into: &outputs)
            return
        }
        let last = max(validations.height, chain.head.height)
        let shown = ValidationReport.shownHeightsMax
        let first = height ?? (last > shown ? last - shown + 1 : 0)
        let end = height.map { $0 == .max ? nil : ValidationReport.key($0 + 1) } ?? nil
        let rowCountMax = ValidationReport.perHeightMax * Int(shown)
        store(
            .scan(
                .validation, from: ValidationReport.key(first), to: end, rowCountMax: rowCountMax,
                sizeMax: ValidationReport.answerSizeMax),
            for: .validations(id), into: &outputs)
    }

    mutating func validationsRead(
        _ id: CommandID, _ reply: StoreReply, into outputs: inout [NodeOutput]
    ) {
        switch reply {
        case .rows(let rows, _):
            let reports = rows.compactMap { ValidationReport($0) }
            finish(id, .validations(reports.reversed()), into: &outputs)
        case .failed(let failure):
            finish(id, .failed(.init(.unavailable, "\(failure)")), into: &outputs)
        case .written, .value, .checkpointed:
            let text = "the store gave another answer than rows"
            finish(id, .failed(.init(.unavailable, text)), into: &outputs)
        }
    }
}
