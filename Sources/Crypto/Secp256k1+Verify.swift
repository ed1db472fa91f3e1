import CSecp256k1
public import ChoraleBase

extension Secp256k1.PublicKey {
    /// Whether `signature`, in strict DER, is one of `digest`.
    ///
    /// An s in the upper half is accepted: libp2p does not forbid it, and some peers do not
    /// normalise what they sign. Whoever needs one signature per message asks
    /// ``Secp256k1/isLowS(signatureDER:)`` too.
    public func verifyDER(_ signature: Span<UInt8>, digest: Bytes32) -> Bool {
        guard var parsed = Secp256k1.parseDER(signature) else { return false }
        return verify(&parsed, digest: digest)
    }

    /// As the form with spans.
    public func verifyDER(_ signature: [UInt8], digest: Bytes32) -> Bool {
        verifyDER(signature.span, digest: digest)
    }

    /// Whether `signature`, r‖s in 64 bytes, is one of `digest`. Either half of s is accepted.
    public func verifyCompact(_ signature: Span<UInt8>, digest: Bytes32) -> Bool {
        guard var parsed = Secp256k1.parseCompact(signature) else { return false }
        return verify(&parsed, digest: digest)
    }

    /// As the form with spans.
    public func verifyCompact(_ signature: [UInt8], digest: Bytes32) -> Bool {
        verifyCompact(signature.span, digest: digest)
    }

    private func verify(_ signature: inout secp256k1_ecdsa_signature, digest: Bytes32) -> Bool {
        // The library verifies only the lower half.
        var normalized = secp256k1_ecdsa_signature()
        _ = secp256k1_ecdsa_signature_normalize(Secp256k1.context, &normalized, &signature)
        var point = point
        return digest.withPointer {
            secp256k1_ecdsa_verify(Secp256k1.context, &normalized, $0, &point) == 1
        }
    }
}

extension Secp256k1 {
    /// Whether a strict DER signature has its s in the lower half. False also when it is not DER.
    public static func isLowS(signatureDER signature: Span<UInt8>) -> Bool {
        guard var parsed = parseDER(signature) else { return false }
        return secp256k1_ecdsa_signature_normalize(context, nil, &parsed) == 0
    }

    /// As the form with spans.
    public static func isLowS(signatureDER signature: [UInt8]) -> Bool {
        isLowS(signatureDER: signature.span)
    }

    /// Whether r‖s has its s in the lower half. False also when it is not 64 bytes.
    public static func isLowS(signatureCompact signature: Span<UInt8>) -> Bool {
        guard var parsed = parseCompact(signature) else { return false }
        return secp256k1_ecdsa_signature_normalize(context, nil, &parsed) == 0
    }

    /// As the form with spans.
    public static func isLowS(signatureCompact signature: [UInt8]) -> Bool {
        isLowS(signatureCompact: signature.span)
    }

    /// The key that made a 64-byte signature of `digest`.
    ///
    /// - Returns: nil when the signature is not 64 bytes, `recoveryID` is not 0 to 3, r or s is out
    ///   of range, or no key could have made it.
    public static func recover(
        signature: Span<UInt8>, recoveryID: UInt8, digest: Bytes32
    ) -> PublicKey? {
        let signature = signature.borrowed
        guard signature.count == compactSignatureSize, recoveryID < 4 else { return nil }
        var parsed = secp256k1_ecdsa_recoverable_signature()
        guard
            secp256k1_ecdsa_recoverable_signature_parse_compact(
                context, &parsed, signature.baseAddress!, Int32(recoveryID)) == 1
        else { return nil }
        var point = secp256k1_pubkey()
        let recovered = digest.withPointer {
            secp256k1_ecdsa_recover(context, &point, &parsed, $0)
        }
        return recovered == 1 ? PublicKey(point) : nil
    }

    /// As the form with spans.
    public static func recover(
        signature: [UInt8], recoveryID: UInt8, digest: Bytes32
    ) -> PublicKey? {
        recover(signature: signature.span, recoveryID: recoveryID, digest: digest)
    }

    static func parseDER(_ signature: Span<UInt8>) -> secp256k1_ecdsa_signature? {
        let signature = signature.borrowed
        guard let base = signature.baseAddress, signature.count <= signatureDERSizeMax else {
            return nil
        }
        var parsed = secp256k1_ecdsa_signature()
        let ok = secp256k1_ecdsa_signature_parse_der(context, &parsed, base, signature.count)
        return ok == 1 ? parsed : nil
    }

    static func parseCompact(_ signature: Span<UInt8>) -> secp256k1_ecdsa_signature? {
        let signature = signature.borrowed
        guard signature.count == compactSignatureSize else { return nil }
        var parsed = secp256k1_ecdsa_signature()
        let ok = secp256k1_ecdsa_signature_parse_compact(context, &parsed, signature.baseAddress!)
        return ok == 1 ? parsed : nil
    }
}
