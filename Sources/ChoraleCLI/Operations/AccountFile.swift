import ChoraleBase
import Codec
import Crypto
import Execution
import PeerIdentity

/// The private key of one account: 64 hexadecimal digits, a file as `chorale key generate --type secp256k1`
/// writes it, or a list as `accounts.yaml`, of which the first counts.
///
/// It spends ether, so it must not be readable by others.
enum AccountFile {
    private static let sizeMax = 1 << 20

    static func load(_ path: String) throws(Failure) -> LoadAccount {
        guard let mode = Files.mode(path) else {
            throw Failure(
                "no account at \(path): `chorale key generate --type secp256k1 \(path)` makes one")
        }
        guard mode & 0o077 == 0 else {
            throw Failure(
                "\(path) has mode \(String(mode, radix: 8)), so others can spend what the account "
                    + "has: `chmod 600 \(path)`, or use another account if somebody may have read it"
            )
        }
        return try parse(try Files.read(path, sizeMax: sizeMax), path)
    }

    static func parse(_ bytes: [UInt8], _ path: String) throws(Failure) -> LoadAccount {
        if let identity = try? IdentityKey(protobuf: SecretBytes(copying: bytes)) {
            guard let key = identity.secp256k1 else {
                throw Failure(
                    "\(path) holds an Ed25519 key; accounts have secp256k1 keys: "
                        + "`chorale key generate --type secp256k1 FILE` makes one")
            }
            return account(key)
        }
        // The content is never shown.
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(path) holds no account's key")
        }
        let digits = text.filter { !$0.isWhitespace }
        if let secret = try? Hex.decode(digits), secret.count == 32 {
            guard let key = try? Secp256k1.PrivateKey(SecretBytes(copying: secret)) else {
                throw Failure("\(path): the number in it is no key")
            }
            return account(key)
        }
        guard let first = try LoadAccounts.parse(text, path).first else {
            throw Failure("\(path) names no account")
        }
        return first
    }

    private static func account(_ key: Secp256k1.PrivateKey) -> LoadAccount {
        let address = Address(key.publicKey)
        return LoadAccount(name: address.description, address: address, key: key)
    }
}
