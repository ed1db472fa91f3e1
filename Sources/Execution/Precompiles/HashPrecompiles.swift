import ChoraleBase
import Crypto

/// Precompiles whose input may have any size, zeros standing for what is not there.
enum HashPrecompiles {
    /// The address of who signed a digest; nothing where nobody has.
    static func ecrecover(_ input: Span<UInt8>, _ output: inout Arena<UInt8>) {
        var padded: [128 of UInt8] = .init(repeating: 0)
        for index in 0..<min(128, input.count) { padded[index] = input[index] }
        let bytes = padded.span
        let recoveryValue = UInt256(bigEndian: bytes.extracting(32..<64))
        guard recoveryValue == UInt256(27) || recoveryValue == UInt256(28),
            let digest = Bytes32(bytes.extracting(0..<32)),
            // Either half of s, unlike in a transaction.
            let key = Secp256k1.recover(
                signature: bytes.extracting(64..<128), recoveryID: padded[63] - 27, digest: digest)
        else { return }
        output.append(contentsOf: Address(key).word.bytes32.storage.span)
    }

    static func sha256(_ input: Span<UInt8>, _ output: inout Arena<UInt8>) {
        output.append(contentsOf: SHA256.hash(input).storage.span)
    }

    static func ripemd160(_ input: Span<UInt8>, _ output: inout Arena<UInt8>) {
        for _ in 0..<12 { output.append(0) }
        let digest = RIPEMD160.hash(input)
        output.append(contentsOf: digest.span)
    }

    /// One as a word, or nothing.
    static func p256Verify(_ input: Span<UInt8>, _ output: inout Arena<UInt8>) {
        guard input.count == 160,
            P256.verify(
                digest: input.extracting(0..<32), r: input.extracting(32..<64),
                s: input.extracting(64..<96), x: input.extracting(96..<128),
                y: input.extracting(128..<160))
        else { return }
        output.append(contentsOf: UInt256.one.bytes32.storage.span)
    }
}
