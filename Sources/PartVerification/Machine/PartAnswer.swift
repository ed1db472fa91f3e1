import ChoraleBase
import ChoraleTypes
import Subproof

/// What a peer is told of an operation, while it is read from the disk: rows of one kind after the other.
struct PartAnswer: Hashable {
    /// As many as a message has.
    static let countMax = 256
    /// Of rows, in bytes.
    static let sizeMax = 4 << 20

    let operation: Bytes32
    /// Of the block with its commitment.
    let height: UInt64
    /// As ``Subproof/SubproofRow`` numbers them: what decides comes first.
    var kindsLeft: ArraySlice<UInt8> = [7, 3, 4, 6, 2]
    var sizeLeft = sizeMax
    private(set) var statements: [PartStatement] = []

    init(operation: Bytes32, height: UInt64) {
        self.operation = operation
        self.height = height
    }

    mutating func take(_ rows: [StoreRow]) {
        for row in rows where statements.count < Self.countMax {
            sizeLeft -= min(sizeLeft, row.value.count)
            guard let row = try? SubproofRow(key: row.key.span, value: row.value.span),
                let statement = PartStatement(row.content)
            else { continue }
            statements.append(statement)
        }
        if statements.count == Self.countMax { sizeLeft = 0 }
    }
}

extension PartStatement {
    /// Nil for what is nobody else's business: what is about to be signed.
    init?(_ content: SubproofRow.Content) {
        switch content {
        case .vote(let vote): self = .vote(vote)
        case .certificate(let certificate): self = .certificate(certificate)
        case .evidence(let evidence): self = .evidence(evidence)
        case .committeeVote(let vote): self = .committeeVote(vote)
        case .fastPath(let certificate): self = .fastPath(certificate)
        case .voteIntent, .committeeIntent: return nil
        }
    }
}
