public import ChoraleBase
import Codec
public import Crypto

extension Transaction {
    /// The transaction as a block holds it: a list, or the type and a list.
    public var encoded: [UInt8] {
        var writer = RLPWriter(appendingTo: kind == .legacy ? [] : [kind.rawValue])
        let list = writer.beginList()
        writeFields(to: &writer)
        if kind == .legacy {
            writer.word(recoveryValue)
        } else {
            writer.integer(UInt64(yParity))
        }
        writer.word(r)
        writer.word(s)
        writer.endList(list)
        return writer.bytes
    }

    /// The name by which the transaction is known.
    public var hash: Bytes32 { Keccak256.hash(encoded) }

    /// What the sender signs.
    public var signingHash: Bytes32 {
        var writer = RLPWriter(appendingTo: kind == .legacy ? [] : [kind.rawValue])
        let list = writer.beginList()
        writeFields(to: &writer)
        if kind == .legacy, let chainID {
            writer.word(chainID)
            writer.bytes([])
            writer.bytes([])
        }
        writer.endList(list)
        return Keccak256.hash(writer.bytes)
    }

    /// `v` of a legacy signature (EIP-155).
    private var recoveryValue: UInt256 {
        guard let chainID else { return UInt256(27 + UInt64(yParity)) }
        return (chainID << 1) &+ UInt256(35 + UInt64(yParity))
    }

    private func writeFields(to writer: inout RLPWriter) {
        if kind != .legacy { writer.word(chainID ?? .zero) }
        writer.integer(nonce)
        writer.word(maxPriorityFeePerGas)
        if hasPriorityFee { writer.word(maxFeePerGas) }
        writer.integer(gasLimit)
        writer.optionalAddress(to)
        writer.word(value)
        writer.bytes(data)
        if kind != .legacy {
            let list = writer.beginList()
            for entry in accessList {
                let item = writer.beginList()
                writer.address(entry.address)
                let slots = writer.beginList()
                for slot in entry.slots { writer.digest(slot) }
                writer.endList(slots)
                writer.endList(item)
            }
            writer.endList(list)
        }
        if kind == .blob {
            writer.word(maxFeePerBlobGas)
            let list = writer.beginList()
            for hash in blobHashes { writer.digest(hash) }
            writer.endList(list)
        }
        if kind == .setCode {
            let list = writer.beginList()
            for authorization in authorizations { authorization.write(to: &writer) }
            writer.endList(list)
        }
    }

    /// The transaction with the signature of `key`'s holder; one that it has is replaced.
    ///
    /// The nonce of the signature is that of RFC 6979, so that equal transactions have equal signatures.
    ///
    /// - Precondition: a type other than legacy has its chain.
    public func signed(by key: Secp256k1.PrivateKey) -> Transaction {
        precondition(kind == .legacy || chainID != nil, "a typed transaction is for one chain")
        let (signature, recoveryID) = key.signRecoverable(digest: signingHash)
        // Above 1 when r is not below the order, which nobody has seen: once in 2^127 signatures.
        precondition(recoveryID < 2, "no transaction can say which point is meant")
        let bytes = signature.span
        guard let r = UInt256(bigEndian: bytes.extracting(0..<32)),
            let s = UInt256(bigEndian: bytes.extracting(32..<64))
        else { preconditionFailure("a compact signature has 64 bytes") }
        var transaction = self
        (transaction.yParity, transaction.r, transaction.s) = (recoveryID, r, s)
        return transaction
    }

    /// Who signed. About 30 µs.
    public func sender() throws(TransactionError) -> Address {
        try Signer.recover(signingHash, yParity: yParity, r: r, s: s)
    }
}

extension Transaction.Authorization {
    fileprivate func write(to writer: inout RLPWriter) {
        let list = writer.beginList()
        writer.word(chainID)
        writer.address(address)
        writer.integer(nonce)
        writer.integer(UInt64(yParity))
        writer.word(r)
        writer.word(s)
        writer.endList(list)
    }

    /// What the holder of the account signs.
    public var signingHash: Bytes32 {
        var writer = RLPWriter(appendingTo: [0x05])
        let list = writer.beginList()
        writer.word(chainID)
        writer.address(address)
        writer.integer(nonce)
        writer.endList(list)
        return Keccak256.hash(writer.bytes)
    }

    /// Whose account is meant.
    public func authority() throws(TransactionError) -> Address {
        guard yParity < 2 else { throw .yParity(UInt64(yParity)) }
        return try Signer.recover(signingHash, yParity: yParity, r: r, s: s)
    }
}

/// From a signature to an address.
enum Signer {
    /// The order of secp256k1.
    static let order = UInt256(
        0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFE, 0xBAAE_DCE6_AF48_A03B, 0xBFD2_5E8C_D036_4141)
    static let halfOrder = order >> 1

    static func recover(
        _ digest: Bytes32, yParity: UInt8, r: UInt256, s: UInt256
    ) throws(TransactionError) -> Address {
        guard !r.isZero, r < order, !s.isZero, s <= halfOrder else { throw .signatureRange }
        let signature = r.bytes32.bytes + s.bytes32.bytes
        guard
            let key = Secp256k1.recover(
                signature: signature, recoveryID: yParity, digest: digest)
        else { throw .notRecoverable }
        return Address(key)
    }
}
