public import ChoraleBase
public import ChoraleTypes
public import Codec

/// The place of a signature in a validator's life. Signed places only ascend.
public struct SigningPosition: Hashable, Comparable, Sendable {
    public let height: UInt64
    public let round: UInt32
    /// nil: before anything of the round.
    public let step: ConsensusStep?

    public init(height: UInt64, round: UInt32, step: ConsensusStep?) {
        self.height = height
        self.round = round
        self.step = step
    }

    public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.height, lhs.round, lhs.step?.rawValue ?? 0)
            < (rhs.height, rhs.round, rhs.step?.rawValue ?? 0)
    }
}

/// Decides whether something may be signed, from what was signed last.
///
/// Nothing is signed at a place before the last one; at the last one only the same bytes, for which
/// the same signature is given. A signature leaves the process only after ``record`` is on disk, so
/// a validator killed at any instant never signs two different messages for one place.
///
/// A pure value. Its file is somebody else's: written anew, synced, renamed, and the directory synced.
///
/// Specification: mechanisms row 38; cometbft `privval/file.go`.
public struct SigningGuard: Hashable, Sendable {
    /// Why nothing is signed.
    public enum Refusal: Error, Hashable, Sendable {
        /// Something later was signed.
        case pastPosition(SigningPosition, last: SigningPosition)
        /// Something else was signed at this place.
        case otherMessage(SigningPosition)
    }

    public enum Decision: Hashable, Sendable {
        /// Sign, call ``signed(_:messageHash:signature:)``, store ``record``, and only then use the signature.
        case sign
        /// These very bytes were signed: here is the signature.
        case reuse(SignatureBytes)
        case refuse(Refusal)
    }

    /// Why there is no guard to start with.
    public enum OpenError: Error, Hashable, Sendable {
        /// A key was used before and nobody knows for what. `--reset-signing-state-at` says from which
        /// height on nothing can have been signed.
        case missing
        case wrongSize(Int, expected: Int)
        /// Not a signing state, or one of another version.
        case unknownFormat
        case damaged(stored: UInt32, computed: UInt32)
        case invalid
    }

    /// Size of a record, in bytes.
    public static let recordSize = 168

    public private(set) var last: SigningPosition
    /// SHA-256 of what was last signed. Zero with an empty signature: nothing.
    public private(set) var messageHash: Bytes32
    public private(set) var signature: SignatureBytes

    /// For a key that has signed nothing at `height` or above.
    public init(freshFrom height: UInt64) {
        last = SigningPosition(height: height, round: 0, step: nil)
        messageHash = .zero
        signature = SignatureBytes()
    }

    /// The guard of a validator at start-up.
    ///
    /// - Parameters:
    ///   - stored: the signing state's bytes, nil when there is none.
    ///   - keyIsNew: whether the key was made just now, and so has signed nothing.
    ///   - resetHeight: what the operator answers for: nothing was signed at or above it.
    public init(
        stored: [UInt8]?, keyIsNew: Bool, resetHeight: UInt64?
    ) throws(OpenError) {
        if let stored {
            try self.init(record: stored)
            // The operator may raise the floor and never lower it.
            guard let resetHeight, resetHeight > last.height else { return }
            self.init(freshFrom: resetHeight)
        } else if let resetHeight {
            self.init(freshFrom: resetHeight)
        } else if keyIsNew {
            self.init(freshFrom: 0)
        } else {
            throw .missing
        }
    }

    public func decide(_ position: SigningPosition, messageHash: Bytes32) -> Decision {
        if position > last { return .sign }
        guard position == last, !signature.bytes.isEmpty else {
            return .refuse(.pastPosition(position, last: last))
        }
        guard messageHash == self.messageHash else { return .refuse(.otherMessage(position)) }
        return .reuse(signature)
    }

    /// Takes note of a signature that ``decide(_:messageHash:)`` allowed.
    ///
    /// - Precondition: `position` is behind the last; the signature is not empty.
    public mutating func signed(
        _ position: SigningPosition, messageHash: Bytes32, signature: SignatureBytes
    ) {
        precondition(position > last, "signed places ascend")
        precondition(!signature.bytes.isEmpty, "a signature has bytes")
        last = position
        self.messageHash = messageHash
        self.signature = signature
    }

    // MARK: Bytes

    private static let magic = Array("chorsig1".utf8)

    /// What is stored: magic 8, height 8, round 4, step 1, hash 32, size of the signature 1, signature
    /// 96, zeros 14, CRC-32C 4; numbers little-endian.
    public var record: [UInt8] {
        var bytes = Self.magic
        bytes.appendLittleEndian(last.height)
        bytes.appendLittleEndian(last.round)
        bytes.append(last.step?.rawValue ?? 0)
        bytes += messageHash.bytes
        bytes.append(UInt8(signature.bytes.count))
        bytes += signature.bytes
        bytes += [UInt8](repeating: 0, count: Self.recordSize - 4 - bytes.count)
        bytes.appendLittleEndian(CRC32C.checksum(bytes.span))
        return bytes
    }

    public init(record: [UInt8]) throws(OpenError) {
        guard record.count == Self.recordSize else {
            throw .wrongSize(record.count, expected: Self.recordSize)
        }
        let span = record.span
        let end = Self.recordSize - 4
        let stored = span.loadLittleEndian(UInt32.self, at: end)
        let computed = CRC32C.checksum(span.extracting(0..<end))
        guard Array(record.prefix(8)) == Self.magic else { throw .unknownFormat }
        guard stored == computed else { throw .damaged(stored: stored, computed: computed) }
        let size = Int(record[53])
        guard let hash = Bytes32(span.extracting(21..<53)), size <= 96,
            let signature = SignatureBytes(Array(record[54..<54 + size])),
            record[20] <= ConsensusStep.precommit.rawValue,
            record[54 + size..<end].allSatisfy({ $0 == 0 })
        else { throw .invalid }
        last = SigningPosition(
            height: span.loadLittleEndian(UInt64.self, at: 8),
            round: span.loadLittleEndian(UInt32.self, at: 16),
            step: ConsensusStep(rawValue: record[20]))
        messageHash = hash
        self.signature = signature
    }
}
