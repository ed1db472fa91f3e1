import ChoraleBase
import Codec
import Crypto

/// Compares a witness with the canonical form of it.
public struct WitnessLint: Sendable {
    public struct Finding: Hashable, Sendable, CustomStringConvertible {
        public var deviation: WitnessDeviation

        public var severity: WitnessDeviation.Severity { deviation.severity }
        /// Who writes it so.
        public var writers: [WitnessWriter] { deviation.writers }

        public var description: String {
            "\(severity): \(deviation)"
        }
    }

    /// The block that the witness is for.
    public struct Subject {
        public var block: Block
        /// Bytes of its encoding.
        public var size: Int
        public var execution: StatelessExecution

        /// - Parameter execution: its mode does not matter; its order of changes does.
        public init(_ block: Block, size: Int, _ execution: StatelessExecution) {
            self.block = block
            self.size = size
            self.execution = execution
            self.execution.mode = .compatible
        }
    }

    /// In order of severity, the worst first, then as they were found.
    public private(set) var findings: [Finding] = []
    /// What executing the block gave; nil without a block.
    public private(set) var result: Result<StatelessVerdict, StatelessFailure>?

    /// Everything that differs.
    ///
    /// - Parameters:
    ///   - subject: nil to look at the witness by itself.
    ///   - sizeMax: a witness with more bytes is oversize.
    public init(
        _ witness: Witness, _ form: WitnessForm?, _ subject: Subject? = nil,
        sizeMax: Int = Witness.Limits().sizeMax
    ) {
        var deviations: [WitnessDeviation] = []
        if let form {
            deviations += Self.form(form, witness, sizeMax)
        } else if witness.bytes.count > sizeMax {
            deviations.append(.oversize(witness.bytes.count, limit: sizeMax))
        }
        let hashes = WitnessHashes(witness)
        deviations += Self.entries(witness, hashes)
        deviations += Self.headers(witness, hashes.headers, subject?.block.header)
        if let subject {
            let trace = StatelessTrace()
            let result: Result<StatelessVerdict, StatelessFailure>
            do throws(StatelessFailure) {
                result = .success(
                    try subject.execution.verdict(
                        subject.block, size: subject.size, witness, senders: nil, watch: trace))
            } catch {
                result = .failure(error)
            }
            deviations += Self.use(witness, hashes, subject.block, result, trace)
            // Whatever the reason, it is among them.
            if case .failure(let failure) = result,
                !deviations.contains(where: { $0.severity == .error })
            {
                deviations.append(.blockNotExecuted(failure))
            }
            self.result = result
        }
        let kinds: [WitnessDeviation.Severity] = [.error, .warning, .note]
        findings = kinds.flatMap { severity in
            deviations.filter { $0.severity == severity }.map { Finding(deviation: $0) }
        }
    }

    /// Whether nothing stands in the way of verifying the block.
    public var isVerifiable: Bool { !findings.contains { $0.severity == .error } }

    /// Whether there is nothing but notes.
    public var isCanonical: Bool { !findings.contains { $0.severity > .note } }

    // MARK: Form

    private static func form(
        _ form: WitnessForm, _ witness: Witness, _ sizeMax: Int
    ) -> [WitnessDeviation] {
        var deviations: [WitnessDeviation] = []
        if form.isHexText, form.envelope == .none { deviations.append(.hexText(size: form.size)) }
        if form.envelope != .none { deviations.append(.envelope(form.envelope)) }
        if witness.size > sizeMax { deviations.append(.oversize(witness.size, limit: sizeMax)) }
        if form.container == .rlp, form.listCount == 3 { deviations.append(.threeLists) }
        switch form.keys {
        case .absent: break
        case .null: deviations.append(.keysNull)
        case .list(count: 0) where form.container == .rlp: break
        case .list(let count): deviations.append(.keys(count: count))
        }
        switch form.headerEncoding {
        case .none, .rlp: break
        case .objects, .mixed: deviations.append(.headersAsObjects(count: witness.headers.count))
        case .wrapped: deviations.append(.headersWrapped(count: witness.headers.count))
        }
        for (part, list) in [
            (WitnessPart.nodes, form.nodes), (.codes, form.codes), (.headers, form.headers),
        ] {
            switch list {
            case .list: break
            case .null, .absent: deviations.append(.listMissing(part))
            case .byHash, .byBytes: deviations.append(.map(part, list))
            }
        }
        if form.hexCase == .upper || form.hexCase == .mixed {
            deviations.append(.hexCase(form.hexCase))
        }
        if form.unprefixedCount > 0 {
            deviations.append(.unprefixedHex(count: form.unprefixedCount))
        }
        return deviations
    }
}

/// The hash of every entry, in the witness's order.
struct WitnessHashes {
    let headers: [Bytes32]
    let codes: [Bytes32]
    let nodes: [Bytes32]

    init(_ witness: Witness) {
        let bytes = witness.bytes.span
        headers = Keccak256.hashes(of: witness.headers, in: bytes)
        codes = Keccak256.hashes(of: witness.codes, in: bytes)
        nodes = Keccak256.hashes(of: witness.nodes, in: bytes)
    }
}

/// Gathers entries of one list that have something in common.
struct WitnessEntryTally {
    private(set) var entries: WitnessDeviation.Entries?
    let part: WitnessPart

    init(_ part: WitnessPart) { self.part = part }

    mutating func add(_ position: Int, _ range: Range<Int>, _ hash: Bytes32) {
        if entries == nil {
            entries = .init(part: part, count: 0, size: 0, first: position, hash: hash)
        }
        entries?.count += 1
        entries?.size += range.count
    }
}
