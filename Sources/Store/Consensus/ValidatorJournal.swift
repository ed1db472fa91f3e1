public import Chain
import ChoraleBase
public import ChoraleTypes
public import Codec
public import Consensus
public import Crypto

/// A validator's own files: the log of what it must remember, and what it has signed.
///
/// One thread owns it. Each call is a group: all records are written with one sync, then everything is
/// signed, and the signing state is on the disk before a signature is returned. A process killed at any
/// instant, and started again from the same files, never signs two different messages for one place.
///
/// After a full disk it goes on as a process does that was started anew: what was asked for and not answered
/// has not left, so that what the files say is all there is. After any other failure it signs nothing more.
///
/// Specification: mechanisms rows 37 and 38; cometbft `privval`.
public final class ValidatorJournal {
    /// The log begins anew at a height when it has grown to this, in bytes: a height's records are some
    /// kilobytes, and beginning anew costs three syncs.
    public static let logSizeMax = 1 << 20

    public static let logName = "consensus.wal"
    public static let signingStateName = "signing-state"

    private let key: Ed25519.PrivateKey
    private let network: NetworkDigest
    private let directory: String
    /// nil between a full disk and its opening anew.
    private var file: ConsensusLogFile?
    private let signingState: SigningStateFile
    private var guardian: SigningGuard
    /// Signs a second, contradicting vote beside each: for networks that test what others make of it.
    private let equivocates: Bool
    /// Why nothing is signed.
    private var failure: ConsensusFileError?
    /// What the files said when they were opened.
    public let recovery: ConsensusRecovery

    /// - Parameters:
    ///   - directory: of the files, which exists.
    ///   - keyIsNew: whether nothing can have been signed with the key yet.
    ///   - resetHeight: what the operator answers for: nothing was signed at or above it.
    public init(
        directory: String, key: Ed25519.PrivateKey, network: NetworkDigest, keyIsNew: Bool,
        resetHeight: UInt64?, equivocates: Bool = false
    ) throws(ConsensusFileError) {
        self.key = key
        self.network = network
        self.equivocates = equivocates
        self.directory = directory
        signingState = SigningStateFile(path: directory + "/" + Self.signingStateName)
        guardian = try signingState.read(keyIsNew: keyIsNew, resetHeight: resetHeight)
        let log = try ConsensusLogFile.open(path: directory + "/" + Self.logName)
        file = log
        // What the operator answered for lasts.
        try signingState.write(guardian)
        recovery = ConsensusRecovery(
            records: log.contents.records,
            lastSigned: guardian.signature.bytes.isEmpty ? nil : guardian.last)
    }

    /// Makes the signing state of a key that was made just now, so that whoever finds the key without it
    /// knows that it was lost. Leaves one that is there as it is.
    public static func begin(directory: String) throws(ConsensusFileError) {
        let file = SigningStateFile(path: directory + "/" + signingStateName)
        try file.write(try file.read(keyIsNew: true, resetHeight: nil))
    }

    /// Carries out orders, with one sync for all of them.
    public func perform(_ orders: [JournalOrder]) -> [JournalAnswer] {
        do throws(ConsensusFileError) {
            let log = try recovered()
            try write(orders, to: log)
            let signed = try sign(orders)
            return zip(orders, signed).map {
                JournalAnswer(id: $0.id, signed: $1, failure: nil)
            }
        } catch {
            failure = error
            return orders.map { JournalAnswer(id: $0.id, signed: [], failure: "\(error)") }
        }
    }

    /// The log, opened anew after a full disk.
    private func recovered() throws(ConsensusFileError) -> ConsensusLogFile {
        if let failure {
            guard case .fullDisk = failure else { throw failure }
            // It holds the lock.
            file = nil
            let log = try ConsensusLogFile.open(path: directory + "/" + Self.logName)
            // A sync that failed is not asked again: all is written once more.
            try log.restart(with: log.contents.records)
            guardian = try signingState.read(keyIsNew: false, resetHeight: nil)
            try signingState.write(guardian)
            file = log
            self.failure = nil
        }
        guard let file else { preconditionFailure("there is a failure, or a log") }
        return file
    }

    private func write(
        _ orders: [JournalOrder], to log: ConsensusLogFile
    ) throws(ConsensusFileError) {
        for order in orders {
            // Records of heights that are over are not needed any more.
            if log.size > Self.logSizeMax,
                let start = order.records.lastIndex(where: { $0.startsHeight })
            {
                for record in order.records[..<start] { log.append(record) }
                try log.commit()
                try log.restart(with: Array(order.records[start...]))
                continue
            }
            for record in order.records { log.append(record) }
        }
        // What is signed rests on what is written.
        if orders.contains(where: { $0.needsSync || !$0.requests.isEmpty }) { try log.commit() }
    }

    private func sign(
        _ orders: [JournalOrder]
    ) throws(ConsensusFileError) -> [[JournalAnswer.Signed]] {
        var isChanged = false
        var answers: [[JournalAnswer.Signed]] = []
        for order in orders {
            var signed: [JournalAnswer.Signed] = []
            for request in order.requests {
                let message = request.message(network: network)
                let hash = SHA256.hash(message)
                var signature: SignatureBytes?
                switch guardian.decide(request.position, messageHash: hash) {
                case .sign:
                    let made = SignatureBytes(key.sign(message))!
                    guardian.signed(request.position, messageHash: hash, signature: made)
                    isChanged = true
                    signature = made
                case .reuse(let known): signature = known
                case .refuse: break
                }
                signed.append(.init(request: request, signature: signature))
                if let other = contradiction(request) { signed.append(other) }
            }
            answers.append(signed)
        }
        if isChanged { try signingState.write(guardian) }
        return answers
    }

    private func contradiction(_ request: SignRequest) -> JournalAnswer.Signed? {
        guard equivocates, case .vote(let content) = request else { return nil }
        let other = VoteContent(
            kind: content.kind, height: content.height, round: content.round,
            blockID: SHA256.hash((content.blockID ?? .zero).bytes))
        let second = SignRequest.vote(other)
        return .init(
            request: second,
            signature: SignatureBytes(key.sign(second.message(network: network))),
            isContradiction: true)
    }
}

extension ConsensusRecord {
    fileprivate var startsHeight: Bool {
        if case .heightStarted = self { true } else { false }
    }
}
