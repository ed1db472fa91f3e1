import Crypto
import PeerIdentity
import Store

/// A file with a node's private key: the libp2p protobuf, readable by its owner only.
enum KeyFile {
    static func create(_ key: IdentityKey, at path: String) throws(Failure) {
        let bytes = key.protobuf.withSpan { span in
            var bytes: [UInt8] = []
            for index in span.indices { bytes.append(span[index]) }
            return bytes
        }
        try Files.create(path, bytes, mode: 0o600)
    }

    /// Says on the disk that a key of a data directory that was made just now has signed nothing yet. A
    /// validator whose key has no such file does not sign.
    static func beginSigningState(in directory: String) throws(Failure) {
        do throws(ConsensusFileError) {
            try ValidatorJournal.begin(directory: directory)
        } catch {
            throw Failure("\(error)")
        }
    }

    /// - Throws: when the file is missing, open to others, or not a key that can sign.
    static func load(_ path: String) throws(Failure) -> IdentityKey {
        guard let mode = Files.mode(path) else {
            throw Failure(
                "no key at \(path): create one with `chorale init --data-dir …` "
                    + "or `chorale key generate \(path)`")
        }
        guard mode & 0o077 == 0 else {
            throw Failure(
                "\(path) has mode \(String(mode, radix: 8)), so others can read this node's key: "
                    + "`chmod 600 \(path)`, or make a new key if somebody may have read it")
        }
        let bytes = try bytes(path)
        do throws(KeyError) {
            return try IdentityKey(protobuf: bytes)
        } catch {
            throw Failure("\(path) holds no key that this node can use: \(words(error))")
        }
    }

    /// The public half of a key of any of the four types.
    static func publicKey(_ path: String) throws(Failure) -> PublicKey {
        let bytes = try bytes(path)
        do throws(KeyError) {
            return try IdentityKey.publicKey(ofProtobuf: bytes)
        } catch {
            throw Failure("\(path) holds no private key: \(words(error))")
        }
    }

    private static func bytes(_ path: String) throws(Failure) -> SecretBytes {
        SecretBytes(copying: try Files.read(path, sizeMax: IdentityKey.encodedSizeMax))
    }

    private static func words(_ error: KeyError) -> String {
        switch error {
        case .cannotSign(let type):
            "a key of type \(type) can be checked and not used for signing; "
                + "`chorale key generate` makes one that can"
        case .halvesDiffer: "its public half does not belong to the private one: it is damaged"
        case .wrongSize(let type, let size): "\(size) bytes are no key of type \(type)"
        case .unknownType(let number): "key type \(number) is unknown"
        case .tooLarge(let size, let limit): "\(size) bytes, and a key has at most \(limit)"
        case .protobuf, .unexpectedField: "it is not a key in libp2p's protobuf form"
        case .secp256k1, .rsa, .notP256, .malformedPrivateKey: "the key in it is malformed"
        }
    }
}
