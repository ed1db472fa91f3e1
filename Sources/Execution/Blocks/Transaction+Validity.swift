import ChoraleBase

/// Why a transaction is in no block, whatever the state.
public enum TransactionFault: Error, Hashable, Sendable {
    /// The type does not exist at this fork.
    case typeNotYet(Transaction.Kind, Fork)
    /// Signed for another chain.
    case chainID(found: UInt256?, expected: UInt64)
    /// The nonce can never be followed by another (EIP-2681).
    case nonceMax
    /// The tip is above all fees together.
    case priorityAboveMax
    /// Gas limit times price passes 2²⁵⁶.
    case costOverflow
    /// Below what the transaction costs before it runs.
    case intrinsicGas(limit: UInt64, needed: UInt64)
    /// Below the price of the data alone (EIP-7623).
    case floorGas(limit: UInt64, needed: UInt64)
    /// Code that creates a contract, in bytes (EIP-3860).
    case initcodeTooLarge(Int, limit: Int)
    /// Above what one transaction may take (EIP-7825).
    case gasAboveCap(UInt64, limit: UInt64)
    case noBlobs
    case tooManyBlobs(Int, limit: Int)
    /// A blob hash whose first byte is not the version of KZG.
    case blobVersion(UInt8)
    case noAuthorizations
}

/// A fork of the protocol whose rules differ from those before.
public enum Fork: UInt8, Comparable, Hashable, Sendable, CaseIterable {
    case london, paris, shanghai, cancun, prague, osaka

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension Transaction {
    /// Gas that is paid before the first instruction, and the least that is paid whatever happens.
    public struct IntrinsicGas: Hashable, Sendable {
        public let initial: UInt64
        /// Zero before Prague (EIP-7623).
        public let floor: UInt64
    }

    /// Specification: yellow paper 6.2; EIP-2028, 2930, 3860, 7623, 7702.
    public func intrinsicGas(at fork: Fork) -> IntrinsicGas {
        var zeros: UInt64 = 0
        for byte in data where byte == 0 { zeros += 1 }
        let others = UInt64(data.count) - zeros
        var initial: UInt64 = 21_000 + 4 * zeros + 16 * others
        if to == nil {
            initial += 32_000
            if fork >= .shanghai { initial += 2 * UInt64((data.count + 31) / 32) }
        }
        for entry in accessList { initial += 2400 + 1900 * UInt64(entry.slots.count) }
        initial += 25_000 * UInt64(authorizations.count)
        let floor = fork >= .prague ? 21_000 + 10 * (zeros + 4 * others) : 0
        return IntrinsicGas(initial: initial, floor: floor)
    }

    /// What can be said against the transaction without looking at the state or the block.
    ///
    /// Specification: yellow paper 6.2 and the EIPs named at each case of ``TransactionFault``.
    public func check(at fork: Fork, chainID expected: UInt64) throws(TransactionFault) {
        let firstFork: Fork =
            switch kind {
            case .legacy, .accessList, .dynamicFee: .london
            case .blob: .cancun
            case .setCode: .prague
            }
        guard fork >= firstFork else { throw .typeNotYet(kind, fork) }
        guard chainID == nil && kind == .legacy || chainID == UInt256(expected) else {
            throw .chainID(found: chainID, expected: expected)
        }
        guard nonce < .max else { throw .nonceMax }
        guard maxPriorityFeePerGas <= maxFeePerGas else { throw .priorityAboveMax }
        guard UInt256(gasLimit).multipliedFullWidth(by: maxFeePerGas).high.isZero else {
            throw .costOverflow
        }
        if to == nil, fork >= .shanghai, data.count > 49_152 {
            throw .initcodeTooLarge(data.count, limit: 49_152)
        }
        let gas = intrinsicGas(at: fork)
        guard gasLimit >= gas.initial else {
            throw .intrinsicGas(limit: gasLimit, needed: gas.initial)
        }
        guard gasLimit >= gas.floor else {
            throw .floorGas(limit: gasLimit, needed: gas.floor)
        }
        if fork >= .osaka, gasLimit > 1 << 24 { throw .gasAboveCap(gasLimit, limit: 1 << 24) }
        if kind == .blob {
            guard !blobHashes.isEmpty else { throw .noBlobs }
            if fork >= .osaka, blobHashes.count > 6 {
                throw .tooManyBlobs(blobHashes.count, limit: 6)
            }
            for hash in blobHashes where hash[0] != 0x01 { throw .blobVersion(hash[0]) }
        }
        if kind == .setCode, authorizations.isEmpty { throw .noAuthorizations }
    }
}
